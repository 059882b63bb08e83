"""Which candidates cannot be told apart, and which answer would settle most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from flows.priority.drivers import AXES, BEST, WORST
from flows.priority.scoring import Judged

# What an open answer may turn out to be, each as likely as the others: nobody knows better.
POSSIBLE = tuple(float(value) for value in range(int(WORST), int(BEST) + 1))


@dataclass(frozen=True)
class Settling:
    """What finding out an open answer is worth.

    Attributes
    ----------
    project, driver : str
        Whose answer to what.
    settles : float
        Expected number of open questions that it closes: pairs that cannot be told apart, and axes of which the side
        of the middle is not sure.
    leads : float
        Share of the answers after which another project is first by the estimates.
    narrows : float
        Expected fall of the width of the project's priority.
    """

    project: str
    driver: str
    settles: float
    leads: float
    narrows: float


def not_apart(projects: Sequence[Judged]) -> list[tuple[str, str]]:
    """Return the pairs whose order some answers would reverse: their priorities have a point in common.

    Intervals of answers, not of samples: each end is reached by some answers, so no overlap is too small to count.
    A vetoed project comes last, and is no question.
    """
    return [(one.name, other.name) for one, other in combinations(projects, 2) if _open_pair(one, other)]


def settling(projects: Sequence[Judged]) -> list[Settling]:
    """Return the open answers, those first that settle most.

    Each is tried with every answer it may have, all else being as it is (one at a time: Howard's 1966 value of
    information, of questions closed instead of money). One answer alone may close nothing; then how far it narrows the
    interval decides.
    """
    found = []
    for at, project in enumerate(projects):
        if project.vetoes:
            continue
        mine, first = _open_about(project, projects), _first(projects)
        for name, item in project.replies.items():
            if not item.open or (project.weights[name] == 0 and not item.driver.veto):
                continue
            possible = [value for value in POSSIBLE if item.span.low <= value <= item.span.high]
            if len(possible) < 2:
                continue
            after = [project.answered(name, value) for value in possible]
            others = [[*projects[:at], one, *projects[at + 1 :]] for one in after]
            found.append(
                Settling(
                    project.name,
                    name,
                    settles=_mean(mine - _open_about(one, all_) for one, all_ in zip(after, others, strict=True)),
                    leads=_mean(_first(all_) != first for all_ in others),
                    narrows=_mean(_width(project) - _width(one) for one in after),
                )
            )
    return sorted(found, key=lambda item: (-item.settles, -item.leads, -item.narrows, item.project, item.driver))


def _open_pair(one: Judged, other: Judged) -> bool:
    return not (one.vetoes or other.vetoes) and not one.priority.apart(other.priority)


def _open_about(project: Judged, projects: Sequence[Judged]) -> int:
    """Return how many open questions have to do with a project; the others do not change by its answers."""
    pairs = sum(_open_pair(project, other) for other in projects if other.name != project.name)
    return pairs + (0 if project.vetoes else sum(not project.side(axis)[1] for axis in AXES))


def _first(projects: Sequence[Judged]) -> str:
    return min(projects, key=lambda item: (bool(item.vetoes), -item.priority.value, item.name)).name


def _width(project: Judged) -> float:
    return project.priority.high - project.priority.low


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return round(sum(found) / len(found), 9)
