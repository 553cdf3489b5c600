"""Every state of a device with every possible input: the rules fill the table in `table.py`."""

from typing import get_args

import pytest

from services.device.decider import DECIDER, CodeEvent, Command, Device, DeviceEvent, RecordVerdict
from shared.messages import ActivationDelayed, ActivationRefused, CodeRejected, RemovalRefused
from shared.rules.decider import Refused, fold
from tests.device.table import CELLS, INPUTS, STATES, Moment, table
from tests.scenarios import NOON, D, decided, state_after


def outcome(state: str, incoming: str) -> str:
    """What follows in this state from this input, as the table writes it."""
    history, now = STATES[state]
    command = INPUTS[incoming](Moment(state_after(DECIDER, history), now))
    try:
        events = decided(DECIDER, history, command)
    except Refused as refusal:
        return refusal.code
    return " + ".join(_cell(event) for event in events) or "–"


def _cell(event: DeviceEvent) -> str:
    match event:
        case CodeRejected() | ActivationRefused() | RemovalRefused():
            return event.reason
        case ActivationDelayed():
            return event.cause
        case _:
            return type(event).__name__


def test_no_cell_is_empty() -> None:
    """Every state meets every input, and every command and verdict is among the inputs."""
    assert set(CELLS) == {(state, incoming) for state in STATES for incoming in INPUTS}
    commands = [command(Moment(Device(), NOON)) for command in INPUTS.values()]
    assert {type(command) for command in commands} == set(get_args(Command.__value__))
    verdicts = {type(command.verdict) for command in commands if isinstance(command, RecordVerdict)}
    assert verdicts == set(get_args(CodeEvent.__value__))


def test_the_table_reaches_every_event_and_every_reason_of_this_service() -> None:
    """R-19: every possible answer is in the table."""
    answers = {word for *_, cell in table() for word in cell.split(" + ")}
    assert {event.__name__ for event in get_args(DeviceEvent.__value__)} - answers == {
        "CodeRejected",  # in the table by their reasons and causes
        "ActivationRefused",
        "ActivationDelayed",
        "RemovalRefused",
        "GuessesThrottled",  # takes more than one input: see test_decider_guesses.py
    }
    own = {"same_as_current", "reserve_exists", "not_expired", "stale", "no_reserve", "already_activated"}
    assert own | {"activation_running", "no_license", "throttled", "date_out_of_range", "no_answer"} <= answers


@pytest.mark.parametrize("incoming", INPUTS)
def test_what_follows_in_every_state(incoming: str) -> None:
    """R-36 and all the others: the rules as one table."""
    assert {state: outcome(state, incoming) for state in STATES} == {state: CELLS[state, incoming] for state in STATES}


@pytest.mark.parametrize("incoming", INPUTS)
def test_an_input_that_comes_twice_changes_nothing_more(incoming: str) -> None:
    """R-21, R-32, R-116."""
    for history, now in STATES.values():
        device = state_after(DECIDER, history)
        command = INPUTS[incoming](Moment(device, now))
        try:
            once = fold(DECIDER.evolve, decided(DECIDER, history, command), device)
            twice = fold(DECIDER.evolve, DECIDER.decide(command, {D: once}), once)
        except Refused:
            continue
        assert twice == once
