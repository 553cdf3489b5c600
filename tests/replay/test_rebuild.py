"""A projection made anew from the ledger: equal, or told where not, and the live table never harmed."""

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.activation.projection import CODE, CODE_VIEW, FIRST_ACTIVATION, SEAT
from services.device.decider import RemoveLicense, ReportInstallation
from services.device.outbox import SANDBOX_OUTBOX
from services.device.projection import DEVICE, LICENSE_VIEW, LicenseView, project
from shared.kafka.inbox import Parked
from shared.kafka.parking import park
from shared.ledger.database import Connection, Pool
from shared.ledger.events import RecordedEvent, append
from shared.ledger.identity import new_id
from shared.ledger.outbox import Cause
from shared.local.unprivileged import account
from shared.messages import DeviceEvent, decode
from shared.projector import Acceptance, Outcome, Projection, ProjectorFailed, rebuild_projection, verify_projection
from shared.projector.digest import Comparison
from shared.projector.lock import REBUILD_LOCK
from shared.projector.rebuild_in_progress import OnProgress, RebuildInProgress, start_rebuild
from shared.rules.policy import POLICY
from tests.conftest import Database, Databases
from tests.replay.kept import keep_devices
from tests.replay.seeded import WRITTEN, fill_codes, fill_devices, hear, newer, record_of, rows_of, subject
from tests.replay.world import BEGIN, CODES, DAY, HOUR, World

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def silent(_done: int, _total: int) -> None:
    """Nobody watches."""


async def rebuild(database: Database, projection: Projection[Any], **options: Any) -> Outcome:
    return await rebuild_projection(subject(database, projection), on_progress=silent, **options)


async def verify(database: Database, projection: Projection[Any], **options: Any) -> Outcome:
    return await verify_projection(subject(database, projection, **options), on_progress=silent)


@pytest.fixture
async def owner(device_database: Database) -> AsyncIterator[Connection]:
    """Somebody with the owner's password: what no service may do, they do."""
    async with device_database.connected(owner=True) as connection:
        yield connection


@pytest.fixture
async def recorded(device_pool: Pool) -> list[RecordedEvent]:
    """Years of devices, all of them heard by the license view."""
    async with device_pool.acquire() as connection:
        recorded = await fill_devices(connection)
    await hear(device_pool, LICENSE_VIEW)
    return recorded


# --- equal ------------------------------------------------------------------------------------


async def test_what_is_made_anew_is_the_same_and_takes_the_place(
    device_database: Database, owner: Connection, recorded: list[RecordedEvent]
) -> None:
    """R-118."""
    before, was = await rows_of(owner, LICENSE_VIEW), await owner.fetchval("select 'license_view'::regclass::oid")
    outcome = await rebuild(device_database, LICENSE_VIEW)
    assert (outcome.swapped, outcome.comparison.differing, outcome.events) == (True, 0, len(recorded))
    assert outcome.comparison.rows == len(WRITTEN.device_states)
    assert outcome.comparison.stored_digest == outcome.comparison.folded_digest
    assert await rows_of(owner, LICENSE_VIEW) == before
    assert await owner.fetchval("select 'license_view'::regclass::oid") != was
    assert await owner.fetchval("select count(*) from pg_class where relnamespace = 'shadow'::regnamespace") == 0


async def test_the_new_table_is_kept_on_and_can_be_made_anew_again(
    device_database: Database, device_pool: Pool, owner: Connection
) -> None:
    """R-118: rights, indexes and the position vector go with it."""
    async with device_pool.acquire() as connection:
        await fill_devices(connection)
    half = len(WRITTEN.device) // 2
    assert await hear(device_pool, LICENSE_VIEW, limit=half) == half
    assert (await rebuild(device_database, LICENSE_VIEW)).events == half
    assert await hear(device_pool, LICENSE_VIEW) == len(WRITTEN.device) - half
    again = await rebuild(device_database, LICENSE_VIEW)
    assert (again.swapped, again.events) == (True, len(WRITTEN.device))
    assert await owner.fetchval("select reloptions from pg_class where oid = 'public.license_view'::regclass") == [
        "fillfactor=70"
    ]


