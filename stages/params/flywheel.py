"""``deployment.flywheel``: which production rows are labelled, and how the labels' worth is measured."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stages.params.base import Count, Section, Share


class Flywheel(Section):
    """Mining rows to label (`loopwright mine`), and the conditions of the flywheel (`loopwright flywheel`)."""

    rows: Count = Field(50, description="Rows to label in one sheet, where `-n` does not say.")
    random: Annotated[float, Field(ge=0, le=1)] = Field(
        0.2,
        description="Share of them that is drawn at random from all rows of production: only these may judge, and "
        "nothing learns from them.",
    )
    newest: Count = Field(20_000, description="Hard cases are looked for among so many of the newest rows.")
    relevance: Share = Field(
        0.7,
        description="How much a hard case counts beside being unlike those already chosen (Carbonell & Goldstein "
        "1998); near 1 the hardest are taken, however alike.",
    )
    slice_rows: Count = Field(
        30, description="Smallest number of rows in each half from which a slice is found and on which it is confirmed."
    )
    last: Count = Field(100, description="So many of the last labels are left out to see what they brought.")
    judging: Count = Field(
        100,
        description="Labelled rows of production, drawn at random, that it takes to judge by them; below, the pilot "
        "judges.",
    )
