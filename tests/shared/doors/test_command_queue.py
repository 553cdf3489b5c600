"""The command queue on a real PostgreSQL: one effect and one answer per key, whatever fails in between.

The decider is the smallest possible one: a stream counts, so that a second effect cannot hide.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import pytest

from shared.doors import command_queue
from shared.doors.command_queue import (
    BATCH_MAX,
    WAITING_MAX,
    CommandQueue,
    LedgerUnavailable,
    PartlyRefused,
    PendingCommand,
    TooBusy,
)
from shared.doors.idempotency import Answer, KeyReused
from shared.ledger.command_handler import CommandHandler, CommandMessage, Outcome, Stored
from shared.ledger.database import Connection, Pool
from shared.local.postgres import Postgres
from shared.messages import CodeBlocked
from shared.rules.decider import Decider, Refused
from tests.conftest import Database, Databases, databases_on, quick_server
from tests.shared.records import OUTBOX, cause, until

SCOPE = "counting"


@dataclass(frozen=True, slots=True)
class Count:
    """Add one to the count of a stream, up to a limit; a limit below zero has nothing to say."""

    stream: str
    limit: int = 1_000_000


def count_one(command: Count, states: Mapping[str, int]) -> Sequence[CodeBlocked]:
    if command.limit < 0:
        return []
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
    """Keeps no rows: a stream's state is the count of its events, and nothing but the ledger itself is locked."""

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


def to_answer(outcome: Outcome) -> Answer:
    if outcome.refused:
        return Answer(409, {"code": outcome.refused.code})
    return Answer(202, {"events": len(outcome.events)})


def pending(
    key: str,
    stream: str = "one",
    *,
    body: str = "",
    limit: int = 1_000_000,
    scope: str = SCOPE,
    in_transaction: Callable[[Connection], Awaitable[None]] | None = None,
    answer: Callable[[Outcome], Answer] = to_answer,
) -> PendingCommand[Count]:
    return PendingCommand(
        messages=[CommandMessage(Count(stream, limit), cause())],
        scope=scope,
        key=key,
        request_hash=hashlib.sha256(body.encode()).digest(),
        to_answer=answer,
        in_transaction=in_transaction,
    )


def pending_together(key: str, streams: Sequence[str]) -> PendingCommand[Count]:
    """Return one request that counts in each of `streams`."""
    request = pending(key)
    request.messages = [CommandMessage(Count(stream), cause()) for stream in streams]
    return request


@asynccontextmanager
async def open_queue(pool: Pool) -> AsyncIterator[CommandQueue[Count, int]]:
    queue = CommandQueue(HANDLER, pool=pool)
    running = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.fixture
async def queue(device_pool: Pool) -> AsyncIterator[CommandQueue[Count, int]]:
    async with open_queue(device_pool) as queue:
        yield queue


async def effects(database: Database, stream: str = "one") -> int:
    """Return how often something was counted."""
    async with database.connected() as connection:
        count: int = await connection.fetchval("select count(*) from event where stream_id = $1", stream)
        return count


async def transactions(database: Database) -> int:
    """Return how many transactions stored answers: each row knows the one that inserted it."""
    async with database.connected() as connection:
        count: int = await connection.fetchval("select count(distinct xmin::text) from idempotency")
        return count


# --- one key, one effect, one answer ---------------------------------------------------------------


async def test_a_command_is_answered_and_recorded(queue: CommandQueue[Count, int], device_database: Database) -> None:
    assert await queue.submit(pending("k")) == Answer(202, {"events": 1})
    assert await effects(device_database) == 1


async def test_the_same_key_gets_the_same_answer_and_no_second_effect(
    queue: CommandQueue[Count, int], device_database: Database
) -> None:
    """R-09."""
    first = await queue.submit(pending("k"))
    again = await queue.submit(pending("k"))
    assert (again.status, again.body, again.repeated) == (first.status, first.body, True)
    assert await effects(device_database) == 1


async def test_a_refusal_is_not_stored_under_its_key(
    queue: CommandQueue[Count, int], device_database: Database
) -> None:
    """R-142: the command is decided again, whatever it is sent with then; what it did is stored."""
    refused = await queue.submit(pending("k", limit=0))
    assert refused == Answer(409, {"code": "limit_reached"})
    assert await queue.submit(pending("k", body="another")) == Answer(202, {"events": 1})
    assert (await queue.submit(pending("k", body="another"))).repeated
    assert await effects(device_database) == 1


