"""What a word that people meet looks like when it is explained. No word and no door may come in here."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from shared.messages import Notice, Reason

Sentence = Annotated[str, StringConstraints(min_length=10, max_length=240, pattern=r"^[A-Z].*\.$")]
RuleNumber = Annotated[str, StringConstraints(pattern=r"^R-\d{2,3}b?$")]


class Explained(BaseModel):
    """A word in plain sentences: what happened, what to do, what happens next where it matters, and by which rules."""

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
    """A warning that comes with a good verdict."""

    word: Notice


class ExplainedProblem(Explained):
    """Why a door could not take a request: the `code` of a problem that is no reason of a rule."""


class ExplainedParking(Explained):
    """Why a message was set aside, or is not handled again (R-122)."""


class Catalogue(BaseModel):
    """Every word with its explanation."""

    model_config = ConfigDict(frozen=True)

    reasons: tuple[ExplainedReason, ...]
    notices: tuple[ExplainedNotice, ...]
    problems: tuple[ExplainedProblem, ...]
    parking: tuple[ExplainedParking, ...]

    def about(self, word: str) -> tuple[Explained, ...]:
        """Return what is known of a word: it may be a reason and a notice too."""
        entries: tuple[Explained, ...] = (*self.reasons, *self.notices, *self.problems, *self.parking)
        return tuple(entry for entry in entries if entry.word == word)
