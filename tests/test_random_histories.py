"""Both deciders together, over random histories of a few devices that share a few codes.

Here Kafka is two sets of queues: a device's events reach the activation service in the device's order, a
code's events reach the devices in the code's order, and nothing else is ordered: that is all that the
real log promises. Any record may come twice. At the end everything is delivered and every timer has run.

With `PERENNIAL_NIGHTLY` set, histories are new each time, and at least 200,000 steps are taken.
"""

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.activation import decider as activation
from services.device import decider as device
from shared.messages import Event, ForHolders, LicenseActivated, PurchaseRefused, Reason
from shared.rules.decider import Refused, fold
from shared.rules.policy import Policy
from shared.rules.term import end_of

NIGHTLY = "PERENNIAL_NIGHTLY" in os.environ
STEPS_NIGHTLY = 200_000
TIMEOUT_SECONDS = 3_600 if NIGHTLY else 300

HISTORY_BEGINS = datetime(2026, 1, 31, 12, tzinfo=UTC)
DEVICES = ("device-1", "device-2", "device-3")
ADD_ON = "device-1-backup"
ALL = (*DEVICES, ADD_ON)
"""Two of the licenses are on one device: its own and that of an add-on product (R-42)."""
FIRST = tuple(letter * 32 for letter in "1234")
"""Each begins with a license of its own: a paid one, a trial, a subscription that renews itself, another paid one."""
MANY = tuple(letter * 32 for letter in "567")
"""Codes for two, three and four devices."""
ODD = tuple(letter * 32 for letter in "89abcdef")
GUESSED = "0" * 32
"""A code that nobody issued."""
ISSUED = (*FIRST, *MANY, *ODD)
CODES = (*ISSUED, GUESSED)
KINDS: dict[str, dict[str, Any]] = {
    FIRST[1]: {"kind": "trial", "term": "P30D"},
    FIRST[2]: {"kind": "subscription", "auto_renews": True},
    FIRST[3]: {"grace_days": 7},
    MANY[0]: {"seats": 2},
    MANY[1]: {"seats": 3, "edition": "plus", "features": ("vpn",)},
    MANY[2]: {"seats": 4, "term": "P2M", "grace_days": 14},
    ODD[0]: {"kind": "trial", "seats": 4},
    ODD[1]: {"kind": "subscription", "seats": 2},
    ODD[2]: {"kind": "renewal", "seats": 2},
    ODD[3]: {"kind": "renewal", "short_term": "P14D"},
    ODD[4]: {"version_min": "21", "version_max": "22.5", "activate_by": HISTORY_BEGINS + timedelta(days=40)},
    ODD[5]: {"regions": ("FR",)},
    ODD[6]: {"vendor": "rival"},
    ODD[7]: {"product": "backup"},
}
POLICY = Policy(name="impatient", version=7, guesses_free=1)

a_device = st.sampled_from(ALL)
a_code = st.sampled_from((*CODES, *MANY, *MANY, *MANY))
a_shared_code = st.sampled_from((*MANY, *MANY, ODD[2], ODD[3]))
seldom = st.sampled_from([False] * 7 + [True])
# what happens is of interest mostly where a code is in use, or waits
a_role = st.sampled_from(["license", "license", "reserve", "any"])

REACHED: Counter[str] = Counter()
"""The reasons and causes that were given, in all histories of this run."""
TAKEN: Counter[str] = Counter()
"""How many steps were taken."""

ON_DEVICES = device.decider(POLICY)
ON_CODES = activation.decider(POLICY)


