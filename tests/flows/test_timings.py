"""A missed latency is told with its figure, and may be relaxed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flows.decide import decide
from flows.timings import FIGURES, MODEL, with_timings
from flows.transitions import STOP
from stages.files import write_json
from stages.requirements import serving_missed
from stages.signals import Signal
from tests.flows.test_revisions import with_evidence

KEY = "planning.requirements.latency_p99_ms"
SIZE = 2000


def measured(project: Path, value: float, size: int = SIZE) -> Signal:
    """The signal of a stage that knows no figure, with what the machine measured then."""
    (project / "release").mkdir()
    (project / MODEL).write_bytes(b"x" * SIZE)
    figures = {"latency_p50_ms": 12.3, "latency_p99_ms": value, "size_mb": size / 1e6, "calls": 250}
    write_json(project / FIGURES, figures)
    item = {"metric": "latency_p99_ms", "bound": 100.0, "side": "at_most", "where": "serving", "met": False}
    item |= dict.fromkeys(("value", "low", "high"))
    (found,) = with_timings(project, [serving_missed([item], "logistic")])
    return found


def test_a_missed_latency_is_told_and_may_be_relaxed(tmp_path: Path) -> None:
    found = measured(tmp_path, 385.08)
    assert found.says == "latency_p99_ms 385.1 on this machine, the median 12.3; required at most 100"
    patch = {"training.use": ["logistic"], KEY: {"at_most": 100}}
    now = with_evidence("deployment", {"chosen": "logistic"}, fires=("serving_missed",), patch=patch)
    move = decide(replace(now, signals={**now.signals, "serving_missed": found}))
    assert (move.to, move.row) == (STOP, "serving_unreached")
    assert "latency_p99_ms is 385.1, above the required 100" in move.reason
    assert move.options[0].patch == {f"{KEY}.at_most": 470}
    assert "latency_p99_ms 385.1 (median 12.3) instead of at most 100" in move.options[0].says


def test_the_figures_of_another_model_or_another_verdict_do_not_count(tmp_path: Path) -> None:
    for name, value, size in (("other", 385.08, 3000), ("met", 80.0, SIZE)):
        (tmp_path / name).mkdir()
        found = measured(tmp_path / name, value, size)
        assert found.says == "latency_p99_ms misses at most 100"
        assert found.evidence["missed"][0]["value"] is None
    (bare,) = with_timings(tmp_path / "none", [found])
    assert bare == found
