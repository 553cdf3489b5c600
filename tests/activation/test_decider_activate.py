"""The first attempt to activate a code on a device, and every later one: the recheck, the seat, the date."""

from datetime import datetime, timedelta

import pytest

from services.activation.decider import DECIDER, Activate, CodeEvent, commands_for, devices_of
from shared.messages import Event, LicenseActivated
from tests.scenarios import (
    END,
    LATER,
    MILLISECOND,
    NEXT_END,
    NOON,
    ORDER,
    OTHER,
    START,
    A,
    B,
    C,
    D,
    activated,
    added,
    added_at_once,
    adding,
    announced,
    asked_now,
    blocked,
    decided,
    delayed,
    enrolled,
    expired,
    expiry,
    issued,
    on,
    refused,
    rejected,
    released,
    renewed,
    retried,
    retry_after,
    scenario,
    state_after,
    unblocked,
    verified,
)

CURRENT: list[CodeEvent] = [issued(A), activated(A)]
GOOD: list[CodeEvent] = [*CURRENT, issued(B), verified(B)]

SWITCH = activated(B, at=END, ends=NEXT_END, trigger="automatic", request=expiry(), replaced=A)


def test_the_reserve_takes_over_and_frees_the_seat_on_the_old_code() -> None:
    """R-31, R-41, R-44, R-66, R-87."""
    scenario(
        DECIDER,
        given=GOOD,
        when=on(expired(reserve=B), END),
        then=[SWITCH, released(A, "switched")],
    )


def test_a_code_that_was_never_verified_gets_its_full_check_at_the_switch() -> None:
    """R-52, R-53."""
    given: list[CodeEvent] = [*CURRENT, issued(B)]
    scenario(DECIDER, given=given, when=on(expired(reserve=B), END), then=[SWITCH, released(A, "switched")])
    trial: list[CodeEvent] = [*CURRENT, issued(B, kind="trial")]
    scenario(DECIDER, given=trial, when=on(expired(reserve=B), END), then=[refused(B, "trial_not_allowed")])


def test_an_expiry_without_a_reserve_asks_for_nothing() -> None:
    """R-24, R-35, R-81: nor does anything else that is no request."""
    others: list[Event] = [expired(), enrolled(), verified(B), activated(B), renewed(device=D)]
    assert [commands_for(event, END) for event in others] == [[]] * len(others)


@pytest.mark.parametrize(
    ("event", "trigger"),
    [
        (expired(reserve=B), "automatic"),
        (asked_now(B), "manual"),
        (retried(B, after=expiry()), "retry"),
        (added_at_once(B, over=A), "immediate"),
    ],
)
def test_every_request_names_the_license_that_ran_out_and_the_time_it_was_recorded(event: Event, trigger: str) -> None:
    """R-54b, R-76."""
    command = on(event, LATER)
    assert isinstance(command, Activate)
    assert (command.trigger, command.at, command.code_ref) == (trigger, LATER, B)
    assert (command.current_ref, command.current_ends_at) == (A, END)
    assert (DECIDER.streams(command), devices_of(command)) == ((B, A), (D,))


RECHECKS: dict[str, list[CodeEvent]] = {
    "unknown_code": [],
    "code_blocked": [issued(B), verified(B), blocked(B)],
    "wrong_product": [issued(B, product="backup")],
    "wrong_region": [issued(B, regions=("FR",))],
    "activate_by_passed": [issued(B, activate_by=NOON), verified(B)],
    "term_over": [issued(B, seats=2), verified(B), activated(B, ends=END, device=OTHER)],
    "seats_exhausted": [issued(B), verified(B), activated(B, ends=NEXT_END, device=OTHER)],
}


@pytest.mark.parametrize("reason", RECHECKS)
def test_what_changed_since_the_add_is_found_at_the_switch_and_consumes_nothing(reason: str) -> None:
    """R-18, R-44, R-45, R-46, R-47, R-48, R-51, R-69, R-72, R-79."""
    given = [*CURRENT, *RECHECKS[reason]]
    expected = refused(B, "unknown_code").but(reason=reason)
    scenario(DECIDER, given=given, when=on(expired(reserve=B), END), then=[expected])
    code = state_after(DECIDER, RECHECKS[reason])
    assert DECIDER.evolve(code, expected) == code


