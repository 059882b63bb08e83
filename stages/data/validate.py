"""Run the Great Expectations suite on window and pilot, and set failing rows apart when told to.

The only module that imports Great Expectations, which takes seconds.
"""

from __future__ import annotations

import os

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read while it is imported

import logging
import threading
from pathlib import Path
from typing import Any

import great_expectations as gx
import numpy as np
import pandas as pd
from great_expectations.core.expectation_suite import ExpectationSuite
from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
from great_expectations.data_context.types.base import ProgressBarsConfig
from tqdm import tqdm

from stages.data.data_docs import write_docs
from stages.data.profiles import Profile, profile_of, profile_path
from stages.data.schema_changes import schema_changed
from stages.data.suite import is_ours, read_suite
from stages.errors import DataError
from stages.files import read_json, read_parquet, write_json, write_parquet
from stages.params import load_params
from stages.step import main

# What it logs as errors is reported below, in the user's words.
logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
# The lock of its progress bars, shown or not, would be a semaphore that a worker leaves behind when it is ended.
tqdm.set_lock(threading.RLock())

Spec = dict[str, Any]
RESULT_FORMAT = {"result_format": "COMPLETE", "return_unexpected_index_query": False}
COLUMN_KEYS = ("column", "column_A", "column_B")
REMAKE = "remake it: loopwright expectations suggest --write"
MAX_ROWS_SHOWN = 5
WITHHELD = "(private)"
LIMITS = ("min_value", "max_value", "mostly", "regex", "type_", "type_list")


def run(project: Path) -> None:
    """Write the valid window and pilot, the quarantine, ``data/validation.json`` and the data docs."""
    params = load_params(project)
    settings = params.data.validate_
    schema = read_json(project / "data/schema.json")
    specs = load_suite(project, settings.suite)
    quarantine = settings.on_fail == "quarantine"
    report: dict[str, Any] = {"on_fail": settings.on_fail, "suite": settings.suite, "expectations": [], "skipped": []}
    taken, pages, profiles = [], [], {}
    for name in ("window", "pilot"):
        frame = read_parquet(project / f"data/{name}.parquet")
        profiles[name] = profile_of(frame, schema)
        checked = Checked(frame, specs, schema, settings.suite, name)
        report["expectations"] += checked.outcomes()
        report["skipped"] = checked.skipped
        report[name] = {
            "rows": len(frame),
            "failing": int(checked.fails.sum()),
            "quarantined": int(checked.fails.sum()) if quarantine else 0,
        }
        taken.append(checked.quarantine())
        pages.append((name, checked.result))
        write_parquet(project / f"data/valid_{name}.parquet", frame[~checked.fails] if quarantine else frame)
    stored = stored_profile(project, settings.suite)
    changed = schema_changed(profiles["window"], profiles["pilot"], stored, schema, settings)
    report["schema_changed"] = changed.model_dump()
    write_parquet(project / "data/quarantine.parquet", pd.concat(taken, ignore_index=True))
    write_json(project / "data/validation.json", report)
    write_docs(project / "reports/data_docs", pages)


