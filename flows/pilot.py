"""What a pilot told of the model, and of the released one beside it, in words for the terminal and the report."""

from __future__ import annotations

from typing import Any

from flows.record import Iteration
from flows.words import figure, interval
from stages.requirements import bound_words


def pilot_lines(item: Iteration) -> list[str]:
    """Return how many rows the pilot needs, a requirement a line, and how the released model does beside it."""
    lines = []
    for entry in needed(item):
        takes = "" if entry["told"] else f"; {rows_words(entry)} would tell it"
        lines.append(f"pilot: {reached(entry)}; {told(entry)}{takes}")
    found = beside(item)
    if found is None:
        return lines
    lines.append(f"beside the released model: {apart_words(found)}")
    for name, both in found["metrics"].items():
        lines.append(f"  {name}: released {figure(both['released'])}, new {figure(both['new'])}")
    lines += [f"  {slice_words(part)}" for part in found["slices"]]
    return lines


def needed(item: Iteration) -> list[dict[str, Any]]:
    """Return what the pilot of an iteration was asked to tell, each with the rows that it takes."""
    return list(_evidence(item, "pilot_unsure").get("needed", []))


def beside(item: Iteration) -> dict[str, Any] | None:
    """Return how the released model does beside the new one, None where nothing was compared."""
    return _evidence(item, "champion_stays").get("shadow")


def reached(entry: dict[str, Any]) -> str:
    """Return what was reached of a requirement, and what the pilot has to rule out."""
    least = "" if entry["least"] == entry["bound"] else f", no worse than {figure(entry['least'])}"
    ends = interval(entry["low"], entry["high"])
    return f"{entry['metric']} {figure(entry['value'])} ({ends}), {asked(entry)}{least}"


def asked(entry: dict[str, Any]) -> str:
    """Return what is required; a gain has to lie above its limit."""
    if "gain" in entry:
        return f"above {figure(entry['bound'])}"
    return f"required {bound_words(entry['side'], entry['bound'])}"


def told(entry: dict[str, Any]) -> str:
    """Return whether the pilot tells it."""
    return "told" if entry["told"] else "cannot tell"


def rows_words(entry: dict[str, Any]) -> str:
    """Return how many rows tell it."""
    rows = entry["rows_needed"]
    return "no number of rows" if rows is None else f"{rows:,} row{'s' * (rows != 1)}"


def apart_words(found: dict[str, Any]) -> str:
    """Return on how many rows the two answer apart, and which of them is right there."""
    apart = found["apart"]
    share = interval(apart["share"]["low"], apart["share"]["high"])
    says = f"{apart['rows']:,} of {found['rows']:,} rows are answered apart"
    says += f" ({share} of all)" if apart["share"]["low"] is not None else ""
    if not apart["rows"]:
        return says
    both = apart["both_right"] + apart["neither_right"]
    says += f"; there the released one alone is right in {apart['released_right']:,}, the new one in "
    says += f"{apart['new_right']:,}" + (f", both or neither in {both:,}" if both else "")
    losses = {who: figure(loss) for who, loss in apart["loss"].items()}
    return f"{says}; mean loss {losses['released']} and {losses['new']}"


def slice_words(part: dict[str, Any]) -> str:
    """Return how the two do in a slice."""
    return (
        f"{part['column']} = {part['value']}: {part['apart']:,} of {part['rows']:,} rows apart, the released one alone "
        f"right in {part['released_right']:,}, the new one in {part['new_right']:,}"
    )


def _evidence(item: Iteration, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next((signal["evidence"] for signal in item.signals if signal["name"] == name), {})
    return found
