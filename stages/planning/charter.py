"""Check the plan for contradictions and write it down as the charter that later stages are held to."""

from __future__ import annotations

import math
from pathlib import Path

from stages.errors import ParamsError
from stages.files import write_json
from stages.importing import import_callable
from stages.metric_names import FAILURES, OFFLINE, RATIO, larger_is_better
from stages.params import PARAMS_FILE, Planning, load_params
from stages.planning.outcome import outcome_of
from stages.step import main

# Metrics that cannot exceed 1; the others of their kind have no upper end.
AT_MOST_ONE = frozenset(name for metrics in OFFLINE.values() for name, larger in metrics.items() if larger)


def run(project: Path) -> None:
    """Write ``charter/charter.json``: the planning section of ``params.yaml``, checked."""
    planning = load_params(project).planning
    check_plan(planning)
    charter = planning.model_dump(mode="json")
    charter["requirements"] = {
        name: requirement.model_dump(mode="json", exclude_defaults=True)
        for name, requirement in planning.required.items()
    }
    charter["answering"]["guardrails"] = planning.guarded
    wanted = planning.measured_outcome
    charter["outcome"] = None if wanted is None else wanted.model_dump(mode="json")
    outcome_of(project, charter, None)  # a slip in its path shows at the start
    if ":" in planning.replaces:
        import_callable(project, planning.replaces, f"{PARAMS_FILE}: planning.replaces")
    if planning.combine.by == "formula":
        import_callable(project, str(planning.combine.call), f"{PARAMS_FILE}: planning.combine.call")
    write_json(project / "charter/charter.json", charter)


def check_plan(planning: Planning) -> None:
    """Refuse a plan that no model could meet, or that any model would.

    Raises
    ------
    ParamsError
        If the goal is empty, nothing is required, a bound is on the wrong side of its metric, or is out of its range.
    """
    if not planning.goal.strip():
        raise _wrong("goal", "is empty", "one sentence that says what the project is for")
    if not planning.requirements:
        raise _wrong("requirements", "is empty", "at least one metric with at_least or at_most")
    for name, requirement in planning.required.items():
        key = f"requirements.{name}"
        side = "at_least" if larger_is_better(planning.task, name) else "at_most"
        if requirement.side != side:
            raise _wrong(key, f"{requirement.side} asks for a bad {name}", f"{side}")
        bound = requirement.bound
        if not math.isfinite(bound):
            raise _wrong(key, f"{bound} is no bound", "a finite number")
        if (name in AT_MOST_ONE or name.endswith(RATIO)) and bound > 1:
            raise _wrong(key, f"{bound:g} cannot be reached", f"at most 1, the best {name} there is")
        if name in FAILURES and bound >= 1:
            raise _wrong(key, f"{bound:g} holds whatever fails", f"less than 1: {name} is a share")
        if side == "at_most" and bound < 0:
            raise _wrong(key, f"{bound:g} cannot be reached", f"at least 0, the best {name} there is")
    _check_worth(planning)
    if not any(requirement.hard for requirement in planning.required.values()):
        raise _wrong("requirements", "are all soft", "one at least that a release must meet")
    _check_answering(planning)


def _check_worth(planning: Planning) -> None:
    errors = planning.prices.false_positive, planning.prices.false_negative
    if any(price is not None for price in errors) and not sum(price or 0.0 for price in errors) > 0:
        raise _wrong("prices", "say that no wrong decision costs anything", "a price above 0")
    if errors.count(None) == 1:
        key = ("false_positive", "false_negative")[errors.index(None)]
        raise _wrong(f"prices.{key}", "is open, and the other wrong decision has a price", "both prices or none")
    if planning.outcome is not None and planning.outcome.columns and planning.task != "classification":
        raise _wrong("outcome.columns", "are of a regression, whose decisions are no classes", "outcome.call")
    if planning.prices.false_positive is not None and planning.task != "classification":
        raise _wrong("prices.false_positive", "is of a regression", "no price: a number is not right or wrong")


def _check_answering(planning: Planning) -> None:
    if planning.task == "regression" and planning.answering.max_error is not None:
        raise _wrong("answering.max_error", "is of a regression, and of a value nobody is unsure", "no value")
    counted = FAILURES & {planning.optimise, *planning.required, *planning.combine.weights}
    if planning.task == "regression" and planning.answering.tolerance is None and counted:
        by = planning.required.get(min(counted))
        from_ = f" (by {by.asked_by})" if by is not None and by.asked_by else ""
        what = f"is empty, and {min(counted)} counts failures{from_}"
        raise _wrong("answering.tolerance", what, "a number: by how much a prediction that is no failure may be off")
    if planning.prices.review is not None and planning.prices.false_positive is None:
        raise _wrong("prices.review", "is set, and wrong decisions have no price", "prices of both wrong decisions")


def _wrong(key: str, what: str, expected: str) -> ParamsError:
    return ParamsError(what, where=f"params.yaml: planning.{key}", expected=expected, todo="edit params.yaml")


if __name__ == "__main__":
    main(run)