def test_each_later_attempt_is_checked_again() -> None:
    """R-50, R-59."""
    failed: list[CodeEvent] = [*GOOD, blocked(B), refused(B, "code_blocked")]
    still = refused(B, "code_blocked", trigger="manual", request=ORDER)
    scenario(DECIDER, given=failed, when=on(asked_now(B), LATER), then=[still])
    scenario(
        DECIDER,
        given=[*failed, unblocked(B)],
        when=on(asked_now(B), LATER),
        then=[
            activated(
                B,
                at=LATER,
                ends=LATER.replace(year=2028),
                trigger="manual",
                request=ORDER,
                replaced=A,
            ),
            released(A, "switched"),
        ],
    )


@pytest.mark.parametrize("event", [expired(reserve=B), asked_now(B), retried(B, after=expiry())])
def test_a_second_attempt_of_any_kind_activates_nothing_more(event: Event) -> None:
    """R-32, R-57, R-60, R-116."""
    given = [*GOOD, SWITCH, released(A, "switched")]
    (answer,) = decided(DECIDER, given, on(event, LATER))
    assert (type(answer).__name__, getattr(answer, "reason", None)) == ("ActivationRefused", "already_activated")


def test_an_expiry_that_names_an_end_a_renewal_has_moved_switches_nothing() -> None:
    """R-34, R-70: the purchase extends the license and the reserve stays unspent."""
    given: list[CodeEvent] = [*GOOD, renewed(A)]
    scenario(DECIDER, given=given, when=on(expired(reserve=B), LATER), then=[refused(B, "stale")])


def test_an_expiry_before_the_end_switches_nothing() -> None:
    """R-33."""
    early = END - MILLISECOND
    scenario(
        DECIDER,
        given=GOOD,
        when=on(expired(reserve=B), early),
        then=[refused(B, "not_expired", available=END)],
    )


def test_a_purchase_that_is_not_settled_holds_the_switch_for_a_time() -> None:
    """R-49, R-70."""
    hold = END + timedelta(days=1)
    given: list[CodeEvent] = [*GOOD, announced(A, until=hold)]
    scenario(DECIDER, given=given, when=on(expired(reserve=B), END), then=[delayed(B, until=hold)])
    retry = retried(B, after=expiry())
    scenario(
        DECIDER,
        given=given,
        when=on(retry, hold),
        then=[
            activated(
                B,
                at=hold,
                ends=hold.replace(year=2028),
                trigger="retry",
                request=retry_after(expiry()),
                replaced=A,
            ),
            released(A, "switched"),
        ],
    )


def test_the_last_of_several_holds_counts() -> None:
    """R-70."""
    first, last = END + timedelta(hours=2), END + timedelta(hours=9)
    given: list[CodeEvent] = [*GOOD, announced(A, until=last), announced(A, until=first, order="order-2")]
    scenario(DECIDER, given=given, when=on(expired(reserve=B), END), then=[delayed(B, until=last)])


def test_a_settled_purchase_outweighs_one_that_is_not() -> None:
    """R-34, R-70."""
    given: list[CodeEvent] = [*GOOD, renewed(A), announced(A, until=NEXT_END, order="order-2")]
    scenario(DECIDER, given=given, when=on(expired(reserve=B), LATER), then=[refused(B, "stale")])


def test_a_purchase_that_is_settled_in_the_meantime_ends_the_hold() -> None:
    """R-70, R-97."""
    given: list[CodeEvent] = [*GOOD, announced(A, until=END + timedelta(days=1)), renewed(A)]
    retry = on(retried(B, after=expiry()), END + timedelta(hours=2))
    stale = refused(B, "stale", trigger="retry", request=retry_after(expiry()))
    scenario(DECIDER, given=given, when=retry, then=[stale])