class TwoServices(RuleBasedStateMachine):
    """What people, shops, operators, timers and the network may do, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = HISTORY_BEGINS
        self.requests = 0
        self.devices = dict.fromkeys(ALL, device.Device())
        self.codes = dict.fromkeys(CODES, activation.Code())
        self.device_log: list[device.DeviceEvent] = []
        self.code_log: list[activation.CodeEvent] = []
        self.to_activation: dict[str, deque[tuple[device.DeviceEvent, datetime]]] = {name: deque() for name in ALL}
        self.to_devices: dict[str, deque[tuple[activation.CodeEvent, datetime]]] = {code: deque() for code in CODES}

    # --- what happens ---------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        for code in ISSUED:
            issued: dict[str, Any] = {
                "last_group": code[:5].upper(),
                "product": "security",
                "kind": "paid",
                "term": "P1M",
                "seats": 1,
                **KINDS.get(code, {}),
            }
            self.ask_code(activation.IssueCode(code_ref=code, at=self.now, **issued))
        for name, code in zip(ALL, FIRST, strict=True):
            part_of = DEVICES[0] if name == ADD_ON else None
            told = {"product": "security", "product_version": "21.3", "region": "DE", "part_of": part_of}
            self.ask_device(device.EnrollDevice(device_id=name, **told, **self.door()))
            self.ask_device(device.AddCode(device_id=name, code_ref=code, last_group=code[:5].upper(), **self.door()))
        self.everything_arrives()

    @rule(hours=st.sampled_from([1, 24, 24 * 9, 24 * 31]), noticed=st.booleans())
    def time_passes(self, hours: int, noticed: bool) -> None:
        self.now += timedelta(hours=hours)
        if noticed:
            self.the_timers_look()

    @rule(name=a_device, seconds=st.sampled_from([-1, 0, 0, 1]), noticed=st.booleans())
    def a_license_comes_to_its_end(self, name: str, seconds: int, noticed: bool) -> None:
        current = self.devices[name].license
        if current is not None:
            self.now = max(self.now, current.over_at + timedelta(seconds=seconds))
        if noticed:
            self.the_timers_look()

    @rule(seconds=st.sampled_from([5, 61, 301]))
    def the_answer_takes_its_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.the_timers_look()

    @rule(
        name=a_device,
        code=a_code,
        replace=st.booleans(),
        now=seldom,
        prior=st.none() | a_code,
        short=st.booleans(),
    )
    def a_code_is_added(self, name: str, code: str, replace: bool, now: bool, prior: str | None, short: bool) -> None:
        said = {"replace": replace, "when": "now" if now else "at_end", "prior_ref": prior, "accepts_short_term": short}
        self.ask_device(
            device.AddCode(device_id=name, code_ref=code, last_group=code[:5].upper(), **said, **self.door())
        )

    @rule(name=a_device, code=a_shared_code, replace=st.booleans(), soon=st.booleans())
    def a_code_is_shared(self, name: str, code: str, replace: bool, soon: bool) -> None:
        order = {"code_ref": code, "last_group": code[:5].upper(), "replace": replace}
        self.ask_device(device.AddCode(device_id=name, **order, **self.door()))
        if soon:
            self.everything_arrives()

    @rule(name=a_device, times=st.integers(1, 3))
    def codes_are_guessed(self, name: str, times: int) -> None:
        for _ in range(times):
            order = {"code_ref": GUESSED, "last_group": GUESSED[:5]}
            self.ask_device(device.AddCode(device_id=name, **order, **self.door()))
            self.everything_arrives()

    @rule(name=a_device)
    def the_reserve_is_removed(self, name: str) -> None:
        self.ask_device(device.RemoveReserve(device_id=name, **self.door()))

    @rule(name=a_device, offline=st.booleans(), really=seldom)
    def the_license_is_removed(self, name: str, offline: bool, really: bool) -> None:
        if not really:
            return
        removed_at = self.now - timedelta(days=1) if offline else None
        for _ in range(2):  # people press twice
            self.ask_device(device.RemoveLicense(device_id=name, removed_at=removed_at, **self.door()))

    @rule(name=a_device)
    def activate_now_is_clicked(self, name: str) -> None:
        self.ask_device(device.Activate(device_id=name, **self.door()))

    @rule(name=a_device, code=a_code, days=st.sampled_from([-1, 0, 1, 5, 40]))
    def a_device_tells_what_it_did_while_away(self, name: str, code: str, days: int) -> None:
        order = {"code_ref": code, "last_group": code[:5].upper(), "activated_at": self.now - timedelta(days=days)}
        self.ask_device(device.ReportOfflineActivation(device_id=name, **order, **self.door()))

    @rule(name=a_device, version=st.sampled_from(["20", "21.3", "21.3", "23"]), other=seldom)
    def another_product_is_installed(self, name: str, version: str, other: bool) -> None:
        """The newest version is sold abroad alone."""
        region = "FR" if version == "23" else "DE"
        self.ask_device(device.CorrectRegion(device_id=name, region=region, **self.door()))
        installed = {"product": "backup" if other else "security", "product_version": version}
        self.ask_device(device.ReportInstallation(device_id=name, **installed, **self.door()))

    @rule(name=a_device, sequence=st.integers(0, 3), off=st.sampled_from([0, 3600]))
    def a_device_makes_contact(self, name: str, sequence: int, off: int) -> None:
        if not sequence:
            self.ask_device(device.RecordNewToken(device_id=name, **self.door()))
        before = {"last_sequence": 1, "repeated_sequence": 1, "counted_on": sequence}
        told = {"sequence": sequence, **before, "device_time": self.now + timedelta(seconds=off)}
        self.ask_device(device.RecordContact(device_id=name, **told, **self.door()))

    @rule(name=a_device)
    def an_expiry_is_claimed(self, name: str) -> None:
        current = self.devices[name].license
        ended_at = HISTORY_BEGINS if current is None else current.over_at
        self.ask_device(device.ReportExpiry(device_id=name, ended_at=ended_at, **self.door()))

    def the_timers_look(self) -> None:
        for name in ALL:
            self.ask_device(device.Expire(device_id=name, at=self.now))
            self.ask_device(device.RetryActivation(device_id=name, at=self.now))

    @rule(name=a_device, role=a_role, code=a_code, settled=st.booleans(), order=st.integers(1, 3))
    def a_renewal_is_bought(self, name: str, role: str, code: str, settled: bool, order: int) -> None:
        code = self.in_role(name, role, code)
        bought = {"order_id": str(order), "settled": settled, "purchased_at": self.now}
        self.ask_code(activation.RecordPurchase(code_ref=code, at=self.now, **bought))

    @rule(
        name=a_device,
        role=a_role,
        code=a_code,
        order=st.integers(1, 3),
        term=st.sampled_from([None, "P10D", "P9Y"]),
    )
    def a_purchase_is_paid_back(self, name: str, role: str, code: str, order: int, term: str | None) -> None:
        code = self.in_role(name, role, code)
        self.ask_code(
            activation.RecordRefund(code_ref=code, at=self.now, order_id=str(order), note="random", term=term)
        )

    @rule(name=a_device, role=a_role, code=a_code, order=st.integers(1, 3))
    def a_purchase_is_cancelled(self, name: str, role: str, code: str, order: int) -> None:
        code = self.in_role(name, role, code)
        self.ask_code(activation.CancelPurchase(code_ref=code, at=self.now, order_id=str(order)))

    @rule(code=st.sampled_from((FIRST[2], ODD[1])), on=st.booleans())
    def a_subscription_is_set(self, code: str, on: bool) -> None:
        self.ask_code(activation.SetAutoRenewal(code_ref=code, at=self.now, auto_renews=on))

    @rule(name=a_device, role=a_role, code=a_code, block=st.booleans())
    def an_operator_blocks_or_unblocks(self, name: str, role: str, code: str, block: bool) -> None:
        code = self.in_role(name, role, code)
        order = activation.BlockCode if block else activation.UnblockCode
        self.ask_code(order(code_ref=code, at=self.now, note="random"))

    @rule(name=a_device, keep=st.booleans(), really=seldom)
    def an_operator_releases_a_seat(self, name: str, keep: bool, really: bool) -> None:
        if not really:
            return
        for code in [ref for ref, code in self.codes.items() if name in code.holders]:
            order = {"device_id": name, "note": "random", "keep_reserve": keep}
            self.ask_code(activation.ReleaseSeat(code_ref=code, at=self.now, **order))

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
        event, at = self.to_devices[code].popleft()
        for name in self.concerned(event):
            command = device.RecordVerdict(device_id=name, verdict=event, at=at)
            self.ask_device(command)
            if twice:
                before = self.devices[name]
                again = ON_DEVICES.decide(command, self.devices)
                assert fold(device.evolve, again, before) == before

    def concerned(self, event: activation.CodeEvent) -> list[str]:
        """Whom the device service's consumer tells: the device that is named, and who has the code or waits with it."""
        named = getattr(event, "device_id", None)
        if named is None and not isinstance(event, ForHolders):
            return []
        others: list[str] = []
        if isinstance(event, ForHolders):
            others = self.having(event.code_ref)
        elif isinstance(event, LicenseActivated) and event.starts_term:
            others = self.waiting_for_start(event.code_ref)
        return sorted({*([named] if named else []), *others})

    def having(self, code: str) -> list[str]:
        parts = {name: (state.license, *state.slots) for name, state in self.devices.items()}
        return [name for name, of in parts.items() if any(part and part.code_ref == code for part in of)]

    def waiting_for_start(self, code: str) -> list[str]:
        slots = {name: state.slots for name, state in self.devices.items()}
        return [name for name, of in slots.items() if any((it.code_ref, it.started_at) == (code, None) for it in of)]

    @rule()
    def everything_arrives(self) -> None:
        for _ in range(100):
            if not self.is_under_way():
                return
            for name in ALL:
                self.a_device_is_heard(name=name, twice=False)
            for code in CODES:
                self.a_code_is_heard_of(code=code, twice=False)
        raise AssertionError("the two services go on talking to each other")

    def is_under_way(self) -> bool:
        return any(self.to_activation.values()) or any(self.to_devices.values())

    # --- the shells, without I/O ----------------------------------------------------------------

    def in_role(self, name: str, role: str, code: str) -> str:
        """Return the code that is the device's license, or waits on it; any code if there is none."""
        state = self.devices[name]
        part = {"license": state.license, "reserve": state.reserve, "any": None}[role]
        return code if part is None else part.code_ref

    def door(self) -> dict[str, Any]:
        self.requests += 1
        return {"at": self.now, "request_id": UUID(int=self.requests)}

    def ask_device(self, command: device.Command) -> None:
        events = ON_DEVICES.decide(command, self.devices)
        before = self.devices[command.device_id]
        for event in events:
            name = ON_DEVICES.stream_of(event)
            assert name == command.device_id
            assert event.policy_version == POLICY.version
            self.devices[name] = device.evolve(self.devices[name], event)
            self.device_log.append(event)
            self.to_activation[name].append((event, self.now))
        _count(events)
        if not isinstance(command, device.RecordVerdict) and events and _only_refusals(events):
            assert self.devices[command.device_id] == before

    def ask_code(self, command: activation.Command) -> None:
        before = dict(self.codes)
        try:
            events = ON_CODES.decide(command, self.codes)
        except Refused as refused:
            REACHED[refused.code] += 1
            return
        for event in events:
            code = ON_CODES.stream_of(event)
            self.codes[code] = activation.evolve(self.codes[code], event)
            self.code_log.append(event)
            self.to_devices[code].append((event, self.now))
        _count(events)
        # what is told before its purchase is refused, and remembered for it
        remembered = any(isinstance(event, PurchaseRefused) and event.awaits_purchase for event in events)
        if isinstance(command, activation.Verify) or (_only_refusals(events) and not remembered):
            assert self.codes == before

    def nothing_changes_for_codes(self, command: activation.Command) -> None:
        codes = dict(self.codes)
        for event in ON_CODES.decide(command, codes):
            code = ON_CODES.stream_of(event)
            codes[code] = activation.evolve(codes[code], event)
        assert codes == self.codes

    # --- what is always true --------------------------------------------------------------------

    @invariant()
    def a_step_was_taken(self) -> None:
        TAKEN["steps"] += 1

    @invariant()
    def no_code_has_more_devices_than_seats(self) -> None:
        """R-82, R-85."""
        for code in self.codes.values():
            assert code.seats_taken == len(code.holders) <= code.seats

    @invariant()
    def a_code_starts_once(self) -> None:
        """R-66, R-71, R-74, R-77."""
        starts = {(e.code_ref, e.started_at) for e in self.code_log if isinstance(e, LicenseActivated)}
        assert len(starts) == len({code_ref for code_ref, _ in starts})

    @invariant()
    def exactly_one_activation_of_a_code_says_that_it_starts_the_term(self) -> None:
        """R-66, R-73: however many are dated alike."""
        activated = [event for event in self.code_log if isinstance(event, LicenseActivated)]
        first = {event.code_ref: event for event in reversed(activated)}
        assert [event for event in activated if event.starts_term] == [
            event for event in activated if first[event.code_ref] is event
        ]

    @invariant()
    def no_device_has_two_terms_running(self) -> None:
        """R-41, R-87."""
        for name in ALL:
            running = [
                code
                for code in self.codes.values()
                if name in code.holders and code.over_at is not None and self.now < code.over_at
            ]
            assert len(running) <= 1

    @invariant()
    def a_code_that_may_be_the_license_already_stays_in_its_slot(self) -> None:
        """R-49, R-60: else it would hold a seat that its device knows nothing of."""
        for name, state in self.devices.items():
            known = {slot.code_ref for slot in state.slots} | ({state.license.code_ref} if state.license else set())
            told = {event.code_ref for queue in self.to_devices.values() for event, _ in queue}
            asked = {getattr(event, "code_ref", None) for event, _ in self.to_activation[name]}
            for code in self.codes.values():
                assert name not in code.holders or code.code_ref in known | told | asked

    @invariant()
    def activate_now_is_there_only_after_the_end(self) -> None:
        """R-55, R-56, R-62: with a code in reserve and no license in force, whatever else is the case."""
        for state in self.devices.values():
            if device.may_activate_now(state, self.now).allowed:
                assert state.reserve is not None
                assert not device.in_force(state, self.now)

    # --- when everything has arrived ------------------------------------------------------------

    def teardown(self) -> None:
        self.deliver_everything()
        self.both_services_agree()
        self.what_waits_is_told_right()
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
        """R-36, R-67, R-105, R-117: whatever the delays, a device has what its code says, and its seat there."""
        for name, state in self.devices.items():
            seats = {code.code_ref for code in self.codes.values() if name in code.holders}
            assert seats == (set() if state.license is None else {state.license.code_ref})
            if (mine := state.license) is not None:
                code = self.codes[mine.code_ref]
                assert (mine.started_at, mine.ends_at, mine.stops_at) == (code.started_at, code.ends_at, code.stops_at)
                assert (mine.kind, mine.grace_days, mine.auto_renews) == (code.kind, code.grace_days, code.auto_renews)
                assert device.in_force(state, self.now) == (code.over_at is not None and self.now < code.over_at)
                pending = {(purchase.order_id, purchase.hold_until) for purchase in code.pending}
                assert {(purchase.order_id, purchase.hold_until) for purchase in mine.announced} <= pending

    def what_waits_is_told_right(self) -> None:
        """R-10, R-73, R-93: the end of a code that waits, as both logs have it."""
        for state in self.devices.values():
            for slot, term in ((slot, slot.term) for slot in state.slots if slot.term is not None):
                code = self.codes[slot.code_ref]
                assert slot.started_at == code.started_at
                if code.started_at is not None:
                    assert slot.predicted_ends_at == code.ends_at
                elif state.license is not None and not state.license.expired:
                    assert slot.predicted_ends_at == end_of(state.license.over_at, term)

    def nothing_is_left_hanging(self) -> None:
        """R-31, R-49: no answer is waited for, no expiry unnoticed, no good reserve idle unless the user must say."""
        for state in self.devices.values():
            assert all(slot.status in ("ready", "refused", "retrying") and not slot.awaits for slot in state.slots)
            assert state.incoming is None
            if not device.in_force(state, self.now):
                assert state.license is None or state.license.expired
                assert state.reserve is None or state.reserve.held or state.reserve.status != "ready"

    def the_logs_rebuild_the_states(self) -> None:
        """R-116, R-118, R-119: in whatever way the streams interleave."""
        for names in (ALL, ALL[::-1]):
            rebuilt = dict.fromkeys(ALL, device.Device())
            lives = [[e for e in self.device_log if ON_DEVICES.stream_of(e) == name] for name in names]
            for event in _interleaved(lives):
                name = ON_DEVICES.stream_of(event)
                rebuilt[name] = device.evolve(rebuilt[name], event)
            assert rebuilt == self.devices
        for code_ref, code in self.codes.items():
            story = [event for event in self.code_log if ON_CODES.stream_of(event) == code_ref]
            assert fold(activation.evolve, story, activation.Code()) == code


