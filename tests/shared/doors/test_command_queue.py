"""The door on a real PostgreSQL: one effect and one answer per key, whatever breaks between the two.

The rules here are the smallest there are: a stream counts. So a second effect cannot hide.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import pytest

from shared.doors import door as door_module
from shared.doors.door import BATCH_MAX, WAITING_MAX, Answer, Door, KeyReused, LedgerAway, Ticket
from shared.ledger.command_handler import CommandHandler, Order, Outcome, Stored
from shared.ledger.database import Connection, Pool
from shared.local import Postgres
from shared.messages import CodeBlocked
from shared.rules.decider import Decider, Refused
from tests.conftest import Database, Databases, databases_on, quick_server
from tests.shared.records import OUTBOX, cause, until

SCOPE = "counting"


@dataclass(frozen=True, slots=True)
class Count:
    """Count one more on a stream, up to a limit."""

    stream: str
    limit: int = 1_000_000


def count_one(command: Count, states: Mapping[str, int]) -> Sequence[CodeBlocked]:
    if states[command.stream] >= command.limit:
        raise Refused("limit_reached", "no more")
    return [CodeBlocked(code_ref="a" * 32, note=command.stream)]


COUNTING: Decider[Count, int, CodeBlocked] = Decider(
    initial=0,
    streams=lambda command: (command.stream,),
    decide=count_one,
    evolve=lambda state, _: state + 1,
    stream_of=lambda event: event.note,
)


class EventsOnly:
    """Keeps no rows: a stream's state is the count of its events, and nothing is locked but the ledger itself."""

    async def load(
        self, connection: Connection, commands: Sequence[Count], stream_ids: Sequence[str]
    ) -> Mapping[str, Stored[int]]:
        """Count the events of the streams."""
        rows = await connection.fetch(
            "select stream_id, count(*) as events from event where stream_id = any($1::text[]) group by stream_id",
            stream_ids,
        )
        return {row["stream_id"]: Stored(row["events"], row["events"]) for row in rows}

    async def save(
        self, connection: Connection, before: Mapping[str, Stored[int]], after: Mapping[str, Stored[int]]
    ) -> None:
        """The ledger is all there is."""


HANDLER = CommandHandler(COUNTING, EventsOnly(), OUTBOX)


def told(outcome: Outcome) -> Answer:
    if outcome.refused:
        return Answer(409, {"code": outcome.refused.code})
    return Answer(202, {"events": len(outcome.events)})


def ticket(
    key: str,
    stream: str = "one",
    *,
    body: str = "",
    limit: int = 1_000_000,
    scope: str = SCOPE,
    also: Callable[[Connection], Awaitable[None]] | None = None,
) -> Ticket[Count]:
    return Ticket(
        order=Order(Count(stream, limit), cause()),
        scope=scope,
        key=key,
        request_hash=hashlib.sha256(body.encode()).digest(),
        answer=told,
        also=also,
    )


@asynccontextmanager
async def open_door(pool: Pool) -> AsyncIterator[Door[Count, int]]:
    door = Door(HANDLER, pool=pool, on_append=lambda: None)
    running = asyncio.create_task(door.run())
    try:
        yield door
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.fixture
async def door(device_pool: Pool) -> AsyncIterator[Door[Count, int]]:
    async with open_door(device_pool) as door:
        yield door


async def effects(database: Database, stream: str = "one") -> int:
    """Return how often something was counted."""
    async with database.connected() as connection:
        count: int = await connection.fetchval("select count(*) from event where stream_id = $1", stream)
        return count


async def transactions(database: Database) -> int:
    """Return how many transactions stored answers: each row knows the one that made it."""
    async with database.connected() as connection:
        count: int = await connection.fetchval("select count(distinct xmin::text) from idempotency")
        return count


# --- one key, one effect, one answer ---------------------------------------------------------------


async def test_an_order_is_answered_and_recorded(door: Door[Count, int], device_database: Database) -> None:
    assert await door.submit(ticket("k")) == Answer(202, {"events": 1})
    assert await effects(device_database) == 1


async def test_the_same_key_gets_the_same_answer_and_no_second_effect(
    door: Door[Count, int], device_database: Database
) -> None:
    """R-09."""
    first = await door.submit(ticket("k"))
    again = await door.submit(ticket("k"))
    assert (again.status, again.body, again.repeated) == (first.status, first.body, True)
    assert await effects(device_database) == 1