def refusal_on_record(code: str, status: int = 409) -> Callable[[Outcome], Answer]:
    """Return the answers of a command whose event says that it was refused."""
    return lambda _: Answer(status, {"code": code})


@pytest.mark.parametrize("status", [409, 429])
async def test_a_refusal_on_record_is_no_answer_for_ever(
    status: int, queue: CommandQueue[Count, int], device_database: Database
) -> None:
    """R-123, R-142."""
    refused = await queue.submit(pending("k", answer=refusal_on_record("too_early", status)))
    assert (refused.status, await effects(device_database)) == (status, 1)
    answer = await queue.submit(pending("k"))
    assert (answer.status, answer.repeated, await effects(device_database)) == (202, False, 2)
    assert (await queue.submit(pending("k", answer=refusal_on_record("too_early", status)))).status == 202


async def test_the_same_refusal_of_the_same_request_is_on_record_once(
    queue: CommandQueue[Count, int], device_database: Database
) -> None:
    """R-09, R-123: its answer was lost, and it is told again. Another refusal, key or request is another."""
    for code, repeated, count in (("a", False, 1), ("a", True, 1), ("b", False, 2), ("a", True, 2), ("b", True, 2)):
        answer = await queue.submit(pending("k", answer=refusal_on_record(code)))
        assert (answer, await effects(device_database)) == (Answer(409, {"code": code}, repeated), count)
    for other in (pending("j", answer=refusal_on_record("a")), pending("k", body="b", answer=refusal_on_record("a"))):
        assert not (await queue.submit(other)).repeated
    assert await effects(device_database) == 4


async def test_a_refusal_that_two_workers_put_on_record_at_once_is_there_once(
    device_database: Database, device_pool: Pool
) -> None:
    """R-09, R-121."""
    async with open_queue(device_pool) as one, open_queue(device_pool) as other:
        refused = refusal_on_record("too_early")
        keys = [str(number) for number in range(30)]
        asked = [queue.submit(pending(key, f"s{key}", answer=refused)) for key in keys for queue in (one, other)]
        assert {answer.status for answer in await asyncio.gather(*asked)} == {409}
    assert [await effects(device_database, f"s{key}") for key in keys] == [1] * 30


async def test_an_effect_beside_the_events_is_one(queue: CommandQueue[Count, int]) -> None:
    """R-142: such as a contact that had nothing to say."""
    done = list[str]()

    async def act(_: Connection) -> None:
        done.append("done")

    for _ in range(2):
        answer = await queue.submit(pending("k", limit=-1, in_transaction=act))
    assert (answer.repeated, done) == (True, ["done"])


async def test_what_changed_nothing_is_decided_again(queue: CommandQueue[Count, int], device_pool: Pool) -> None:
    """R-142."""
    answers = [await queue.submit(pending("k", limit=-1)) for _ in range(2)]
    assert [(answer.body, answer.repeated) for answer in answers] == [({"events": 0}, False)] * 2
    assert await device_pool.fetchval("select count(*) from idempotency") == 0


async def test_the_same_key_with_a_different_body_is_refused(
    queue: CommandQueue[Count, int], device_database: Database
) -> None:
    await queue.submit(pending("k", body="a"))
    with pytest.raises(KeyReused):
        await queue.submit(pending("k", body="b"))
    assert await effects(device_database) == 1


async def test_the_same_key_in_another_scope_is_a_different_command(
    queue: CommandQueue[Count, int], device_database: Database
) -> None:
    await queue.submit(pending("k", scope="one person"))
    await queue.submit(pending("k", scope="another"))
    assert await effects(device_database) == 2


async def test_concurrent_commands_with_the_same_key_have_one_effect(
    queue: CommandQueue[Count, int], device_database: Database
) -> None:
    """R-09."""
    answers = await asyncio.gather(*(queue.submit(pending("k")) for _ in range(20)))
    assert {(answer.status, str(answer.body)) for answer in answers} == {(202, "{'events': 1}")}
    assert await effects(device_database) == 1


async def test_one_of_two_concurrent_commands_with_the_same_key_and_different_bodies_is_refused(
    queue: CommandQueue[Count, int], device_database: Database
) -> None:
    results = await asyncio.gather(
        queue.submit(pending("k", body="a")), queue.submit(pending("k", body="b")), return_exceptions=True
    )
    assert [type(result) for result in results] == [Answer, KeyReused]
    assert await effects(device_database) == 1