def _interleaved(lives: Sequence[Sequence[device.DeviceEvent]]) -> Iterator[device.DeviceEvent]:
    """Return the events of all streams in turn, each stream's in its own order."""
    for events in zip_longest(*lives):
        yield from (event for event in events if event is not None)


def _count(events: Sequence[Event]) -> None:
    for event in events:
        REACHED.update({word for field in ("reason", "cause") if (word := getattr(event, field, None)) is not None})


def _only_refusals(events: Sequence[Event]) -> bool:
    """R-51."""
    return all(hasattr(event, "reason") for event in events)


TestRandomHistories = pytest.mark.timeout(TIMEOUT_SECONDS)(TwoServices.TestCase)
TestRandomHistories.settings = settings(
    max_examples=4_800 if NIGHTLY else 500,
    stateful_step_count=50,
    deadline=None,
    derandomize=not NIGHTLY,
    database=None,
    suppress_health_check=list(HealthCheck),
)

COMMON = {
    "not_expired",
    "term_over",
    "no_reserve",
    "reserve_exists",
    "unknown_code",
    "activation_running",
    "no_license",
}
"""What even a short run meets; the others take several steps of the right kind."""
ELSEWHERE = {"malformed", "already_used_for_renewal"}
"""What a door alone refuses (R-06), and what takes luck in any history: the activation service's table draws it."""


def test_every_reason_was_reached() -> None:
    """R-19: there is a history for each of them, but for what a door refuses (R-06)."""
    if not TAKEN:
        pytest.skip("no histories were made in this run")
    expected = set(get_args(Reason)) - ELSEWHERE if NIGHTLY else COMMON
    assert expected - set(REACHED) == set()


def test_the_nightly_run_is_long_enough() -> None:
    """What is claimed for it was done."""
    if not NIGHTLY or not TAKEN:
        pytest.skip("only with PERENNIAL_NIGHTLY")
    assert TAKEN.total() >= STEPS_NIGHTLY
