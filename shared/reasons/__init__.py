"""The catalogue of reasons: every word for a refusal, notice, problem or parked message, explained in plain sentences.

The API, the pages, the command line and `docs/reasons.md` all show these sentences (R-19). No rule here: the rules use
the words, this package explains them.
"""

from collections.abc import Mapping

from shared.messages import Notice, Reason
from shared.reasons.entries import (
    Catalogue,
    Explained,
    ExplainedNotice,
    ExplainedParking,
    ExplainedProblem,
    ExplainedReason,
)
from shared.reasons.notices import NOTICES
from shared.reasons.parking import PARKING
from shared.reasons.problems import PROBLEMS
from shared.reasons.refusals import REASONS

__all__ = [
    "CATALOGUE",
    "EXPLAINED_NOTICES",
    "EXPLAINED_REASONS",
    "Catalogue",
    "Explained",
    "ExplainedNotice",
    "ExplainedParking",
    "ExplainedProblem",
    "ExplainedReason",
    "detail_of",
]

CATALOGUE = Catalogue(reasons=REASONS, notices=NOTICES, problems=PROBLEMS, parking=PARKING)

EXPLAINED_REASONS: Mapping[Reason, ExplainedReason] = {entry.word: entry for entry in REASONS}
EXPLAINED_NOTICES: Mapping[Notice, ExplainedNotice] = {entry.word: entry for entry in NOTICES}


def detail_of(reason: Reason) -> str:
    """Return the detail of a refusal: what happened, and what to do."""
    entry = EXPLAINED_REASONS[reason]
    return f"{entry.meaning} {entry.what_to_do}"
