"""One new row as JSON: its types by the release's card, and its cells as the model reads them, without pandas.

A frame of one row costs tens of milliseconds to check and clean. What comes out here is what
`stages.production.rows.read_rows` makes of the same cells; a test holds the two to each other.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    NotRequired,  # pydantic wants these before Python 3.12
)

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, WithJsonSchema, with_config
from typing_extensions import TypedDict

from stages.data.sources.columns import DATE, ISO_DATE, LARGEST, MISSING, NUMBER, TRUTH
from stages.params import Scale
from stages.production.rows import Contract

EPOCH, DAY = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.timedelta(days=1)
NOT_NUL = r"^[^\x00]*$"  # PostgreSQL has no text with it
SHOWN = 10  # categories in the schema
Value = float | str | None


class Refused(ValueError):  # noqa: N818
    """A cell that has the right type and cannot be read; ``column`` says which."""

    def __init__(self, column: str, what: str) -> None:
        self.column, self.what = column, what
        super().__init__(f"{column}: {what}")


@dataclass(frozen=True)
class Cells:
    """A row as the model reads it.

    Attributes
    ----------
    values : tuple
        Features, then the columns of the scope, in the order of `RowReader.names`: numbers, text, None for missing.
    key, time, group : str or None
        What the columns of these roles hold, as the log keeps it.
    """

    values: tuple[Value, ...]
    key: str | None = None
    time: str | None = None
    group: str | None = None


class RowReader:
    """Reads rows of one release.

    Parameters
    ----------
    contract : Contract
        What the release takes in.
    seen : mapping
        What the model learned from, as `stages.answering.limits` tells it; for the examples in the schema.
    private : sequence of str
        Columns of which no value is shown.
    extra : {"refuse", "ignore"}
        What becomes of a field that is no column.

    Attributes
    ----------
    type : type
        A row, a TypedDict that pydantic knows.
    checker : TypeAdapter
        Checks the JSON of one.
    names : tuple of str
        The features, and after them the columns of the scope.
    """

    def __init__(
        self, contract: Contract, seen: Mapping[str, Any], *, private: Sequence[str] = (), extra: str = "refuse"
    ) -> None:
        self.contract = contract
        self.names = (*contract.features, *contract.beside)
        self._sources = {new: old for old, new in contract.rename.items()}
        self._scale = {item.column: item for item in (Scale(**found) for found in contract.scale)}
        written = contract.written_as
        kinds = {
            name: kind if kind == "category" else "any" if written is None else written.get(name, NUMBER)
            for name, kind in contract.features.items()
        } | {name: kind if kind == "category" else "any" for name, kind in contract.beside.items()}
        self._readers = [(self.source(name), name, READERS[kinds[name]]) for name in self.names]
        fields: dict[str, Any] = {
            self.source(name): _typed(kinds[name], {} if name in private else seen.get(name, {})) for name in self.names
        }
        needed = any(item.since is not None for item in self._scale.values())
        for role, kind in (("key", KEY), ("group", KEY), ("time", TIME)):
            name = getattr(contract, role)
            if name is not None and self.source(name) not in fields:
                fields[self.source(name)] = kind if role == "time" and needed else NotRequired[kind]
        config = ConfigDict(extra="forbid" if extra == "refuse" else "ignore")
        self.type: Any = with_config(config)(TypedDict("Row", fields))  # type: ignore[operator]
        self.checker: TypeAdapter[dict[str, Any]] = TypeAdapter(self.type)

    def source(self, name: str) -> str:
        """Return the name that a column has in the source, and in a row."""
        return self._sources.get(name, name)

    def read(self, row: Mapping[str, Any]) -> Cells:
        """Return the cells of a row that was checked against `type`.

        Raises
        ------
        Refused
            If a cell cannot be read after all, e.g. as it is too large once it is in the unit of the others.
        """
        moment = self._role(row, self.contract.time)
        values = [read(row[source]) for source, _, read in self._readers]
        for at, (source, name, _) in enumerate(self._readers if self._scale else ()):
            item, value = self._scale.get(name), values[at]
            if item is not None and isinstance(value, float) and _since(item, moment, source):
                values[at] = _finite(value * item.factor, source)
        return Cells(
            values=tuple(values),
            key=_text_of(self._role(row, self.contract.key)),
            time=moment.isoformat() if isinstance(moment, dt.datetime) else None if moment is None else str(moment),
            group=_text_of(self._role(row, self.contract.group)),
        )

    def _role(self, row: Mapping[str, Any], name: str | None) -> Any:
        return None if name is None else row.get(self.source(name))


def _moment(text: str) -> dt.datetime:
    if not re.fullmatch(ISO_DATE, text.strip()):
        raise ValueError("is no date in ISO 8601, such as 2024-05-01")
    try:
        found = dt.datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"is no date in ISO 8601 ({error})") from None


def _days(moment: dt.datetime) -> float:
    return (moment - EPOCH) / DAY


def _number(value: float | None) -> Value:
    return None if value is None else float(value)


def _any(value: Any) -> Value:
    return _days(value) if isinstance(value, dt.datetime) else _number(value)


def _text_of(value: str | int | None) -> str | None:
    """Return stripped text, None for one that says missing; see `stages.data.sources.columns.cells_of`."""
    if value is None:
        return None
    text = str(value).strip()
    return None if text.lower() in MISSING else text


def _since(item: Scale, moment: Any, source: str) -> bool:
    """Tell whether a row's cell is in the other unit."""
    if item.since is None:
        return True
    try:
        if isinstance(moment, dt.datetime):
            return moment >= _moment(str(item.since))
        return bool(moment >= float(item.since))
    except (ValueError, TypeError):
        raise Refused(source, f"is scaled since {item.since}, and the row's time cannot be compared with it") from None


def _finite(value: float, source: str) -> float:
    if math.isfinite(value) and abs(value) <= LARGEST:
        return value
    raise Refused(source, f"is {value:g} in the unit that the model learned in; numbers go up to {LARGEST:.2g}")


def _typed(kind: str, seen: Mapping[str, Any]) -> Any:
    """Return the type of a column, with what the model learned from as a description: nothing of it is a limit."""
    if kind == "category":
        values = list(seen.get("values", []))[:SHOWN]
        return Annotated[str | None, Field(strict=True, examples=values or None, description=_told(seen))]
    return Annotated[TYPES[kind], Field(description=_told(seen))]


def _told(seen: Mapping[str, Any]) -> str | None:
    if "low" in seen:
        return f"the model learned from {seen['low']:g} to {seen['high']:g}"
    count = len(seen.get("values", []))
    return f"the model learned from {count} values" if count else None


DATES = {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}
Plain = Annotated[float, Field(strict=True, ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
Truth = Annotated[bool, Field(strict=True)]
Moment = Annotated[str, Field(strict=True), AfterValidator(_moment), WithJsonSchema(DATES)]
Name = Annotated[str, Field(strict=True, pattern=NOT_NUL)]
KEY = Name | Annotated[int, Field(strict=True)] | None
TIME = Moment | Plain | None
TYPES: dict[str, Any] = {
    NUMBER: Plain | None,
    TRUTH: Truth | None,
    DATE: Moment | None,
    "any": Truth | Plain | Moment | None,
}
READERS: dict[str, Callable[[Any], Value]] = {
    NUMBER: _number,
    TRUTH: _number,
    DATE: _any,
    "any": _any,
    "category": _text_of,
}
