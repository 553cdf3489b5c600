"""What a sentence of the window is made of. Pure."""

from dataclasses import dataclass
from typing import Literal

from shared.pages.texts import Text, text

Tone = Literal["calm", "warn", "bad"]

ON_ITS_WAY = "It can take up to 24 hours until a renewal that was bought is shown here; no code needs to be entered."
NOTHING_TO_DO = text("Nothing needs to be done.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What happened, what happens next, what to do. `label` names the state in two or three words."""

    tone: Tone
    happened: Text
    follows: Text
    to_do: Text
    label: str = ""
