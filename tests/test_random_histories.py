"""Both deciders together, over random histories of a few devices that share a few codes.

Here Kafka is two sets of queues: a device's events reach the activation service in the device's order, a
code's events reach the devices in the code's order, and nothing else is ordered: that is all that the
real log promises. Any record may come twice. At the end everything is delivered and every timer has run.
"""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.activation import decider as activation
from services.device import decider as device
from shared.decider import fold
from shared.messages import LicenseActivated

DEVICES = ("device-1", "device-2", "device-3")
FIRST = tuple(letter * 32 for letter in "123")
"""Each device begins with a license of its own."""
CODES = (*FIRST, *(letter * 32 for letter in "abcd"))
"""Then there are codes for one, two and three devices, and a trial."""
SEATS = (1, 1, 1, 1, 2, 3, 4)
HISTORY_BEGINS = datetime(2026, 1, 31, 12, tzinfo=UTC)

a_device = st.sampled_from(DEVICES)
a_code = st.sampled_from(CODES)


class TwoServices(RuleBasedStateMachine):
    """What people, shops, operators, timers and the network may do, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = HISTORY_BEGINS
        self.requests = 0
        self.devices = dict.fromkeys(DEVICES, device.Device())
        self.codes = dict.fromkeys(CODES, activation.Code())
        self.device_log: list[device.DeviceEvent] = []
        self.code_log: list[activation.CodeEvent] = []
        self.to_activation: dict[str, deque[tuple[device.DeviceEvent, datetime]]] = {name: deque() for name in DEVICES}
        self.to_devices: dict[str, deque[activation.CodeEvent]] = {code: deque() for code in CODES}

    # --- what happens ---------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        for code, seats in zip(CODES, SEATS, strict=True):
            self.ask_code(
                activation.IssueCode(
                    code_ref=code,
                    at=self.now,
                    last_group=code[:5].upper(),
                    product="security",
                    kind="trial" if code == CODES[-1] else "paid",
                    term="P1M",
                    seats=seats,
                )
            )
        for name, code in zip(DEVICES, FIRST, strict=True):
            self.ask_device(device.EnrollDevice(device_id=name, product="security", region="DE", **self.door()))
            self.a_code_is_added(name=name, code=code, replace=False)
        self.everything_arrives()

    @rule(hours=st.sampled_from([1, 24, 24 * 14, 24 * 31]), noticed=st.booleans())
    def time_passes(self, hours: int, noticed: bool) -> None:
        self.now += timedelta(hours=hours)
        if noticed:
            self.the_timers_look()

    @rule(name=a_device, code=a_code, replace=st.booleans())
    def a_code_is_added(self, name: str, code: str, replace: bool) -> None:
        group = code[:5].upper()
        self.ask_device(device.AddCode(device_id=name, code_ref=code, last_group=group, replace=replace, **self.door()))

    @rule(name=a_device)
    def the_reserve_is_removed(self, name: str) -> None:
        self.ask_device(device.RemoveReserve(device_id=name, **self.door()))

    @rule(name=a_device)
    def activate_now_is_clicked(self, name: str) -> None:
        self.ask_device(device.Activate(device_id=name, **self.door()))

    @rule(name=a_device)
    def an_expiry_is_claimed(self, name: str) -> None:
        current = self.devices[name].license
        ended_at = HISTORY_BEGINS if current is None else current.ends_at
        self.ask_device(device.ReportExpiry(device_id=name, ended_at=ended_at, **self.door()))

    def the_timers_look(self) -> None:
        for name in DEVICES:
            self.ask_device(device.Expire(device_id=name, at=self.now))
            self.ask_device(device.RetryActivation(device_id=name, at=self.now))

    @rule(code=a_code, settled=st.booleans(), order=st.integers(1, 3))
    def a_renewal_is_bought(self, code: str, settled: bool, order: int) -> None:
        if self.codes[code].started_at is None:
            return
        self.ask_code(
            activation.RecordPurchase(
                code_ref=code, at=self.now, order_id=str(order), settled=settled, purchased_at=self.now
            )
        )

    @rule(code=a_code, block=st.booleans())
    def an_operator_blocks_or_unblocks(self, code: str, block: bool) -> None:
        order = activation.BlockCode if block else activation.UnblockCode
        self.ask_code(order(code_ref=code, at=self.now, note="random"))

    @rule(code=a_code, name=a_device)
    def an_operator_releases_a_seat(self, code: str, name: str) -> None:
        if name in self.codes[code].holders:
            self.ask_code(activation.ReleaseSeat(code_ref=code, at=self.now, device_id=name, note="random"))

    @rule(name=a_device, twice=st.booleans())
    def a_device_is_heard(self, name: str, twice: bool) -> None:
        if not self.to_activation[name]:
            return
        event, recorded_at = self.to_activation[name].popleft()
        for command in activation.commands_for(event, recorded_at):
            self.ask_code(command)
            if twice:
                self.nothing_changes_for_codes(command)

    @rule(code=a_code, twice=st.booleans())
    def a_code_is_heard_of(self, code: str, twice: bool) -> None:
        if not self.to_devices[code]:
            return
        event = self.to_devices[code].popleft()
        concerned = getattr(event, "device_id", None)
        for name in DEVICES if concerned is None else (concerned,):
            command = device.RecordVerdict(device_id=name, verdict=event)
            self.ask_device(command)
            if twice:
                before = self.devices[name]
                again = device.DECIDER.decide(command, self.devices)
                assert fold(device.evolve, again, before) == before

    @rule()
    def everything_arrives(self) -> None:
        for _ in range(100):
            if not self.is_under_way():
                return
            for name in DEVICES:
                self.a_device_is_heard(name=name, twice=False)
            for code in CODES:
                self.a_code_is_heard_of(code=code, twice=False)
        raise AssertionError("the two services go on talking to each other")

    def is_under_way(self) -> bool:
        return any(self.to_activation.values()) or any(self.to_devices.values())

    # --- the shells, without I/O ----------------------------------------------------------------

    def door(self) -> dict[str, object]:
        self.requests += 1
        return {"at": self.now, "request_id": UUID(int=self.requests)}

    def ask_device(self, command: device.Command) -> None:
        for event in device.DECIDER.decide(command, self.devices):
            name = device.DECIDER.stream_of(event)
            self.devices[name] = device.evolve(self.devices[name], event)
            self.device_log.append(event)
            self.to_activation[name].append((event, self.now))

    def ask_code(self, command: activation.Command) -> None:
        before = dict(self.codes)
        events = activation.DECIDER.decide(command, self.codes)
        for event in events:
            code = activation.DECIDER.stream_of(event)
            self.codes[code] = activation.evolve(self.codes[code], event)
            self.code_log.append(event)
            self.to_devices[code].append(event)
        if isinstance(command, activation.Verify) or _only_refusals(events):
            assert self.codes == before

    def nothing_changes_for_codes(self, command: activation.Command) -> None:
        codes = dict(self.codes)
        for event in activation.DECIDER.decide(command, codes):
            code = activation.DECIDER.stream_of(event)
            codes[code] = activation.evolve(codes[code], event)
        assert codes == self.codes

    # --- what is always true --------------------------------------------------------------------

    @invariant()
    def no_code_has_more_devices_than_seats(self) -> None:
        """R-82, R-85."""
        for code in self.codes.values():
            assert code.seats_taken == len(code.holders) <= code.seats

    @invariant()
    def a_code_starts_once(self) -> None:
        """R-66, R-71, R-74."""
        starts = {(e.code_ref, e.started_at) for e in self.code_log if isinstance(e, LicenseActivated)}
        assert len(starts) == len({code_ref for code_ref, _ in starts})

    @invariant()
    def no_device_has_two_terms_running(self) -> None:
        """R-41, R-87."""
        for name in DEVICES:
            running = [
                code
                for code in self.codes.values()
                if name in code.holders and code.ends_at is not None and self.now < code.ends_at
            ]
            assert len(running) <= 1

    # --- when everything has arrived ------------------------------------------------------------

    def teardown(self) -> None:
        self.deliver_everything()
        self.both_services_agree()
        self.nothing_is_left_hanging()
        self.the_logs_rebuild_the_states()

    def deliver_everything(self) -> None:
        for _ in range(100):
            self.the_timers_look()
            if not self.is_under_way():
                return
            self.everything_arrives()
        raise AssertionError("the two services go on talking to each other")

    def both_services_agree(self) -> None:
        """R-36, R-67, R-117: whatever the delays, a device has what its code says, and its seat there."""
        for name, state in self.devices.items():
            seats = {code.code_ref for code in self.codes.values() if name in code.holders}
            assert seats == (set() if state.license is None else {state.license.code_ref})
            if state.license is not None:
                code = self.codes[state.license.code_ref]
                assert (state.license.started_at, state.license.ends_at) == (code.started_at, code.ends_at)

    def nothing_is_left_hanging(self) -> None:
        """R-31, R-49: no answer is waited for, no expiry unnoticed, no good reserve idle."""
        for state in self.devices.values():
            slots = [slot for slot in (state.reserve, state.incoming) if slot is not None]
            assert all(slot.status in ("ready", "refused", "retrying") for slot in slots)
            assert state.incoming is None
            if not device.in_force(state, self.now):
                assert state.license is None or state.license.expired
                assert state.reserve is None or state.reserve.status != "ready"

    def the_logs_rebuild_the_states(self) -> None:
        """R-118, R-119."""
        for name, state in self.devices.items():
            life = [event for event in self.device_log if device.DECIDER.stream_of(event) == name]
            assert fold(device.evolve, life, device.Device()) == state
        for code_ref, code in self.codes.items():
            story = [event for event in self.code_log if activation.DECIDER.stream_of(event) == code_ref]
            assert fold(activation.evolve, story, activation.Code()) == code


def _only_refusals(events: Sequence[activation.CodeEvent]) -> bool:
    """R-51."""
    return all(hasattr(event, "reason") for event in events)


TestRandomHistories = TwoServices.TestCase
TestRandomHistories.settings = settings(
    max_examples=150, stateful_step_count=50, deadline=None, derandomize=True, database=None
)
