"""The transition table: from which stage, on which signal, to which stage, and what changes on the way back.

The rows follow Full Stack Deep Learning 2021, lecture 5 ("ML Projects"). Their order is their precedence. A row that
is not ``live`` is declared with the signal it waits for and never fires. docs/transitions.md is made from this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flows.changes import charter, cost, ladder, metric, outcome, rows, table
from flows.situation import Patch, Situation

ANY = "any"
STOP = "stopped"
WAITING = "waiting"
RELEASED = "released"
STAGES = ("planning", "data", "training", "deployment")


@dataclass(frozen=True)
class Transition:
    """One row of the table.

    Attributes
    ----------
    name : str
        Name of the row, as it stands in the record.
    stage : str
        The stage it leaves, or "any".
    to : str
        The stage it enters, or "stopped", or "waiting".
    signals : tuple of str
        Signals that must all fire.
    when : str
        The condition in words.
    cure : str
        What changes on the way back, in words.
    change : callable
        Situation -> params patch; an empty one refuses the row.
    asks : bool
        True when the charter wants a person for it; an unattended run then follows ``planning.unattended``.
    releases : bool
        True when the row waits for something without which a person may release.
    live : bool
        False while its signal is not measured yet.
    """

    name: str
    stage: str
    to: str
    signals: tuple[str, ...]
    when: str
    cure: str
    change: Callable[[Situation], Patch] = charter.nothing
    asks: bool = False
    releases: bool = False
    live: bool = True

    def fires(self, situation: Situation) -> bool:
        """Tell whether every signal of the row is present and fires."""
        return self.live and all(situation.fires(name) for name in self.signals)


TABLE: tuple[Transition, ...] = (
    # any
    Transition(
        "manual",
        ANY,
        ANY,
        ("manual",),
        "a person says so",
        "their params and their reason",
        charter.by_person,
    ),
    # planning
    Transition(
        "rule_suffices",
        "planning",
        STOP,
        ("rule_suffices",),
        "a rule without any model meets every requirement",
        "nothing to learn: use the rule (`planning.if_rule_suffices: continue` goes on anyway)",
    ),
    # data
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
    # training
    Transition(
        "worse_than_baseline",
        "training",
        STOP,
        ("bug_suspected",),
        "worse than a constant on its own training rows, or another check of model and evaluation fails",
        "a bug: stop with the evidence, not with a retry",
    ),
    Transition(
        "leakage",
        "training",
        "data",
        ("leakage",),
        "the target leaks: a feature gives it away, a time lies in the future, or validation rows are training rows",
        "leave the leaking columns out, drop the copies",
        table.without_leaks,
    ),
    Transition(
        "leakage_unclear",
        "training",
        "planning",
        ("leakage",),
        "the target leaks, as far as figures tell, through every feature there is",
        "say which of them are known when a prediction is made (`training.checks.trusted`), or bring others",
        table.trust_features,
        asks=True,
    ),
    Transition(
        "metric_reached",
        "training",
        "planning",
        ("metric_reached",),
        "the optimised metric surely meets its own requirement, and the charter names what to optimise next",
        "optimise the next of `planning.optimise_next`: this metric is a threshold now, and the choice is made anew",
        metric.next_metric,
    ),
    Transition(
        "labels_inconsistent",
        "training",
        "data",
        ("requirements_missed", "label_noise"),
        "labels are inconsistent or unreliable, and asking again may still help",
        "relabel the most suspect rows within budget",
        table.relabel,
    ),
    Transition(
        "too_large",
        "training",
        "training",
        ("serving_missed",),
        "the model is larger than may be served",
        "a simpler candidate instead",
        ladder.cheaper_candidate,
    ),
    Transition(
        "task_too_hard",
        "training",
        "planning",
        ("requirements_missed", "ceiling"),
        "the best possible surely misses the requirement: by label noise, or, when nothing is left to try, by people "
        "or by where the learning curve comes to with all rows that may be had",
        "revise requirement or task",
        charter.relax_missed,
        asks=True,
    ),
    Transition(
        "underfitting",
        "training",
        "training",
        ("requirements_missed", "underfitting"),
        "avoidable bias is the largest part of the loss, or even the rows it was fitted on miss the requirement",
        "more capacity: the next candidate",
        ladder.larger_candidate,
    ),
    Transition(
        "capacity_too_high",
        "training",
        "training",
        ("requirements_missed", "overfitting", "too_flexible"),
        "overfitting, and a simpler model does surely better on the same rows",
        "regularise: a simpler candidate",
        ladder.simpler_candidate,
    ),
    Transition(
        "overfitting_curve_falls",
        "training",
        "data",
        ("requirements_missed", "overfitting", "curve_falling"),
        "overfitting, the learning curve still falls, and a step of the source may be enough (or no candidate is left)",
        "collect more",
        rows.collect_if_enough,
    ),
    Transition(
        "overfitting_curve_flat",
        "training",
        "training",
        ("requirements_missed", "overfitting"),
        "overfitting, and more data are not shown to help or cannot be had",
        "regularise: a simpler candidate",
        ladder.simpler_candidate,
    ),
    Transition(
        "next_candidate",
        "training",
        "training",
        ("requirements_missed",),
        "a requirement is missed, and the ladder has a candidate not tried yet",
        "the next candidate: a simpler one, then a larger one",
        ladder.other_candidate,
    ),
    Transition(
        "search_candidates",
        "training",
        "training",
        ("requirements_missed",),
        "the ladder is spent, a requirement is missed, and a candidate in use declares a space not searched out",
        "search on, twice as long (`training.search.trials`)",
        ladder.more_trials,
    ),
    Transition(
        "features_too_weak",
        "training",
        "data",
        ("requirements_missed",),
        "no candidate of the ladder reaches the requirement, and there are features not used yet",
        "better features: the next feature group",
        table.better_features,
    ),
    Transition(
        "more_rows",
        "training",
        "data",
        ("requirements_missed",),
        "no candidate and no feature is left, and the learning curve still falls, or seems to and cannot tell",
        "collect more",
        rows.collect_unless_flat,
    ),
    Transition(
        "requirements_trade_off",
        "training",
        "planning",
        ("requirements_trade_off",),
        "no candidate meets all requirements, each is met by some",
        "choose on the frontier",
        charter.relax_missed,
        asks=True,
    ),
    Transition(
        "requirements_unreached",
        "training",
        "planning",
        ("requirements_missed",),
        "everything the loop may change was tried, and a requirement is still missed",
        "revise requirement or task",
        charter.relax_missed,
        asks=True,
    ),
    Transition(
        "size_unreached",
        "training",
        "planning",
        ("serving_missed",),
        "no candidate that is left is small enough to be served",
        "revise the requirement",
        charter.relax_missed,
        asks=True,
    ),
    # deployment: production while a release is in force, by the signals of `loopwright watch`
    Transition(
        "release_regressed",
        "deployment",
        STOP,
        ("release_regressed",),
        "the release before is surely better on the rows of production than the one in force",
        "roll back to it (`deployment.watch.regressed: tell` only says so)",
    ),
    Transition(
        "production_data",
        "deployment",
        "data",
        ("production_data",),
        "rows of production fail the expectations, changed their schema, or cannot be read",
        "collect them: what is wrong is seen and mended where data are",
        rows.take_production,
    ),
    Transition(
        "production_slow",
        "deployment",
        "training",
        ("production_latency",),
        "answers are surely slower than the charter allows",
        "a simpler candidate instead",
        ladder.cheaper_candidate,
    ),
    Transition(
        "production_shift",
        "deployment",
        "data",
        ("production_shift",),
        "production differs from what the release learned from, and it loses by it",
        "collect from the new distribution: the window takes production in",
        rows.take_production,
    ),
    Transition(
        "production_worse",
        "deployment",
        "data",
        ("production_worse",),
        "a requirement is surely missed in production",
        "collect what has come since: the window takes production in",
        rows.take_production,
    ),
    Transition(
        "production_stale",
        "deployment",
        "data",
        ("production_stale",),
        "the same candidate is surely better when it has learned from what has come since",
        "collect what has come since: the window takes production in",
        rows.take_production,
    ),
    Transition(
        "production_risk",
        "deployment",
        "data",
        ("production_risk",),
        "over all looks together the model has lost its advantage",
        "collect what has come since: the window takes production in",
        rows.take_production,
    ),
    # deployment: a new model
    Transition(
        "tests_fail",
        "deployment",
        "training",
        ("tests_fail",),
        "a regression, behaviour, fairness or robustness test fails",
        "another candidate",
        ladder.another_candidate,
    ),
    Transition(
        "too_many_flips",
        "deployment",
        "training",
        ("negative_flips",),
        "the new model has more rows wrong that the released one has right than may be",
        "another candidate",
        ladder.another_candidate,
    ),
    Transition(
        "too_large_or_slow",
        "deployment",
        "training",
        ("serving_missed",),
        "the model is larger or slower than may be served",
        "a simpler candidate instead",
        ladder.cheaper_candidate,
    ),
    Transition(
        "shift",
        "deployment",
        "data",
        ("pilot_fails", "shift"),
        "the pilot fails, and its data differ from the training data",
        "collect from the new distribution: the window takes the pilot in",
        rows.include_pilot,
    ),
    Transition(
        "hard_slices",
        "deployment",
        "data",
        ("pilot_fails", "hard_slices"),
        "the pilot fails, and errors concentrate in slices",
        "weigh the hard slices up",
        table.weigh_hard_slices,
    ),
    Transition(
        "pilot_needs_rows",
        "deployment",
        "data",
        ("pilot_fails",),
        "the pilot fails by no more than the validation rows left open, being few, and no candidate is left",
        "collect more: what is chosen on few rows is chosen by luck",
        rows.rows_to_tell,
    ),
    Transition(
        "pilot_fails",
        "deployment",
        "training",
        ("pilot_fails",),
        "evaluation passes, the pilot fails, and neither shift nor slices can be cured",
        "keep improving: another candidate instead",
        ladder.another_candidate,
    ),
    Transition(
        "pilot_needs_features",
        "deployment",
        "data",
        ("pilot_fails",),
        "the pilot fails, the ladder is spent, and there are features not used yet",
        "better features: the next feature group",
        table.better_features,
    ),
    Transition(
        "metric_misleads",
        "deployment",
        "planning",
        ("outcome_flat",),
        "the metric improves and the downstream outcome does not",
        "choose another metric: the outcome itself, on the validation rows",
        outcome.choose_by_outcome,
        asks=True,
    ),
    Transition(
        "world_not_good_enough",
        "deployment",
        "planning",
        ("outcome_low",),
        "requirements are met offline, the outcome in the real world is not good enough",
        "revise the requirements, or what is wanted of the outcome",
        outcome.accept_outcome,
        asks=True,
    ),
    Transition(
        "rule_needs_rows",
        "deployment",
        "data",
        ("no_better_than_rule",),
        "the model is not surely better than the rule it takes the place of, and may be, and no candidate is left",
        "collect more: it learns more, and the next pilot tells more",
        rows.rows_to_beat,
    ),
    Transition(
        "rule_unbeaten",
        "deployment",
        "training",
        ("no_better_than_rule",),
        "the model is not surely better than the rule it takes the place of, and the ladder has another candidate",
        "keep improving: another candidate instead",
        ladder.another_candidate,
    ),
    Transition(
        "rule_stays",
        "deployment",
        "planning",
        ("no_better_than_rule",),
        "nothing that was tried is surely better than the rule it takes the place of",
        "keep the rule (stop), choose by the outcome where there is one, or help a person instead of replacing it",
        outcome.choose_by_outcome,
        asks=True,
    ),
    Transition(
        "serving_unreached",
        "deployment",
        "planning",
        ("serving_missed",),
        "no candidate that is left is small and fast enough to be served",
        "revise the requirement",
        charter.relax_missed,
        asks=True,
    ),
    Transition(
        "tests_unreached",
        "deployment",
        "planning",
        ("tests_fail",),
        "a test of the model fails, and no candidate is left",
        "revise the requirement between groups, or the test",
        charter.relax_missed,
        asks=True,
    ),
    Transition(
        "pilot_unreached",
        "deployment",
        "planning",
        ("pilot_fails",),
        "the pilot fails, and everything the loop may change was tried",
        "revise requirement or task",
        charter.relax_missed,
        asks=True,
    ),
    Transition(
        "champion_stays",
        "deployment",
        STOP,
        ("champion_stays",),
        "the released model meets the charter too, and the new one has not earned its place",
        "keep the released model (`deployment.champion.replace` says when it is replaced)",
    ),
    Transition(
        "flips_stay",
        "deployment",
        STOP,
        ("negative_flips",),
        "no candidate is left that has few enough rows wrong that the released model has right",
        "keep the released model (`deployment.champion.max_negative_flips` says how many may be)",
    ),
    Transition(
        "pilot_too_small",
        "deployment",
        "data",
        ("pilot_unsure",),
        "the pilot is too small to tell, and a larger one may be had",
        "a pilot of more days; or of a larger share, where it is too small for any interval",
        rows.larger_pilot,
    ),
    Transition(
        "pilot_unsure",
        "deployment",
        WAITING,
        ("pilot_unsure",),
        "every requirement is met, and the pilot is too small to tell",
        "wait for rows: bring them, then `loopwright run`; or `loopwright approve` releases although it cannot tell, "
        "where it has an interval (`deployment.pilot.unsure` says what is waited for)",
        releases=True,
    ),
    # deployment: production again, where no model can be made better
    Transition(
        "production_estimated",
        "deployment",
        STOP,
        ("production_estimated",),
        "before labels are there, the loss that is to be expected is surely higher than it was",
        "bring labels: nothing else shows whether it is so, and nothing can be learned without them",
    ),
    Transition(
        "production_volume",
        "deployment",
        STOP,
        ("production_volume",),
        "far more, or far fewer, rows come than did",
        "look at what brings them: no model cures that",
    ),
    Transition(
        "nothing_released",
        "deployment",
        "data",
        ("nothing_released",),
        "nothing is in force, and rows have come since",
        "collect what has come since",
        rows.take_production,
    ),
    # any: bounds, checked before any way back
    Transition(
        "budget_spent",
        ANY,
        STOP,
        ("budget_spent",),
        "the budget of loops or minutes is spent (no row collects beyond that of labels)",
        "stop with the best so far",
    ),
    Transition(
        "no_progress",
        ANY,
        STOP,
        ("no_progress",),
        "no progress over the last k ways back",
        "stop with the best so far",
    ),
)

BY_NAME = {row.name: row for row in TABLE}
BOUNDS = ("budget_spent", "no_progress")
