"""What pages of the console are made of: frozen values that templates draw. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.activation.decider import Code
from shared.pages import MaskedCode, Text, text

Tone = Literal["calm", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a list of facts."""

    label: str
    value: Text


@dataclass(frozen=True, slots=True)
class Pill:
    """A state in a word or two."""

    label: str
    tone: Tone = "calm"


def moment(at: datetime | None, otherwise: str = "–") -> Text:
    """Return a time as a text."""
    return text("{at}", at=at) if at else (otherwise,)


def masked(last_group: str) -> Text:
    """Return a code as people may see it."""
    return (MaskedCode(last_group),)


def standing_of(code: Code, now: datetime) -> Pill:
    """Return how a code stands, in a word or two."""
    over_at = code.over_at
    if code.blocked:
        return Pill("Blocked", "bad")
    if over_at is None:
        return Pill("Never activated")
    return Pill("In use") if now < over_at else Pill("Term is over", "warn")
