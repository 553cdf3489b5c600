"""The code store on a real PostgreSQL: a row is the fold of its stream, and the schema guards the invariants."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import asyncpg
import pytest

from services.activation.decider import (
    DECIDER,
    HOLDERS_NAMED_MAX,
    Activate,
    Code,
    CodeEvent,
    Command,
    IssueCode,
    ReleaseSeat,
    Verify,
    commands_for,
    evolve,
)
from services.activation.outbox import OUTBOX
from services.activation.store import CodeStore
from shared.ledger.command_handler import CommandHandler, CommandMessage, Stored
from shared.ledger.database import Connection, Pool, transaction
from shared.ledger.events import append
from shared.ledger.identity import new_id
from shared.messages import CodeRejected, EarlierActivationReported, LicenseActivated, decode
from shared.rules.decider import fold
from tests.activation.questions import add, done_offline
from tests.conftest import Database
from tests.scenarios import (
    END,
    NEXT_END,
    NOON,
    OTHER,
    START,
    A,
    B,
    C,
    D,
    activated,
    announced,
    blocked,
    cancelled,
    followed,
    forgotten,
    given_back,
    issued,
    on,
    released,
    renewed,
    renews_itself,
    shortened,
    told_late,
    unblocked,
)
from tests.shared.records import cause

HANDLER: CommandHandler[Command, Code] = CommandHandler(DECIDER, CodeStore(), OUTBOX)

HISTORIES: dict[str, list[CodeEvent]] = {
    "issued": [issued(A)],
    "issued with everything": [issued(A, seats=3, kind="subscription", regions=("DE", "AT"), activate_by=END)],
    "issued with everything there is": [
        issued(
            A,
            kind="renewal",
            vendor="rival",
            edition="plus",
            features=("vpn", "backup"),
            version_min="21",
            version_max="22.9",
            grace_days=9,
            short_term="P6M",
            sealed_customer="k1.c2VhbGVk",
        )
    ],
    "forgotten": [issued(A, sealed_customer="k1.c2VhbGVk"), forgotten(A)],
    "blocked": [issued(A), blocked(A, stops=END)],
    "unblocked": [issued(A), blocked(A, stops=END), unblocked(A)],
    "renews itself": [issued(A, kind="subscription", auto_renews=True)],
    "renews itself no more": [issued(A, kind="subscription", auto_renews=True), renews_itself(A, on=False)],
    "followed": [issued(A), activated(A), followed(A, B)],
    "activated": [issued(A), activated(A)],
    "on two devices": [issued(A, seats=2), activated(A), activated(A, device=OTHER, started=START, at=NOON)],
    "announced": [issued(A), activated(A), announced(A, until=END)],
    "renewed": [issued(A), activated(A), announced(A, until=END), renewed(A)],
    "cancelled": [issued(A), activated(A), announced(A, until=END), cancelled(A)],
    "refunded": [issued(A), activated(A), renewed(A), shortened(A)],
    "refunded in part": [issued(A), activated(A), renewed(A), shortened(A, term="P3M", ends=NEXT_END)],
    "told late": [issued(A), activated(A), told_late(A, at=START, started=START)],
    "released": [issued(A), activated(A), released(A)],
    "returned": [issued(A), activated(A), released(A, "removed")],
    "taken again": [issued(A), activated(A), released(A), activated(A, started=START, at=NOON)],
}

every_history = pytest.mark.parametrize("history", HISTORIES.values(), ids=list(HISTORIES))


@pytest.fixture
async def connection(untouched_activation_ledger: Database) -> AsyncIterator[Connection]:
    """A service's connection, in a transaction that is rolled back."""
    async with untouched_activation_ledger.rolled_back() as connection:
        yield connection


def ask(device: str = D, code: str = A) -> Verify:
    """Return a command that speaks of the device, so that its seat is loaded."""
    return Verify(device_id=device, code_ref=code, request_id=new_id(), product="security", region="DE", at=NOON)


