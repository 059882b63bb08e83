"""The signal that labels are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.signals import Signal
from stages.training.label_audit import irreducible, overruled

SUSPECTS = "models/suspects.csv"
NO_KEY = "; name the column that tells rows apart (data.source.key), and the most suspect can be asked for again"


def label_noise(quality: Mapping[str, Any], limit: float) -> Signal:
    """Fire when surely more labels are wrong than a limit.

    Parameters
    ----------
    quality : mapping
        Content of ``metrics/label_quality.json``; see `stages.training.label_quality.quality`.
    limit : float
        ``training.diagnosis.max_label_noise``.

    Returns
    -------
    Signal
        Its evidence says where suspects concentrate, and ``irreducible``: why asking again does not help, if so.
    """
    rate, audit = quality["noise_rate"], quality.get("audit", [])
    refuted = overruled(audit)
    if refuted:
        return Signal(
            name="label_noise",
            threshold=limit,
            fires=False,
            says=refuted,
            unit="of the labels",
            evidence={"audit": audit},
        )
    if rate["value"] is None:
        why = quality.get("why", "too few rows to tell wrong labels from hard rows")
        return Signal(name="label_noise", threshold=limit, says=why, unit="of the labels")
    hopeless = irreducible(audit, rate["value"], quality["rows"], limit)
    bad = [item["source"] for item in quality["sources"] if item["bad"]]
    says = (
        f"{rate['value']:.1%} of the labels ({rate['low']:.1%} … {rate['high']:.1%}) are wrong as far as a model tells"
    )
    if rate["low"] == 0:
        says = f"no label is surely wrong; up to {rate['high']:.1%} may be, or the rows are that hard"
    says += f"; worst source {bad[0]}" if bad else ""
    says += NO_KEY if quality["suspects"] and not quality.get("keyed", True) else ""
    says += f"; it cannot be reduced: {hopeless}" if hopeless else ""
    return Signal.measured(
        "label_noise",
        rate["value"],
        rate["low"],
        rate["high"],
        threshold=limit,
        direction="above",
        unit="of the labels",
        says=says,
        evidence={
            "suspects": quality["suspects"],
            "askable": quality.get("askable", 0),
            "confident_learning": quality["confident_learning"],
            "bad_sources": bad,
            "sources": quality["sources"],
            "class_pairs": quality["class_pairs"],
            "file": SUSPECTS,
            "audit": audit,
            "irreducible": hopeless,
        },
    )
