"""What another policy would have done: replays against histories that were really lived under each policy."""

import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import asdict

from services.activation.decider import DECIDER, BlockCode, RecordPurchase, RecordRefund
from services.cli.names import SERVICES, ServiceName
from services.cli.what_if import ledger_reader
from services.cli.what_if.comparison import Executor, Question, Tally, compare_all, compare_groups, compare_policies
from services.cli.what_if.differences import device_differences, licensed_time
from services.cli.what_if.inputs import code_command_of, device_command_of
from services.cli.what_if.ledger_reader import DisjointSets, Group, Ledgers, open_ledgers
from services.cli.what_if.plan import History, entry_of, make_plan
from services.cli.what_if.recording_policy import NAMES_ONLY, RecordingPolicy
from services.cli.what_if.replay import Replay, ReplayedEvent
from services.cli.what_if.workers import process_pool
from services.device.decider import DECIDER as DEVICE_DECIDER
from services.device.decider import CorrectRegion, Device, RecordContact, RecordNewToken
from shared.ledger.events import NewEvent
from shared.messages import CodeIssued, DeviceClockObserved, DeviceEnrolled, LicenseRenewed
from shared.rules.policy import POLICY, Policy
from shared.settings.policy_file import PolicyWrong, parse_policy
from tests.cli.running import answer, objects
from tests.conftest import Database, Databases
from tests.replay.kept import keep_codes, keep_devices
from tests.replay.world import BEGIN, CODES, DAY, HOUR, World, let_anything_happen, random_world, world_ends
from tests.shared.moments import UNTELLABLE_MOMENTS

UNTIL = world_ends()
AT_ONCE: Mapping[str, Any] = {"travel": timedelta(0), "slowness": timedelta(0)}
"""A world without latencies: two that lived under two policies differ by these alone."""
OTHERS: Mapping[str, Mapping[str, Any]] = {
    "stops at once": {"block_notice": timedelta(0)},
    "takes trials in reserve": {"reserve_kinds": ("paid", "renewal", "trial", "subscription"), "trials_max": 9},
    "does not wait for payment": {"settlement_hold": timedelta(0)},
    "waits longer": {"settlement_hold": timedelta(days=20), "auto_renewal_hold": timedelta(days=10)},
    "lets nobody guess": {"guesses_free": 1, "guess_window": timedelta(days=30), "guess_delays": (timedelta(days=9),)},
}
SEEDS = (3, 8)

pytestmark = pytest.mark.timeout(180)


def another(**decisions: Any) -> Policy:
    return POLICY.model_copy(update={"name": "other", "version": 2, **decisions})


def history_of(world: World) -> History:
    streams: tuple[dict[str, list[Any]], dict[str, list[Any]]] = (defaultdict(list), defaultdict(list))
    for kept, log in zip(streams, (world.device_log, world.code_log), strict=True):
        for entry in log:
            kept[entry.stream_id].append(entry_of(entry))
    return History(*streams)


def ran(plan_from: World, policy: Policy, since: datetime | None = None) -> Replay:
    replay = Replay(make_plan(history_of(plan_from), since=since), policy, until=UNTIL)
    replay.run()
    return replay


type Told = tuple[str, datetime, datetime, str]


def told(log: Sequence[NewEvent], since: datetime | None = None) -> dict[str, list[Told]]:
    """Return what a log tells of each device, without ids, and without rules that would have passed or not."""
    lives: dict[str, list[Told]] = defaultdict(list)
    for entry in log:
        if since is None or entry.recorded_at > since:
            lives[entry.stream_id].append(_told(entry_of(entry).fact, entry.occurred_at, entry.recorded_at))  # type: ignore[union-attr]
    return lives


def replayed_lives(replay: Replay) -> dict[str, list[Told]]:
    return {name: [_told(*happened) for happened in life] for name, life in replay.lives.items() if life}


def _told(event: Any, occurred_at: datetime, recorded_at: datetime) -> Told:
    left_out = {"request_id", "findings", "policy_version"}
    facts = {name: value for name, value in asdict(event).items() if name not in left_out}
    return type(event).__name__, occurred_at, recorded_at, str(facts)


