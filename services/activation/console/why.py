"""Why a device, or a code, stands where it stands: the explanations of both services as values to draw. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.activation.console.told import meaning_of, with_moments
from services.activation.console.values import Pill
from services.activation.explanation import Explanation
from shared.messages import CodeRef
from shared.pages import Text

ABOUT = {
    "license": "The license",
    "term": "Its dates",
    "switch": "The code in reserve",
    "refusal": "What was refused last",
    "activate_now": "Activate now",
}

type Said = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that was looked at, and how it came out."""

    rule: str
    outcome: Pill
    word: str
    meaning: str
    change: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An event that an answer rests on: where it stands in the timeline."""

    type: str
    event_id: str
    version: int
    at: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Further:
    """What the activation service tells beside an answer."""

    code_ref: CodeRef
    verdict: Text
    rules: tuple[Rule, ...]
    evidence: tuple[tuple[str, tuple[Fact, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: a sentence, what was looked at, what it rests on, what would have changed it."""

    about: str
    sentence: Text
    rules: tuple[Rule, ...]
    change: Text
    evidence: tuple[Fact, ...]
    further: tuple[Further, ...]

    @property
    def is_offer(self) -> bool:
        """Whether it is only about a button that is offered: that it is not is nothing bad."""
        return self.about == ABOUT["activate_now"]

    @property
    def broken(self) -> int:
        """How many of the rules were broken."""
        return sum(rule.outcome.tone == "bad" for rule in self.rules)


def answer_of(said: Said, further: Sequence[Explanation]) -> Answer:
    """Return an answer of the device service, with what this service tells beside it."""
    return Answer(
        about=ABOUT.get(str(said["about"]), str(said["about"])),
        sentence=with_moments(said["sentence"]),
        rules=tuple(map(rule_of, said["rules"])),
        change=with_moments(said.get("change") or ""),
        evidence=tuple(map(_fact, said["evidence"])),
        further=tuple(map(further_of, further)),
    )


def further_of(told: Explanation) -> Further:
    """Return this service's own explanation of a code, or of one event of its life."""
    dumped = told.model_dump(mode="json")
    return Further(
        code_ref=told.code_ref,
        verdict=with_moments(told.verdict),
        rules=tuple(map(rule_of, dumped["rules"])),
        evidence=tuple((entry["what"], tuple(map(_fact, entry["events"]))) for entry in dumped["evidence"]),
    )


def rule_of(said: Said) -> Rule:
    """Return a rule as it came out."""
    passed = said["passed"]
    return Rule(
        rule=said["rule"],
        outcome=Pill("passed", "calm") if passed else Pill("broken", "bad"),
        word=said["reason"].replace("_", " "),
        meaning=meaning_of(said["reason"]),
        change=with_moments(said.get("change") or ""),
    )


def _fact(said: Said) -> Fact:
    return Fact(
        type=said["type"],
        event_id=said["event_id"],
        version=said["version"],
        at=with_moments(said["occurred_at"].replace("+00:00", "Z")),
    )
