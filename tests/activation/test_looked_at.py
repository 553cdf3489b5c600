"""A decision and its explanation are one computation: the results of the checks, and what would have changed them."""

import re
from datetime import timedelta

import pytest

from services.activation.decider import (
    DECIDER,
    POLICY,
    Activate,
    Case,
    Check,
    CodeEvent,
    Command,
    Looked,
    Verify,
    case_of,
    checks_for,
    first_broken,
    looked_at,
)
from shared.messages import ActivationDelayed, ActivationRefused, CodeRejected, Hold, Reason
from shared.rules.checks import moment
from shared.rules.decider import fold
from tests.activation.questions import add, add_at_once, done_offline
from tests.activation.table import INPUTS, STATES
from tests.scenarios import (
    END,
    LATER,
    NEXT_END,
    NOON,
    OTHER,
    START,
    A,
    B,
    C,
    activated,
    announced,
    blocked,
    cancelled,
    decided,
    expired,
    followed,
    issued,
    on,
    renewed,
    renews_itself,
    unblocked,
)

CURRENT: list[CodeEvent] = [issued(A), activated(A)]
SUBSCRIPTION: list[CodeEvent] = [issued(A, kind="subscription"), activated(A), renews_itself(A)]
SWITCH = on(expired(reserve=B), LATER)
QUESTIONS = [name for name, (_, command) in INPUTS.items() if isinstance(command, Verify | Activate)]


def case(given: list[CodeEvent], command: Command) -> Case:
    assert isinstance(command, Verify | Activate)
    streams = {
        ref: fold(DECIDER.evolve, [event for event in given if event.code_ref == ref], DECIDER.initial)
        for ref in DECIDER.streams(command)
    }
    return case_of(command, streams, POLICY)


def looks(given: list[CodeEvent], command: Command) -> list[Looked[Case, Reason | Hold]]:
    at_hand = case(given, command)
    return looked_at(checks_for(at_hand.asked), at_hand)


@pytest.mark.parametrize("incoming", QUESTIONS)
def test_the_answer_is_the_first_check_that_is_broken(incoming: str) -> None:
    """R-19, R-54: in every state of the table."""
    given, command = INPUTS[incoming]
    for state, history in STATES.items():
        before = [*given, *history]
        looked = looks(before, command)
        broken = next((look for look in looked if not look.passed), None)
        at_hand = case(before, command)
        assert first_broken(checks_for(at_hand.asked), at_hand) == broken, state
        answer = decided(DECIDER, before, command)[0]
        match answer:
            case CodeRejected() | ActivationRefused():
                told: str | None = answer.reason
            case ActivationDelayed():
                told = answer.cause
            case _:
                told = None
        assert told == (None if broken is None else broken.reason), state


@pytest.mark.parametrize("incoming", QUESTIONS)
def test_every_result_names_its_rules_and_what_would_have_changed_it(incoming: str) -> None:
    """R-54: and a check that passed needs no change."""
    given, command = INPUTS[incoming]
    for history in STATES.values():
        for look in looks([*given, *history], command):
            assert re.fullmatch(r"R-\d+(, R-\d+)*", look.rule)
            assert (look.change is None) is look.passed
            assert look.change is None or (look.change[0].islower() and "None" not in look.change), look.change
            assert look.passed is False or look.passes_at is None


def test_a_good_code_passes_every_check_that_there_is() -> None:
    """R-13, R-45."""
    reasons = [look.reason for look in looks([*CURRENT, issued(B)], SWITCH)]
    assert reasons[:5] == ["already_activated", "stale", "not_expired", "purchase_pending", "renewal_due"]
    assert reasons[5:13] == [
        "unknown_code",
        "code_blocked",
        "wrong_product",
        "version_incompatible",
        "wrong_region",
        "activate_by_passed",
        "term_over",
        "trial_not_allowed",
    ]
    assert reasons[13:] == [
        "seats_exhausted",
        "trial_not_allowed",
        "subscription_not_allowed",
        "already_used_for_renewal",
        "no_prior_license",
    ]


@pytest.mark.parametrize("incoming", QUESTIONS)
def test_a_refusal_records_the_results_of_all_checks(incoming: str) -> None:
    """R-54, R-123: in its event, so that the log explains itself."""
    given, command = INPUTS[incoming]
    for history in STATES.values():
        answer = decided(DECIDER, [*given, *history], command)[0]
        if isinstance(answer, CodeRejected | ActivationRefused):
            told = [(each.reason, each.rule, each.passed, each.change or None) for each in answer.findings]
            looked = looks([*given, *history], command)
            assert told == [(look.reason, look.rule, look.passed, look.change) for look in looked]
            assert next(reason for reason, _, passed, _ in told if not passed) == answer.reason


