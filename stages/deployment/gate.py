"""May this model be released? The signals of the deployment stage, and the release candidate with every requirement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.context import Context
from stages.deployment.beside import outcome_signals, rule_signals, unsure_signal
from stages.deployment.enough import Size
from stages.deployment.results import counts, group_entries, own, results, tests_fail
from stages.files import read_json, write_json
from stages.metric_names import LOSS_LIKE, OF_ANSWERS, between_groups, larger_is_better
from stages.params import Requirement
from stages.requirements import bound_words, serving_missed, shortfall, surely, worst
from stages.shift.verdicts import concept_shift, covariate_shift, label_shift, shift
from stages.signals import Direction, Signal, write_signals
from stages.step import main
from stages.training.swapping import swaps_of

KINDS = (covariate_shift, label_shift, concept_shift)


def run(project: Path) -> None:
    """Write the signals and the release candidate."""
    work = Context(project)
    release = project / "release"
    chosen = work.chosen
    measured = read_json(project / "metrics" / "pilot.json")
    piloted = read_json(release / "pilot.json")
    serving = read_json(release / "serving.json")
    entries, wishes = (entries_of(bounds, measured["model"], serving) for bounds in (work.requirements, work.wishes))
    wishes += to_beat(work, measured["model"])
    examined, slices = (read_json(release / f"{name}.json") for name in ("examined", "slices"))
    between = group_entries(examined, work.params.deployment.fairness.unsure)
    entries += [item for item in between if item["hard"]]
    wishes += [item for item in between if not item["hard"]]
    told = [*entries, *({**item, "hard": False} for item in wishes)]
    tests = results(read_json(release / "behaviour.json"), examined, slices, told, work.params.deployment)
    size = _size(work, piloted)
    fails = pilot_fails(
        [item for item in entries if item["where"] == "pilot"],
        measured["better_than_constant"],
        aims_at_loss=work.row_metric in LOSS_LIKE,
        size=size,
        evidence=_ways(work, chosen, [str(item["metric"]) for item in entries if not item["met"]])
        | {"validation_unsure": _unsure(work, entries), "wishes_missed": [item for item in wishes if not item["met"]]},
    )
    limits = work.params.deployment.shift
    signals = [
        tests_fail(own(tests), chosen, [item for item in between if item["hard"]]),
        serving_missed([item for item in entries if item["where"] == "serving"], chosen),
        fails,
        shift(piloted["shift"], limits, broken=fails.fires is True),
        *(judge(piloted["shift"], limits) for judge in KINDS),
        hard_slices(slices, work.params.deployment.slices.max_excess),
    ]
    worth = outcome_signals(measured, work, met=not fails.fires)
    worth += rule_signals(measured, work, size, _ways(work, chosen, []))
    unsure = unsure_signal(entries, measured, worth, work, size, missed=fails.fires is True)
    write_signals(project / "signals" / "deployment.json", [*signals, *worth, unsure])
    write_json(release / "tests.json", tests)
    write_json(
        release / "candidate.json",
        {
            "model": str(work.release_model),
            "chosen": chosen,
            "meets": size.tells
            and not any(signal.fires for signal in [*signals[:3], *worth])
            and all(signal.fires is False for signal in worth if signal.name == "no_better_than_rule"),
            "requirements": entries,
            "wishes": wishes,
            "features": work.schema["features"],
            "scope": work.schema.get("scope"),
            "classes": work.schema["classes"],
            "threshold": work.threshold,
            "policy": piloted["policy"],
            "seen": piloted["seen"],
            "left_to_people": piloted["left_to_people"],
            "answers": {name: measured["model"][name] for name in sorted(OF_ANSWERS) if name in measured["model"]},
            "tests": counts(own(tests)),
            "window": work.schema["window"],
            "pilot": work.schema["pilot"] | {"judged": piloted["rows"], "tells": size.tells},
            "cannot_tell": unsure.evidence["unsure"],
        },
    )


def entries_of(bounds: dict[str, Requirement], pilot: dict[str, Any], serving: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every requirement with what was measured and whether it is met; offline ones on the pilot.

    Those between groups are left to `stages.deployment.results.group_entries`.
    """
    found = []
    for name, bound in bounds.items():
        if between_groups(name):
            continue
        item: dict[str, Any] = {"metric": name, "bound": bound.bound, "side": bound.side}
        if name in serving:
            value = serving[name].get("value")
            item |= {"where": "serving", **dict.fromkeys(("value", "low", "high"), value), "met": serving[name]["met"]}
        else:
            item |= {"where": "pilot", **pilot[name], "met": bound.met_by(pilot[name]["value"])}
        found.append(item)
    return found


