"""How a model beside the release stands, by the log of predictions and the labels that came in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from stages.data.labels.log import Reviewed, append_reviewed
from stages.deployment.canary_log import CANARY_POINTER, START, Canary
from stages.files import read_json, write_json
from stages.production.beside import takes
from stages.production.canary import standing
from stages.production.canary_verdict import CANNOT_TELL, INFERIOR, NOT_INFERIOR
from stages.production.log import Entry, PredictionLog
from stages.training.comparison import unpaired_gain
from stages.training.metrics import Scorer
from tests.stages.releasing import many_kinds, params_of

RELEASED, BESIDE = "a" * 64, "b" * 64
AT = "2026-02-01T00:00:00.000+00:00"
CARD = {"features": {"x": "number"}, "policy": {"threshold": 0.5}}


def project_of(folder: Path, share: float, *, values: bool = False, **more: Any) -> Path:
    """Make a project with a release and a model beside it, as far as the log's reader looks at them."""
    classes, task = (None, "regression") if values else (["no", "yes"], "classification")
    params = params_of(many_kinds(), {}, deployment={"canary": {"margin": 0.05}, **more})
    metric = "accuracy" if classes else "mae"
    params["planning"] |= {
        "task": "classification" if classes else "regression",
        "optimise": metric,
        "requirements": {},
    }
    write_json(folder / "params.yaml", params)
    charter = {"task": task, "optimise": metric, "requirements": {}}
    write_json(folder / "charter/charter.json", charter)
    write_json(folder / "data/schema.json", {"group": None, "time": None, "classes": classes})
    for name in ("one", "two"):
        write_json(folder / f"releases/{name}/card.json", CARD | {"classes": classes})
    pointer = {"iteration": 4, "path": "releases/one/model.skops", "card": "releases/one/card.json", "sha256": RELEASED}
    write_json(folder / "releases/current.json", pointer)
    line = Canary(
        START, 1, 9, share, "releases/two/model.skops", "releases/two/card.json", BESIDE, "", [], "Ann", "so", AT
    )
    write_json(folder / CANARY_POINTER, line.as_dict())
    return folder


