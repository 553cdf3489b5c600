"""Why a device stands where it stands: the rules that were looked at, the facts they rest on, and what would change it.

The rules report themselves: this service's own are looked at again on the device as it was, and a refusal of the
activation service brings what was looked at there. Pure; the same events give the same explanation.
"""

from collections.abc import Sequence
from datetime import datetime

from services.device.decider import in_force, status
from services.device.explanation.license import license_answer, term_answer
from services.device.explanation.life import life_of
from services.device.explanation.parts import (
    Answer,
    Evidence,
    Explanation,
    Further,
    Life,
    Mark,
    Period,
    Rule,
    Told,
    after,
)
from services.device.explanation.refusal import activate_now_answer, refusal_answer
from services.device.explanation.switch import switch_answer
from shared.rules.policy import POLICY, Policy

__all__ = [
    "Answer",
    "Evidence",
    "Explanation",
    "Further",
    "Life",
    "Mark",
    "Period",
    "Rule",
    "Told",
    "explain",
    "life_of",
]


def explain(life: Sequence[Told], at: datetime, policy: Policy = POLICY) -> Explanation:
    """Return why a device with these events stands where it does at `at`."""
    device = after(life)
    answers = [
        license_answer(device, life, at, policy),
        *term_answer(device, life),
        *switch_answer(device, life, at),
        *refusal_answer(life),
        activate_now_answer(device, at),
    ]
    said = {answer.about: answer.sentence for answer in reversed(answers)}
    follows = said.get("switch") or said.get("refusal")
    sentences = [said["license"]] if in_force(device, at) or follows is None else [said["license"], follows]
    return Explanation(
        status=status(device, at, policy), verdict=" ".join(sentences), answers=tuple(answers), life=life_of(life)
    )
