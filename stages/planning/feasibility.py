"""Do you need machine learning at all? A constant and a rule are held against the requirements on a first look."""

from __future__ import annotations

from pathlib import Path

from stages.data.blocks import blocks_of
from stages.data.cutting import By, cut
from stages.data.sources import open_source
from stages.data.split import labelled
from stages.files import read_json, write_json
from stages.metric_names import OFFLINE
from stages.params import Requirement, load_params
from stages.planning.rule import Rule, rule_columns
from stages.requirements import shortfall, worst
from stages.signals import Signal, write_signals
from stages.step import main
from stages.training.estimators import check_candidates
from stages.training.metrics import Figure, Scorer, bootstrap, constant_prediction, repeat

TRAIN_SHARE = 0.7
MIN_ROWS = 30  # of fewer a percentile bootstrap is too sure (Hesterberg 2015)


def run(project: Path) -> None:
    """Write ``metrics/feasibility.json`` and ``signals/planning.json``."""
    params = load_params(project)
    charter = read_json(project / "charter/charter.json")
    task = charter["task"]
    check_candidates(params.training.candidates, task)
    frame, schema = open_source(project, params).first_look(params.data.collect, params.seed)
    frame = labelled(frame, schema, "the first look")
    by = By(schema["time"], schema["group"], schema["target"] if schema["classes"] else None)
    train, test = cut(frame, [TRAIN_SHARE, 1 - TRAIN_SHARE], by, params.seed)
    n_classes = len(schema["classes"]) if schema["classes"] else None
    target: str = schema["target"]
    columns = rule_columns(charter["rule"], train, schema, params.seed)
    y, seen = (rows[target].to_numpy(dtype="float64") for rows in (test, train))
    constant = constant_prediction(task, seen, n_classes or 1)
    rule = Rule(columns, n_classes).fit(train, train[target]).predict(test)
    requirements = {
        name: Requirement.model_validate(item)
        for name, item in charter["requirements"].items()
        if name in OFFLINE[task] and item.get("hard", True)
    }
    options = params.training.bootstrap
    found = {
        name: bootstrap(
            Scorer(task, y, made, constant, blocks_of(test, schema)),
            list(requirements),
            n=options.n,
            level=options.level,
            seed=params.seed,
        )
        for name, made in (("constant", repeat(constant, len(y))), ("rule", rule))
    }
    write_json(project / "metrics/feasibility.json", found)
    write_signals(project / "signals/planning.json", [rule_signal(found["rule"], requirements, columns, len(test))])


def rule_signal(
    found: dict[str, Figure], requirements: dict[str, Requirement], columns: list[str], rows: int
) -> Signal:
    """Return ``rule_suffices``: the smallest margin of the rule over a requirement, relative to its bound."""
    evidence = {
        "rule": columns,
        "rows": rows,
        "requirements": {
            name: {**found[name], requirement.side: requirement.bound} for name, requirement in requirements.items()
        },
    }
    if not requirements:
        says = "no requirement can be measured offline, so a rule cannot be judged"
        return Signal(name="rule_suffices", threshold=0.0, says=says, evidence=evidence)
    if rows < MIN_ROWS:
        says = f"{rows} rows are too few to judge a rule by"
        return Signal(name="rule_suffices", threshold=0.0, says=says, evidence=evidence)
    value, low, high = worst(shortfall(requirement, found[name]) for name, requirement in requirements.items())
    missed = [name for name, requirement in requirements.items() if not requirement.met_by(found[name]["value"])]
    said = ", ".join(
        f"{name} {_number(found[name]['value'])} ({r.side} {r.bound:g})" for name, r in requirements.items()
    )
    verdict = f"misses {', '.join(missed)}" if missed else "meets every requirement"
    return Signal.measured(
        "rule_suffices",
        -value,
        -high,
        -low,
        threshold=0.0,
        direction="above",
        unit="of the bound",
        says=f"the rule on {' x '.join(columns)} {verdict}: {said}",
        evidence=evidence,
    )


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"


if __name__ == "__main__":
    main(run)
