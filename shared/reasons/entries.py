"""The entries of the catalogue: a word and its explanation. No texts and no routes here."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from shared.messages import Notice, Reason

Sentence = Annotated[str, StringConstraints(min_length=10, max_length=240, pattern=r"^[A-Z].*\.$")]
RuleNumber = Annotated[str, StringConstraints(pattern=r"^R-\d{2,3}b?$")]


class Explained(BaseModel):
    """A word in plain sentences: what happened, what to do, what happens next if it matters, and by which rules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    word: str
    meaning: Sentence
    what_to_do: Sentence
    what_follows: Sentence | None = None
    rules: tuple[RuleNumber, ...] = ()


class ExplainedReason(Explained):
    """Why something was refused (R-19)."""

    word: Reason


class ExplainedNotice(Explained):
    """A warning that comes with a positive verdict."""

    word: Notice


class ExplainedProblem(Explained):
    """Why a request could not be accepted: the `code` of a problem that no licensing rule causes."""


class ExplainedParking(Explained):
    """Why a message was parked, or is not redriven (R-122)."""


class Catalogue(BaseModel):
    """Every word with its explanation."""

    model_config = ConfigDict(frozen=True)

    reasons: tuple[ExplainedReason, ...]
    notices: tuple[ExplainedNotice, ...]
    problems: tuple[ExplainedProblem, ...]
    parking: tuple[ExplainedParking, ...]

    def about(self, word: str) -> tuple[Explained, ...]:
        """Return the entries of a word; it may be both a reason and a notice."""
        entries: tuple[Explained, ...] = (*self.reasons, *self.notices, *self.problems, *self.parking)
        return tuple(entry for entry in entries if entry.word == word)
