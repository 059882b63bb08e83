"""What the trials found, as Markdown: accuracy, power by severity, false alarms, confusion, seconds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import NormalDist, median

from benchmarks.routing.lifecycle import Outcome

UPPER = 0.7
LEVEL = 0.95


def report(outcomes: Sequence[Outcome]) -> str:
    """Return the whole report."""
    faulty = [outcome for outcome in outcomes if outcome.trial.fault != "none"]
    clean = [outcome for outcome in outcomes if outcome.trial.fault == "none"]
    upper = [outcome for outcome in faulty if outcome.trial.severity >= UPPER]
    alarms = [outcome for outcome in clean if not outcome.right]
    lines = [
        f"{len(outcomes)} trials, {sum(outcome.seconds for outcome in outcomes):.0f} s of work, "
        f"median {median(outcome.seconds for outcome in outcomes):.1f} s a trial"
        if outcomes
        else "no trials",
        "",
        f"- right at the upper severities (>= {UPPER:g}): {share([outcome.right for outcome in upper])}",
        f"- right at all severities: {share([outcome.right for outcome in faulty])}",
        f"- false alarms on clean projects: {share([not outcome.right for outcome in clean])}"
        + (f" ({', '.join(sorted({f'{o.trial.table}: {o.row}' for o in alarms}))})" if alarms else ""),
        "",
        *by_severity(faulty),
        "",
        *confusion(outcomes),
    ]
    return "\n".join(lines)


def by_severity(outcomes: Iterable[Outcome]) -> list[str]:
    """Return the share that is right, a fault a line, a severity a column; the worst first."""
    found: dict[str, dict[float, list[bool]]] = defaultdict(lambda: defaultdict(list))
    seconds: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        found[outcome.trial.fault][outcome.trial.severity].append(outcome.right)
        seconds[outcome.trial.fault].append(outcome.seconds)
    severities = sorted({severity for item in found.values() for severity in item})
    head = "| fault | " + " | ".join(f"{severity:g}" for severity in severities) + " | trials | s |"
    lines = [head, "|---" * (len(severities) + 3) + "|"]

    def rank(name: str) -> tuple[float, str]:
        top = found[name][max(found[name])]
        return sum(top) / len(top), name

    for name in sorted(found, key=rank):
        cells = [_percent(found[name][severity]) for severity in severities]
        count = sum(len(item) for item in found[name].values())
        lines.append(f"| {name} | {' | '.join(cells)} | {count} | {median(seconds[name]):.1f} |")
    return lines


def confusion(outcomes: Sequence[Outcome]) -> list[str]:
    """Return, for each row that should have fired, which rows did."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    right = {(outcome.expected[0], row) for outcome in outcomes for row in outcome.expected}
    for outcome in outcomes:
        found[outcome.expected[0]][outcome.row] += 1
    lines = ["| should fire | fired |", "|---|---|"]
    for expected in sorted(found):
        told = ", ".join(
            f"**{row}** {count}" if (expected, row) in right else f"{row} {count}"
            for row, count in found[expected].most_common()
        )
        lines.append(f"| {expected} | {told} |")
    return lines


def share(hits: Sequence[bool], level: float = LEVEL) -> str:
    """Return a share with Wilson's interval (Wilson 1927)."""
    if not hits:
        return "no trials"
    low, high = wilson(sum(hits), len(hits), level)
    return f"{100 * sum(hits) / len(hits):.1f}% ({100 * low:.1f} to {100 * high:.1f}) of {len(hits)}"


def wilson(hits: int, count: int, level: float) -> tuple[float, float]:
    """Return the score interval of a binomial share.

    Examples
    --------
    >>> [round(end, 3) for end in wilson(0, 50, 0.95)]
    [0.0, 0.071]
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (hits + z * z / 2) / (count + z * z)
    half = z / (count + z * z) * (hits * (count - hits) / count + z * z / 4) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def _percent(hits: Sequence[bool]) -> str:
    return f"{100 * sum(hits) / len(hits):.0f}%" if hits else ""
