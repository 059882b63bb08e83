"""A model beside the released one: whether it can be asked about the same rows, and which of them it answers."""

from __future__ import annotations

from collections.abc import Sequence

from stages.production.recording import digest
from stages.production.released import Released
from stages.production.rows import Contract

DIGITS = 13  # of a hash, as exact as a float


def takes(name: str, salt: str, share: float) -> bool:
    """Tell whether the model beside answers a row: the same thing is always on the same side.

    Who was on its side stays there when the share grows; another salt draws anew, so that no one is always tried on.

    Parameters
    ----------
    name : str
        What stands for the row: its key, or its content where there is none.
    salt : str
        The model's hash.
    share : float
        The share of the rows that it answers.

    Examples
    --------
    >>> sum(takes(str(number), "a", 0.1) for number in range(10_000))
    1049
    """
    return int(digest(salt, name)[:DIGITS], 16) < share * float(16**DIGITS)


def unlike(released: Released, beside: Released) -> str:
    """Return why a model cannot be asked about the rows that a release is asked about; empty where it can.

    It is given the row as the release reads it, so it has to read each of its columns in the same way.
    """
    if beside.classes != released.classes:
        return "its classes are others"
    ours, its = released.contract, beside.contract
    names = [*its.features, *its.beside]
    kinds = ours.features | ours.beside
    absent = [name for name in names if name not in kinds]
    if absent:
        return f"rows do not hold its {', '.join(absent)}, which the release in force does not ask for"
    other = [name for name in names if _read(ours, name) != _read(its, name)]
    return f"it reads {', '.join(other)} in another way" if other else ""


def places(released: Sequence[str], beside: Sequence[str]) -> tuple[int, ...]:
    """Return where in a row of the release the columns of the model beside it stand."""
    return tuple(released.index(name) for name in beside)


def _read(contract: Contract, name: str) -> tuple[object, ...]:
    """Return all that says how the cells of a column become the model's."""
    source = next((old for old, new in contract.rename.items() if new == name), name)
    written = None if contract.written_as is None else contract.written_as.get(name, "")
    scale = [item for item in contract.scale if item["column"] == name]
    return (contract.features | contract.beside)[name], source, written, scale, contract.time if scale else None
