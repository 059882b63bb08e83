"""The questions of the charter, in the order in which they are asked; what each means stands in the params' schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel

from stages.params import ARCHETYPES, Planning


@dataclass(frozen=True)
class Question:
    """A key under ``planning``, the section it is asked in, and the question; ``text`` is taken as it is typed.

    In the question stand ``{first}`` and ``{second}`` for the classes, where there are two.
    """

    section: str
    key: str
    asks: str
    text: bool = False


WHAT, NEEDED, ALONE_OR_NOT, COST, HARM, ALONE = (
    "What is it for?",
    "What is required?",
    "What does it answer by itself?",
    "What may it cost?",
    "Who can be harmed?",
    "When nobody is there",
)
QUESTIONS: tuple[Question, ...] = (
    Question(WHAT, "goal", "What is the project for, in one sentence?", text=True),
    Question(WHAT, "users", "Who uses the predictions?", text=True),
    Question(WHAT, "decides", "What is decided by them, and what happens without them?", text=True),
    Question(
        WHAT,
        "archetype",
        "Does it improve software, help a person, or act alone (software_2.0, human_in_the_loop, autonomous)?",
        text=True,
    ),
    Question(NEEDED, "optimise", "Which one metric is to be as good as possible?", text=True),
    Question(NEEDED, "requirements", "Which metric must keep a bound? (Enter when there is no other)"),
    Question(NEEDED, "rule", "By which columns would a rule without any model decide?"),
    Question(NEEDED, "if_rule_suffices", "Is there anything to learn when that rule suffices?", text=True),
    Question(COST, "prices.row", "What does a row cost?"),
    Question(COST, "prices.label", "What does a label cost?"),
    Question(COST, "prices.training_minute", "What does a minute of a run cost?"),
    Question(COST, "prices.false_positive", "What does it cost to take {first} for {second}?"),
    Question(COST, "prices.false_negative", "What does it cost to take {second} for {first}?"),
    Question(COST, "budgets.labels", "How many labelled rows may be collected in all?"),
    Question(COST, "budgets.money", "What may rows, labels and minutes cost in all?"),
    Question(COST, "budgets.minutes", "How many minutes may a run take?"),
    Question(COST, "budgets.loops", "How many times may it go back?"),
    Question(HARM, "ethics.harm", "Who can be harmed by a wrong prediction, and how?", text=True),
    Question(HARM, "ethics.sensitive", "Which columns tell groups that must not fare worse?"),
    Question(HARM, "security.private", "Which columns may not leave this project?"),
    Question(HARM, "security.retention_days", "How many days may rows be kept?"),
    Question(ALONE, "unattended", "What may be done when planning is asked and nobody is there?", text=True),
)


# Questions that have no answer in the other task.
ONLY_OF = {
    "answering.tolerance": "regression",
    "answering.max_error": "classification",
    "prices.false_positive": "classification",
    "prices.false_negative": "classification",
    "prices.review": "classification",
}
OF_TWO = frozenset({"prices.false_positive", "prices.false_negative", "prices.review"})


def questions_for(archetype: str, task: str = "", classes: Sequence[object] = ()) -> tuple[Question, ...]:
    """Return the questions of a charter of this archetype, in their order.

    Parameters
    ----------
    archetype : str
        What is answered so far; what is typed may be none yet.
    task : {"", "classification", "regression"}, optional
        Questions that have no answer in it are left out; "" asks all.
    classes : sequence, optional
        The classes of the target in their order, where they are known.

    Examples
    --------
    >>> [question.key for question in questions_for("autonomous") if question not in QUESTIONS][:1]
    ['answering.level']
    >>> [question.asks for question in questions_for("autonomous", "", "ab") if "false_p" in question.key]
    ['What does it cost to take a for b?']
    """
    kind = ARCHETYPES.get(archetype)
    asked = kind.asks if kind else {}
    own = [Question(ALONE_OR_NOT, key, asks, text=key == "replaces") for key, asks in asked.items()]
    at = next(place for place, question in enumerate(QUESTIONS) if question.section == COST)
    every = (*QUESTIONS[:at], *own, *QUESTIONS[at:])
    left = [question for question in every if task in ("", ONLY_OF.get(question.key, task))]
    names = {"first": "the first of two classes", "second": "the second"}
    if len(classes) == 2:
        names = {"first": str(classes[0]), "second": str(classes[1])}
    elif classes:
        left = [question for question in left if question.key not in OF_TWO]
    return tuple(replace(question, asks=question.asks.format(**names)) for question in left)


def explanation(key: str) -> str:
    """Return what the schema says of a key under ``planning``.

    Examples
    --------
    >>> explanation("optimise")
    'The one metric to optimise; the others are thresholds.'
    """
    model: type[BaseModel] = Planning
    *sections, last = key.split(".")
    for section in sections:
        inner = model.model_fields[section].annotation
        assert isinstance(inner, type) and issubclass(inner, BaseModel)
        model = inner
    return model.model_fields[last].description or str(model.model_fields[last].annotation.__doc__)
