"""What the steps after the split share: the charter, the schema, the splits."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.data.blocks import Blocks, blocks_of
from stages.files import read_json, read_parquet
from stages.metric_names import of_rows
from stages.params import Answering, Params, Requirement, load_params

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from stages.training.failures import Failing


class Context:
    """A project's charter, schema and splits, each read when it is first asked for."""

    release_model = Path("release") / "model.skops"

    def __init__(self, project: Path) -> None:
        self.project = project

    @cached_property
    def params(self) -> Params:
        """The checked params."""
        return load_params(self.project)

    @cached_property
    def charter(self) -> dict[str, Any]:
        """The charter, as the planning stage wrote it."""
        return dict(read_json(self.project / "charter" / "charter.json"))

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The schema, as the collect step wrote it."""
        return dict(read_json(self.project / "data" / "schema.json"))

    @property
    def task(self) -> str:
        """Classification or regression."""
        return str(self.charter["task"])

    @property
    def row_metric(self) -> str:
        """The metric that predictions are compared in; see `stages.metric_names.of_rows`."""
        return of_rows(self.charter)

    @property
    def n_classes(self) -> int:
        """How many classes the target has; 1 for a regression."""
        return len(self.schema["classes"] or [0])

    @cached_property
    def requirements(self) -> dict[str, Requirement]:
        """The hard requirements of the charter by metric: what a release must meet."""
        return {name: bound for name, bound in self._bounds.items() if bound.hard}

    @cached_property
    def wishes(self) -> dict[str, Requirement]:
        """The soft requirements of the charter by metric."""
        return {name: bound for name, bound in self._bounds.items() if not bound.hard}

    @cached_property
    def _bounds(self) -> dict[str, Requirement]:
        return {
            name: Requirement(**{key: value for key, value in item.items() if value is not None})
            for name, item in self.charter["requirements"].items()
        }

    @cached_property
    def chosen(self) -> str:
        """The name of the chosen candidate, as the choose step wrote it."""
        return str(read_json(self.project / "models" / "chosen.json")["name"])

    @cached_property
    def threshold(self) -> float:
        """The probability from which on the chosen candidate decides for the second of two classes."""
        return float(read_json(self.project / "models" / "chosen.json").get("threshold", 0.5))

    @cached_property
    def confidence(self) -> float:
        """The probability of its decision below which the chosen candidate does not answer a row."""
        return float(read_json(self.project / "models" / "chosen.json").get("confidence", 0.0))

    @property
    def failing(self) -> Failing:
        """What a failure is, and how sure its bound."""
        from stages.training.failures import Failing

        return Failing(self._answering["tolerance"], float(self._answering["level"]))

    @property
    def max_error(self) -> float | None:
        """The largest share of wrong answers; None where every row is answered, however unsure."""
        most: float | None = self._answering["max_error"]
        return most

    @property
    def guarded(self) -> bool:
        """Whether rows unlike those that were learned from are left to a person."""
        return bool(self._answering["guardrails"])

    @property
    def _answering(self) -> dict[str, Any]:
        return {**Answering().model_dump(), **self.charter.get("answering", {})}

    def window(self) -> pd.DataFrame:
        """Return all rows of the window: train, valid and test, in this order."""
        import pandas as pd

        return pd.concat([self.split(name) for name in ("train", "valid", "test")], ignore_index=True)

    def learned(self) -> pd.DataFrame:
        """Return all rows that a release learns from: the window, and reviewed rows from among its later part."""
        import pandas as pd

        window, reviewed = self.window(), self.reviewed()
        if reviewed is None:
            return window
        later = reviewed[reviewed["review.place"] == "release"]
        target = self.schema["target"]
        later = later.assign(**{target: later[target].astype(window[target].dtype)})[list(window.columns)]
        return pd.concat([window, later], ignore_index=True)

    def reviewed(self) -> pd.DataFrame | None:
        """Return the rows that people reviewed, each with its place (`stages.data.joining`); None where none are."""
        path = self.project / "data" / "splits" / "reviewed.parquet"
        return read_parquet(path) if path.exists() else None

    def split(self, name: str) -> pd.DataFrame:
        """Return the rows of a split: train, valid, test or pilot."""
        return read_parquet(self.project / "data" / "splits" / f"{name}.parquet")

    def blocks(self, frame: pd.DataFrame) -> Blocks | None:
        """Return which rows of a split hang together; see `stages.data.blocks`."""
        return blocks_of(frame, self.schema)

    def target(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the target of a split, (n,): class codes or values."""
        values: NDArray[np.float64] = frame[self.schema["target"]].to_numpy(dtype="float64")
        return values
