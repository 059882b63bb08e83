"""The schema of ``params.yaml``: every key, its type, its default and its meaning. Docs are generated from here."""

from stages.params.answering import Answering
from stages.params.approvals import Approvals
from stages.params.archetypes import ARCHETYPES, AUTONOMOUS, HUMAN, SOFTWARE, Archetype
from stages.params.base import PARAMS_FILE, WEIGHT, Count, Section, Share
from stages.params.behaviour import BehaviourTest, Direction, Invariance, MinimumFunctionality
from stages.params.charter import Beat, Ethics, Prices, Security
from stages.params.checks import Checks
from stages.params.data import (
    Collect,
    Data,
    FlightsSource,
    HardSlice,
    Minimum,
    PythonSource,
    Scale,
    Split,
    SqlSource,
    TableSource,
    Tabular,
    Validate,
)
from stages.params.deployment import (
    Canary,
    Champion,
    Deployment,
    Fairness,
    Pilot,
    Robustness,
    Serve,
    Shift,
    Slices,
    Watch,
)
from stages.params.flywheel import Flywheel
from stages.params.labels import Labels
from stages.params.loading import Params, check_params, load_params, read_params, refuse_bare_dates
from stages.params.planning import BY_PRICES, Budgets, Combine, Decision, Outcome, Planning, Progress, Requirement
from stages.params.scope import Within
from stages.params.search import Search, Span
from stages.params.training import Bootstrap, Candidate, Diagnosis, LearningCurve, Training

__all__ = [
    "ARCHETYPES",
    "AUTONOMOUS",
    "BY_PRICES",
    "HUMAN",
    "PARAMS_FILE",
    "SOFTWARE",
    "WEIGHT",
    "Answering",
    "Approvals",
    "Archetype",
    "Beat",
    "BehaviourTest",
    "Bootstrap",
    "Budgets",
    "Canary",
    "Candidate",
    "Champion",
    "Checks",
    "Collect",
    "Combine",
    "Count",
    "Data",
    "Decision",
    "Deployment",
    "Diagnosis",
    "Direction",
    "Ethics",
    "Fairness",
    "FlightsSource",
    "Flywheel",
    "HardSlice",
    "Invariance",
    "Labels",
    "LearningCurve",
    "Minimum",
    "MinimumFunctionality",
    "Outcome",
    "Params",
    "Pilot",
    "Planning",
    "Prices",
    "Progress",
    "PythonSource",
    "Requirement",
    "Robustness",
    "Scale",
    "Search",
    "Section",
    "Security",
    "Serve",
    "Share",
    "Shift",
    "Slices",
    "Span",
    "Split",
    "SqlSource",
    "TableSource",
    "Tabular",
    "Training",
    "Validate",
    "Watch",
    "Within",
    "check_params",
    "load_params",
    "read_params",
    "refuse_bare_dates",
]