def stored_profile(project: Path, suite: str) -> Profile | None:
    """Return the profile beside the suite, None when there is none.

    Raises
    ------
    DataError
        If it is no profile.
    """
    path = profile_path(suite)
    try:
        stored = read_json(project / path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DataError(f"is not JSON: {error}", where=str(path), todo=REMAKE) from None
    if not isinstance(stored, dict) or not {"rows", "known", "columns"} <= set(stored):
        raise DataError("is no profile", where=str(path), todo=REMAKE)
    numbers = [column for column in stored["columns"].values() if column["kind"] == "number"]
    if not all({"count", "slices"} <= set(column) for column in numbers):
        raise DataError("is a profile of an earlier version", where=str(path), todo=REMAKE)
    return stored


def load_suite(project: Path, suite: str) -> list[Spec]:
    """Return the expectations of a suite file, each with its type and kwargs.

    Raises
    ------
    DataError
        If the file is missing or is not a Great Expectations suite.
    """
    specs: list[Spec] = read_suite(project, suite)["expectations"]
    _build(specs, suite)
    return specs


class Checked:
    """One frame and what the suite found in it.

    Attributes
    ----------
    fails : ndarray of bool, shape (n_rows,)
        Rows that break a failing expectation on rows. One that tolerates some rows by ``mostly`` and holds fails none.
    skipped : list of dict
        Expectations on columns that the source has and this collection leaves out, or takes for no feature.
    result : ExpectationSuiteValidationResult
        What Great Expectations returned, for the data docs.
    """

    def __init__(self, frame: pd.DataFrame, specs: list[Spec], schema: dict[str, Any], suite: str, name: str) -> None:
        self.frame, self.suite, self.name = frame, suite, name
        self.private = set(schema.get("private", []))
        known = {column for group in schema["feature_groups"].values() for column in group} | set(schema["dropped"])
        here = set(frame.columns)
        # What was proposed for a feature says nothing of a column that has become the key.
        roles = {schema.get("key"), schema.get("label_source")} - set(schema["features"])
        absent = [
            spec for spec in specs if (_columns(spec) - here) & known or (_columns(spec) & roles and is_ours(spec))
        ]
        self.skipped = [{"type": spec["type"], "column": _column(spec)} for spec in absent]
        specs = [spec for spec in specs if spec not in absent]
        self.unknown = [s for s in specs if _columns(s) - here and s["type"] != "expect_column_to_exist"]
        self.result = self._validate(frame, [spec for spec in specs if spec not in self.unknown])
        self.fails = np.zeros(len(frame), dtype=bool)
        self.broken: dict[int, str] = {}
        for result in self.result.results:
            if result.success or not _row_level(result):
                continue
            spec = _spec(result)
            label = f"{spec['type']}({_column(spec)})"
            rows = result.result["unexpected_index_list"]
            self.fails[rows] = True
            for row in rows:
                self.broken[row] = f"{self.broken[row]}; {label}" if row in self.broken else label

    def outcomes(self) -> list[dict[str, Any]]:
        """Return one record an expectation; those on the table as a whole are judged on the window only.

        The table as a whole is judged without failing rows, whether they are kept or taken out: what bad rows do to it
        is cured by quarantine, and the rows say that they fail by themselves.
        """
        results = list(self.result.results)
        table = [_spec(result) for result in results if not _row_level(result)]
        if self.fails.any() and table:
            results = [result for result in results if _row_level(result)]
            results += self._validate(self.frame[~self.fails].reset_index(drop=True), table).results
        records = [self._record(result) for result in results if _row_level(result) or self.name == "window"]
        note = "no such column"
        records += [self._failed(spec, note) for spec in self.unknown if self.name == "window"]
        return sorted(records, key=lambda record: (record["level"], str(record["column"]), record["type"]))

    def quarantine(self) -> pd.DataFrame:
        """Return the failing rows with the part they are from, their row in it, and what they break."""
        rows = np.flatnonzero(self.fails)
        broken = [self.broken[int(row)] for row in rows]
        head = pd.DataFrame({"__from__": self.name, "__row__": rows, "__fails__": broken})
        return pd.concat([head.astype({"__from__": "str", "__fails__": "str"}), self._at(rows)], axis=1)

    def _at(self, rows: np.ndarray) -> pd.DataFrame:
        return self.frame.iloc[rows].reset_index(drop=True)

    def _validate(self, frame: pd.DataFrame, specs: list[Spec]) -> ExpectationSuiteValidationResult:
        # Some expectations compare cell by cell in Python, where the missing value of Int64 has no truth value.
        nullable = [name for name in frame.columns if isinstance(frame[name].dtype, pd.Int64Dtype)]
        frame = frame.astype(dict.fromkeys(nullable, "float64"))
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas("project").add_dataframe_asset(self.name)
        batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
        return batch.validate(_build(specs, self.suite), result_format=RESULT_FORMAT)

    def _record(self, result: Any) -> dict[str, Any]:
        spec = _spec(result)
        if not _row_level(result):
            if result.exception_info and not result.result:
                return self._failed(spec, _message(result.exception_info)) | {"success": bool(result.success)}
            observed = result.result.get("observed_value")
            plain = observed.item() if isinstance(observed, np.generic) else observed
            shown = WITHHELD if _columns(spec) & self.private else plain
            note = "" if plain is None else f"observed {shown}"[:200]
            return self._failed(spec, note) | {"success": bool(result.success)}
        count = int(result.result["unexpected_count"])
        rows = sorted(result.result["unexpected_index_list"])[:MAX_ROWS_SHOWN] if not result.success else []
        columns = sorted(_columns(spec) & set(self.frame.columns))
        return self._failed(spec, "") | {
            "level": "row",
            "success": bool(result.success),
            "unexpected": count,
            "share": count / max(1, len(self.frame)),
            "rows": [int(row) for row in rows],
            "values": [" and ".join(self._cell(name, row) for name in columns) for row in rows],
        }

    def _cell(self, name: str, row: int) -> str:
        """Return a cell as people read it; one of a private column not, as reports and records are passed on."""
        value = self.frame[name].iloc[row]
        if name in self.private:
            return WITHHELD
        if pd.isna(value):
            return "missing"
        return f"{value:.6g}" if isinstance(value, float) else str(value)

    def _failed(self, spec: Spec, note: str) -> dict[str, Any]:
        return {
            "type": spec["type"],
            "column": _column(spec),
            "data": self.name,
            "level": "table",
            "success": False,
            "unexpected": None,
            "share": None,
            "note": note,
            "kwargs": {key: value for key, value in spec.get("kwargs", {}).items() if key in LIMITS},
        }


def _build(specs: list[Spec], suite: str) -> ExpectationSuite:
    built = ExpectationSuite(name="suite")
    for index, spec in enumerate(specs):
        try:
            one = {"type": spec["type"], "kwargs": spec.get("kwargs", {}), "meta": spec.get("meta", {})}
            read = ExpectationSuite(name="one", expectations=[one]).expectations
            if not read:  # a type it does not know is only logged
                raise ValueError("there is no such expectation")
            built.expectations += read
        except Exception as error:  # Great Expectations raises its own, pydantic's and attribute errors here
            raise DataError(
                f"{spec['type']} cannot be read: {str(error).strip().splitlines()[-1].strip()}",
                where=f"{suite} expectation {index + 1}",
                expected="a type and kwargs of Great Expectations 1.x",
                todo="mend that expectation",
            ) from None
    return built


def _spec(result: Any) -> Spec:
    config = result.expectation_config
    return {"type": config.type, "kwargs": {k: v for k, v in config.kwargs.items() if k != "batch_id"}}


def _row_level(result: Any) -> bool:
    return "unexpected_index_list" in result.result


def _columns(spec: Spec) -> set[str]:
    kwargs = spec.get("kwargs", {})
    return {kwargs[key] for key in COLUMN_KEYS if key in kwargs} | set(kwargs.get("column_list", []))


def _column(spec: Spec) -> str | None:
    return ", ".join(sorted(_columns(spec))) or None


def _message(info: dict[str, Any]) -> str:
    inner = info if "exception_message" in info else next(iter(info.values()), {})
    return str(inner.get("exception_message") or "it could not be computed").splitlines()[0][:200]


if __name__ == "__main__":
    main(run)
