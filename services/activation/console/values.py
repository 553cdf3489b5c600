"""The content of the console's pages as frozen values for the templates. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.activation.decider import Code, renews_until
from shared.pages import MaskedCode, Text, text
from shared.rules.policy import Policy

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


def status_of(code: Code, now: datetime, policy: Policy) -> Pill:
    """Return the status of a code in a word or two."""
    over_at, awaited_until = code.over_at, renews_until(code, policy)
    if code.blocked:
        return Pill("Blocked", "bad")
    if over_at is None:
        return Pill("Never activated")
    if now < over_at:
        return Pill("In use")
    return Pill("Renewal due") if awaited_until is not None and now < awaited_until else Pill("Expired", "warn")