async def test_a_new_projection_is_filled_while_its_consumer_has_not_begun(
    device_database: Database, device_pool: Pool, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-118: the consumer goes on where the rebuild ended and hears nothing twice."""
    monkeypatch.setattr("shared.projector.rebuild.OVERTAKE_LAG_MIN", 1)
    async with device_pool.acquire() as connection:
        await fill_devices(connection)
    await owner.execute("update slice_published p set position = h.position from slice_head h where h.slice = p.slice")
    outcome = await rebuild(device_database, LICENSE_VIEW)
    assert (outcome.swapped, outcome.comparison.rows) == (True, len(WRITTEN.device_states))
    assert await hear(device_pool, LICENSE_VIEW) == 0
    assert (await verify(device_database, LICENSE_VIEW)).comparison.equal


async def test_every_row_that_rules_read_is_a_fold(device_database: Database, recorded: list[RecordedEvent]) -> None:
    """R-118."""
    outcome = await verify(device_database, DEVICE)
    assert (outcome.comparison.equal, outcome.events) == (True, len(recorded))
    assert outcome.comparison.rows == len(WRITTEN.device_states)


async def test_trials_of_before_the_release_that_counts_them_are_remembered(
    device_database: Database, device_pool: Pool, owner: Connection
) -> None:
    """R-118, R-136: as a fold of the log has them, also where a worker of the last release forgot them."""
    world = World(travel=timedelta(0), slowness=timedelta(0), policy=POLICY.model_copy(update={"trials_max": 9}))
    world.enroll(BEGIN, "hopper")
    world.enroll(BEGIN, "buyer")
    for number, code_ref in enumerate(CODES[:6]):
        world.issue(
            BEGIN, code_ref, kind="trial" if number < 5 else "paid", product="vpn" if number == 3 else "security"
        )
    for day, code_ref in enumerate((CODES[4], CODES[1], CODES[4], CODES[3], CODES[0]), start=1):
        product = "vpn" if code_ref == CODES[3] else "security"
        world.on_device(BEGIN + day * DAY, ReportInstallation, "hopper", product=product)
        world.add(BEGIN + day * DAY + HOUR, "hopper", code_ref)
        world.on_device(BEGIN + day * DAY + 2 * HOUR, RemoveLicense, "hopper")
    world.add(BEGIN + DAY, "buyer", CODES[5])
    world.run(BEGIN + 10 * DAY)
    assert [trial.code_ref for trial in world.devices["hopper"].trials] == [CODES[number] for number in (4, 1, 3, 0)]
    await keep_devices(world, device_pool)
    await hear(device_pool, LICENSE_VIEW)
    await owner.execute("update device set state = state - 'trials'")
    await owner.execute("update license_view set view = view #- '{device,trials}'")
    for projection in (DEVICE, LICENSE_VIEW):
        assert not (await verify(device_database, projection)).comparison.equal
    for _ in range(2):
        await owner.execute("select remember_trials()")
        for projection in (DEVICE, LICENSE_VIEW):
            assert (await verify(device_database, projection)).comparison.equal


@pytest.mark.parametrize("projection", [CODE, SEAT, FIRST_ACTIVATION, CODE_VIEW], ids=lambda each: each.name)
async def test_so_is_every_row_of_codes(
    activation_database: Database, activation_pool: Pool, projection: Projection[Any]
) -> None:
    """R-118."""
    async with activation_pool.acquire() as connection:
        await fill_codes(connection)
    await hear(activation_pool, CODE_VIEW)
    outcome = await verify(activation_database, projection)
    assert (outcome.comparison.equal, outcome.events) == (True, len(WRITTEN.activation))
    assert outcome.comparison.rows > len(WRITTEN.device_states) / 2


async def test_tables_that_deciders_keep_are_not_replaced(device_database: Database) -> None:
    with pytest.raises(ProjectorFailed, match=r"^not_replaceable"):
        await rebuild(device_database, DEVICE)


async def test_tables_that_deciders_keep_are_not_made_from_kafka(device_database: Database) -> None:
    with pytest.raises(ProjectorFailed, match=r"^ledger_only"):
        await verify(device_database, DEVICE, source="kafka")


@pytest.mark.parametrize("name", ["device", "event", "license_view; drop table event"])
async def test_no_other_table_can_be_put_in_a_place(device_pool: Pool, name: str) -> None:
    """Who has the services' password must not get the owner's rights by it."""
    async with device_pool.acquire() as connection:
        with pytest.raises(asyncpg.PostgresError):
            await connection.execute("select swap_shadow($1)", name)


# --- differences ------------------------------------------------------------------------------

SOME = "(select min(device_id) from license_view)"
HANDS = {
    "changed": f"update license_view set view = jsonb_set(view, '{{device,generation}}', '9') where device_id = {SOME}",
    "removed": f"delete from license_view where device_id = {SOME}",
    "added": "insert into license_view values ('0-nobody', 1, '{}')",
    "counted": f"update license_view set version = version + 1 where device_id = {SOME}",
}


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("change", HANDS)
async def test_a_row_changed_by_hand_is_found_and_named(
    device_database: Database, owner: Connection, change: str
) -> None:
    """R-118."""
    named = "0-nobody" if change == "added" else min(WRITTEN.device_states)
    await owner.execute(HANDS[change])
    before, was = await rows_of(owner, LICENSE_VIEW), await owner.fetchval("select 'license_view'::regclass::oid")
    for outcome in (await verify(device_database, LICENSE_VIEW), await rebuild(device_database, LICENSE_VIEW)):
        assert (outcome.swapped, outcome.comparison.differing) == (False, 1)
        (difference,) = outcome.comparison.listed
        assert difference.key == named
        assert (difference.stored is None, difference.folded is None) == (change == "removed", change == "added")
    assert await rows_of(owner, LICENSE_VIEW) == before
    assert await owner.fetchval("select 'license_view'::regclass::oid") == was


@pytest.mark.usefixtures("recorded")
async def test_differences_are_counted_in_full_and_listed_in_part(device_database: Database, owner: Connection) -> None:
    await owner.execute("update license_view set version = version + 1")
    comparison = (await verify(device_database, LICENSE_VIEW)).comparison
    assert comparison.differing == len(WRITTEN.device_states) > len(comparison.listed)
    assert [each.key for each in comparison.listed] == sorted(WRITTEN.device_states)[: len(comparison.listed)]


@pytest.mark.usefixtures("recorded")
async def test_an_order_to_accept_differences_repairs_the_table(device_database: Database, owner: Connection) -> None:
    sound = await rows_of(owner, LICENSE_VIEW)
    await owner.execute(HANDS["changed"])
    outcome = await rebuild(device_database, LICENSE_VIEW, accept=acceptance())
    assert (outcome.swapped, outcome.comparison.differing) == (True, 1)
    assert await rows_of(owner, LICENSE_VIEW) == sound


async def test_what_came_since_the_comparison_is_compared_too(
    device_database: Database, device_pool: Pool, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is folded while the consumer is held, in the transaction that would replace the table."""
    async with device_pool.acquire() as connection:
        await fill_devices(connection)
    await hear(device_pool, LICENSE_VIEW, limit=300)
    compare = RebuildInProgress.compare

    async def and_then(rebuild: RebuildInProgress) -> Comparison:
        comparison = await compare(rebuild)
        await hear(device_pool, LICENSE_VIEW, limit=200)
        await owner.execute("update license_view set version = version + 1")
        return comparison

    monkeypatch.setattr(RebuildInProgress, "compare", and_then)
    outcome = await rebuild(device_database, LICENSE_VIEW)
    assert not outcome.swapped
    assert outcome.comparison.differing > 0


# --- a log that is not whole, not ours, or not pure -------------------------------------------


async def test_an_event_altered_in_the_ledger_is_found_and_named(
    device_database: Database, owner: Connection, recorded: list[RecordedEvent]
) -> None:
    """R-127."""
    altered = next(entry for entry in reversed(recorded) if entry.event.type_name == "LicenseActivated")
    data = altered.event.data.replace(b'"ends_at":"20', b'"ends_at":"21')
    await owner.execute("update event set data = $1 where event_id = $2", data, altered.event.event_id)
    for outcome in (await verify(device_database, LICENSE_VIEW), await verify(device_database, DEVICE)):
        assert [each.key for each in outcome.comparison.listed] == [altered.event.stream_id]
        (named,) = outcome.altered
        assert named.startswith(f"slice {altered.event.slice_number} position {altered.position}: LicenseActivated of")


async def test_an_event_that_is_missing_in_the_ledger_is_named(
    device_database: Database, owner: Connection, recorded: list[RecordedEvent]
) -> None:
    """R-127."""
    gone = recorded[len(recorded) // 2]
    await owner.execute("delete from event where event_id = $1", gone.event.event_id)
    place = f"slice {gone.event.slice_number} position {gone.position}"
    with pytest.raises(ProjectorFailed, match=rf"^position_missing: the ledger has no event at {place}$"):
        await verify(device_database, LICENSE_VIEW)


@pytest.mark.usefixtures("recorded")
async def test_a_table_made_of_another_history_is_told(device_database: Database, owner: Connection) -> None:
    """R-127: equal rows are no proof when the events behind them are others."""
    await owner.execute("update inbound_slice set hash = sha256(hash) where consumer = 'license_view'")
    with pytest.raises(ProjectorFailed, match=r"^other_history"):
        await rebuild(device_database, LICENSE_VIEW)


async def test_a_log_of_a_newer_release_is_refused_with_its_version(
    device_database: Database, device_pool: Pool, owner: Connection
) -> None:
    """R-122."""
    last = WRITTEN.device[-1]
    async with device_pool.acquire() as connection:
        await fill_devices(connection)
        async with connection.transaction():
            (unknown,) = await append(connection, [newer(last)])
    await hear(device_pool, LICENSE_VIEW)
    before = await rows_of(owner, LICENSE_VIEW)
    place = f"slice {unknown.event.slice_number} position {unknown.position}"
    with pytest.raises(ProjectorFailed, match=rf"^newer_log: 'CodeMelted' version 7 is not known here; {place}$"):
        await rebuild(device_database, LICENSE_VIEW)
    assert await rows_of(owner, LICENSE_VIEW) == before


async def test_what_is_parked_is_passed_over_by_both(device_database: Database, device_pool: Pool) -> None:
    """R-122."""
    async with device_pool.acquire() as connection:
        await fill_devices(connection)
        async with connection.transaction():
            (unknown,) = await append(connection, [newer(WRITTEN.device[-1])])
            await set_aside(connection, unknown)
    await hear(device_pool, LICENSE_VIEW)
    outcome = await rebuild(device_database, LICENSE_VIEW)
    assert (outcome.swapped, outcome.comparison.differing) == (True, 0)


async def test_a_parked_event_that_is_known_by_now_is_taken_in_by_order(
    device_database: Database, device_pool: Pool, owner: Connection
) -> None:
    """R-122: a projection is not redriven record by record, but made anew with them."""
    async with device_pool.acquire() as connection:
        recorded = await fill_devices(connection)
        async with connection.transaction():
            # to the release that was running then, this one was unknown
            await set_aside(connection, recorded[-1])
    await hear(device_pool, LICENSE_VIEW, limit=len(recorded))
    await owner.execute(UNHEAR, recorded[-1].event.stream_id, view_before_last(recorded))
    assert (await rebuild(device_database, LICENSE_VIEW)).swapped
    outcome = await rebuild(device_database, LICENSE_VIEW, accept=acceptance())
    assert outcome.swapped
    assert [each.key for each in outcome.comparison.listed] == [recorded[-1].event.stream_id]
    assert await owner.fetchval("select count(*) from parked where redriven_at is null") == 0
    assert await owner.fetchval("select type from event order by recorded_at desc, position desc limit 1")
    assert await owner.fetchval("select count(*) from event where type = 'MessageRedriven'") == 1
    await hear(device_pool, LICENSE_VIEW)
    assert (await verify(device_database, LICENSE_VIEW)).comparison.equal


def impure(view: LicenseView, event: DeviceEvent, /, *, occurred_at: datetime, recorded_at: datetime) -> LicenseView:
    """A fold that looks at the clock: forbidden (R-119)."""
    seen = project(view, event, occurred_at=occurred_at, recorded_at=recorded_at)
    return seen.but(changed_at=datetime.now(UTC))  # noqa: TID251 - this is the fault


async def test_a_fold_that_looks_at_the_clock_is_caught(device_database: Database, device_pool: Pool) -> None:
    """R-119."""
    forbidden = replace(LICENSE_VIEW, fold=impure)
    async with device_pool.acquire() as connection:
        await fill_devices(connection)
    await hear(device_pool, forbidden)
    outcome = await rebuild(device_database, forbidden)
    assert (outcome.swapped, outcome.comparison.differing) == (False, len(WRITTEN.device_states))


# --- bad moments ------------------------------------------------------------------------------


@pytest.mark.usefixtures("recorded")
async def test_two_rebuilds_at_once_are_one_too_many(
    device_database: Database, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.projector.lock.LOCK_SECONDS_MAX", 0.2)
    await owner.execute("select pg_advisory_lock($1, hashtext('license_view'))", REBUILD_LOCK)
    with pytest.raises(ProjectorFailed, match=r"^rebuild_running: license_view"):
        await rebuild(device_database, LICENSE_VIEW)


@pytest.mark.usefixtures("recorded")
async def test_a_reader_that_stays_long_does_not_block_the_others(
    device_database: Database,
    device_pool: Pool,
    owner: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The swap gives up soon if it cannot have the table, and others read meanwhile."""
    monkeypatch.setattr("shared.projector.swap.ATTEMPTS_MAX", 1)
    async with owner.transaction():
        await owner.fetch("select from license_view limit 1")
        with pytest.raises(ProjectorFailed, match=r"^busy: license_view"):
            await rebuild(device_database, LICENSE_VIEW)
        assert await device_pool.fetchval("select count(*) from license_view") == len(WRITTEN.device_states)
    outcome = await rebuild(device_database, LICENSE_VIEW)
    assert (outcome.swapped, outcome.resumed) == (True, True)


async def test_an_interrupted_rebuild_is_taken_up(
    device_database: Database, recorded: list[RecordedEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = interrupted_after(400)
    monkeypatch.setattr("shared.projector.shadow_writer.COMMIT_SECONDS", 0.0)
    with pytest.raises(Interrupted):
        await rebuild_projection(subject(device_database, LICENSE_VIEW), on_progress=failed)
    outcome = await rebuild(device_database, LICENSE_VIEW)
    assert (outcome.swapped, outcome.resumed, outcome.events) == (True, True, len(recorded))
    assert 0 < outcome.folded < len(recorded)


async def test_what_another_release_began_is_begun_anew(
    device_database: Database, owner: Connection, recorded: list[RecordedEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a fold by other rules is no fold."""
    monkeypatch.setattr("shared.projector.shadow_writer.COMMIT_SECONDS", 0.0)
    with pytest.raises(Interrupted):
        await rebuild_projection(subject(device_database, LICENSE_VIEW), on_progress=interrupted_after(400))
    await owner.execute("update rebuild set release = 'another'")
    outcome = await rebuild(device_database, LICENSE_VIEW)
    assert (outcome.swapped, outcome.resumed, outcome.folded) == (True, False, len(recorded))


async def test_what_is_left_of_an_earlier_attempt_writes_nothing(
    device_database: Database, recorded: list[RecordedEvent]
) -> None:
    one = subject(device_database, LICENSE_VIEW)
    async with start_rebuild(one, on_progress=silent, restart=True) as attempt:
        assert attempt.connections.ledger
        async with attempt.connections.ledger.transaction():
            await attempt.connections.ledger.execute("update rebuild set epoch = epoch + 1")
        with pytest.raises(ProjectorFailed, match=r"^superseded"):
            await attempt.catch_up(dict.fromkeys({recorded[0].event.slice_number}, 1))
        assert await attempt.connections.table.fetchval("select count(*) from shadow.license_view") == 0


async def test_a_full_disk_leaves_the_live_table_and_gives_its_room_back(
    databases: Databases, small_disk: Path
) -> None:
    database = await databases.fresh("device")
    async with database.connected(owner=True) as owner, database.pool() as pool:
        async with pool.acquire() as connection:
            await fill_devices(connection)
        await hear(pool, LICENSE_VIEW)
        before = await rows_of(owner, LICENSE_VIEW)
        await owner.execute(f"create tablespace small location '{small_disk}'")
        await owner.execute("grant create on tablespace small to public")
        small = f"{database.service}?options=-c%20default_tablespace%3Dsmall"
        with pytest.raises(ProjectorFailed, match=r"^disk_full: PostgreSQL has no room"):
            await rebuild_projection(replace(subject(database, LICENSE_VIEW), database_url=small), on_progress=silent)
        assert await rows_of(owner, LICENSE_VIEW) == before
        assert await owner.fetchval("select to_regclass('shadow.license_view')") is None
        await owner.execute("drop tablespace small")
        assert (await rebuild(database, LICENSE_VIEW)).swapped


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 64 kB that PostgreSQL may write to; only root can have one."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = Path(tempfile.mkdtemp(prefix="perennial-small-", dir="/tmp"))
    user = account()
    options = f"size=64k,uid={user.uid if user else 0}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


# --- given ------------------------------------------------------------------------------------


class Interrupted(Exception):
    """The rebuild was killed here."""


def interrupted_after(events: int) -> OnProgress:
    """Return a watcher that ends a rebuild."""

    def tell(done: int, _total: int) -> None:
        if done > events:
            raise Interrupted

    return tell


def acceptance() -> Acceptance:
    """An operator's order of now."""
    return Acceptance(SANDBOX_OUTBOX, Cause(at=NOW, recorded_at=NOW, correlation_id=new_id()))


async def set_aside(connection: Connection, entry: RecordedEvent) -> None:
    """Park an event as the license view's consumer does."""
    parked = Parked(record_of(entry, 7), "unknown_event", "it is not known here")
    events = await park(connection, "license_view", [parked], outbox=SANDBOX_OUTBOX, cause=acceptance().cause)
    await append(connection, events)


def view_before_last(recorded: Sequence[RecordedEvent]) -> str:
    """Return the view of the last event's device without that event."""
    view = LICENSE_VIEW.initial
    for entry in [each for each in recorded if each.event.stream_id == recorded[-1].event.stream_id][:-1]:
        event = entry.event
        fact = decode(event.type_name, event.schema_version, event.data)
        view = LICENSE_VIEW.fold(view, fact, occurred_at=event.occurred_at, recorded_at=event.recorded_at)
    return str(LICENSE_VIEW.rows("", 0, view)[0][2])


UNHEAR = "update license_view set version = version - 1, view = $2::jsonb where device_id = $1"
