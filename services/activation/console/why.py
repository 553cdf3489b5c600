"""The explanations of both services, why a device or code has its status, as values for the templates. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.activation.console.event_sentences import meaning_of, with_moments
from services.activation.console.values import Pill
from services.activation.explanation import Explanation
from shared.messages import CodeRef
from shared.pages import Text
from shared.reasons.checked import words_of_check

ABOUT = {
    "license": "The license",
    "term": "Its dates",
    "switch": "The code in reserve",
    "refusal": "The last refusal",
    "activate_now": "Activate now",
}

type JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that was checked, and its outcome."""

    rule: str
    outcome: Pill
    word: str
    meaning: str
    change: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """An event that an answer is based on, with its place in the timeline."""

    type: str
    event_id: str
    version: int
    at: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeExplanation:
    """The activation service's explanation beside an answer."""

    code_ref: CodeRef
    verdict: Text
    rules: tuple[Rule, ...]
    evidence: tuple[tuple[str, tuple[Evidence, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: a sentence, the rules checked, the evidence, and what would have changed it."""

    about: str
    sentence: Text
    rules: tuple[Rule, ...]
    change: Text
    evidence: tuple[Evidence, ...]
    code_explanations: tuple[CodeExplanation, ...]

    @property
    def is_offer(self) -> bool:
        """Whether it is only about whether a button is available; an unavailable button is nothing bad."""
        return self.about == ABOUT["activate_now"]

    @property
    def failed(self) -> int:
        """How many rules failed."""
        return sum(rule.outcome.tone == "bad" for rule in self.rules)


def answer_of(answer: JsonObject, explanations: Sequence[Explanation]) -> Answer:
    """Return an answer of the device service with this service's explanations."""
    return Answer(
        about=ABOUT.get(str(answer["about"]), str(answer["about"])),
        sentence=with_moments(answer["sentence"]),
        rules=tuple(map(rule_of, answer["rules"])),
        change=with_moments(answer.get("change") or ""),
        evidence=tuple(map(_evidence, answer["evidence"])),
        code_explanations=tuple(map(code_explanation_of, explanations)),
    )


def code_explanation_of(explanation: Explanation) -> CodeExplanation:
    """Return this service's explanation of a code or of one of its events."""
    dumped = explanation.model_dump(mode="json")
    return CodeExplanation(
        code_ref=explanation.code_ref,
        verdict=with_moments(explanation.verdict),
        rules=tuple(map(rule_of, dumped["rules"])),
        evidence=tuple((entry["what"], tuple(map(_evidence, entry["events"]))) for entry in dumped["evidence"]),
    )


def rule_of(finding: JsonObject) -> Rule:
    """Return a rule with its outcome."""
    passed = finding["passed"]
    return Rule(
        rule=finding["rule"],
        outcome=Pill("passed", "calm") if passed else Pill("failed", "bad"),
        word=words_of_check(finding["reason"], passed=passed),
        meaning="" if passed else meaning_of(finding["reason"]),
        change=with_moments(finding.get("change") or ""),
    )


def _evidence(event: JsonObject) -> Evidence:
    return Evidence(
        type=event["type"],
        event_id=event["event_id"],
        version=event["version"],
        at=with_moments(event["occurred_at"].replace("+00:00", "Z")),
    )
