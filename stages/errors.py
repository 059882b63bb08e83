"""The one error hierarchy: what is wrong, where, what was expected, what to do next."""

from __future__ import annotations


class LoopwrightError(Exception):
    """A mistake in the input that a user can mend; shown as one line, never as a traceback.

    Parameters
    ----------
    what : str
        What was found, in the user's words.
    where : str
        File, row, column or params key.
    expected : str
        What would have been right.
    todo : str
        The next step: a command or an edit.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", expected: str = "", todo: str = "") -> None:
        self.what, self.where, self.expected, self.todo = what, where, expected, todo
        super().__init__(str(self))

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the four parts, so that the error survives the way back from the worker process."""
        return (_rebuild, (type(self), self.what, self.where, self.expected, self.todo))

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        tail = [f"expected {self.expected}" if self.expected else "", self.todo]
        return "; ".join([head, *(part for part in tail if part)])


class ParamsError(LoopwrightError):
    """``params.yaml`` breaks its schema."""


class DataError(LoopwrightError):
    """The data cannot be used as they are."""


class NoRowsError(DataError):
    """A source has nothing of what it was asked for."""


class ProjectError(LoopwrightError):
    """The folder is not a project that can run: Git, DVC, rights, or another run in progress."""


class PriorityError(LoopwrightError):
    """A file of candidate projects breaks its schema."""


def _rebuild(kind: type[LoopwrightError], what: str, where: str, expected: str, todo: str) -> LoopwrightError:
    return kind(what, where=where, expected=expected, todo=todo)