def test_a_code_added_without_a_license_is_activated_at_once() -> None:
    """R-04, R-66."""
    scenario(
        DECIDER,
        given=[issued(B)],
        when=on(added_at_once(B), END),
        then=[activated(B, at=END, ends=NEXT_END)],
    )


def test_a_trial_is_good_for_a_device_without_a_license() -> None:
    """R-04, R-26."""
    (event,) = decided(DECIDER, [issued(B, kind="trial")], on(added_at_once(B), END))
    assert type(event).__name__ == "LicenseActivated"


@pytest.mark.parametrize("reason", RECHECKS)
def test_a_code_that_is_tried_at_once_and_fails_is_rejected(reason: str) -> None:
    """R-04, R-15, R-51."""
    expected = rejected(B, "unknown_code", asked=END).but(reason=reason)
    scenario(DECIDER, given=RECHECKS[reason], when=on(added_at_once(B), END), then=[expected])


def test_a_code_added_after_the_expiry_frees_the_seat_on_the_expired_one() -> None:
    """R-35, R-87."""
    scenario(
        DECIDER,
        given=GOOD,
        when=on(added_at_once(B, over=A), END),
        then=[activated(B, at=END, ends=NEXT_END, replaced=A), released(A, "switched")],
    )


def test_a_code_added_after_an_expiry_that_a_purchase_undid_is_kept_unused() -> None:
    """R-70, R-92: the purchase was on its way when the user gave up on it."""
    given: list[CodeEvent] = [*GOOD, renewed(A)]
    stale = refused(B, "stale", trigger="immediate", request=adding(B))
    scenario(DECIDER, given=given, when=on(added_at_once(B, over=A), LATER), then=[stale])


def test_the_same_device_again_keeps_its_seat_and_its_dates() -> None:
    """R-74, R-83."""
    given: list[CodeEvent] = [issued(B), activated(B, ends=NEXT_END)]
    again = activated(B, at=END, started=START, ends=NEXT_END)
    scenario(DECIDER, given=given, when=on(added_at_once(B), END), then=[again])
    assert state_after(DECIDER, [*given, again]) == state_after(DECIDER, given)


def test_an_expired_code_that_is_added_again_is_over() -> None:
    """R-40, R-83."""
    again = on(added_at_once(A, over=A), END)
    scenario(DECIDER, given=CURRENT, when=again, then=[rejected(A, "term_over", asked=END)])


def test_an_expired_code_that_was_renewed_can_be_added_again() -> None:
    """R-83, R-90: it replaces itself, so nothing is released."""
    again = on(added_at_once(A, over=A), LATER)
    then = activated(A, at=LATER, started=START, ends=NEXT_END)
    scenario(DECIDER, given=[*CURRENT, renewed(A)], when=again, then=[then])


def test_a_device_without_a_seat_on_the_old_code_releases_none() -> None:
    """R-84, R-87."""
    then = SWITCH.but(replaced_ref=None)
    scenario(DECIDER, given=[*GOOD, released(A)], when=on(expired(reserve=B), END), then=[then])


def test_the_term_starts_once_for_all_devices_on_the_code() -> None:
    """R-66, R-67, R-68: in use on one device since March, so the second ends with the first."""
    given: list[CodeEvent] = [
        issued(A),
        activated(A, ends=NOON),
        issued(B, seats=2),
        activated(B, at=START, ends=END, device=OTHER),
    ]
    when = on(expired(reserve=B, ended=NOON), NOON)
    then = activated(B, at=NOON, started=START, ends=END, trigger="automatic", request=expiry(), replaced=A)
    scenario(DECIDER, given=given, when=when, then=[then, released(A, "switched")])


