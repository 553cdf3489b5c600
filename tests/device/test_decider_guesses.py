"""Unknown codes: a few have no consequence, more of them throttle the device."""

from datetime import timedelta
from uuid import UUID

from services.device.decider import DECIDER, POLICY, DeviceEvent
from shared.messages import Event
from tests.device.commands import add, says, tell
from tests.device.histories import (
    EARLIER,
    REPORTED,
    THROTTLED,
    UNLICENSED,
    VERIFYING,
)
from tests.scenarios import (
    LATER,
    MILLISECOND,
    NOON,
    ORDER,
    A,
    B,
    C,
    activated,
    added,
    decided,
    refused,
    rejected,
    released,
    scenario,
    state_after,
    throttled,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def guessed(*minutes: int) -> list[DeviceEvent]:
    """Unknown codes were added so many minutes after noon."""
    history: list[DeviceEvent] = [*UNLICENSED]
    for minute in minutes:
        history += decided(DECIDER, history, add(B, at=NOON + minute * MINUTE))
        history.append(rejected(B, "unknown_code", asked=NOON + minute * MINUTE))
    return history


def next_guess(history: list[DeviceEvent], at_minute: int) -> list[Event]:
    at = NOON + at_minute * MINUTE
    asked: list[DeviceEvent] = [*history, *decided(DECIDER, history, add(C, at=at))]
    answers: list[DeviceEvent] = [*decided(DECIDER, asked, says(rejected(C, "unknown_code", asked=at), at=at))]
    return [*answers]


def test_a_few_unknown_codes_have_no_consequence() -> None:
    """R-107."""
    history = guessed(0, 1, 2, 3)
    fifth = rejected(C, "unknown_code", asked=NOON + 4 * MINUTE)
    assert next_guess(history, 4) == [fifth]


def test_more_of_them_are_throttled_for_longer_and_longer() -> None:
    """R-107."""
    for count, wait in zip((5, 6, 7, 8, 9), (*POLICY.guess_delays, POLICY.guess_delays[-1]), strict=True):
        (_, event) = next_guess(guessed(*[0] * count), 1)
        assert event == throttled(until=NOON + MINUTE + wait, guesses=count + 1)


def test_guesses_before_the_window_do_not_count() -> None:
    """R-107."""
    history = guessed(0, 0, 0, 0, 0)
    assert len(next_guess(history, 59)) == 2
    assert len(next_guess(history, 60)) == 1


def test_while_it_is_throttled_the_device_adds_nothing() -> None:
    """R-107: not even a good code, and no code is locked by it."""
    until = NOON + MINUTE
    no = rejected(B, "throttled")
    scenario(DECIDER, given=THROTTLED, when=add(B, at=until - MILLISECOND), then=[no])
    (event,) = decided(DECIDER, THROTTLED, add(B, at=until))
    assert type(event).__name__ == "CodeAdded"


def test_a_device_that_reports_an_unknown_code_is_throttled_at_once() -> None:
    """R-77, R-107: nobody can have activated an unknown code, and reports must not be a way to guess."""
    no = refused(C, "unknown_code", trigger="offline", request=EARLIER)
    first = throttled(until=LATER + POLICY.guess_delays[0], guesses=0)
    scenario(DECIDER, given=REPORTED, when=says(no), then=[no, first])
    again = refused(B, "throttled", trigger="offline", request=ORDER, available=NOON + MINUTE)
    scenario(DECIDER, given=THROTTLED, when=tell(B, activated=NOON, at=NOON), then=[again])


def test_a_good_code_does_not_reset_it() -> None:
    """R-107."""
    history: list[DeviceEvent] = [*guessed(0, 0, 0, 0, 0), activated(A, at=NOON), released(A)]
    assert len(next_guess(history, 1)) == 2


def test_other_reasons_do_not_count_as_guesses() -> None:
    """R-06, R-107."""
    wrong = rejected(B, "wrong_product", asked=NOON)
    scenario(DECIDER, given=[*guessed(0, 0, 0, 0, 0), added(B)], when=says(wrong), then=[wrong])


def test_no_more_times_are_kept_than_matter() -> None:
    """R-107: and never more than any policy needs."""
    state = state_after(DECIDER, UNLICENSED)
    for number in range(300):
        event = rejected(B, "unknown_code", asked=NOON + number * MILLISECOND, request=UUID(int=number))
        state = DECIDER.evolve(state, event)
    assert len(state.guesses) == 120
    assert state.guesses[-1] == NOON + 299 * MILLISECOND


def test_a_rejection_while_the_code_is_gone_is_not_counted() -> None:
    """R-36, R-107: the device learned nothing from it."""
    scenario(DECIDER, given=UNLICENSED, when=says(rejected(B, "unknown_code", asked=NOON)), then=[])
    assert state_after(DECIDER, [*VERIFYING, rejected(B, "unknown_code", asked=NOON)]).guesses == (NOON,)
