"""The parts of a message in the window. Pure."""

from dataclasses import dataclass
from typing import Literal

from shared.pages.texts import Text, text

Tone = Literal["calm", "warn", "bad"]

RENEWAL_DELAY = "A renewal can take up to 24 hours to appear here; you do not need to enter a code."
NOTHING_TO_DO = text("You do not need to do anything.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What happened, what happens next, what to do. `label` names the state in two or three words."""

    tone: Tone
    happened: Text
    follows: Text
    to_do: Text
    label: str = ""