@pytest.mark.parametrize("seed", [*SEEDS, 21, 34])
def test_the_present_policy_makes_the_log_again_event_by_event(seed: int) -> None:
    """R-76, R-119: also with answers that take time and timers that are looked at days late."""
    world = random_world(seed, slowness=timedelta(days=2))
    assert replayed_lives(ran(world, POLICY)) == told(world.device_log)


def test_corrected_regions_and_ended_suspicions_are_made_again() -> None:
    """R-137, R-138."""
    world = World(**AT_ONCE)
    for code_ref, terms in ((CODES[0], {}), (CODES[1], {"regions": ("DE",)})):
        world.issue(BEGIN, code_ref, **terms)
    world.enroll(BEGIN + HOUR, "device-1")
    for number in (0, 1):
        world.add(BEGIN + (2 + number) * HOUR, "device-1", CODES[number])
    for number, region in enumerate(("FR", "DE", "FR")):
        world.on_device(BEGIN + (number + 1) * DAY, CorrectRegion, "device-1", region=region)
    suspicious: dict[str, Any] = {"sequence": 3, "last_sequence": 3, "repeated_sequence": 3}
    sound: dict[str, Any] = {"sequence": 4, "last_sequence": 3, "counted_on": POLICY.clone_sound_contacts}
    world.on_device(BEGIN + 10 * DAY, RecordContact, "device-1", **suspicious)
    world.on_device(BEGIN + 11 * DAY, RecordNewToken, "device-1")
    world.on_device(BEGIN + 12 * DAY, RecordContact, "device-1", **suspicious)
    world.on_device(BEGIN + 13 * DAY, RecordContact, "device-1", **sound)
    back_home = BEGIN + 40 * DAY
    world.on_device(back_home, CorrectRegion, "device-1", region="DE")
    world.run(back_home)
    (life,) = told(world.device_log).values()
    names = [name for name, *_ in life]
    assert (names.count("VerificationRepeated"), names.count("CloneSuspicionEnded")) == (3, 2)
    assert (
        names[-3:] == ["RegionCorrected", "ActivationRetried", "LicenseActivated"] or "LicenseActivated" in names[-4:]
    )
    world.run(UNTIL)
    assert replayed_lives(ran(world, POLICY)) == told(world.device_log)


@pytest.mark.parametrize("name", OTHERS)
def test_another_policy_makes_the_log_that_was_lived_under_it(name: str) -> None:
    policy = another(**OTHERS[name])
    seed = 2 if name == "lets nobody guess" else 8
    ours, theirs = random_world(seed, **AT_ONCE), random_world(seed, policy=policy, **AT_ONCE)
    expected, seen = told(theirs.device_log), replayed_lives(ran(ours, policy))
    # an order that changed nothing in one of the worlds left no trace there; these worlds have none
    assert _orders(ours) == _orders(theirs)
    assert seen == expected
    assert seen != told(ours.device_log)


def _orders(world: World) -> list[tuple[Any, ...]]:
    plan = make_plan(history_of(world), since=None)
    return [
        (type(order.command).__name__, order.command.model_dump(exclude={"request_id", "last_group"}))
        for order in plan.orders
    ]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("type_name", ["CodeAdded", "LicenseExpired", "LicenseRemoved", "LicenseRenewed"])