async def keep(connection: Connection, events: Sequence[CodeEvent], code: str = A) -> Code:
    """Write a code event by event, each time as loaded, and return the fold."""
    for version, event in enumerate(events, 1):
        before = await kept(connection, D, OTHER, code=code)
        state = before[code].state if code in before else DECIDER.initial
        await CodeStore().save(connection, before, {code: Stored(version, evolve(state, event))})
    return fold(evolve, events, DECIDER.initial)


async def kept(connection: Connection, *devices: str, code: str = A) -> dict[str, Stored[Code]]:
    return dict(await CodeStore().load(connection, [ask(device, code) for device in devices], [code]))


@every_history
async def test_what_is_loaded_is_the_fold(connection: Connection, history: list[CodeEvent]) -> None:
    """R-118."""
    state = await keep(connection, history)
    assert await kept(connection, D, OTHER) == {A: Stored(len(history), state)}


@every_history
async def test_the_tables_agree_with_the_state(connection: Connection, history: list[CodeEvent]) -> None:
    """R-66, R-82."""
    state = await keep(connection, history)
    row = await connection.fetchrow("select * from code")
    assert row is not None
    assert (row["seats"], row["seats_taken"], row["last_group"]) == (state.seats, len(state.holders), state.last_group)
    seats = await connection.fetch("select device_id from seat where code_ref = $1", A)
    assert {seat["device_id"] for seat in seats} == state.holders
    started = await connection.fetch("select started_at from first_activation where code_ref = $1", A)
    assert [each["started_at"] for each in started] == ([] if state.started_at is None else [state.started_at])


async def test_only_the_seats_of_the_devices_in_question_are_loaded_and_the_count_is_complete(
    connection: Connection,
) -> None:
    """R-82."""
    devices = [f"device-{number}" for number in range(40)]
    await keep(connection, [issued(A, seats=50)])
    before = await kept(connection)
    state = fold(evolve, [activated(A, device=device) for device in devices], before[A].state)
    await CodeStore().save(connection, before, {A: Stored(2, state)})
    loaded = (await kept(connection, "device-7", "stranger"))[A].state
    assert (loaded.seats_taken, loaded.holders) == (40, frozenset({"device-7"}))


async def test_an_offline_report_loads_the_other_holders_but_no_more_than_it_can_name(
    connection: Connection,
) -> None:
    """R-77."""
    devices = [f"device-{number:03}" for number in range(150)]
    await keep(connection, [issued(A, seats=200)])
    before = await kept(connection)
    state = fold(evolve, [activated(A, device=device) for device in devices], before[A].state)
    await CodeStore().save(connection, before, {A: Stored(2, state)})
    report = on(done_offline(A, activated=NOON, over=None, device="device-149"), NOON)
    loaded = (await CodeStore().load(connection, [report], [A]))[A].state
    assert loaded.seats_taken == 150
    assert loaded.holders == {*devices[: HOLDERS_NAMED_MAX + 1], "device-149"}


async def test_a_question_also_loads_the_current_and_the_prior_license(connection: Connection) -> None:
    """R-27, R-30: each with the seat of the requesting device."""
    for code in (A, B, C):
        await keep(connection, [issued(code, seats=2), activated(code)], code=code)
    asked = add(C, over=A, prior_ref=B)
    loaded = await CodeStore().load(connection, [asked], sorted(DECIDER.streams(asked)))
    assert {code: stored.state.holders for code, stored in loaded.items()} == dict.fromkeys((A, B, C), frozenset({D}))


async def test_a_devices_seat_on_another_code_is_not_mistaken_for_one_on_this(connection: Connection) -> None:
    await keep(connection, [issued(A), activated(A)])
    await keep(connection, [issued(B)], code=B)
    loaded = await CodeStore().load(connection, [ask(D, A), ask(D, B)], [A, B])
    assert [loaded[code].state.holders for code in (A, B)] == [frozenset({D}), frozenset()]


async def test_a_code_that_was_never_issued_is_absent(connection: Connection) -> None:
    assert await kept(connection, D) == {}


# --- what the schema guards --------------------------------------------------------------------------


