"""The page: facts, pictures and words in one HTML file that needs nothing else.

No script, no font and no picture from elsewhere: the page's own policy forbids them. The same record gives the same
bytes, so there is no clock in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from flows.map import Palette, svg_map, ways_back
from flows.report.costs import costs_section
from flows.report.diagnosis import curve_section, decomposition_section, frontier_section
from flows.report.facts import Facts, gather
from flows.report.flywheel import flywheel_section
from flows.report.headline import card, headline
from flows.report.metrics import metrics_section
from flows.report.past import archive
from flows.report.pieces import Section
from flows.report.pilot import shift_section, slices_section
from flows.report.piloted import pilot_section
from flows.report.probabilities import probabilities_section
from flows.report.production import production_section
from flows.report.tests import tests_section
from flows.report.timeline import timeline
from flows.transitions import STAGES
from stages.files import write_text

TEMPLATES = Path(__file__).parents[1] / "templates" / "report"
DEFAULT = "report.html"
SECTIONS: tuple[Callable[[Facts], Section | None], ...] = (
    metrics_section,
    tests_section,
    decomposition_section,
    curve_section,
    frontier_section,
    probabilities_section,
    pilot_section,
    shift_section,
    slices_section,
    production_section,
    flywheel_section,
    costs_section,
)
INK = Palette(
    paper="none",
    ink="var(--ink)",
    faint="var(--muted)",
    forth="var(--model)",
    back="var(--back)",
    back_ink="var(--back)",
    halo="var(--paper)",
    stage="var(--tint)",
    good="var(--good-tint)",
    other="var(--back-tint)",
)
# What XML and HTML do not allow in a text, whatever a column is called.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def write_report(project: Path, *, run: str | None = None, out: Path | None = None) -> Path:
    """Write the report of a project's record, or of one run; return the file.

    Raises
    ------
    ProjectError
        If it is no project, nothing ran yet, there is no such run, or the file cannot be written.
    """
    path = out if out is not None else project / DEFAULT
    with archive(project) as kept:
        text = render(gather(project, kept, run))
    write_text(path, text)
    return path


def render(facts: Facts) -> str:
    """Return the page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawn"] = Markup  # drawings escape their own texts: flows/report/svg.py, flows/map.py
    text = environment.get_template("page.html.j2").render(
        name=facts.name,
        run=facts.last.run if len(facts.runs) == 1 else "",
        head=headline(facts),
        map=svg_map(facts.items, palette=INK, heading=False),
        ways=ways_back(facts.items),
        stages=STAGES,
        runs=timeline(facts),
        sections=[section for make in SECTIONS if (section := make(facts)) is not None],
        card=card(facts),
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
    )
    return CONTROL.sub("", text)