def test_a_replay_from_a_time_on_makes_the_rest_of_the_log(seed: int, type_name: str) -> None:
    """Also what was under way between the services just then: a question, or an answer."""
    world = random_world(seed, travel=timedelta(seconds=20))
    asked = [entry for entry in [*world.device_log, *world.code_log] if entry.type_name == type_name]
    for entry in asked[len(asked) // 2 :][:3]:
        for moment in (entry.recorded_at, entry.recorded_at + timedelta(seconds=25)):
            assert replayed_lives(ran(world, POLICY, moment)) == told(world.device_log, moment)


@pytest.mark.parametrize("seconds", [-64_000_000_000, 260_000_000_000])
def test_a_clock_beyond_the_calendar_that_an_earlier_release_recorded_is_replayed(seconds: int) -> None:
    """R-134: it ended the comparison of a whole fleet."""
    event = DeviceClockObserved(device_id="device-1", offset_seconds=seconds, deviates=True)
    order = {"device_id": "device-1", "at": BEGIN, "request_id": UUID(int=1)}
    replayed = device_command_of(event, Device(), order)
    assert isinstance(replayed, RecordContact)
    assert replayed.device_time is not None
    assert (replayed.device_time < BEGIN) is (seconds < 0)


@pytest.mark.parametrize("moment", UNTELLABLE_MOMENTS)
def test_a_purchase_dated_beyond_utc_that_an_earlier_release_recorded_is_replayed(moment: datetime) -> None:
    """R-134."""
    ends: dict[str, Any] = {"previous_ends_at": BEGIN, "ends_at": BEGIN + DAY, "term": "P1D"}
    event = LicenseRenewed(code_ref=CODES[0], order_id="1", purchased_at=moment, **ends)
    assert isinstance(code_command_of(event, {"code_ref": CODES[0], "at": BEGIN}), RecordPurchase)


def test_regions_that_an_earlier_release_took_for_countries_are_replayed() -> None:
    """R-137."""
    order = {"device_id": "device-1", "at": BEGIN, "request_id": UUID(int=1)}
    enrolled = DeviceEnrolled(policy_version=POLICY.version, device_id="device-1", product="security", region="UK")
    replayed = device_command_of(enrolled, Device(), order)
    assert replayed is not None
    assert DEVICE_DECIDER.decide(replayed, {}) == [enrolled]
    terms: dict[str, Any] = {"product": "security", "kind": "paid", "term": "P1M", "seats": 1, "last_group": "7QX2M"}
    issued = CodeIssued(policy_version=POLICY.version, code_ref=CODES[0], regions=("EU", "ZZ"), **terms)
    again = code_command_of(issued, {"code_ref": CODES[0], "at": BEGIN})
    assert again is not None
    assert DECIDER.decide(again, {}) == [issued]


def test_a_purchase_dated_ahead_that_an_earlier_release_recorded_is_replayed_as_it_was_counted() -> None:
    """R-131."""
    ends: dict[str, Any] = {"previous_ends_at": BEGIN, "ends_at": BEGIN + DAY, "term": "P1D"}
    event = LicenseRenewed(code_ref=CODES[0], order_id="1", purchased_at=BEGIN + 700 * DAY, **ends)
    replayed = code_command_of(event, {"code_ref": CODES[0], "at": BEGIN})
    assert isinstance(replayed, RecordPurchase)
    assert replayed.purchased_at == BEGIN


def test_a_code_that_an_earlier_release_issued_too_late_to_activate_is_issued_again() -> None:
    """R-134."""
    terms: dict[str, Any] = {"product": "security", "kind": "paid", "term": "P1M", "seats": 1, "last_group": "7QX2M"}
    event = CodeIssued(code_ref=CODES[0], activate_by=BEGIN - DAY, **terms)
    replayed = code_command_of(event, {"code_ref": CODES[0], "at": BEGIN})
    assert replayed is not None
    assert [type(each) for each in DECIDER.decide(replayed, {})] == [CodeIssued]


# --- what is told of the differences ----------------------------------------------------------------


def blocked_world() -> World:
    """One device, one code, blocked after ten days and never unblocked."""
    world = World(**AT_ONCE)
    world.issue(BEGIN, CODES[0])
    world.enroll(BEGIN + HOUR, "device-1")
    world.add(BEGIN + 2 * HOUR, "device-1", CODES[0])
    world.on_code(BEGIN + 10 * DAY, BlockCode, CODES[0], note="stolen")
    world.run(UNTIL)
    return world


def test_a_shorter_notice_is_told_as_days_without_a_license() -> None:
    """R-105."""
    question = Question(present=POLICY, other=another(block_notice=DAY), since=None, until=UNTIL)
    tally = Tally()
    (different,) = compare_policies(history_of(blocked_world()), question, tally)
    assert (different.device_id, different.licensed) == ("device-1", -7 * DAY)
    assert {change.kind for change in different.changes} == {"changed: CodeBlocked", "changed: LicenseExpired blocked"}
    assert (tally.devices, tally.different, tally.unlike_history) == (1, 1, 0)


def refunded_world(policy: Policy) -> World:
    """One device, one renewal, paid back in part and then as a whole."""
    world = World(policy=policy, **AT_ONCE)
    world.issue(BEGIN, CODES[0])
    world.enroll(BEGIN + HOUR, "device-1")
    world.add(BEGIN + 2 * HOUR, "device-1", CODES[0])
    bought = {"order_id": "1", "settled": True, "purchased_at": BEGIN + 9 * DAY, "term": "P3M"}
    world.on_code(BEGIN + 9 * DAY, RecordPurchase, CODES[0], **bought)
    world.on_code(BEGIN + 60 * DAY, RecordRefund, CODES[0], order_id="1", note="sent back", term="P1M")
    world.on_code(BEGIN + 61 * DAY, RecordRefund, CODES[0], order_id="1", note="sent back")
    world.run(UNTIL)
    return world


def test_a_refund_is_replayed_as_what_was_paid_back() -> None:
    """R-96: a part, then the rest; under a policy without a notice the license ends at once."""
    policy = another(refund_notice=timedelta(0))
    theirs = told(refunded_world(policy).device_log)
    assert replayed_lives(ran(refunded_world(POLICY), policy)) == theirs
    assert replayed_lives(ran(refunded_world(POLICY), POLICY)) == told(refunded_world(POLICY).device_log) != theirs


def test_the_same_policy_differs_in_nothing() -> None:
    for seed in SEEDS:
        question = Question(present=POLICY, other=another(), since=None, until=UNTIL)
        tally = Tally()
        assert compare_policies(history_of(random_world(seed)), question, tally) == []
        assert (tally.different, tally.unlike_history) == (0, 0)


OTHER_DECISIONS: Mapping[str, Any] = {
    "settlement_hold": timedelta(0),
    "auto_renewal_hold": timedelta(days=10),
    "block_notice": DAY,
    "refund_notice": timedelta(0),
    "reserve_kinds": ("paid", "renewal", "trial", "subscription"),
    "answer_patience": timedelta(hours=1),
    "retry_delays": (timedelta(days=1),),
    "manual_delays": (timedelta(days=5),),
    "guesses_free": 1,
    "guess_window": timedelta(days=30),
    "guess_delays": (timedelta(days=9),),
    "offline_report_max": timedelta(0),
    "clock_tolerance": timedelta(days=1),
    "clone_sound_contacts": 1,
    "trials_max": 9,
}


def test_what_need_not_be_replayed_twice_differs_in_nothing() -> None:
    """R-119: whatever is decided otherwise, lives that never asked for it are the same event by event."""
    assert set(OTHER_DECISIONS) == set(Policy.model_fields) - NAMES_ONLY
    skipped = set()
    for seed in (*SEEDS, 2):
        plan = make_plan(history_of(random_world(seed, steps=30)), since=None)
        recording = RecordingPolicy(POLICY)
        present = Replay(plan, recording.as_policy(), until=UNTIL)
        present.run()
        for key in set(OTHER_DECISIONS) - recording.keys_read:
            other = Replay(plan, another(**{key: OTHER_DECISIONS[key]}), until=UNTIL)
            other.run()
            assert replayed_lives(other) == replayed_lives(present)
            assert (other.devices, other.codes) == (present.devices, present.codes)
            skipped.add(key)
    assert skipped


@pytest.mark.parametrize("key", OTHER_DECISIONS)
def test_the_answer_is_that_of_two_whole_replays(key: str) -> None:
    policy = another(**{key: OTHER_DECISIONS[key]})
    world = random_world(8)
    expected = list(device_differences(ran(world, POLICY), ran(world, policy), until=UNTIL))
    question = Question(present=POLICY, other=policy, since=None, until=UNTIL)
    assert compare_policies(history_of(world), question, Tally()) == expected


def test_a_log_that_another_policy_made_is_said_to_be_unlike() -> None:
    world = World(policy=another(reserve_kinds=("trial",)), **AT_ONCE)
    world.issue(BEGIN, CODES[0])
    world.issue(BEGIN, CODES[1], kind="trial", term="P2M")
    world.enroll(BEGIN, "device-1")
    for hours, code_ref in enumerate(CODES[:2], 1):
        world.add(BEGIN + hours * HOUR, "device-1", code_ref)
    world.run(BEGIN + DAY)
    tally = Tally()
    compare_policies(history_of(world), Question(present=POLICY, other=POLICY, since=None, until=BEGIN + DAY), tally)
    assert tally.unlike_history == 1


def test_licensed_time_is_from_each_activation_to_its_end() -> None:
    world = blocked_world()
    life = [ReplayedEvent(entry_of(e).fact, e.occurred_at, e.recorded_at) for e in world.device_log]  # type: ignore[union-attr]
    assert licensed_time(life, until=UNTIL) == 18 * DAY - 2 * HOUR


# --- on real ledgers --------------------------------------------------------------------------------


LONELY = 12
"""Devices that share no code with another."""


@pytest.fixture(scope="module")
def world() -> World:
    world = World(seed=8)
    let_anything_happen(world, device_count=6, days=150, steps=120)
    for number in range(LONELY):
        code_ref, name = f"{1_000 + number:032x}", f"lonely-{number:02}"
        world.issue(BEGIN, code_ref)
        world.enroll(BEGIN + HOUR, name)
        world.add(BEGIN + 2 * HOUR, name, code_ref)
        if number % 3 == 0:
            world.on_code(BEGIN + 10 * DAY, BlockCode, code_ref, note="stolen")
    world.run(UNTIL)
    return world


@pytest.fixture(scope="module")
async def databases_of_world(databases: Databases, world: World) -> dict[str, Database]:
    kept = {"device": await databases.fresh("device"), "activation": await databases.fresh("activation")}
    async with kept["device"].pool() as pool:
        await keep_devices(world, pool)
    async with kept["activation"].pool() as pool:
        await keep_codes(world, pool)
    return kept


@pytest.fixture
def urls(databases_of_world: dict[str, Database]) -> Mapping[ServiceName, str]:
    return {name: databases_of_world[name].service for name in SERVICES}


@pytest.fixture
async def ledgers(urls: Mapping[ServiceName, str]) -> AsyncIterator[Ledgers]:
    async with open_ledgers(urls, until=UNTIL) as opened:
        yield opened


async def test_two_ledgers_tell_what_the_whole_log_in_memory_tells(ledgers: Ledgers, world: World) -> None:
    question = Question(present=POLICY, other=another(block_notice=timedelta(0)), since=None, until=UNTIL)
    tally, in_memory = Tally(), Tally()
    answering = Executor(partial(compare_groups, ledgers, question))
    found = [one async for one in compare_all(await ledgers.all_groups(), answering, tally)]
    expected = compare_policies(history_of(world), question, in_memory)
    assert sorted(found, key=lambda one: one.device_id) == expected
    assert found
    assert (tally.devices, tally.counted) == (in_memory.devices, in_memory.counted)


async def test_one_device_is_answered_from_what_belongs_to_it(ledgers: Ledgers) -> None:
    around = await ledgers.group_of("device-1")
    assert around in await ledgers.all_groups()


async def test_several_processes_answer_as_one_does(
    ledgers: Ledgers, urls: Mapping[ServiceName, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Devices, words and counts alike, in the same order; here each group is a batch."""
    monkeypatch.setattr(ledger_reader, "STREAMS_AT_ONCE", 1)
    question = Question(present=POLICY, other=another(block_notice=timedelta(0)), since=None, until=UNTIL)
    groups = await ledgers.all_groups()
    assert len(groups) > LONELY
    alone, together = Tally(), Tally()
    expected = [one async for one in compare_all(groups, Executor(partial(compare_groups, ledgers, question)), alone)]
    told: list[tuple[int, int]] = []
    with process_pool(urls, question, count=2) as answering:
        found = [one async for one in compare_all(groups, answering, together, lambda *done: told.append(done))]
    assert (found, together) == (expected, alone)
    assert found
    assert told[-1] == (together.devices, together.devices)
    assert len(told) == len(groups)


async def test_a_replay_cannot_write(ledgers: Ledgers) -> None:
    for connection in (ledgers.device, ledgers.activation):
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("insert into inbound_message values ('a', 'b')")


def test_what_shares_a_code_belongs_together_and_nothing_else_does() -> None:
    groups = DisjointSets()
    for device_id, code_ref in (("d1", "a"), ("d2", "b"), ("d3", "b"), ("d2", "c"), ("d4", "c"), ("d5", "e")):
        groups.join(("device", device_id), ("code", code_ref))
    groups.join(("device", "d6"))
    assert groups.groups() == [
        Group(["d1"], ["a"]),
        Group(["d2", "d3", "d4"], ["b", "c"]),
        Group(["d5"], ["e"]),
        Group(["d6"], []),
    ]


# --- the file of the other policy, and the command line ------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "key", "line"),
    [
        ('{\n "name": "x",\n "version": 2,\n "settlement_hodl": "P1D"\n}', "policy_key_unknown", "settlement_hodl", 4),
        ('{"name": "x",\n "version": 2,\n\n "block_notice": 8}', "policy_value_wrong", "block_notice", 4),
        ('{"name": "x", "version": 2,\n "retry_delays": ["PT1M",\n "soon"]}', "policy_value_wrong", "retry_delays", 2),
        ('{"name": "x"}', "policy_key_missing", "version", None),
        ('{"name": "x",\n "version": 2,\n "name": "y"}', "policy_key_twice", "name", 3),
        ('{"name": "x",\n version: 2}', "policy_not_json", None, 2),
        ("[]", "policy_not_an_object", None, 1),
        ("", "policy_not_json", None, 1),
        ("[" * 20_000, "policy_not_json", None, 1),
    ],
)
def test_a_typo_in_a_policy_file_is_told_with_its_key_and_line(
    text: str, code: str, key: str | None, line: int | None
) -> None:
    with pytest.raises(PolicyWrong) as wrong:
        parse_policy(text)
    assert (wrong.value.code, wrong.value.key, wrong.value.line) == (code, key, line)


def test_a_misspelt_key_is_told_with_the_one_that_was_meant() -> None:
    with pytest.raises(PolicyWrong, match=r"line 1: 'block_notise' is not a policy key; did you mean block_notice\?"):
        parse_policy('{"name": "x", "version": 2, "block_notise": "P1D"}')


def test_a_good_file_is_the_policy_it_says() -> None:
    text = '{"name": "strict", "version": 7, "block_notice": "P1D", "reserve_kinds": ["paid"]}'
    expected = POLICY.model_copy(
        update={"name": "strict", "version": 7, "block_notice": DAY, "reserve_kinds": ("paid",)}
    )
    assert parse_policy(text) == expected


@pytest.fixture
def environment(databases_of_world: dict[str, Database], tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PERENNIAL_DATA": str(tmp_path / "nothing-here"),
        "PERENNIAL_DEVICE_DATABASE_URL": databases_of_world["device"].service,
        "PERENNIAL_ACTIVATION_DATABASE_URL": databases_of_world["activation"].service,
    }


async def test_the_command_counts_by_kind_and_lists_by_device(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({"name": "strict", "version": 2, "block_notice": "PT0S"}))
    # its services' time is today's
    rows = objects(environment, "what-if", "--policy", str(file))
    summary = rows[0]
    assert (summary["kind"], summary["devices"], summary["devices_unlike_history"]) == ("summary", 6 + LONELY, 0)
    devices = [row for row in rows if row["kind"] == "device"]
    changes = {row["change"]: row for row in rows if row["kind"] == "change"}
    assert len(devices) == summary["devices_different"] > 0
    for kind, row in changes.items():
        assert row["devices"] == sum(any(one["change"] == kind for one in each["changes"]) for each in devices)


async def test_the_command_says_what_is_wrong_with_the_file(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text('{\n "name": "x",\n "version": 2,\n "block_notise": "P1D"\n}')
    outcome = answer(environment, "what-if", "--policy", str(file))
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert "policy_key_unknown" in outcome.stderr
    assert "line 4" in outcome.stderr
    assert "did you mean block_notice" in outcome.stderr
