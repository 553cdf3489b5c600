"""The long logs of the benchmarks: a twin's history is as good as one that the rules made."""

from typing import Any

from services.activation import decider as codes
from services.device import decider as devices
from shared.ledger.events import NewEvent
from shared.ledger.slices import slice_of
from shared.rules.decider import Decider
from tests.benchmarks.twins import Twin
from tests.replay.kept import event_of
from tests.replay.seeded import WRITTEN


def states_of[State](decider: Decider[Any, State, Any], log: list[NewEvent]) -> dict[str, tuple[int, State]]:
    states: dict[str, tuple[int, State]] = {}
    for entry in log:
        version, state = states.get(entry.stream_id, (0, decider.initial))
        assert entry.version == version + 1
        states[entry.stream_id] = (entry.version, decider.evolve(state, event_of(entry)))
    return states


def test_states_of_a_twin_are_folds_of_its_events() -> None:
    twin = Twin(1).written(WRITTEN)
    devices_kept = {name: (stored.version, stored.state) for name, stored in twin.device_states.items()}
    codes_kept = {ref: (stored.version, stored.state) for ref, stored in twin.code_states.items()}
    assert states_of(devices.DECIDER, twin.device) == devices_kept
    assert states_of(codes.DECIDER, twin.activation) == codes_kept


def test_a_twin_shares_no_id_with_others_and_keeps_to_its_slices() -> None:
    original = [*WRITTEN.device, *WRITTEN.activation]
    twins = [Twin(number, owns=lambda number: number % 2 == 1).written(WRITTEN) for number in (1, 2)]
    logs = [original, *([*twin.device, *twin.activation] for twin in twins)]
    ids = [entry.event_id for log in logs for entry in log]
    assert len(set(ids)) == len(ids)
    streams = [{entry.stream_id for entry in log} for log in logs]
    assert len(set().union(*streams)) == sum(map(len, streams))
    assert all(entry.slice_number == slice_of(entry.stream_id) for log in logs for entry in log)
    assert {entry.slice_number % 2 for log in logs[1:] for entry in log} == {1}