@pytest.mark.parametrize("foreign", [[], [issued(B, vendor="rival", product="backup")]])
def test_no_further_check_is_evaluated_for_an_unknown_code(foreign: list[CodeEvent]) -> None:
    """R-108: an explanation reveals no more than the verdict, about a code of another vendor or none."""
    looked = looks([*CURRENT, *foreign], add())
    assert [(look.reason, look.passed) for look in looked] == [("unknown_code", False)]
    assert looked[0].change == "a code that the vendor of this product issued"


def test_every_broken_check_is_listed_although_one_reason_is_the_answer() -> None:
    """R-19."""
    wrong = [
        look.reason for look in looks([issued(B, regions=("FR",), kind="trial"), blocked(B)], add()) if not look.passed
    ]
    assert wrong == ["code_blocked", "wrong_region", "trial_not_allowed"]


FULL: list[CodeEvent] = [*CURRENT, issued(B, seats=1), activated(B, at=START, ends=NEXT_END, device=OTHER)]
OVER: list[CodeEvent] = [*CURRENT, issued(B, seats=2), activated(B, at=START, ends=END, device=OTHER)]
DISCOUNTED: list[CodeEvent] = [issued(B, kind="renewal", short_term="P6M")]
WITHOUT = add_at_once(at=NOON, over=None)
HELD = [*CURRENT, issued(B), announced(A, until=LATER + timedelta(days=1))]

CHANGES: dict[str, tuple[list[CodeEvent], Command, str, list[CodeEvent], Command]] = {
    "code_blocked": (
        [*CURRENT, issued(B), blocked(B)],
        SWITCH,
        "the code unblocked by its vendor",
        [*CURRENT, issued(B), blocked(B), unblocked(B)],
        SWITCH,
    ),
    "wrong_product": (
        [*CURRENT, issued(B, product="backup")],
        add(),
        "a code for security; this one is for backup",
        [*CURRENT, issued(B)],
        add(),
    ),
    "version_incompatible": (
        [*CURRENT, issued(B, version_min="22", version_max="23.9")],
        add(product_version="21.3"),
        "a product version from 22 up to 23.9; installed is 21.3",
        [*CURRENT, issued(B, version_min="22", version_max="23.9")],
        add(product_version="22.1"),
    ),
    "wrong_region": (
        [*CURRENT, issued(B, regions=("FR", "IT"))],
        add(),
        "a device in FR or IT; this one is in DE",
        [*CURRENT, issued(B, regions=("FR", "IT"))],
        add(region="IT"),
    ),
    "activate_by_passed": (
        [issued(B, activate_by=END)],
        add_at_once(at=LATER, over=None),
        "a first activation by 2027-03-01T12:00:00.000Z",
        [issued(B, activate_by=END)],
        add_at_once(at=END, over=None),
    ),
    "term_over": (
        OVER,
        SWITCH,
        "an activation before 2027-03-01T12:00:00.000Z, or a renewal of the code",
        [*OVER, renewed(B)],
        SWITCH,
    ),
    "seats_exhausted": (
        FULL,
        SWITCH,
        "one more seat, or the only seat released",
        [*CURRENT, issued(B, seats=2), *FULL[3:]],
        SWITCH,
    ),
    "same_as_current": (
        CURRENT,
        add(A),
        "another code than the one in use",
        [*CURRENT, issued(B)],
        add(B),
    ),
    "trial_not_allowed": (
        [*CURRENT, issued(B, kind="trial")],
        add(),
        "a code that was bought; a trial is for a device without a license",
        [issued(B, kind="trial")],
        WITHOUT,
    ),
    "subscription_not_allowed": (
        [*CURRENT, issued(B, kind="subscription")],
        add(),
        "a code of another kind, or this one once no license is in force",
        [*CURRENT, issued(B, kind="subscription")],
        add_at_once(),
    ),
    "subscription_active": (
        [*SUBSCRIPTION, issued(B)],
        add(),
        "automatic renewal of the current subscription switched off",
        [*SUBSCRIPTION, renews_itself(A, on=False), issued(B)],
        add(),
    ),
    "not_later_than_current": (
        OVER,
        add(),
        "a code that ends after 2027-03-01T12:00:00.000Z",
        [*OVER, renewed(B)],
        add(),
    ),
    "already_used_for_renewal": (
        [*CURRENT, followed(A, C), *DISCOUNTED],
        add(),
        "a prior license that no other renewal code has followed",
        [*CURRENT, *DISCOUNTED],
        add(),
    ),
    "no_prior_license": (
        DISCOUNTED,
        WITHOUT,
        "a prior license of the same product, or the shorter term P6M accepted",
        DISCOUNTED,
        add_at_once(at=NOON, over=None, accepts_short_term=True),
    ),
    "stale": (
        [*CURRENT, renewed(A), issued(B)],
        SWITCH,
        "no renewal of the current license, which runs until 2028-03-01T12:00:00.000Z now",
        [*CURRENT, issued(B)],
        SWITCH,
    ),
    "not_expired": (
        [*CURRENT, issued(B)],
        on(expired(reserve=B), NOON),
        "the same request at 2027-03-01T12:00:00.000Z or later",
        [*CURRENT, issued(B)],
        on(expired(reserve=B), END),
    ),
    "purchase_pending": (
        HELD,
        SWITCH,
        "the purchase cancelled, or the same request at 2027-03-02T13:00:00.000Z or later",
        [*HELD, cancelled(A)],
        SWITCH,
    ),
    "renewal_due": (
        [*SUBSCRIPTION, issued(B)],
        SWITCH,
        "no automatic renewal, or the same request at 2027-03-02T12:00:00.000Z or later",
        [*SUBSCRIPTION, issued(B)],
        on(expired(reserve=B), END + timedelta(days=1)),
    ),
    "date_out_of_range": (
        [*CURRENT, issued(B)],
        on(done_offline(activated=NOON), LATER),
        "an activation between 2027-03-01T12:00:00.000Z and 2027-03-01T13:00:00.000Z",
        [*CURRENT, issued(B)],
        on(done_offline(activated=END), LATER),
    ),
}