async def test_a_refusal_is_the_answer_of_its_key_too(door: Door[Count, int], device_database: Database) -> None:
    """R-09: what was refused does not happen later because it is asked again."""
    refused = await door.submit(ticket("k", limit=0))
    assert refused == Answer(409, {"code": "limit_reached"})
    assert (await door.submit(ticket("k"))).body == refused.body
    assert await effects(device_database) == 0


async def test_the_same_key_with_another_body_is_refused(door: Door[Count, int], device_database: Database) -> None:
    await door.submit(ticket("k", body="a"))
    with pytest.raises(KeyReused):
        await door.submit(ticket("k", body="b"))
    assert await effects(device_database) == 1


async def test_the_same_key_in_another_scope_is_another_order(
    door: Door[Count, int], device_database: Database
) -> None:
    await door.submit(ticket("k", scope="one person"))
    await door.submit(ticket("k", scope="another"))
    assert await effects(device_database) == 2


async def test_two_at_once_with_the_same_key_have_one_effect(door: Door[Count, int], device_database: Database) -> None:
    """R-09."""
    answers = await asyncio.gather(*(door.submit(ticket("k")) for _ in range(20)))
    assert {(answer.status, str(answer.body)) for answer in answers} == {(202, "{'events': 1}")}
    assert await effects(device_database) == 1


async def test_of_two_at_once_with_the_same_key_and_other_bodies_one_is_refused(
    door: Door[Count, int], device_database: Database
) -> None:
    results = await asyncio.gather(
        door.submit(ticket("k", body="a")), door.submit(ticket("k", body="b")), return_exceptions=True
    )
    assert [type(result) for result in results] == [Answer, KeyReused]
    assert await effects(device_database) == 1


async def test_two_doors_on_one_ledger_have_one_effect_per_key(device_database: Database, device_pool: Pool) -> None:
    """R-09, R-121: a load balancer sends the retry to another worker."""
    async with open_door(device_pool) as one, open_door(device_pool) as other:
        keys = [str(number) for number in range(60)]
        answers = await asyncio.gather(
            *(door.submit(ticket(key, f"stream-{key}")) for key in keys for door in (one, other))
        )
    assert {answer.status for answer in answers} == {202}
    assert [await effects(device_database, f"stream-{key}") for key in keys] == [1] * 60


async def test_two_doors_that_count_on_one_stream_lose_nothing(device_database: Database, device_pool: Pool) -> None:
    """R-126: the loser of a conflict decides again."""
    async with open_door(device_pool) as one, open_door(device_pool) as other:
        submitted = [door.submit(ticket(f"{number}-{id(door)}")) for number in range(30) for door in (one, other)]
        answers = await asyncio.gather(*submitted)
    assert {answer.status for answer in answers} == {202}
    assert await effects(device_database) == 60


# --- many at once ----------------------------------------------------------------------------------


async def test_orders_that_wait_together_are_decided_together(
    door: Door[Count, int], device_database: Database
) -> None:
    answers = await asyncio.gather(*(door.submit(ticket(str(number), f"s{number}")) for number in range(100)))
    assert {answer.status for answer in answers} == {202}
    assert await transactions(device_database) <= 10


async def test_alone_an_order_waits_for_nobody(door: Door[Count, int], device_database: Database) -> None:
    for number in range(5):
        await door.submit(ticket(str(number)))
    assert await transactions(device_database) == 5


async def test_orders_of_one_batch_see_each_other(door: Door[Count, int], device_database: Database) -> None:
    """R-126."""
    answers = await asyncio.gather(*(door.submit(ticket(str(number), limit=3)) for number in range(10)))
    assert [answer.status for answer in answers] == [202] * 3 + [409] * 7
    assert await effects(device_database) == 3


async def test_a_batch_has_a_limit(door: Door[Count, int], device_database: Database) -> None:
    orders = 2 * BATCH_MAX + 1
    await asyncio.gather(*(door.submit(ticket(str(number), f"s{number}")) for number in range(orders)))
    assert await transactions(device_database) >= 3


