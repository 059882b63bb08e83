"""``deployment``: what a model must show before it is released."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stages.params.base import Count, Section, Share, Variable
from stages.params.behaviour import BehaviourTest
from stages.params.flywheel import Flywheel


class Slices(Section):
    """Where the errors concentrate."""

    columns: list[str] = Field(default_factory=list, description="Columns whose values make slices.")
    min_rows: Count = Field(200, description="Smaller slices are not judged.")
    max_excess: Annotated[float, Field(ge=0)] = Field(
        0.05,
        description="A slice is hard when the model loses more than its own mean would, by more than this share.",
    )


class Shift(Section):
    """Does the pilot look like the training data, and what does it cost when it does not."""

    max_drop: Annotated[float, Field(ge=0)] = Field(
        0.02,
        description="Largest rise of the model's loss, as a share of the best constant's, that is no harm. A choice: "
        "less than half of what `slices.max_excess` allows a single slice.",
    )
    max_auc: Annotated[float, Field(ge=0.5, le=1)] = Field(
        0.64,
        description="Largest ROC AUC of a classifier that tells pilot rows from the window's; 0.64 is Cohen's "
        "d = 0.5, a medium effect (Ruscio 2008).",
    )
    max_distance: Annotated[float, Field(ge=0, le=1)] = Field(
        0.2,
        description="Largest distance of a feature's distributions (Kolmogorov-Smirnov, total variation), or change of "
        "its missing share; 0.2 is the distance of two normals 0.5 standard deviations apart, a medium effect.",
    )
    alpha: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.05, description="False discovery rate over the features (Benjamini & Hochberg 1995)."
    )
    max_rate_change: Annotated[float, Field(ge=0)] = Field(
        0.2, description="Largest change of the target's mean, in its standard deviations; a small effect (Cohen 1988)."
    )
    max_concept: Annotated[float, Field(ge=0)] = Field(
        0.1,
        description="Largest change of the outcome at equal inputs, in the target's standard deviations; half of a "
        "small effect, as what is measured is a lower bound (about half of it on 3,000 rows).",
    )


class Pilot(Section):
    """How much the pilot must be able to tell before a release."""

    margin: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5,
        description="Share of what a requirement asks for beyond the constant that the unfavourable end of the pilot's "
        "interval may lack; where the constant is no worse than the bound, share of the bound. Half of the effect is "
        "what non-inferiority trials mostly keep (FDA 2016). 0: the whole interval must meet it.",
    )
    power: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.8,
        description="Chance that a pilot as large as is said to be needed tells it; 0.8 is usual (Cohen 1988).",
    )
    unsure: Literal["by_source", "wait", "release"] = Field(
        "by_source",
        description="What happens when every requirement is met and the pilot is too small to tell: wait for more "
        "rows, or release and say so; by_source waits where the source has a time, so that later rows come. A pilot "
        "that is too small for any interval never releases.",
    )


class Champion(Section):
    """When a new model may take the place of the released one."""

    replace: Literal["surely_better", "not_inferior", "unless_worse", "always"] = Field(
        "surely_better",
        description="A new model that meets the charter replaces a released one that meets it too when it is surely "
        "better on the rows of the pilot; when it is surely no worse by more than `margin`, and there is one of "
        "`reasons`; unless it is surely worse; or always.",
    )
    margin: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1,
        description="Not inferior: share of the released model's advantage over the constant that may be lost, in the "
        "charter's metric. That nine tenths are kept is a choice, stricter than the half of many trials (FDA 2016): "
        "the released model costs nothing to keep.",
    )
    reasons: list[Literal["wish", "smaller", "newer"]] = Field(
        ["wish", "smaller", "newer"],
        description="Not inferior, and worth the change: it meets a soft requirement that the released one misses; it "
        "is smaller by a fifth or more; it has learned from later rows. Empty: no reason is asked for.",
    )
    min_gain: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Surely better: the interval of the gain in the charter's metric lies above this."
    )
    max_negative_flips: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None,
        description="Largest share of the pilot's rows that the released model has right and the new one wrong (Yan et "
        "al. 2021). Empty: they are listed, and hold up no release.",
    )


class Fairness(Section):
    """How the groups of `planning.ethics.sensitive` are compared, on the rows of the pilot."""

    min_rows: Count = Field(100, description="Smaller groups are not compared, and said so.")
    unsure: Literal["release", "hold"] = Field(
        "release",
        description="What a hard requirement between groups does when the rows cannot tell whether it is missed: the "
        "release says so, or is held up.",
    )


class Robustness(Section):
    """What the loss does when values are missing that were there in the pilot."""

    missing: Share = Field(0.1, description="Share of all cells that is taken away, beside each feature as a whole.")
    max_rise: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="Largest rise of the loss with that share taken away, as a share of the constant's loss. Empty: "
        "only reported.",
    )


class Log(Section):
    """Where predictions are kept (`loopwright predict`, `loopwright serve`)."""

    url_env: Variable | None = Field(
        None,
        description="Environment variable that holds the SQLAlchemy URL of a SQLite or PostgreSQL database. Empty: "
        "the file .loopwright/predictions.db.",
    )


class Serve(Section):
    """The server of the released model (`loopwright serve`)."""

    host: str = Field("127.0.0.1", description="Address to listen at. One beyond this machine needs a key.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8000, description="Port to listen at; 0 takes a free one.")
    api_key_env: str | None = Field(
        None, description="Environment variable that holds the key which requests have to show. Empty: none is asked."
    )
    extra: Literal["refuse", "ignore"] = Field(
        "refuse", description="What becomes of a field that is no column of the release."
    )
    max_rows: Count = Field(1000, description="Rows of one request to `/predict/batch`, at most.")
    max_body_kb: Count = Field(1024, description="Size of a request's body, at most; a kB has 1024 bytes.")
    max_waiting: Count = Field(
        2000, description="Rows that may wait for the model; a request beyond is told to come again (503)."
    )
    log_wait_s: Annotated[float, Field(gt=0)] = Field(
        5.0, description="Seconds to wait for another process that writes to the log's SQLite file."
    )
    body_timeout_s: Annotated[float, Field(gt=0)] = Field(
        10.0, description="Seconds in which the body of a request has to come; a slower client is told 408."
    )
    workers: Count = Field(1, description="Processes that answer, behind one port.")


class Canary(Section):
    """A model beside the released one, on the rows that a server is asked about (`loopwright canary`)."""

    share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1,
        description="Share of the rows that it answers; 0 makes it a shadow, whose answers are logged and not given.",
    )
    margin: Annotated[float, Field(gt=0)] = Field(
        0.01,
        description="By how much it may be worse in the charter's metric, in the metric's own unit, and is still not "
        "inferior.",
    )
    level: Share = Field(0.95, description="Of the interval that says so.")


class Watch(Section):
    """What production is held against while a release is in force (`loopwright watch`)."""

    every: Literal["day", "week", "month"] = Field(
        "month", description="Length of a production window of the source, from one look to the next."
    )
    window: Literal["grows", "slides"] = Field(
        "grows",
        description="What becomes of the project's window when an alarm takes production in: it grows, or keeps its "
        "length and forgets its oldest days (needs `data.collect.start`).",
    )
    label_days: Annotated[int, Field(ge=0)] = Field(
        0, description="Days until labels come: the youngest rows of a window are judged without theirs."
    )
    labels: Count | None = Field(
        None, description="At most so many labels of a window are looked at, a seeded choice. Empty: all there are."
    )
    min_rows: Count = Field(200, description="Fewer predictions in the log wait for a later look.")
    min_labelled: Share = Field(
        0.9,
        description="Where a smaller share of the rows has a label, they may have been chosen, and the loss on them "
        "tells nothing of the others: performance is then estimated without labels.",
    )
    alpha: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.05,
        description="Chance of any false alarm while one release is in force, over all looks and signals together.",
    )
    max_failing: Share = Field(
        0.05, description="Largest share of production rows that may fail the expectations, or hold an unknown label."
    )
    max_volume_change: Annotated[float, Field(gt=0)] = Field(
        0.5, description="Largest change of the rows a day, as a share of those that the release learned from."
    )
    min_gain: Annotated[float, Field(ge=0)] = Field(
        0.005,
        description="Least gain for which it pays to learn again, as a share of the constant's loss; a choice, a "
        "quarter of what `shift.max_drop` calls harm.",
    )
    regressed: Literal["rollback", "tell"] = Field(
        "rollback",
        description="What is done when the release before is surely better on production rows than the one in force.",
    )


class Deployment(Section):
    """What a model must show before it is released."""

    tests: list[BehaviourTest] = Field(default_factory=list)
    fairness: Fairness = Field(default_factory=Fairness)
    robustness: Robustness = Field(default_factory=Robustness)
    slices: Slices = Field(default_factory=Slices)
    shift: Shift = Field(default_factory=Shift)
    pilot: Pilot = Field(default_factory=Pilot)
    champion: Champion = Field(default_factory=Champion)
    log: Log = Field(default_factory=Log)
    serve: Serve = Field(default_factory=Serve)
    watch: Watch = Field(default_factory=Watch)
    canary: Canary = Field(default_factory=Canary)
    flywheel: Flywheel = Field(default_factory=Flywheel)
