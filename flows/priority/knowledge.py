"""What a project has measured by now: its last signals and metrics, and where each stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.patching import params_hash
from flows.record import Iteration, read_record
from stages.errors import LoopwrightError, ProjectError
from stages.files import read_json
from stages.params import Params, load_params


@dataclass(frozen=True)
class Found:
    """A signal or the content of a metrics file, and where it stands."""

    value: Any
    source: str


class Knowledge:
    """What is known of a project. The record comes first, as it knows what was last; else the files of `dvc repro`.

    Raises
    ------
    ProjectError
        If one of its files is damaged.
    """

    def __init__(self, project: Path) -> None:
        self.project = project
        try:
            self.params: Params = load_params(project)
            self.record: list[Iteration] = read_record(project)
            self.signals, self.metrics = self._signals(), self._metrics()
        except LoopwrightError as error:
            raise ProjectError(str(error), where=f"the project {project}") from None

    def signal(self, name: str) -> Found | None:
        """Return the last signal of that name."""
        return self.signals.get(name)

    def every(self, name: str) -> list[tuple[dict[str, Any], int]]:
        """Return the signals of that name in the record, with their iterations."""
        return [(signal, item.iteration) for item in self.record for signal in item.signals if signal["name"] == name]

    def file(self, path: str) -> Found | None:
        """Return the content of a JSON file of the project."""
        if not (self.project / path).is_file():
            return None
        try:
            return Found(read_json(self.project / path), path)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ProjectError(
                f"damaged: {error}", where=str(self.project / path), todo="loopwright run, or dvc checkout"
            ) from None

    @property
    def reached(self) -> Found | None:
        """The model's offline metrics, on the pilot or, where that is older, on the validation rows."""
        names = [name for item in self.record for name in ("evaluation", "pilot") if name in item.metrics]
        names = names or [name for name in ("evaluation", "pilot") if name in self.metrics]
        if not names:
            return None
        last = self.metrics[names[-1]]
        part, rows = ("model", "pilot") if names[-1] == "pilot" else ("valid", "validation rows")
        return Found(last.value[part], f"{last.source}, on the {rows}")

    def remarks(self) -> Iterator[str]:
        """Say what stands between these measurements and the project as it is now."""
        if not self.signals:
            yield "nothing is measured yet: loopwright run"
        elif self.record and params_hash(self.project) != self.record[-1].params_after:
            yield "params.yaml was changed since the last iteration; what is measured holds for the params before"

    def _signals(self) -> dict[str, Found]:
        found = {}
        for stage in ("planning", "data", "training", "deployment"):
            here = self.file(f"signals/{stage}.json")
            found.update({item["name"]: Found(item, here.source) for item in here.value} if here else {})
        last = {signal["name"]: Found(signal, f"iteration {i.iteration}") for i in self.record for signal in i.signals}
        return found | last

    def _metrics(self) -> dict[str, Found]:
        found = {}
        for path in sorted((self.project / "metrics").glob("*.json")):
            here = self.file(f"metrics/{path.name}")
            if here is not None and re.fullmatch(r"\w+", path.stem):
                found[path.stem] = here
        last = {name: Found(file, f"iteration {i.iteration}") for i in self.record for name, file in i.metrics.items()}
        return found | last