async def test_who_comes_when_too_many_wait_is_sent_away_at_once(device_pool: Pool, device_database: Database) -> None:
    closed = Door(HANDLER, pool=device_pool, on_append=lambda: None)
    waiting = [asyncio.create_task(closed.submit(ticket(str(number)))) for number in range(WAITING_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(LedgerAway):
        await closed.submit(ticket("one too many"))
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert await effects(device_database) == 0


async def test_an_order_that_breaks_something_does_not_spoil_the_others(
    door: Door[Count, int], device_database: Database
) -> None:
    async def breaks(connection: Connection) -> None:
        await connection.execute("select 1/0")

    orders = [ticket("good", "good"), ticket("bad", "bad", also=breaks), ticket("fine", "fine")]
    good, bad, fine = await asyncio.gather(*map(door.submit, orders), return_exceptions=True)
    assert isinstance(bad, asyncpg.DivisionByZeroError)
    assert isinstance(good, Answer)
    assert isinstance(fine, Answer)
    assert [await effects(device_database, stream) for stream in ("good", "bad", "fine")] == [1, 0, 1]
    assert (await door.submit(ticket("bad", "bad"))).status == 202


async def test_what_also_belongs_to_an_order_happens_with_it_and_not_without_it(
    door: Door[Count, int], device_database: Database
) -> None:
    async def also(connection: Connection) -> None:
        await connection.execute("insert into worker values ('seen', now())")

    await door.submit(ticket("refused", limit=0, also=also))
    async with device_database.connected() as connection:
        assert await connection.fetchval("select count(*) from worker") == 0
        await door.submit(ticket("taken", also=also))
        await door.submit(ticket("taken", also=also))
        assert await connection.fetchval("select count(*) from worker") == 1


# --- clients that give up ----------------------------------------------------------------------------


async def test_a_client_that_gave_up_before_its_turn_has_no_effect(
    device_database: Database, device_pool: Pool
) -> None:
    door = Door(HANDLER, pool=device_pool, on_append=lambda: None)
    gone, there = ticket("gone", "gone"), ticket("there", "there")
    giving_up = asyncio.create_task(door.submit(gone))
    await asyncio.sleep(0)
    giving_up.cancel()
    await asyncio.wait([giving_up])
    staying = asyncio.create_task(door.submit(there))
    running = asyncio.create_task(door.run())
    assert (await staying).status == 202
    running.cancel()
    assert [await effects(device_database, stream) for stream in ("gone", "there")] == [0, 1]


async def test_a_client_that_gave_up_in_the_middle_finds_the_stored_answer(
    door: Door[Count, int], device_database: Database
) -> None:
    """R-09."""
    giving_up: asyncio.Task[Answer]

    async def leave(_: Connection) -> None:
        giving_up.cancel()

    giving_up = asyncio.create_task(door.submit(ticket("k", also=leave)))
    await asyncio.wait([giving_up])
    assert giving_up.cancelled()
    answer = await door.submit(ticket("k"))
    assert (answer.status, answer.repeated) == (202, True)
    assert await effects(device_database) == 1


async def test_whenever_clients_give_up_each_key_has_one_effect_in_the_end(
    door: Door[Count, int], device_database: Database
) -> None:
    """R-09, R-120."""
    keys = [str(number) for number in range(60)]

    async def impatient(number: int, key: str) -> None:
        try:
            await asyncio.wait_for(door.submit(ticket(key, f"s{key}")), number / 2_000)
        except TimeoutError:
            return

    await asyncio.gather(*(impatient(number, key) for number, key in enumerate(keys)))
    assert {(await door.submit(ticket(key, f"s{key}"))).status for key in keys} == {202}
    assert {await effects(device_database, f"s{key}") for key in keys} == {1}


# --- databases that go away ----------------------------------------------------------------------------


async def test_a_commit_of_unknown_outcome_is_told_by_its_key(databases: Databases) -> None:
    """R-120: the commit takes half a second; the connection is lost meanwhile; it happened all the same."""
    database = await databases.fresh("device")
    async with database.connected(owner=True) as owner:
        await owner.execute(SLOW_COMMIT)

    async def hang_up(connection: Connection) -> None:
        asyncio.get_running_loop().call_later(0.2, connection.terminate)

    async with database.pool() as pool, open_door(pool) as door:
        answer = await door.submit(ticket("slow", also=hang_up))
    assert (answer.status, answer.repeated) == (202, True)
    assert await effects(database) == 1


SLOW_COMMIT = """
create function wait() returns trigger language plpgsql as
$$ begin if new.key = 'slow' then perform pg_sleep(0.5); end if; return null; end $$;
create constraint trigger wait after insert on idempotency deferrable initially deferred
for each row execute function wait();
"""


async def test_a_session_that_is_ended_by_the_server_is_replaced(
    door: Door[Count, int], device_database: Database
) -> None:
    ended = 0

    async def end_once(_: Connection) -> None:
        nonlocal ended
        ended += 1
        if ended == 1:
            async with device_database.connected(owner=True) as owner:
                await owner.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where state like 'idle in transaction%'"
                    " and datname = current_database()"
                )

    assert (await door.submit(ticket("k", also=end_once))).status == 202
    assert ended == 2
    assert await effects(device_database) == 1


@dataclass(frozen=True, slots=True)
class Mortal:
    """A server that a test may kill, and a ledger on it. Each test counts on streams of its own."""

    server: Postgres
    ledger: Database

    async def kill(self) -> None:
        """End the server as a power cut would."""
        await asyncio.to_thread(self.server.kill)

    async def start(self) -> None:
        """Start it again."""
        await asyncio.to_thread(self.server.start)

    @asynccontextmanager
    async def door(self) -> AsyncIterator[Door[Count, int]]:
        """Open a door on the ledger."""
        async with self.ledger.pool() as pool, open_door(pool) as door:
            yield door


@pytest.fixture(scope="module")
async def mortal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mortal]:
    server = quick_server(tmp_path_factory.mktemp("mortal"))
    async with databases_on(server) as databases:
        ledger = await databases.fresh("device")
    yield Mortal(server, ledger)
    server.kill()
    server.erase()


