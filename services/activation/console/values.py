"""The content of the console's pages as frozen values for the templates. Pure."""

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
    """Return a masked code as a text."""
    return (MaskedCode(last_group),)


def status_of(code: Code, now: datetime) -> Pill:
    """Return the status of a code in a word or two."""
    over_at = code.over_at
    if code.blocked:
        return Pill("Blocked", "bad")
    if over_at is None:
        return Pill("Never activated")
    return Pill("In use") if now < over_at else Pill("Expired", "warn")
