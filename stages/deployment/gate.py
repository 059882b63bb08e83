"""May this model be released? The signals of the deployment stage, and the release candidate with every requirement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.context import Context
from stages.files import read_json, write_json
from stages.requirements import shortfall, worst
from stages.signals import Signal, write_signals
from stages.step import main


def run(project: Path) -> None:
    """Write the signals and the release candidate."""
    work = Context(project)
    release = project / "release"
    chosen = read_json(project / "models" / "chosen.json")["name"]
    measured = read_json(project / "metrics" / "pilot.json")
    entries = requirements(work, measured["model"], read_json(release / "serving.json"))
    tests = read_json(release / "behaviour.json")
    write_signals(
        project / "signals" / "deployment.json",
        [
            tests_fail(tests, chosen),
            pilot_fails(entries, measured, work, chosen),
            shift(read_json(release / "pilot.json"), work),
            hard_slices(read_json(release / "slices.json"), work),
        ],
    )
    write_json(
        release / "candidate.json",
        {
            "model": "models/model.skops",
            "chosen": chosen,
            "meets": all(item["met"] for item in entries) and all(test["passed"] for test in tests),
            "requirements": entries,
            "tests": {"run": len(tests), "failed": sum(not test["passed"] for test in tests)},
            "window": work.schema["window"],
            "pilot": work.schema["pilot"],
        },
    )


def requirements(work: Context, pilot: dict[str, Any], serving: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every requirement with what was measured and whether it is met; offline ones on the pilot."""
    found = []
    for name, bound in work.requirements.items():
        item: dict[str, Any] = {"metric": name, "bound": bound.bound, "side": bound.side}
        if name in serving:
            value = serving[name].get("value")
            item |= {"where": "serving", **dict.fromkeys(("value", "low", "high"), value), "met": serving[name]["met"]}
        else:
            item |= {"where": "pilot", **pilot[name], "met": bound.met_by(pilot[name]["value"])}
        found.append(item)
    return found


def tests_fail(tests: list[dict[str, Any]], chosen: str) -> Signal:
    """Fire when a behaviour or regression test fails."""
    failed = [test["test"] for test in tests if not test["passed"]]
    return Signal.measured(
        "tests_fail",
        float(len(failed)),
        threshold=0.0,
        direction="above",
        says=f"{len(failed)} of {len(tests)} tests fail" + (f": {'; '.join(failed)}" if failed else ""),
        evidence={"failed": failed, "chosen": chosen, "file": "release/behaviour.json"},
    )


def pilot_fails(entries: list[dict[str, Any]], measured: dict[str, Any], work: Context, chosen: str) -> Signal:
    """Fire when a requirement is missed in the pilot, or the model is worse there than the constant.

    The value is the largest relative shortfall, or the share by which the constant is better. As in training, a
    requirement is held against the estimate.
    """
    missed = [item for item in entries if not item["met"]]
    skill = measured["skill_over_constant"]
    worse = skill["high"] is not None and skill["high"] < 0
    told = [
        f"{i['metric']} {_number(i['value'])}, required {i['side'].replace('_', ' ')} {i['bound']:.4g}" for i in missed
    ]
    if worse:
        told.append(f"worse than the constant by {-100 * skill['value']:.1f}%")
    bounds = {item["metric"]: work.requirements[item["metric"]] for item in entries}
    # A latency that is met has no figure here; see stages/deployment/serving.py.
    judged = [item for item in entries if item["value"] is not None or not item["met"]]
    found = [shortfall(bounds[item["metric"]], item) for item in judged]
    found += [(-skill["value"], -skill["high"], -skill["low"])] if worse else []
    value, low, high = worst(found)
    return Signal(
        name="pilot_fails",
        value=value,
        low=low,
        high=high,
        threshold=0.0,
        direction="above",
        unit="of the bound",
        fires=bool(missed or worse),
        says="; ".join(told) or f"every requirement is met on the {work.schema['pilot']['rows']} rows of the pilot",
        evidence={
            "missed": missed,
            "met": [item for item in entries if item["met"]],
            "skill_over_constant": skill,
            "worse_than_constant": worse,
            "chosen": chosen,
            "rows": work.schema["window"]["rows"],
            **{key: work.schema.get(key) for key in ("more", "more_rows", "include_pilot", "unused_groups")},
        },
    )


def shift(found: dict[str, Any], work: Context) -> Signal:
    """Fire when the pilot's rows can be told from the training rows, or the target's mean moved, beyond the limits."""
    limits = work.params.deployment.shift
    auc, rate = found["two_sample_auc"], found["rate_change"]
    moved = min(abs(rate["low"]), abs(rate["high"])) if rate["low"] * rate["high"] > 0 else 0.0
    features = ", ".join(f"{item['feature']} {item['distance']:.2f}" for item in found["features"][:3])
    signal = Signal.measured(
        "shift",
        auc["value"],
        auc["low"],
        auc["high"],
        threshold=limits.max_auc,
        direction="above",
        says=f"a classifier tells pilot from training rows with ROC AUC {auc['value']:.3f}; "
        f"the target's mean moved by {rate['value']:+.2f} sd; moved most: {features}",
        evidence={"rate_change": rate, "features": found["features"]},
    )
    return signal.model_copy(update={"fires": True}) if moved > limits.max_rate_change else signal


def hard_slices(found: list[dict[str, Any]], work: Context) -> Signal:
    """Fire when a slice's loss exceeds the overall loss by more than the limit, for all slices together."""
    limit = work.params.deployment.slices.max_excess
    hard = [item for item in found if item["low"] > limit]
    if not found:
        return Signal(name="hard_slices", threshold=limit, says="no slice has enough rows, and loss, to be judged")
    worst = found[0]
    return Signal.measured(
        "hard_slices",
        worst["excess"],
        worst["low"],
        worst["high"],
        threshold=limit,
        direction="above",
        says=f"{len(hard)} of {len(found)} slices are hard; the worst is {worst['column']} = {worst['value']} "
        f"({worst['rows']} rows, loss {100 * worst['excess']:+.0f}%)",
        evidence={"slices": hard, "file": "release/slices.json"},
    )


def _number(value: float | None) -> str:
    return "missed" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    main(run)