def logged(name: str, role: str, says: str | float, **more: Any) -> Entry:
    release = RELEASED if role == "release" else BESIDE
    sure = [0.1, 0.9] if says == "yes" else [0.9, 0.1]
    made = {"id": f"{role} {name}", "content": name, "at": AT, "release": release[:12], "iteration": 4, "key": name}
    made |= {"source": "serve", "time": None, "group": None, "row": json.dumps({"x": name}), "prediction": str(says)}
    made |= {"probabilities": json.dumps(sure), "confidence": 0.9, "answered": True, "reason": "", "role": role}
    return made | more


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a project says of its log; an empty one."""
    if request.param == "sqlite":
        return {}
    url = request.getfixturevalue("postgres")
    monkeypatch.setenv("PREDICTIONS", url)
    engine = create_engine(url.replace("postgresql", "postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("drop table if exists predictions"))
    engine.dispose()
    return {"log": {"url_env": "PREDICTIONS"}}


def told(project: Path, entries: list[Entry], labels: dict[str, str | float], **more: Any) -> None:
    with PredictionLog(project).writing() as writer:
        writer.add(entries)
    known: dict[str, Any] = {"key": None, "time": None, "group": None, "by": "feedback", "at": AT, "file": "f"}
    known |= {"release": "r", "predicted": "", "reason": "", "row": {}, "withheld": []}
    known |= more
    lines = [Reviewed(id=name, label=str(label), **known) for name, label in labels.items()]
    append_reviewed(project, lines)


def truth(count: int) -> list[str]:
    return [("yes", "no")[at % 2] for at in range(count)]


def other(label: str) -> str:
    return "no" if label == "yes" else "yes"


def test_where_nothing_stands_nothing_is_told(tmp_path: Path) -> None:
    assert standing(tmp_path) is None
    project = project_of(tmp_path, 0.0)
    found = standing(project)
    assert found is not None
    assert (found.release.rows, found.both, found.alike, found.verdict) == (0, 0, None, CANNOT_TELL)
    assert "is labelled yet" in found.why
    assert "is missing" in found.problem  # its model is in no file here
    write_json(project / "releases/current.json", {"iteration": 9, "path": "p", "card": "c", "sha256": BESIDE})
    assert standing(project) is None  # it is the release by now


def test_a_shadow_is_compared_in_pairs(tmp_path: Path, database: dict[str, Any]) -> None:
    project, right = project_of(tmp_path, 0.0, **database), truth(200)
    entries = [logged(f"p{at}", "release", other(says) if at < 20 else says) for at, says in enumerate(right)]
    entries += [logged(f"p{at}", "shadow", other(says) if at < 24 else says) for at, says in enumerate(right)]
    entries += [logged("old", "shadow", "yes", at="2026-01-01"), logged("old", "release", "yes", at="2026-01-01")]
    told(project, entries, {f"release p{at}": says for at, says in enumerate(right[:150])})
    found = standing(project)
    assert found is not None
    assert (found.release.rows, found.beside.rows, found.both) == (200, 200, 200)
    assert found.alike == pytest.approx(196 / 200)
    assert found.release.said == {"no": 0.5, "yes": 0.5}
    assert (found.release.labelled, found.beside.labelled) == (150, 150)
    assert [found.release.value, found.beside.value] == [pytest.approx(130 / 150), pytest.approx(126 / 150)]
    assert found.gain["value"] == pytest.approx(-4 / 150)
    low, high = found.gain["low"], found.gain["high"]
    assert low is not None
    assert high is not None
    assert -0.08 < low < -4 / 150 < high < 0.01  # the 146 rows on which both are alike move neither end
    assert found.verdict == CANNOT_TELL
    assert found.more is not None
    assert found.more > 0


@pytest.mark.parametrize(("wrong", "verdict"), [(0, NOT_INFERIOR), (80, INFERIOR), (12, CANNOT_TELL)])
def test_the_verdict_is_by_the_margin(tmp_path: Path, wrong: int, verdict: str) -> None:
    project, right = project_of(tmp_path, 0.0), truth(200)
    entries = [logged(f"p{at}", "release", says) for at, says in enumerate(right)]
    entries += [logged(f"p{at}", "shadow", other(says) if at < wrong else says) for at, says in enumerate(right)]
    told(project, entries, {f"release p{at}": says for at, says in enumerate(right)})
    found = standing(project)
    assert found is not None
    assert found.verdict == verdict
    assert (found.more == 0) == (verdict != CANNOT_TELL)


@pytest.mark.parametrize(("groups", "tells"), [(4, False), (50, True)])
def test_rows_of_a_group_hang_together(tmp_path: Path, groups: int, tells: bool) -> None:
    project, right = project_of(tmp_path, 0.0), truth(200)
    write_json(project / "data/schema.json", {"group": "g", "time": None, "classes": ["no", "yes"]})
    entries = [
        logged(f"p{at}", role, says, group=str(at % groups))
        for at, says in enumerate(right)
        for role in ("release", "shadow")
    ]
    told(project, entries, {f"release p{at}": says for at, says in enumerate(right)})
    found = standing(project)
    assert found is not None
    assert (found.gain["low"] is not None) == tells
    assert (found.verdict == NOT_INFERIOR) == tells


def test_a_release_that_came_later_is_compared_from_then_on(tmp_path: Path) -> None:
    project = project_of(tmp_path, 0.5)
    names = [f"p{at}" for at in range(200)]
    roles = {name: "canary" if takes(name, BESIDE, 0.5) else "release" for name in names}
    later = {"at": "2026-03-05T00:00:00.000+00:00"}
    entries = [logged(name, roles[name], "yes", **(later if at >= 100 else {})) for at, name in enumerate(names)]
    told(project, entries, {str(entry["id"]): "yes" for entry in entries})
    pointer = read_json(project / "releases/current.json") | {"at": "2026-03-01T00:00:00+00:00"}
    write_json(project / "releases/current.json", pointer)
    found = standing(project)
    assert found is not None
    assert found.release.rows + found.beside.rows == 100 == found.release.labelled + found.beside.labelled


def test_few_rows_on_which_both_decide_alike_do_not_tell(tmp_path: Path) -> None:
    project, right = project_of(tmp_path, 0.0), truth(200)
    entries = [logged(f"p{at}", role, says) for at, says in enumerate(right) for role in ("release", "shadow")]
    told(project, entries, {f"release p{at}": says for at, says in enumerate(right[:24])})
    found = standing(project)
    assert found is not None
    assert (found.gain["value"], found.verdict) == (0.0, CANNOT_TELL)
    assert found.gain["low"] == pytest.approx(-1.96 / 25, rel=0.01)  # one more row of 25
    assert found.more is not None
    assert 0 < found.more < 150
    told(project, [], {f"release p{at}": right[at] for at in range(24, 24 + found.more)})
    found = standing(project)
    assert found is not None
    assert found.verdict == NOT_INFERIOR


def test_a_canary_is_compared_on_rows_of_its_own(tmp_path: Path) -> None:
    project, right = project_of(tmp_path, 0.4), truth(400)
    drawn = [takes(f"p{at}", BESIDE, 0.4) for at in range(400)]
    entries = [
        logged(f"p{at}", "canary" if mine else "release", other(says) if at % 8 == 0 else says)
        for at, (says, mine) in enumerate(zip(right, drawn, strict=True))
    ]
    labels: dict[str, str | float] = {str(entry["id"]): right[int(entry["key"][1:])] for entry in entries}
    # What the release answered in place of the canary, or of a file, is no draw.
    late = next(at for at in range(1000, 2000) if takes(f"p{at}", BESIDE, 0.4))
    entries += [logged(f"p{late}", "release", "yes"), logged("file", "release", "yes", source="new.csv")]
    told(project, entries, labels | {f"release p{late}": "no", "release file": "no"})
    found = standing(project)
    assert found is not None
    assert (found.release.labelled, found.beside.labelled) == (400 - sum(drawn), sum(drawn))
    parts = [np.array([at % 8 != 0 for at in range(400) if drawn[at] == side]).mean() for side in (True, False)]
    assert [found.beside.value, found.release.value] == [pytest.approx(part) for part in parts]
    assert found.gain["value"] == pytest.approx(parts[0] - parts[1])
    assert found.alike is None


def test_labels_of_what_was_left_to_people_do_not_stand_for_all(tmp_path: Path) -> None:
    project, right = project_of(tmp_path, 0.0), truth(200)
    left = {"answered": False, "reason": "unsure"}
    entries = [logged(f"p{at}", "release", says, **(left if at < 40 else {})) for at, says in enumerate(right)]
    entries += [logged(f"p{at}", "shadow", other(says) if at < 40 else says) for at, says in enumerate(right)]
    told(project, entries, {f"release p{at}": says for at, says in enumerate(right[:40])})
    found = standing(project)
    assert found is not None
    assert found.verdict == CANNOT_TELL
    assert "only 0 of the labelled rows were answered, 80% of all are" in found.why
    told(project, [], {f"release p{at}": right[at] for at in range(40, 60)})
    found = standing(project)
    assert found is not None
    assert found.beside.value == pytest.approx(0.8)  # 40 of 60 labelled ones are wrong, and 40 of all 200


def test_rows_that_were_chosen_where_the_two_disagree_are_left_out(tmp_path: Path) -> None:
    project, right = project_of(tmp_path, 0.0), truth(200)
    entries = [logged(f"p{at}", "release", other(says) if at < 20 else says) for at, says in enumerate(right)]
    entries += [logged(f"p{at}", "shadow", other(says) if 20 <= at < 40 else says) for at, says in enumerate(right)]
    told(project, entries, {f"release p{at}": right[at] for at in range(20)}, drawn="chosen", lot=0.9)
    found = standing(project)
    assert found is not None
    assert (found.left_out, found.release.labelled) == (20, 0)
    told(project, [], {f"release p{at}": right[at] for at in range(10, 15)})  # corrected by somebody too
    told(project, [], {f"release p{at}": right[at] for at in range(50, 150)}, drawn="complete", lot=0.5)
    found = standing(project)
    assert found is not None
    assert (found.left_out, found.release.labelled) == (15, 105)
    assert found.gain["value"] == pytest.approx(5 / 105)
    told(project, [], {"release p160": right[160]}, drawn="random", lot=0.95)  # the sample holds the chosen ones now
    found = standing(project)
    assert found is not None
    assert (found.left_out, found.release.labelled) == (0, 121)


def test_values_are_compared_by_how_far_they_are_off(tmp_path: Path, database: dict[str, Any]) -> None:
    project = project_of(tmp_path, 0.0, values=True, **database)
    entries = [logged(f"p{at}", "release", at + 1.0, probabilities=None, confidence=None) for at in range(50)]
    entries += [logged(f"p{at}", "shadow", at + 0.5, probabilities=None, confidence=None) for at in range(50)]
    told(project, entries, {f"release p{at}": float(at) for at in range(50)})
    found = standing(project)
    assert found is not None
    assert found.alike == pytest.approx(0.5)
    assert found.gain == {"value": pytest.approx(0.5), "low": pytest.approx(0.5), "high": pytest.approx(0.5)}
    assert found.verdict == NOT_INFERIOR
    assert found.release.said["mean"] == pytest.approx(25.5)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0.01, 0.99)), min_size=50, max_size=80), st.integers(20, 30))
def test_two_samples_compared_one_way_and_the_other_are_opposites(rows: list[tuple[int, float]], cut: int) -> None:
    def scorer(part: list[tuple[int, float]]) -> Scorer:
        chances = np.array([[1 - p, p] for _, p in part])
        return Scorer("classification", np.array([float(y) for y, _ in part]), chances, np.array([0.5, 0.5]))

    one, two = scorer(rows[:cut]), scorer(rows[cut:])
    sampling: dict[str, Any] = {"n": 50, "level": 0.9, "seed": 1}
    there = unpaired_gain(one, two, "log_loss", None, **sampling)
    back = unpaired_gain(two, one, "log_loss", None, **sampling)
    assert there["value"] == pytest.approx(-(back["value"] or 0.0))
    assert (there["low"] or 0) <= (there["value"] or 0) <= (there["high"] or 0)
    assert unpaired_gain(scorer(rows[:5]), two, "log_loss", None, **sampling)["value"] is None