async def test_two_queues_on_one_ledger_have_one_effect_per_key(device_database: Database, device_pool: Pool) -> None:
    """R-09, R-121: a load balancer sends the retry to another worker."""
    async with open_queue(device_pool) as one, open_queue(device_pool) as other:
        keys = [str(number) for number in range(60)]
        answers = await asyncio.gather(
            *(queue.submit(pending(key, f"stream-{key}")) for key in keys for queue in (one, other))
        )
    assert {answer.status for answer in answers} == {202}
    assert [await effects(device_database, f"stream-{key}") for key in keys] == [1] * 60


async def test_two_queues_that_count_on_one_stream_lose_nothing(device_database: Database, device_pool: Pool) -> None:
    """R-126: the loser of a conflict decides again."""
    async with open_queue(device_pool) as one, open_queue(device_pool) as other:
        submitted = [queue.submit(pending(f"{number}-{id(queue)}")) for number in range(30) for queue in (one, other)]
        answers = await asyncio.gather(*submitted)
    assert {answer.status for answer in answers} == {202}
    assert await effects(device_database) == 60


# --- many at once ----------------------------------------------------------------------------------


async def test_commands_that_wait_together_are_decided_together(
    queue: CommandQueue[Count, int], device_database: Database
) -> None:
    answers = await asyncio.gather(*(queue.submit(pending(str(number), f"s{number}")) for number in range(100)))
    assert {answer.status for answer in answers} == {202}
    assert await transactions(device_database) <= 10


async def test_a_lone_command_waits_for_no_other(queue: CommandQueue[Count, int], device_database: Database) -> None:
    for number in range(5):
        await queue.submit(pending(str(number)))
    assert await transactions(device_database) == 5


async def test_commands_of_one_batch_see_each_other(queue: CommandQueue[Count, int], device_database: Database) -> None:
    """R-126."""
    answers = await asyncio.gather(*(queue.submit(pending(str(number), limit=3)) for number in range(10)))
    assert [answer.status for answer in answers] == [202] * 3 + [409] * 7
    assert await effects(device_database) == 3


async def test_a_batch_has_a_limit(queue: CommandQueue[Count, int], device_database: Database) -> None:
    count = 2 * BATCH_MAX + 1
    await asyncio.gather(*(queue.submit(pending(str(number), f"s{number}")) for number in range(count)))
    assert await transactions(device_database) >= 3


