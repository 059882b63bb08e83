"""What a pilot told, in words: for `why`, for the report, and beside a release."""

from __future__ import annotations

from typing import Any

import pytest

from flows.people.waiting import next_step
from flows.pilot import pilot_lines
from flows.report.facts import Facts
from flows.report.past import Archive
from flows.report.piloted import pilot_section
from flows.words import remarks
from stages.deployment.champion import champion_stays
from stages.deployment.enough import Size, judged, pilot_unsure
from stages.deployment.replacing import no_better_than_rule
from stages.params import Champion, Pilot, load_params
from tests.conftest import ROOT
from tests.flows.test_record import iteration

SIZE = Size(31, 31, blocks=False)
AUC = {"metric": "roc_auc", "value": 0.71, "low": 0.52, "high": 0.88, "bound": 0.7, "side": "at_least"}
SHADOW: dict[str, Any] = {
    "rows": 31,
    "metrics": {"log_loss": {"released": 0.5, "new": 0.45}},
    "apart": {
        **{"rows": 9, "released_right": 3, "new_right": 6, "both_right": 0, "neither_right": 0},
        "loss": {"released": 0.9, "new": 0.7},
        "share": {"value": 9 / 31, "low": 0.16, "high": 0.46},
    },
    "slices": [{"column": "hour", "value": 5, "rows": 8, "apart": 5, "released_right": 1, "new_right": 4}],
}


def piloted(**settings: Any) -> Any:
    unsure = pilot_unsure([judged(AUC, 0.5, SIZE, 0.5)], SIZE, Pilot(**settings), waits=False)
    gain = champion_stays({"value": 0.05, "low": 0.01, "high": 0.1}, [], "log_loss", Champion())
    gain = gain.model_copy(update={"evidence": {**gain.evidence, "shadow": SHADOW}})
    signals = [unsure.model_dump(), gain.model_dump()]
    return iteration(
        4, stage="deployment", steps=[{"name": "gate"}], signals=signals, move={"to": "released", "row": ""}
    )


def test_the_rows_needed_and_the_rows_answered_apart_are_told() -> None:
    assert pilot_lines(piloted()) == [
        "pilot: roc_auc 0.71 (0.52 … 0.88), required at least 0.7, no worse than 0.6; cannot tell; 213 rows "
        "would tell it",
        "beside the released model: 9 of 31 rows are answered apart (0.16 … 0.46 of all); there the released one alone "
        "is right in 3, the new one in 6; mean loss 0.9 and 0.7",
        "  log_loss: released 0.5, new 0.45",
        "  hour = 5: 5 of 8 rows apart, the released one alone right in 1, the new one in 4",
    ]
    assert pilot_lines(iteration(1)) == []


def test_the_report_has_them_as_tables() -> None:
    item = piloted()
    facts = Facts(ROOT, "p", [item], [], Archive(ROOT), load_params(ROOT))
    section = pilot_section(facts)
    assert section is not None
    assert [table.rows[0] for table in section.tables] == [
        ["roc_auc", "0.71", "0.52 … 0.88", "at least 0.7", "0.6", "cannot tell", "213 rows"],
        ["log_loss", "0.5", "0.45"],
        ["hour = 5", "8", "5", "1", "4"],
    ]
    assert any("about 220 are needed" in says for says in section.says)


def test_what_the_pilot_cannot_tell_stands_beside_a_release() -> None:
    (told,) = remarks([piloted(unsure="release")])
    assert told.startswith("cannot tell: the pilot has 31 rows; about 220 are needed to tell roc_auc 0.71")


def test_a_run_that_waits_for_rows_says_how_it_goes_on() -> None:
    asks = {"to": "released", "wait_minutes": 60.0, "then": "stop"}
    move = {"to": "waiting", "row": "pilot_unsure", "options": [], "proposal": {}, "patch": {}}
    for asked in (None, asks):
        said = next_step(iteration(4, move={**move, "asks": asked}))
        assert "more rows in the source (later than data.collect.until" in said and "then loopwright run" in said
        assert ("loopwright approve" in said) is (asked is not None)


@pytest.mark.parametrize(("low", "unsure"), [(0.01, True), (-0.01, True)])
def test_a_rule_that_is_beaten_is_no_remark(low: float, unsure: bool) -> None:
    """Its evidence says whether it may be beaten, which names nothing that cannot be told."""
    signal = no_better_than_rule({"value": 0.1, "low": low, "high": 0.2}, rule="rule", by="log_loss", unit="")
    assert signal.evidence["unsure"] is unsure
    assert remarks([iteration(4, stage="deployment", steps=[{"name": "gate"}], signals=[signal.model_dump()])]) == []
