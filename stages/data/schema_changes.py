"""Has the table itself changed? Columns added, dropped, renamed, of another type, or in another unit."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np

from stages.data.profiles import Profile, distance
from stages.data.units import unit_change
from stages.params import Validate
from stages.signals import Signal, verdict

Change = dict[str, Any]
MAX_MISSING_CHANGE = 0.1
CLEARLY_BEST = 2.0
ALIKE = 0.6
# Left out on purpose: by data.source.drop, data.collect.without or planning.replaces.
LISTED = ("listed in data.", "planning.replaces")
MAX_SHOWN = 5


def schema_changed(
    window: Profile, pilot: Profile, reference: Profile | None, schema: dict[str, Any], settings: Validate
) -> Signal:
    """Return ``schema_changed``: how many columns are not what they were.

    The window is compared with the profile that was stored beside the suite, if any, and the pilot with the window. The
    value is a count. Its interval reaches from the changes found to those that could be: a column of numbers with too
    few rows may have another unit, so that with no change found the signal cannot tell.

    Parameters
    ----------
    window, pilot : dict
        Their profiles, see `stages.data.profiles.profile_of`.
    reference : dict or None
        The stored profile.
    schema : dict
        The content of ``data/schema.json``.
    settings : Validate
        ``max_distance``, ``min_factor``, ``accept_changes``.
    """
    found, unjudged = _units(window, pilot, "pilot", settings)
    for change in found:
        change["since"] = schema["pilot"]["start"] if schema["time"] else None
    if reference is not None:
        earlier, unknown = _units(reference, window, "window", settings)
        found = _structure(reference, window, schema, settings) + earlier + found
        unjudged += unknown
    found = [change for change in found if change["column"] not in settings.accept_changes]
    unjudged = sorted(set(unjudged) - {change["column"] for change in found})
    count = len(found)
    many = f" and {count - MAX_SHOWN} more" if count > MAX_SHOWN else ""
    says = "; ".join(change["says"] for change in found[:MAX_SHOWN]) + many
    if not found:
        beside = "the stored profile and between window and pilot" if reference else "window and pilot (none is stored)"
        says = f"no change of schema against {beside}"
        says += f"; too few rows to know the unit of {', '.join(unjudged[:MAX_SHOWN])}" if unjudged else ""
    high = count + len(unjudged)
    return Signal(
        name="schema_changed",
        value=float(count),
        low=float(count),
        high=float(high),
        threshold=0.0,
        direction="above",
        unit="columns",
        fires=verdict(count, high, 0.0, "above"),
        says=says,
        evidence={"changes": found, "unjudged": unjudged},
    )


def _structure(old: Profile, new: Profile, schema: dict[str, Any], settings: Validate) -> list[Change]:
    """Return columns renamed, dropped, added and of another type, in this order."""
    gone = [name for name in old["columns"] if name not in new["known"]]
    come = [name for name in new["columns"] if name not in old["known"]]
    found = []
    for name, other in _renamed(old, new, gone, come, settings.max_distance).items():
        gone.remove(name)
        come.remove(other)
        says = f"{name!r} is called {other!r} now (same distribution)"
        found.append({"kind": "renamed", "column": name, "now": other, "says": says})
    found += [{"kind": "dropped", "column": name, "says": f"column {name!r} is gone"} for name in gone]
    found += [{"kind": "added", "column": name, "says": f"column {name!r} is new"} for name in come]
    for name, column in old["columns"].items():
        now = new["columns"].get(name, {}).get("kind", schema["dropped"].get(name, column["kind"]))
        if now != column["kind"] and not now.startswith(LISTED):
            says = f"{name!r} was read as a {column['kind']}, now: {now}"
            found.append({"kind": "type", "column": name, "says": says})
    return found


def _renamed(old: Profile, new: Profile, gone: list[str], come: list[str], max_distance: float) -> dict[str, str]:
    """Return old name -> new name of columns that clearly match each other best, by distribution or then by name."""
    apart = {
        name: {other: _apart(old["columns"][name], new["columns"][other]) for other in come} for name in gone if come
    }
    found: dict[str, str] = {}
    for name, others in apart.items():
        near = sorted((off, other) for other, off in others.items() if off <= max_distance)
        if not near:
            continue
        off, best = near[0]
        rivals = [o for o, other in near[1:]] + [row[best] for key, row in apart.items() if key != name]
        clear = all(rival > max(CLEARLY_BEST * off, off + max_distance / 2) for rival in rivals)
        if not clear:
            names = difflib.get_close_matches(name, [other for _, other in near], n=1, cutoff=ALIKE)
            best, clear = (names[0], True) if names else (best, False)
        if clear and best not in found.values():
            found[name] = best
    return found


def _apart(one: dict[str, Any], two: dict[str, Any]) -> float:
    """Return how far two columns are apart, 0 to 1; 1 when their kinds or their shares of missing cells differ."""
    if one["kind"] != two["kind"] or abs(one["missing"] - two["missing"]) > MAX_MISSING_CHANGE:
        return 1.0
    if one["kind"] == "number":
        return (
            distance(np.asarray(one["values"]), np.asarray(two["values"])) if one["values"] and two["values"] else 1.0
        )
    values = set(one["values"]) | set(two["values"])
    return float(sum(abs(one["values"].get(value, 0.0) - two["values"].get(value, 0.0)) for value in values) / 2)


def _units(old: Profile, new: Profile, part: str, settings: Validate) -> tuple[list[Change], list[str]]:
    """Return the changes of unit, and the columns of which too few rows are there to know."""
    found, unjudged = list[Change](), list[str]()
    for name, column in old["columns"].items():
        now = new["columns"].get(name)
        if now is None or column["kind"] != "number" or now["kind"] != "number":
            continue
        judged = unit_change(column, now, settings.min_factor, settings.max_distance)
        if not judged.pop("judged"):
            unjudged.append(name)
        elif judged:
            factor, units = judged["factor"], judged["units"]
            like = f"{units[1]} where {units[0]} were" if units else "another unit"
            says = f"{name!r} of the {part} looks like {like}: factor {factor:.3g}"
            says += f" ({judged['low']:.3g} … {judged['high']:.3g})"
            found.append({"kind": "unit", "column": name, "part": part, "since": None, "says": says, **judged})
    return found, unjudged
