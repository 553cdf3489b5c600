"""Every word by which something is refused, warned of or set aside, in plain sentences for people.

The same sentences stand in answers of the API, on the page, at the command line and in `docs/reasons.md`
(R-19). No rule may come in here: the rules use the words, this room explains them.
"""

from collections.abc import Mapping

from shared.messages import Notice, Reason
from shared.reasons.explained import (
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
    """Return what a refusal says to the one refused: what happened, and what to do."""
    entry = EXPLAINED_REASONS[reason]
    return f"{entry.meaning} {entry.what_to_do}"
