"""What the window says of every state, notice and refusal: what happened, what happens next, what to do.

Pure words, no rule. Why something was refused, and what a notice warns of, stands in the catalogue `shared.reasons`:
here is only what it means in this window.
"""

from services.device.window.sentences.closed import Closed, Closing, closed, not_opened
from services.device.window.sentences.license import Standing, headline, of_license
from services.device.window.sentences.noticed import of_clock, of_clone, of_old, of_recorded, of_throttling
from services.device.window.sentences.refused import of_notices, of_refusal, why_unavailable
from services.device.window.sentences.said import Said, Tone
from services.device.window.sentences.waiting import of_incoming, of_slot

__all__ = [
    "Closed",
    "Closing",
    "Said",
    "Standing",
    "Tone",
    "closed",
    "headline",
    "not_opened",
    "of_clock",
    "of_clone",
    "of_incoming",
    "of_license",
    "of_notices",
    "of_old",
    "of_recorded",
    "of_refusal",
    "of_slot",
    "of_throttling",
    "why_unavailable",
]