async def test_when_the_database_is_killed_in_the_middle_the_order_is_answered_after_its_return(
    mortal: Mortal,
) -> None:
    """R-120."""
    lives, killed = [1], asyncio.Event()

    async def kill_once(_: Connection) -> None:
        if lives:
            lives.pop()
            await mortal.kill()
            killed.set()

    async with mortal.door() as door:
        orders = [ticket(f"killed-{number}", "killed", also=kill_once) for number in range(5)]
        submitted = [asyncio.create_task(door.submit(order)) for order in orders]
        await asyncio.wait_for(killed.wait(), 10)
        await mortal.start()
        assert {answer.status for answer in await asyncio.gather(*submitted)} == {202}
        assert await effects(mortal.ledger, "killed") == 5


async def test_whenever_the_database_is_killed_a_retry_with_the_same_key_gives_the_one_effect(
    mortal: Mortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-09, R-120."""
    monkeypatch.setattr(door_module, "DEADLINE_SECONDS", 1.0)
    people = [f"person-{number}" for number in range(40)]
    async with mortal.door() as door:
        pressing = asyncio.create_task(_press(door, people))
        for pause_seconds in (0.05, 0.12):
            await asyncio.sleep(pause_seconds)
            await mortal.kill()
            await mortal.start()
        assert await pressing == [202] * 40
        assert {await effects(mortal.ledger, person) for person in people} == {1}


async def _press(door: Door[Count, int], people: Sequence[str]) -> list[int]:
    async def insist(number: int, person: str) -> int:
        """Order as a person does: again, until it is answered."""
        await asyncio.sleep(number / 100)
        for _ in range(60):
            try:
                return (await door.submit(ticket(person, person))).status
            except LedgerAway:
                continue
        return 0

    return await asyncio.gather(*(insist(number, person) for number, person in enumerate(people)))


async def test_while_the_database_is_away_orders_are_told_so_and_afterwards_the_key_gives_the_one_effect(
    mortal: Mortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-09."""
    monkeypatch.setattr(door_module, "RETRY_SECONDS", 0.01)
    async with mortal.door() as door:
        await mortal.kill()
        with pytest.raises(LedgerAway):
            await door.submit(ticket("away", "away"))
        await mortal.start()

        async def answered() -> bool:
            try:
                return (await door.submit(ticket("away", "away"))).status == 202
            except LedgerAway:
                return False

        await until(answered, what="the ledger is back", within=timedelta(seconds=20))
        assert await effects(mortal.ledger, "away") == 1
