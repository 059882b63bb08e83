"""A file of candidate projects to fill in, made from the table of drivers; everything in it is unknown."""

from __future__ import annotations

import textwrap

from flows.priority.drivers import AXES, BEST, GROUPS, UNKNOWN, WORST, of_axis

HEAD = f"""# Candidate projects: impact x feasibility, by the drivers of Full Stack Deep Learning 2021, lecture 5.
#
#   loopwright prioritise FILE               the ranking, what cannot be told apart, what to find out first
#   loopwright prioritise FILE --svg P.svg   the two-by-two picture
#
# An answer is a number from {WORST:g}, which speaks against the project, to {BEST:g}, which speaks for it; a range
# [2, 4]; or {UNKNOWN}, which may turn out to be anything. With its reason: {{answer: 4, why: "two vendors sell them"}}.
# Drivers marked * are measured where `project` names a Loopwright project that ran.

# weights: {{data: 3, accuracy: 2}}        # of a group in its axis, or of a driver in its group; left out: 1
# levels: {{data_amount: [1, 2, 4, 10]}}   # figures up to which a measured driver is a 5, a 4, a 3 and a 2

projects:
  - name: First candidate
    about: What it is, in one sentence.
    # project: ../first   # a Loopwright project, relative to this file
"""


def template() -> str:
    """Return the file as text: each driver with its question and what the ends of the scale mean."""
    lines = [HEAD.rstrip()]
    for axis in AXES:
        lines.append(f"    {axis}:")
        group = ""
        for driver in of_axis(axis):
            if driver.group != group:
                group = driver.group
                lines.append(f"      # {group.upper()}: {GROUPS[group]}")
            star = " *" if driver.levels else ""
            ask = f"{driver.ask}{star} {WORST:g}: {driver.worst}; {BEST:g}: {driver.best}."
            lines += textwrap.wrap(ask, 118, initial_indent="      # ", subsequent_indent="      #   ")
            lines.append(f"      {driver.name}: {UNKNOWN}")
    return "\n".join(lines) + "\n"
