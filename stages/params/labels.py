"""``data.labels``: where labels come from besides the table's own column, and what people are asked."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from stages.params.base import Count, Section, Share


class Labels(Section):
    """Labels besides those of the target column: see docs/labels.md."""

    annotations: str | None = Field(
        None, description="CSV or Parquet file under labels/ of one answer a row: the key, `annotator`, `label`."
    )
    truth: str | None = Field(
        None, description="CSV or Parquet file under labels/ of labels that came later: the key, `label`, `known_at`."
    )
    known_by: str | None = Field(
        None, description="Only labels of `truth` known before this date or time (ISO 8601, UTC) are used."
    )
    ask_missing: bool = Field(
        False, description="Rows without a label come into the queue, and the run waits for their labels."
    )
    max_pending: Annotated[int, Field(ge=0)] = Field(
        0, description="So many awaited labels may be missing without the run waiting."
    )
    relabel: Count = Field(100, description="So many of the most suspect rows are asked again on a way back.")
    oracle: str | None = Field(
        None,
        description="Import path of a callable that labels rows, e.g. an annotation service: DataFrame -> labels. It "
        "is asked at once, at `planning.prices.label` each. Empty: people are asked.",
    )
    queued: Annotated[int, Field(ge=0)] = Field(
        0, description="So many entries of labels/queue.csv count; the loop raises it when it asks again."
    )
    answers: Annotated[int, Field(ge=0)] = Field(
        0, description="So many answers of labels/answers.jsonl count; `loopwright run` raises it when some came in."
    )
    reviewed: Annotated[int, Field(ge=0)] = Field(
        0,
        description="So many labels of labels/reviewed.jsonl count, those of rows that the released model left to "
        "people; `loopwright run` raises it when some came in.",
    )
    min_agreement: Annotated[float, Field(ge=-1, le=1)] = Field(
        0.667,
        description="Annotators disagree below this alpha; Krippendorff (2004) takes less for no basis of conclusions.",
    )
    max_annotator_gap: Share = Field(
        0.1, description="An annotator is unreliable who is right more seldom than the others by more than this share."
    )

    @field_validator("known_by")
    @classmethod
    def _is_time(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                dt.datetime.fromisoformat(text)
            except ValueError:
                raise ValueError("is no date or time in ISO 8601, such as 2024-05-01") from None
        return text

    @model_validator(mode="after")
    def _together(self) -> Labels:
        if self.known_by is not None and self.truth is None:
            raise ValueError("known_by needs truth, the file whose labels have a time")
        return self

    @property
    def configured(self) -> bool:
        """Whether any label comes from elsewhere than the target column."""
        files = self.annotations is not None or self.truth is not None
        return files or self.ask_missing or self.queued > 0 or self.answers > 0
