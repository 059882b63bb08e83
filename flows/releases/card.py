"""The model card of a release, for people: what it is for, what it was held to, its limits, how to load and verify it.

The sections follow Mitchell et al. 2019, "Model Cards for Model Reporting" (FAT* '19); skops renders them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.record import Iteration
from flows.words import figure, interval, remarks
from stages.deployment.release_log import Release
from stages.params import Planning
from stages.requirements import bound_words

LOAD = """\
```python
from stages.deployment.release import released_model

model = released_model(".")  # the project's folder; checked against the hash below, no pickle
model.predict(rows)  # a DataFrame with the features as columns
```"""
VERIFY = """\
```
loopwright verify {iteration}
```

makes it again from these hashes and compares."""


@dataclass(frozen=True)
class Chapter:
    """A section: a text, and a table by its columns where it has one."""

    title: str
    text: str = ""
    table: dict[str, list[str]] = field(default_factory=dict)


def chapters(line: Release, card: dict[str, Any], planning: Planning, lines: Sequence[Iteration]) -> list[Chapter]:
    """Return the card of a release; equal releases give equal cards.

    Parameters
    ----------
    line : Release
        The release.
    card : dict
        What it was held to: ``release/candidate.json`` of its iteration.
    planning : Planning
        The charter it was held to.
    lines : sequence of Iteration
        The record down to its iteration.
    """
    held = [*card["requirements"], *(item for item in card.get("wishes", []) if "beat" not in item)]
    return [
        Chapter("What it is for", _listed(_purpose(planning))),
        Chapter("The model", _listed(_model(card)), _columns(("feature", "kind"), card["features"].items())),
        Chapter("Held to the charter", "Figures with their intervals, on rows it had never seen.", _held(held)),
        Chapter("Data", _listed([("Learned from", _rows(card["window"])), ("Piloted on", _rows(card["pilot"]))])),
        Chapter("Limits", _points(_limits(line, held, planning, lines))),
        Chapter("Release", _listed(_release(line))),
        Chapter("How to load it", LOAD),
        Chapter("What it is made from", _listed(_hashes(line)) + "\n\n" + VERIFY.format(iteration=line.iteration)),
    ]


def render(found: Sequence[Chapter], title: str = "Model card") -> str:
    """Return the sections in Markdown. The imports take a second, so the loop does this in its worker."""
    from skops.card import Card

    made = Card(None, template=None, model_diagram=False)
    made.add(**{title: ""})
    for chapter in found:
        name = f"{title}/{chapter.title}"
        if chapter.table:
            made.add_table(description=chapter.text, **{name: chapter.table})
            made.select(name).title = chapter.title  # skops has the whole path there
        else:
            made.add(**{name: chapter.text})
    return str(made.render()).lstrip("\n")


def _purpose(planning: Planning) -> list[tuple[str, str]]:
    return [
        ("Goal", planning.goal),
        ("Users", planning.users),
        ("What is decided by it", planning.decides),
        ("Kind of product", planning.archetype.replace("_", " ")),
    ]


def _model(card: dict[str, Any]) -> list[tuple[str, str]]:
    classes = [str(name) for name in card.get("classes") or []]
    tests = card["tests"]
    return [
        ("Candidate", f"{card['chosen']}, fitted again on the whole window"),
        ("Classes", ", ".join(classes)),
        ("Decides from", f"a probability of {figure(card.get('threshold'))}" if len(classes) == 2 else ""),
        ("Left to people", _left(card)),
        ("Behaviour tests", f"{tests['run'] - tests['failed']} of {tests['run']} pass" if tests["run"] else ""),
    ]


def _left(card: dict[str, Any]) -> str:
    """Return which rows of the pilot the model did not answer, by the reason."""
    left = card.get("left_to_people") or {}
    reasons = ", ".join(f"{count:,} {why.replace('_', ' ')}" for why, count in sorted(left.items()))
    return f"{sum(left.values()):,} rows of the pilot: {reasons}" if left else ""


def _held(entries: list[dict[str, Any]]) -> dict[str, list[str]]:
    rows = [
        (
            str(item["metric"]),
            bound_words(item["side"], item["bound"]),
            figure(item.get("value")),
            interval(item.get("low"), item.get("high")),
            str(item["where"]),
            "yes" if item["met"] else "no",
        )
        for item in entries
    ]
    return _columns(("metric", "required", "reached", "interval", "measured", "met"), rows)


def _limits(line: Release, held: list[dict[str, Any]], planning: Planning, lines: Sequence[Iteration]) -> list[str]:
    unsure = [item["metric"] for item in held if item["met"] and not _sure(item)]
    return [
        *(f"released although it misses: {name}" for name in line.missed),
        *(f"{name} is met by its estimate, not by its whole interval" for name in unsure),
        *remarks(lines),
        *([f"who can be harmed: {planning.ethics.harm}"] if planning.ethics.harm else []),
    ]


def _sure(item: dict[str, Any]) -> bool:
    ends = [item[key] for key in ("low", "high") if item.get(key) is not None]
    return all(end >= item["bound"] if item["side"] == "at_least" else end <= item["bound"] for end in ends)


def _release(line: Release) -> list[tuple[str, str]]:
    return [
        ("Release", f"{line.number}, of iteration {line.iteration}"),
        ("Released by", line.by),
        ("Because", line.because),
        ("On", f"{line.at[:10]} {line.at[11:16]} UTC"),
    ]


def _hashes(line: Release) -> list[tuple[str, str]]:
    named = {"Model, SHA-256": line.sha256, "Data, DVC's md5": line.data, "Params, SHA-256": line.params}
    named |= {"Code, commit": line.code, "Installed steps": line.steps, "Experiment": line.experiment}
    packages = ", ".join(f"{name} {version}" for name, version in line.versions.items())
    return [*((name, f"`{value}`" if value else "") for name, value in named.items()), ("Made with", packages)]


def _rows(part: dict[str, Any]) -> str:
    judged = f", of which {part['judged']:,} could be judged" if "judged" in part else ""
    span = f"{part['start']} to {part['end']}, " if part.get("start") and part.get("end") else ""
    return f"{span}{part['rows']:,} rows{judged}"


def _listed(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- **{name}**: {' '.join(value.split())}" for name, value in pairs if value)


def _points(texts: list[str]) -> str:
    return "\n".join(f"- {' '.join(text.split())}" for text in texts) or "None is known beyond what stands above."


def _columns(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, list[str]]:
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return {name: [row[at] for row in cells] for at, name in enumerate(names)}
