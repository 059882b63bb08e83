"""What would be chosen if a missed metric were the one to optimise, and the present one a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stages.context import Context
from stages.files import read_json
from stages.metric_names import OFFLINE, larger_is_better
from stages.params import Requirement

Option = Mapping[str, Any]


def swaps(
    options: Mapping[str, Sequence[Option]],
    bounds: Mapping[str, Requirement],
    missed: Sequence[str],
    *,
    task: str,
    optimise: str,
    chosen: tuple[str, float],
    searched: bool = False,
) -> list[dict[str, Any]]:
    """Return for each missed metric what the candidate that is best by it reaches, all other requirements met.

    "Threshold n-1 metrics, evaluate the nth", and revisit which is the nth (Full Stack Deep Learning 2021, lecture 5).

    Parameters
    ----------
    options : mapping of str to sequence of mapping
        For each candidate its validation figures at each threshold that it could have, as in ``models/selection.json``.
    bounds : mapping of str to Requirement
        What is required by now.
    missed : sequence of str
        The metrics that were found missed.
    task, optimise : str
        Classification or regression, and the metric that is optimised now.
    chosen : (str, float)
        The chosen candidate and the threshold it decides from.
    searched : bool
        Whether parameters are searched, so that another metric finds other ones even where the same candidate is best.

    Returns
    -------
    list of dict
        ``metric``, ``side``, ``value`` and ``was``: the missed one, by the best candidate and by the chosen one;
        ``instead_of``: the same of the metric optimised now; ``candidate`` and ``threshold``. Only what would change
        what is chosen or learned.
    """
    every = [(name, option) for name, found in options.items() for option in found]
    now = next((one for name, one in every if name == chosen[0] and one.get("threshold") in (None, chosen[1])), None)
    found = []
    for metric in missed:
        if (
            now is None
            or metric == optimise
            or metric not in OFFLINE[task]
            or None in (now.get(metric), now.get(optimise))
        ):
            continue
        others = {name: bound for name, bound in bounds.items() if name != metric}
        pool = [
            (name, one)
            for name, one in every
            if None not in (one.get(metric), one.get(optimise)) and all(b.met_by(one.get(n)) for n, b in others.items())
        ]
        if not pool:
            continue
        sign = 1 if larger_is_better(task, metric) else -1
        name, best = max(pool, key=lambda item: sign * item[1][metric])
        better = sign * (best[metric] - now[metric]) > 0
        if better or (searched and name == chosen[0]):
            found.append(
                {
                    **_moved(metric, now, best, task),
                    "instead_of": _moved(optimise, now, best, task),
                    "candidate": name,
                    "threshold": best.get("threshold"),
                }
            )
    return found


def swaps_of(work: Context, missed: Sequence[str]) -> list[dict[str, Any]]:
    """Return `swaps` of a project in which these metrics were found missed."""
    selection, training = read_json(work.project / "models" / "selection.json"), work.params.training
    return swaps(
        selection["options"],
        {name: bound for name, bound in work.requirements.items() if name in selection["bounds"]},
        missed,
        task=work.task,
        optimise=str(work.charter["optimise"]),
        chosen=(work.chosen, work.threshold),
        searched=bool(training.search.trials and any(training.candidates[name].search for name in training.use)),
    )


def _moved(metric: str, now: Option, best: Option, task: str) -> dict[str, Any]:
    side = "at_least" if larger_is_better(task, metric) else "at_most"
    return {"metric": metric, "side": side, "value": best[metric], "was": now[metric]}