def to_beat(work: Context, pilot: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the charter's figures from elsewhere, with what the model reaches in the pilot beside them."""
    found = []
    for name, item in work.charter["beat"].items():
        side = "at_least" if larger_is_better(work.task, item["metric"]) else "at_most"
        figure = pilot[item["metric"]]
        met = Requirement(**{side: item["value"]}).met_by(figure["value"])
        beside = {"beat": name, "source": item["source"], "where": "pilot", "met": met}
        found.append({"metric": item["metric"], "bound": item["value"], "side": side, **figure, **beside})
    return found


def pilot_fails(
    entries: list[dict[str, Any]],
    better: dict[str, Any],
    *,
    aims_at_loss: bool,
    size: Size,
    evidence: dict[str, Any] | None = None,
) -> Signal:
    """Fire when an offline requirement is missed in the pilot, or the model is surely worse there than the constant.

    The value is the largest relative shortfall, or the share by which the constant is better. As in training, a
    requirement is held against the estimate. A pilot that is too small for any interval cannot tell.

    Parameters
    ----------
    entries : list of dict
        Each offline requirement: ``metric``, ``value``, ``low``, ``high``, ``bound``, ``side``, ``met``.
    better : dict
        See `stages.training.comparison.better_than_constant`.
    aims_at_loss : bool
        Whether the charter optimises a metric with the same best model as the loss; else a second metric may excuse it.
    size : Size
        Of the pilot.
    evidence : dict, optional
        What the loop may change.
    """
    if not size.tells:
        says = f"{size.words}: too few to tell, whatever they show"
        return Signal(name="pilot_fails", threshold=0.0, unit="of the bound", says=says, evidence=evidence or {})
    missed = [item for item in entries if not item["met"]]
    skill, other = better["loss"], better["other"]
    worse = surely(skill, "below", 0.0) and (aims_at_loss or not surely(other, "above", 0.0))
    told = [f"{i['metric']} {_number(i['value'])}, required {bound_words(i['side'], i['bound'])}" for i in missed]
    if skill["value"] is not None and skill["value"] < 0:
        told.append(f"a loss {-100 * skill['value']:.1f}% above the constant's")
    found = [shortfall(Requirement(**{item["side"]: item["bound"]}), item) for item in entries]
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
        says="; ".join(told) or f"every requirement is met on the {size.rows} rows of the pilot",
        evidence={
            "missed": missed,
            "met": [item for item in entries if item["met"]],
            "better_than_constant": better,
            "worse_than_constant": worse,
            **(evidence or {}),
        },
    )


def hard_slices(found: list[dict[str, Any]], limit: float) -> Signal:
    """Fire when the model surely loses more in a slice than its own mean would, and by its estimate beyond the limit.

    The intervals hold for all slices together.
    """
    hard = [item for item in found if surely(item, "above", 0.0) and item["excess"] > limit]
    if not found:
        return Signal(name="hard_slices", threshold=limit, says="no slice has enough rows, and loss, to be judged")
    first = (hard or found)[0]
    signal = Signal.measured(
        "hard_slices",
        first["excess"],
        first["low"],
        first["high"],
        threshold=limit,
        direction="above",
        says=f"{len(hard)} of {len(found)} slices are hard; the worst is {first['column']} = {first['value']} "
        f"({first['rows']} rows, loss {100 * first['excess']:+.0f}% beside its own mean's)",
        evidence={"slices": hard, "file": "release/slices.json"},
    )
    return signal.model_copy(update={"fires": True}) if hard else signal


def _size(work: Context, piloted: dict[str, Any]) -> Size:
    level, power = work.params.training.bootstrap.level, work.params.deployment.pilot.power
    return Size(piloted["rows"], piloted["units"], piloted["blocks"], level, power)


def _unsure(work: Context, entries: list[dict[str, Any]]) -> bool:
    """Tell whether the validation rows allowed for all that the pilot misses: its values lie in their intervals."""
    valid = read_json(work.project / "metrics" / "evaluation.json")["valid"]
    missed = [item for item in entries if item["where"] == "pilot" and not item["met"] and item["value"] is not None]
    sides: dict[str, Direction] = {"at_least": "above", "at_most": "below"}
    return bool(missed) and not any(surely(valid[i["metric"]], sides[i["side"]], i["value"]) for i in missed)


def _ways(work: Context, chosen: str, missed: list[str]) -> dict[str, Any]:
    """Return what the loop may change."""
    ways = {key: work.schema.get(key) for key in ("more", "more_rows", "include_pilot", "unused_groups")}
    rows = {"rows": work.schema["window"]["rows"], "pilot_rows": work.schema["pilot"]["rows"]}
    ways["outside"] = work.schema.get("scope", {}).get("share_outside", 0.0)
    narrowing = work.project / "release" / "narrowing.json"
    parts = read_json(narrowing)["parts"] if narrowing.exists() else []
    less = read_json(work.project / "metrics" / "evaluation.json").get("answering", {})
    return {
        "chosen": chosen,
        **rows,
        **ways,
        **({"answering": less} if less else {}),
        "swap": swaps_of(work, missed),
        "narrow": [{**part, "judged_by": "the pilot"} for part in parts],
    }


def _number(value: float | None) -> str:
    return "missed" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    main(run)