@pytest.mark.parametrize("reason", CHANGES)
def test_the_change_that_a_check_names_does_change_the_verdict(reason: str) -> None:
    """R-19, R-54."""
    given, command, change, otherwise, or_asked = CHANGES[reason]
    broken = next(look for look in looks(given, command) if not look.passed)
    assert (broken.reason, broken.change) == (reason, change)
    assert all(look.passed for look in looks(otherwise, or_asked))


def test_the_test_above_covers_every_check() -> None:
    """Except those that nothing can change: the device already has a seat, or the code was never issued."""
    all_checks = {check.reason for name in QUESTIONS for check in checks_for(_question(name))}
    assert all_checks - set(CHANGES) == {"already_activated", "unknown_code"}


def _question(name: str) -> Verify | Activate:
    _, command = INPUTS[name]
    assert isinstance(command, Verify | Activate)
    return command


@pytest.mark.parametrize("reason", ["not_expired", "purchase_pending", "renewal_due"])
def test_a_check_that_passes_by_itself_says_when(reason: str) -> None:
    """R-56, R-70: at that time, and not before."""
    given, command, *_ = CHANGES[reason]
    broken = next(look for look in looks(given, command) if not look.passed)
    assert broken.passes_at is not None
    just_before = command.model_copy(update={"at": broken.passes_at - timedelta(milliseconds=1)})
    assert not all(look.passed for look in looks(given, just_before))
    assert all(look.passed for look in looks(given, command.model_copy(update={"at": broken.passes_at})))


def test_a_time_is_written_in_the_one_spelling() -> None:
    """R-144."""
    assert moment(END) == "2027-03-01T12:00:00.000Z"
    assert moment(END + timedelta(milliseconds=5)) == "2027-03-01T12:00:00.005Z"
    assert moment(None) == "a known time"


def test_a_decision_stops_at_the_first_broken_check() -> None:
    """The hot path: an answer costs as many checks as it takes."""

    def is_looked_at(_: Case) -> bool:
        raise LookupError

    at_hand = case([*CURRENT, issued(B), blocked(B)], add())
    checks = (*checks_for(at_hand.asked)[:2], Check(reason="stale", rule="R-34", broken=is_looked_at, change=""))
    broken = first_broken(checks, at_hand)
    assert broken is not None
    assert broken.reason == "code_blocked"
    with pytest.raises(LookupError):
        looked_at(checks, at_hand)