async def test_no_decision_can_take_more_seats_than_there_are(connection: Connection) -> None:
    """R-82: as if the rules were wrong."""
    await keep(connection, [issued(A), activated(A)])
    before = await kept(connection, D, OTHER)
    wrong = evolve(before[A].state, activated(A, device=OTHER))
    with pytest.raises(asyncpg.CheckViolationError):
        await CodeStore().save(connection, before, {A: Stored(3, wrong)})


async def test_no_device_can_hold_two_seats_on_a_code(connection: Connection) -> None:
    """R-83."""
    await keep(connection, [issued(A, seats=2), activated(A)])
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("insert into seat (code_ref, device_id) values ($1, $2)", A, D)


async def test_no_code_can_start_twice(connection: Connection) -> None:
    """R-66."""
    await keep(connection, [issued(A), activated(A)])
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("insert into first_activation (code_ref, started_at) values ($1, $2)", A, NOON)


@pytest.mark.parametrize(
    "statement",
    [
        "update first_activation set started_at = started_at + interval '1 day'",
        "delete from first_activation",
        "truncate first_activation",
        "delete from code",
        "truncate seat",
    ],
)
async def test_a_service_may_not_undo_a_start(connection: Connection, statement: str) -> None:
    """R-66, R-74."""
    await keep(connection, [issued(A), activated(A)])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("update code set seats_taken = -1", asyncpg.CheckViolationError),
        ("update code set seats = 0", asyncpg.CheckViolationError),
        ("insert into seat values ('nobody issued this', 'd')", asyncpg.ForeignKeyViolationError),
        ("insert into first_activation values ('nobody issued this', now())", asyncpg.ForeignKeyViolationError),
    ],
)
async def test_the_schema_refuses_what_no_rule_would_do(
    connection: Connection, statement: str, error: type[Exception]
) -> None:
    await keep(connection, [issued(A), activated(A)])
    with pytest.raises(error):
        await connection.execute(statement)


# --- many at once --------------------------------------------------------------------------------------


async def decide(pool: Pool, command: Command) -> list[CodeEvent]:
    async with transaction(pool) as connection:
        decided = await HANDLER.decide(connection, [CommandMessage(command, cause(command.at))])
        await append(connection, decided.events)
    return [decode(event.type_name, event.schema_version, event.data) for event in decided.events]  # type: ignore[misc]


def issue(code: str = A, seats: int = 1) -> IssueCode:
    return IssueCode(
        code_ref=code, at=START, last_group="AAAAA", product="security", kind="paid", term="P1Y", seats=seats
    )


def attempt(device: str, code: str = A, *, over: str | None = None) -> Activate:
    return Activate(
        device_id=device,
        code_ref=code,
        request_id=new_id(),
        product="security",
        region="DE",
        at=NOON + timedelta(seconds=len(device)),
        trigger="immediate" if over is None else "automatic",
        current_ref=over,
        current_ends_at=None if over is None else NOON,
    )


@pytest.mark.parametrize("seats", [1, 3])
async def test_devices_that_race_for_the_last_seats_get_exactly_as_many(activation_pool: Pool, seats: int) -> None:
    """R-85, R-71, R-126."""
    await decide(activation_pool, issue(seats=seats))
    attempts = [attempt(f"device-{number}") for number in range(20)]
    events = await asyncio.gather(*(decide(activation_pool, command) for command in attempts))
    assert Counter(type(event).__name__ for made in events for event in made) == {
        "LicenseActivated": seats,
        "CodeRejected": 20 - seats,
    }
    async with activation_pool.acquire() as connection:
        assert await connection.fetchval("select count(*) from seat") == seats
        assert await connection.fetchval("select count(*) from first_activation") == 1


async def test_a_seat_given_back_is_free_for_the_next(activation_pool: Pool) -> None:
    """R-84."""
    await decide(activation_pool, issue())
    await decide(activation_pool, attempt("one"))
    await decide(activation_pool, ReleaseSeat(code_ref=A, at=NOON, device_id="one", note="lost"))
    await decide(activation_pool, attempt("another"))
    async with activation_pool.acquire() as connection:
        assert [row["device_id"] for row in await connection.fetch("select device_id from seat")] == ["another"]
        assert await connection.fetchval("select started_at from first_activation") < NEXT_END


