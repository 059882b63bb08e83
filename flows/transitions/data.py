"""From data: schema, expectations, labels, cost."""

from __future__ import annotations

from flows.changes import cost, rows, table
from flows.transitions.row import WAITING, Transition

DATA: tuple[Transition, ...] = (
    Transition(
        "schema_changed",
        "data",
        "data",
        ("schema_changed",),
        "columns were renamed, added, or are in another unit, and the source can be mended",
        "rename, scale or leave out those columns",
        table.mend_schema,
    ),
    Transition(
        "schema_unmended",
        "data",
        "planning",
        ("schema_changed",),
        "columns are gone, of another type, or in another unit, and the loop cannot mend them",
        "revise the source, or accept the change",
        table.accept_schema,
        asks=True,
    ),
    Transition(
        "labels_pending",
        "data",
        WAITING,
        ("labels_pending",),
        "labels are awaited from people",
        "wait: `loopwright label export`, `loopwright label import FILE`, then `loopwright run`",
    ),
    Transition(
        "labels_too_few",
        "data",
        "planning",
        ("labels_too_few",),
        "too few labels for the plan, and the label budget allows more",
        "widen the scope to a larger window",
        rows.collect_more,
    ),
    Transition(
        "labels_too_dear",
        "data",
        "planning",
        ("label_cost",),
        "the plan's rows and labels cost more than its budget of money",
        "fewer rows where they still suffice, else a larger budget",
        cost.afford,
        asks=True,
    ),
    Transition(
        "expectations_fail",
        "data",
        "data",
        ("expectations_fail",),
        "rows fail the expectations",
        "quarantine the failing rows",
        table.quarantine,
    ),
    Transition(
        "expectations_unmet",
        "data",
        "planning",
        ("expectations_fail",),
        "more rows fail than may be quarantined, or the table as a whole fails",
        "revise what is expected, or the source",
        table.accept_quarantine,
        asks=True,
    ),
)