def test_of_many_activations_at_one_instant_one_says_that_it_starts_the_term() -> None:
    """R-66, R-71, R-73: the order of the log decides which, not the clock."""
    history: list[CodeEvent] = [issued(B, seats=3)]
    for device in (OTHER, D, "device-9"):
        asked = added_at_once(B).but(device_id=device)
        history += decided(DECIDER, history, on(asked, NOON))
    first, *others = [event for event in history if isinstance(event, LicenseActivated)]
    assert (first.device_id, first.starts_term) == (OTHER, True)
    assert [event.starts_term for event in others] == [False, False]
    assert {event.activated_at for event in (first, *others)} == {first.started_at}


def test_if_two_attempts_overtake_each_other_the_log_decides_which_is_first() -> None:
    """R-71, R-77: an attempt that was requested earlier and came later is not an activation reported late."""
    first = NOON + timedelta(seconds=1)
    given: list[CodeEvent] = [issued(B, seats=2), activated(B, at=first, ends=NEXT_END, device=OTHER)]
    then = activated(B, at=NOON, started=first, ends=NEXT_END)
    scenario(DECIDER, given=given, when=on(added_at_once(B), NOON), then=[then])


def test_nothing_resets_the_start_of_a_code() -> None:
    """R-66, R-71, R-74: not a later first activation elsewhere, not a seat given back."""
    history: list[CodeEvent] = [issued(B, seats=2), activated(B), released(B)]
    history += [activated(B, at=NOON, ends=NEXT_END, device=OTHER)]
    code = state_after(DECIDER, history)
    assert (code.started_at, code.ends_at) == (START, END)


def test_a_start_needs_a_success() -> None:
    """R-51, R-68, R-69."""
    for event in (verified(B), refused(B, "wrong_region"), rejected(B, "wrong_region"), delayed(B, until=END)):
        assert state_after(DECIDER, [issued(B), event]) == state_after(DECIDER, [issued(B)])


@pytest.mark.parametrize(("at", "passes"), [(END - MILLISECOND, True), (END, False), (END + MILLISECOND, False)])
def test_a_code_is_over_at_exactly_its_end(at: datetime, passes: bool) -> None:
    """R-40, R-72."""
    given: list[CodeEvent] = [issued(B, seats=2), activated(B, device=OTHER)]
    (event,) = decided(DECIDER, given, on(added_at_once(B), at))
    assert isinstance(event, type(activated(B)) if passes else type(rejected(B, "term_over")))


def test_each_device_takes_one_seat_and_the_next_one_is_refused() -> None:
    """R-80, R-82, R-85, R-86."""
    taken: list[CodeEvent] = [issued(B, seats=2), activated(B, ends=NEXT_END, device=OTHER)]
    (last,) = decided(DECIDER, taken, on(added_at_once(B), END))
    full = [*taken, last]
    scenario(
        DECIDER,
        given=full,
        when=on(added_at_once(B, device="device-3"), END),
        then=[rejected(B, "seats_exhausted", asked=END, device="device-3")],
    )
    assert state_after(DECIDER, full).seats_taken == 2


def test_a_seat_given_back_is_free_for_the_next_device() -> None:
    """R-84, R-87."""
    given: list[CodeEvent] = [
        issued(B),
        activated(B, ends=NEXT_END, device=OTHER),
        released(B, device=OTHER),
    ]
    (event,) = decided(DECIDER, given, on(added_at_once(B), END))
    assert event == activated(B, at=END, started=START, ends=NEXT_END)


def test_an_activation_on_one_device_does_nothing_on_another() -> None:
    """R-80, R-81."""
    events = decided(DECIDER, GOOD, on(expired(reserve=B), END))
    assert {getattr(event, "device_id", None) for event in events} == {D}


def test_the_codes_of_a_switch_are_named_once_each() -> None:
    """R-126."""
    assert DECIDER.streams(on(added_at_once(A, over=A), END)) == (A,)
    assert DECIDER.streams(on(added(C), END)) == (C, A)
    assert DECIDER.streams(on(added(C, over=None), END)) == (C,)
    assert DECIDER.streams(on(added(C, prior=B), END)) == (C, A, B)
    assert DECIDER.streams(on(added(C, prior=A), END)) == (C, A)