async def test_a_prior_license_that_many_renewals_race_for_serves_one(activation_pool: Pool) -> None:
    """R-30, R-126: ten devices on one license, each with a discounted code of its own."""
    await decide(activation_pool, issue(A, seats=10))
    codes = [f"{number:032x}" for number in range(10)]
    for number, code in enumerate(codes):
        await decide(activation_pool, attempt(f"device-{number}", A))
        await decide(activation_pool, issue(code).model_copy(update={"kind": "renewal"}))
    switches = [
        attempt(f"device-{number}", code).model_copy(update={"at": END, "prior_ref": A})
        for number, code in enumerate(codes)
    ]
    events = await asyncio.gather(*(decide(activation_pool, command) for command in switches))
    assert Counter(type(event).__name__ for made in events for event in made) == {
        "LicenseActivated": 1,
        "PriorLicenseUsed": 1,
        "CodeRejected": 9,
    }
    reasons = {event.reason for made in events for event in made if isinstance(event, CodeRejected)}
    assert reasons == {"already_used_for_renewal"}


async def test_an_earlier_offline_activation_names_the_other_holders(activation_pool: Pool) -> None:
    """R-66, R-77."""
    await decide(activation_pool, issue(seats=3))
    for device in ("one", "another"):
        await decide(activation_pool, attempt(device))
    report = on(done_offline(A, activated=NOON - timedelta(days=1), over=None), NOON + timedelta(days=1))
    license_, late = await decide(activation_pool, report)
    assert isinstance(license_, LicenseActivated)
    assert isinstance(late, EarlierActivationReported)
    assert late.affected == ("another", "one")
    assert license_.started_at == late.started_at > late.activated_at


async def test_a_license_given_back_and_its_reserve_are_one_transaction(activation_pool: Pool) -> None:
    """R-25, R-84: the seat is free for the next device in the same batch."""
    await decide(activation_pool, issue(A))
    await decide(activation_pool, issue(B))
    await decide(activation_pool, attempt(D, A))
    commands = [*commands_for(given_back(reserve=B), NOON), attempt(OTHER, A)]
    async with transaction(activation_pool) as connection:
        decided = await HANDLER.decide(connection, [CommandMessage(command, cause(command.at)) for command in commands])
        await append(connection, decided.events)
    assert [event.type_name for event in decided.events] == ["SeatReleased", "LicenseActivated", "LicenseActivated"]
    async with activation_pool.acquire() as connection:
        rows = await connection.fetch("select code_ref, device_id from seat order by code_ref")
    assert [tuple(row) for row in rows] == [(A, OTHER), (B, D)]


async def test_a_switch_frees_the_old_seat_with_the_new_one_taken(activation_pool: Pool) -> None:
    """R-87: crosswise, so that two switches lock the same two codes."""
    for code in (A, B):
        await decide(activation_pool, issue(code, seats=40))
    devices = [f"device-{number}" for number in range(20)]
    await asyncio.gather(*(decide(activation_pool, attempt(device, A)) for device in devices))
    await asyncio.gather(*(decide(activation_pool, attempt(f"x{device}", B)) for device in devices))
    crossing = [
        decide(activation_pool, attempt(device, to, over=over))
        for name in devices
        for device, to, over in ((name, B, A), (f"x{name}", A, B))
    ]
    await asyncio.gather(*crossing)
    async with activation_pool.acquire() as connection:
        rows = await connection.fetch("select code_ref, device_id from seat")
        counts = await connection.fetch("select code_ref, seats_taken from code")
    holders = Counter(row["device_id"] for row in rows)
    assert set(holders.values()) == {1}
    assert {row["code_ref"]: row["seats_taken"] for row in counts} == Counter(row["code_ref"] for row in rows)
