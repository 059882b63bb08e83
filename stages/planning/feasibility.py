"""Is the plan worth trying: a constant, a rule and two simple models against the requirements, on a first look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.data.blocks import blocks_of
from stages.data.brought import without_brought
from stages.data.cost import cost_of
from stages.data.cutting import By, cut
from stages.data.replaced import without_present
from stages.data.sources import open_source
from stages.data.split import labelled
from stages.files import read_json, write_json
from stages.metric_names import OFFLINE
from stages.params import Prices, Requirement, Split, load_params
from stages.planning.rule import Rule, rule_columns
from stages.planning.showing import Part, cannot_show, parts_of
from stages.planning.simple_models import Look, Plan, judged, simple_models
from stages.planning.success import added_requirements, beside, figures_to_beat, open_questions, to_ask_for
from stages.planning.verdict import Supply, verdict
from stages.requirements import shortfall, worst
from stages.signals import Signal, write_signals
from stages.step import main
from stages.training.estimators import check_candidates
from stages.training.failures import Failing
from stages.training.metrics import Figure, Scorer, bootstrap, constant_prediction, repeat
from stages.training.sampling import Sampling

TRAIN_SHARE = 0.7
# Of a window, as the split is proposed; of this project's own only the rows that judge are counted (`parts_of`).
LEARNED_FROM = 1 - Split().valid - Split().test
MIN_ROWS = 30  # of fewer a percentile bootstrap is too sure (Hesterberg 2015)


def run(project: Path) -> None:
    """Write ``metrics/feasibility.json`` and ``signals/planning.json``."""
    params = load_params(project)
    charter = read_json(project / "charter/charter.json")
    task = charter["task"]
    check_candidates(params.training.candidates, task)
    seen, schema = open_source(project, params).first_look(params.data.collect, params.seed)
    schema = without_present(without_brought(schema, charter.get("outcome")), charter.get("replaces", ""))
    frame = labelled(seen, schema, "the first look")
    by = By(schema["time"], schema["group"], schema["target"] if schema["classes"] else None)
    train, test = cut(frame, [TRAIN_SHARE, 1 - TRAIN_SHARE], by, params.seed)
    constant = constant_prediction(
        task, train[schema["target"]].to_numpy(dtype="float64"), len(schema["classes"] or [0])
    )
    failing = Failing(params.planning.answering.tolerance, params.planning.answering.level)
    look = Look(train, test, schema, task, constant, failing)
    plan = Plan(
        bounds={n: Requirement.model_validate(r) for n, r in charter["requirements"].items() if n in OFFLINE[task]},
        supply=supply_of(charter, schema["look"], len(frame) / len(seen)),
        share=LEARNED_FROM,
        sampling=Sampling.of(params.training.bootstrap, params.seed),
    )
    columns = rule_columns(charter["rule"], train, schema, params.seed)
    found = _baselines(look, columns, list(plan.hard), plan.sampling)
    suffices = rule_signal(found["rule"], plan.hard, columns, len(test))
    parts = parts_of(plan.supply, params.data.split, params.data.collect)
    signal = feasibility_signal(charter, look, plan, found, suffices, parts)
    write_json(project / "metrics/feasibility.json", found | {"feasibility": {"says": signal.says} | signal.evidence})
    write_signals(project / "signals/planning.json", [suffices, signal])


def feasibility_signal(
    charter: dict[str, Any],
    look: Look,
    plan: Plan,
    baselines: dict[str, dict[str, Figure]],
    suffices: Signal,
    parts: Mapping[str, Part],
) -> Signal:
    """Return ``feasibility``: the verdict on the plan, with what it stands on and what is open in the charter.

    Parameters
    ----------
    charter : dict
        The content of ``charter/charter.json``.
    look : Look
        The first look.
    plan : Plan
        What is asked of it.
    baselines : dict of str to dict
        What the constant and the rule reach with the hard requirements.
    suffices : Signal
        ``rule_suffices``.
    parts : mapping of str to Part
        The rows that judge, as far as they are known.
    """
    enough, supply = len(look.test) >= MIN_ROWS, plan.supply
    model, reached = simple_models(look, plan) if enough and plan.bounds else ("", {})
    evidence: dict[str, Any] = {
        "model": model,
        "requirements": reached,
        "rows": {"here": supply.here, "have": _known(supply.have), "affordable": _known(supply.affordable)},
        "budget": {"labels": supply.labels, "money": supply.money, "price": supply.price},
        "open": open_questions(charter, plan.hard, baselines if enough else {}),
        "beat": figures_to_beat(charter),
        "judged_by": {name: part.rows for name, part in parts.items()},
    }
    rule = suffices.says if suffices.fires else ""
    judgement = verdict(judged(plan, reached), supply, rule=rule, go_on=to_ask_for(charter))
    short = cannot_show(charter, supply, parts)
    if short is not None and judgement.name != "do_not":
        judgement = short.and_beside(judgement)
    told = beside(evidence["open"], evidence["beat"]) + added_requirements(
        {name: Requirement.model_validate(bound) for name, bound in charter["requirements"].items()}
    )
    return judgement.signal(evidence, told)


def supply_of(charter: dict[str, Any], look: dict[str, Any], labelled_share: float) -> Supply:
    """Return the rows there are and may be had, by the charter's budgets and prices.

    Parameters
    ----------
    charter : dict
        The content of ``charter/charter.json``.
    look : dict
        Of how many ``rows`` the first look was chosen, how many the ``pilot`` keeps, and whether there may be ``more``.
    labelled_share : float
        The share of the first look that has a label; the rest may be labelled.
    """
    budgets, prices = charter["budgets"], Prices.model_validate(charter["prices"])
    return Supply(
        here=round(look["rows"] * labelled_share),
        source=math.inf if look["more"] else look["rows"],
        labels=budgets["labels"],
        money=budgets["money"],
        price=cost_of(1, 1, prices),
        pilot=look["pilot"],
    )


def rule_signal(
    found: dict[str, Figure], requirements: dict[str, Requirement], columns: list[str], rows: int
) -> Signal:
    """Return ``rule_suffices``: the smallest margin of the rule over a requirement, relative to its bound."""
    evidence: dict[str, Any] = {
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


def _baselines(look: Look, columns: list[str], names: list[str], sampling: Sampling) -> dict[str, dict[str, Figure]]:
    """Return what the constant and the rule reach on the rows that judge."""
    test, schema = look.test, look.schema
    n_classes = len(schema["classes"]) if schema["classes"] else None
    rule = Rule(columns, n_classes).fit(look.train, look.train[schema["target"]]).predict(test)
    y = look.target(test)
    return {
        name: bootstrap(
            Scorer(look.task, y, made, look.constant, blocks_of(test, schema), failing=look.failing),
            names,
            n=sampling.n,
            level=sampling.level,
            seed=sampling.seed,
        )
        for name, made in (("constant", repeat(look.constant, len(y))), ("rule", rule))
    }


def _known(rows: float) -> float | None:
    return rows if math.isfinite(rows) else None


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"


if __name__ == "__main__":
    main(run)
