"""``loopwright expectations suggest``: propose a suite from the window, show what would change, write when told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from flows import record
from flows.lock import project_lock
from stages.errors import ProjectError
from stages.files import read_json, read_parquet, write_json, write_text
from stages.params import load_params


def suggest(project: Path, *, write: bool = False) -> bool:
    """Print how the suite that the window suggests differs from the present one; write it and the profile when told.

    Expectations that a person wrote or edited always stay. So do those on columns that this window was told to leave
    out.

    Returns
    -------
    bool
        Whether the suite differs.

    Raises
    ------
    ProjectError
        If no window was collected yet.
    DataError
        If the present suite cannot be read.
    """
    params = load_params(project)
    from stages.data.profiles import profile_of, profile_path
    from stages.data.suite import merge, read_suite, suite_text
    from stages.data.suite import suggest as suggested

    suite = params.data.validate_.suite
    present = read_suite(project, suite)
    try:
        schema, window = read_json(project / "data/schema.json"), read_parquet(project / "data/window.parquet")
    except FileNotFoundError:
        raise ProjectError(
            "holds no window yet",
            where=str(project / "data"),
            expected="data/window.parquet and data/schema.json",
            todo="loopwright run, or dvc repro collect",
        ) from None
    past = _past_rows(record.read_record(project)) or [len(window)]
    new = suggested(window, schema, past, "in the window when this was suggested")
    profile = profile_of(window, schema)
    absent = set(profile["known"]) - set(window.columns)
    merged = merge(present["expectations"], new, absent)
    _tell(Console(highlight=False, soft_wrap=True), merged, suite)
    differs = bool(merged.added or merged.removed or merged.changed)
    if not write:
        print("nothing is written; --write writes the suite, and the profile that schema changes are measured by")
        return differs
    with project_lock(project):
        write_text(project / suite, suite_text({**present, "expectations": merged.expectations}))
        write_json(project / profile_path(suite), profile)
    print(f"wrote {suite} and {profile_path(suite)}; next: git diff, git commit, loopwright run")
    return differs


def _past_rows(lines: list[record.Iteration]) -> list[int]:
    """Return the rows of every window that the record holds, each window once."""
    found: dict[str | None, int] = {}
    for item in lines:
        for signal in item.signals if item.stage == "data" else ():
            if "rows" in signal["evidence"] and signal["name"] == "labels_too_few":
                found[item.data_version] = int(signal["evidence"]["rows"])
    return list(found.values())


def _tell(console: Console, merged: Any, suite: str) -> None:
    def say(mark: str, text: str) -> None:
        console.print(f"{mark} {escape(text)}")

    for item in merged.removed:
        say("[red]-[/]", _words(item))
    for item in merged.added:
        say("[green]+[/]", _words(item))
    for old, new in merged.changed:
        say("[yellow]~[/]", f"{_words(old)} → {_kwargs(new)}")
    if not (merged.added or merged.removed or merged.changed):
        console.print(f"{suite} is what this window suggests")
    console.print(
        f"{len(merged.same)} stay as they were, {len(merged.by_hand)} of a person's own stay whatever is found"
    )


def _words(item: dict[str, Any]) -> str:
    why = (item.get("meta") or {}).get("why", "")
    return f"{item['type']} {_kwargs(item)}" + (f" ({why})" if why else "")


def _kwargs(item: dict[str, Any]) -> str:
    text = json.dumps(item.get("kwargs", {}), ensure_ascii=False)
    return text if len(text) < 200 else text[:197] + "..."