async def test_a_command_is_turned_away_at_once_if_too_many_wait(device_pool: Pool, device_database: Database) -> None:
    closed = CommandQueue(HANDLER, pool=device_pool)
    waiting = [asyncio.create_task(closed.submit(pending(str(number)))) for number in range(WAITING_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(TooBusy):
        await asyncio.wait_for(closed.submit(pending("one too many")), 1)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert await effects(device_database) == 0


async def test_a_request_counts_as_many_as_its_commands(device_pool: Pool) -> None:
    """R-140: what does not fit is turned away whole."""
    closed = CommandQueue(HANDLER, pool=device_pool)
    many = pending_together("many", ["one"] * (WAITING_MAX - 1))
    waiting = asyncio.create_task(closed.submit(many))
    await asyncio.sleep(0)
    with pytest.raises(TooBusy):
        await asyncio.wait_for(closed.submit(pending_together("two more", ["one"] * 2)), 1)
    assert not many.answered.done()
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_a_request_of_many_commands_is_one_transaction(
    queue: CommandQueue[Count, int], device_database: Database
) -> None:
    """R-140."""
    streams = [f"s{number}" for number in range(2 * BATCH_MAX)]
    answers = await asyncio.gather(*(queue.submit(pending_together("k", streams)) for _ in range(2)))
    assert [answer.body for answer in answers] == [{"events": len(streams)}] * 2
    assert await transactions(device_database) == 1
    assert [await effects(device_database, stream) for stream in (streams[0], streams[-1])] == [1, 1]


async def test_a_request_is_recorded_whole_or_not_at_all(
    queue: CommandQueue[Count, int], device_database: Database
) -> None:
    """R-140: if one of its commands is refused and another is not, neither is recorded."""
    request = pending_together("k", ["one", "two"])
    request.messages = [request.messages[0], CommandMessage(Count("two", limit=0), cause())]
    with pytest.raises(PartlyRefused):
        await queue.submit(request)
    assert await effects(device_database, "one") == 0


async def test_who_waits_too_long_is_told_that_nothing_was_recorded(
    device_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_queue, "DEADLINE_SECONDS", 0.01)
    closed = CommandQueue(HANDLER, pool=device_pool)
    with pytest.raises(TooBusy):
        await closed.submit(pending("k"))


async def test_a_command_that_fails_does_not_fail_the_others_of_its_batch(
    queue: CommandQueue[Count, int], device_database: Database
) -> None:
    async def breaks(connection: Connection) -> None:
        await connection.execute("select 1/0")

    commands = [pending("good", "good"), pending("bad", "bad", in_transaction=breaks), pending("fine", "fine")]
    good, bad, fine = await asyncio.gather(*map(queue.submit, commands), return_exceptions=True)
    assert isinstance(bad, asyncpg.DivisionByZeroError)
    assert isinstance(good, Answer)
    assert isinstance(fine, Answer)
    assert [await effects(device_database, stream) for stream in ("good", "bad", "fine")] == [1, 0, 1]
    assert (await queue.submit(pending("bad", "bad"))).status == 202


async def test_in_transaction_runs_once_and_only_if_the_command_is_not_refused(
    queue: CommandQueue[Count, int], device_database: Database
) -> None:
    async def mark(connection: Connection) -> None:
        await connection.execute("insert into worker values ('seen', now())")

    await queue.submit(pending("refused", limit=0, in_transaction=mark))
    async with device_database.connected() as connection:
        assert await connection.fetchval("select count(*) from worker") == 0
        await queue.submit(pending("taken", in_transaction=mark))
        await queue.submit(pending("taken", in_transaction=mark))
        assert await connection.fetchval("select count(*) from worker") == 1


# --- clients that give up ----------------------------------------------------------------------------


async def test_a_client_that_gives_up_before_its_turn_has_no_effect(
    device_database: Database, device_pool: Pool
) -> None:
    queue = CommandQueue(HANDLER, pool=device_pool)
    gone, there = pending("gone", "gone"), pending("there", "there")
    giving_up = asyncio.create_task(queue.submit(gone))
    await asyncio.sleep(0)
    giving_up.cancel()
    await asyncio.wait([giving_up])
    staying = asyncio.create_task(queue.submit(there))
    running = asyncio.create_task(queue.run())
    assert (await staying).status == 202
    running.cancel()
    assert [await effects(device_database, stream) for stream in ("gone", "there")] == [0, 1]


async def test_a_client_that_gives_up_during_the_transaction_finds_the_stored_answer(
    queue: CommandQueue[Count, int], device_database: Database
) -> None:
    """R-09."""
    giving_up: asyncio.Task[Answer]

    async def leave(_: Connection) -> None:
        giving_up.cancel()

    giving_up = asyncio.create_task(queue.submit(pending("k", in_transaction=leave)))
    await asyncio.wait([giving_up])
    assert giving_up.cancelled()
    answer = await queue.submit(pending("k"))
    assert (answer.status, answer.repeated) == (202, True)
    assert await effects(device_database) == 1


async def test_whenever_clients_give_up_each_key_has_exactly_one_effect(
    queue: CommandQueue[Count, int], device_database: Database
) -> None:
    """R-09, R-120."""
    keys = [str(number) for number in range(60)]

    async def impatient(number: int, key: str) -> None:
        try:
            await asyncio.wait_for(queue.submit(pending(key, f"s{key}")), number / 2_000)
        except TimeoutError:
            return

    await asyncio.gather(*(impatient(number, key) for number, key in enumerate(keys)))
    assert {(await queue.submit(pending(key, f"s{key}"))).status for key in keys} == {202}
    assert {await effects(device_database, f"s{key}") for key in keys} == {1}


# --- databases that go down ----------------------------------------------------------------------------


async def test_a_retry_finds_the_answer_of_a_commit_with_unknown_outcome(databases: Databases) -> None:
    """R-120: the commit takes half a second, the connection is lost meanwhile, and yet it happens."""
    database = await databases.fresh("device")
    async with database.connected(owner=True) as owner:
        await owner.execute(SLOW_COMMIT)

    async def hang_up(connection: Connection) -> None:
        asyncio.get_running_loop().call_later(0.2, connection.terminate)

    async with database.pool() as pool, open_queue(pool) as queue:
        answer = await queue.submit(pending("slow", in_transaction=hang_up))
    assert (answer.status, answer.repeated) == (202, True)
    assert await effects(database) == 1


async def test_a_refusal_is_on_record_once_though_its_commit_had_an_unknown_outcome(databases: Databases) -> None:
    """R-120, R-142."""
    database = await databases.fresh("device")
    async with database.connected(owner=True) as owner:
        await owner.execute(SLOW_COMMIT)

    async def hang_up(connection: Connection) -> None:
        asyncio.get_running_loop().call_later(0.2, connection.terminate)

    async with database.pool() as pool, open_queue(pool) as queue:
        answer = await queue.submit(pending("slow", in_transaction=hang_up, answer=refusal_on_record("too_early")))
    assert (answer.status, answer.repeated) == (409, True)
    assert await effects(database) == 1


SLOW_COMMIT = """
create function wait() returns trigger language plpgsql as
$$ begin if new.key = 'slow' then perform pg_sleep(0.5); end if; return null; end $$;
create constraint trigger wait after insert on idempotency deferrable initially deferred
for each row execute function wait();
create constraint trigger wait after insert on refusal deferrable initially deferred
for each row execute function wait();
"""


async def test_a_session_that_the_server_ends_is_replaced(
    queue: CommandQueue[Count, int], device_database: Database
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

    assert (await queue.submit(pending("k", in_transaction=end_once))).status == 202
    assert ended == 2
    assert await effects(device_database) == 1


@dataclass(frozen=True, slots=True)
class Mortal:
    """A server that tests may kill, and a ledger on it. Each test uses its own streams."""

    server: Postgres
    ledger: Database

    async def kill(self) -> None:
        """End the server as a power cut would."""
        await asyncio.to_thread(self.server.kill)

    async def start(self) -> None:
        """Start it again."""
        await asyncio.to_thread(self.server.start)

    @asynccontextmanager
    async def queue(self) -> AsyncIterator[CommandQueue[Count, int]]:
        """Open a queue on the ledger."""
        async with self.ledger.pool() as pool, open_queue(pool) as queue:
            yield queue


@pytest.fixture(scope="module")
async def mortal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mortal]:
    server = quick_server(tmp_path_factory.mktemp("mortal"))
    async with databases_on(server) as databases:
        ledger = await databases.fresh("device")
    yield Mortal(server, ledger)
    server.kill()
    server.erase()


async def test_commands_are_answered_after_the_database_was_killed_during_the_transaction(
    mortal: Mortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-120."""
    # on a busy machine the server is away for longer than clients wait
    monkeypatch.setattr(command_queue, "DEADLINE_SECONDS", 60.0)
    monkeypatch.setattr(command_queue, "ATTEMPTS_MAX", 20)
    lives, killed = [1], asyncio.Event()

    async def kill_once(_: Connection) -> None:
        if lives:
            lives.pop()
            await mortal.kill()
            killed.set()

    async with mortal.queue() as queue:
        commands = [pending(f"killed-{number}", "killed", in_transaction=kill_once) for number in range(5)]
        submitted = [asyncio.create_task(queue.submit(command)) for command in commands]
        await asyncio.wait_for(killed.wait(), 10)
        await mortal.start()
        assert {answer.status for answer in await asyncio.gather(*submitted)} == {202}
        assert await effects(mortal.ledger, "killed") == 5


async def test_whenever_the_database_is_killed_retries_with_the_same_key_have_one_effect(
    mortal: Mortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-09, R-120."""
    monkeypatch.setattr(command_queue, "DEADLINE_SECONDS", 1.0)
    people = [f"person-{number}" for number in range(40)]
    async with mortal.queue() as queue:
        pressing = asyncio.create_task(_press(queue, people))
        for pause_seconds in (0.05, 0.12):
            await asyncio.sleep(pause_seconds)
            await mortal.kill()
            await mortal.start()
        assert await pressing == [202] * 40
        assert {await effects(mortal.ledger, person) for person in people} == {1}


async def _press(queue: CommandQueue[Count, int], people: Sequence[str]) -> list[int]:
    async def insist(number: int, person: str) -> int:
        """Submit the command as a person would: again and again, until it is answered."""
        await asyncio.sleep(number / 100)
        for _ in range(60):
            try:
                return (await queue.submit(pending(person, person))).status
            except LedgerUnavailable:
                continue
        return 0

    return await asyncio.gather(*(insist(number, person) for number, person in enumerate(people)))


async def test_while_the_database_is_down_commands_fail_and_a_later_retry_has_one_effect(
    mortal: Mortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-09."""
    monkeypatch.setattr(command_queue, "RETRY_SECONDS", 0.01)
    async with mortal.queue() as queue:
        await mortal.kill()
        with pytest.raises(LedgerUnavailable):
            await queue.submit(pending("away", "away"))
        await mortal.start()

        async def answered() -> bool:
            try:
                return (await queue.submit(pending("away", "away"))).status == 202
            except LedgerUnavailable:
                return False

        await until(answered, what="the ledger is back", within=timedelta(seconds=20))
        assert await effects(mortal.ledger, "away") == 1
