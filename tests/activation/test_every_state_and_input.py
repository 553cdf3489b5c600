"""Every state of a code with every possible input: the rules fill the table in `table.py`."""

from typing import get_args

import pytest

from services.activation.decider import DECIDER, Activate, Code, CodeEvent, Command
from shared.messages import ActivationDelayed, ActivationRefused, CodeRejected, PurchaseRefused, Reason, Trigger
from shared.rules.decider import Refused, fold
from tests.activation.table import CELLS, INPUTS, STATES, table
from tests.scenarios import decided


def outcome(state: str, incoming: str) -> str:
    """What follows in this state from this input, as the table writes it."""
    given, command = INPUTS[incoming]
    try:
        events = decided(DECIDER, [*given, *STATES[state]], command)
    except Refused as refusal:
        return refusal.code
    return " + ".join(_cell(event) for event in events) or "–"


def _cell(event: CodeEvent) -> str:
    match event:
        case CodeRejected() | ActivationRefused() | PurchaseRefused():
            return event.reason
        case ActivationDelayed():
            return event.cause
        case _:
            return type(event).__name__


def test_no_cell_is_empty() -> None:
    """Every state meets every input, and every command and trigger is among the inputs."""
    assert set(CELLS) == {(state, incoming) for state in STATES for incoming in INPUTS}
    commands = [command for _, command in INPUTS.values()]
    assert {type(command) for command in commands} == set(get_args(Command.__value__))
    triggers = {command.trigger for command in commands if isinstance(command, Activate)}
    assert triggers == set(get_args(Trigger))


def test_the_table_reaches_every_event_and_every_reason_of_this_service() -> None:
    """R-19: every possible answer is in the table."""
    answers = {word for *_, cell in table() for word in cell.split(" + ")}
    assert {event.__name__ for event in get_args(CodeEvent.__value__)} - answers == {
        "CodeRejected",  # in the table by their reasons and causes
        "ActivationRefused",
        "ActivationDelayed",
        "PurchaseRefused",
    }
    of_the_device = {"malformed", "reserve_exists", "no_reserve", "activation_running", "no_license", "throttled"}
    same = {"same_as_current", "not_later_than_current"}  # depends on the current license, not on a state of the code
    assert set(get_args(Reason)) - answers == of_the_device | same


@pytest.mark.parametrize("incoming", INPUTS)
def test_what_follows_in_every_state(incoming: str) -> None:
    """R-45, R-51 and all the others: the rules as one table."""
    assert {state: outcome(state, incoming) for state in STATES} == {state: CELLS[state, incoming] for state in STATES}


@pytest.mark.parametrize("incoming", INPUTS)
def test_an_input_that_comes_twice_changes_nothing_more(incoming: str) -> None:
    """R-32, R-83, R-95, R-116."""
    given, command = INPUTS[incoming]
    for state, history in STATES.items():
        before = [*given, *history]
        try:
            once = [*before, *decided(DECIDER, before, command)]
            twice = [*once, *decided(DECIDER, once, command)]
        except Refused:
            continue
        assert _codes(twice, command) == _codes(once, command), state


def _codes(events: list[CodeEvent], command: Command) -> dict[str, Code]:
    streams = DECIDER.streams(command)
    return {
        stream: fold(DECIDER.evolve, [event for event in events if event.code_ref == stream], Code())
        for stream in streams
    }
