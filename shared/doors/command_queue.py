"""Takes orders in by HTTP: decides those that wait together in one transaction, and answers each once.

While one transaction runs, the next orders gather; under load a commit serves many, alone it serves one.
The answer is stored under the order's idempotency key in the same transaction, so that a repeated order,
ours after a commit of unknown outcome or the client's, gets the same answer and has no second effect (R-09).
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from shared.ledger.command_handler import CommandHandler, Order, Outcome
from shared.ledger.database import AWAY, CONFLICT, Connection, Pool, transaction
from shared.ledger.events import append
from shared.watching.traces import trace_id_of

logger = logging.getLogger(__name__)

BATCH_MAX = 200
WAITING_MAX = 2_000
ATTEMPTS_MAX = 8
RETRY_SECONDS = 0.25
DEADLINE_SECONDS = 10.0
FAILURE_TOLD_SECONDS = 30.0
"""So long a door without new orders tells of one that the ledger did not take."""


class LedgerAway(Exception):
    """The ledger did not take the order in time. It may have: the same idempotency key tells."""


class KeyReused(Exception):
    """The idempotency key belongs to another order."""


class LookAgain(Exception):
    """What an order was made from has moved on: `also` raises it, and who gave the order makes it anew."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets: an HTTP status and a JSON body."""

    status: int
    body: Mapping[str, Any]
    repeated: bool = False


@dataclass(slots=True, kw_only=True)
class Ticket[Command]:
    """An order at the door. `also` runs in the same transaction; `answer` turns its outcome into words."""

    order: Order[Command]
    scope: str
    key: str
    request_hash: bytes
    answer: Callable[[Outcome], Answer]
    also: Callable[[Connection], Awaitable[None]] | None = None
    answered: asyncio.Future[Answer] = field(default_factory=asyncio.Future)


class Door[Command, State]:
    """One process's way in."""

    def __init__(self, handler: CommandHandler[Command, State], *, pool: Pool, on_append: Callable[[], None]) -> None:
        self._handler = handler
        self._pool = pool
        self._on_append = on_append
        self._waiting: asyncio.Queue[Ticket[Command]] = asyncio.Queue(WAITING_MAX)
        self._failed_at: float | None = None
        self._why = ""

    def problem(self) -> str | None:
        """Return why the last orders were not taken, or None."""
        if self._failed_at is None or monotonic() - self._failed_at > FAILURE_TOLD_SECONDS:
            return None
        return f"the ledger takes no orders: {self._why}"

    async def submit(self, ticket: Ticket[Command]) -> Answer:
        """Return the answer, committed. Raises `LedgerAway` or `KeyReused`."""
        try:
            self._waiting.put_nowait(ticket)
            async with asyncio.timeout(DEADLINE_SECONDS):
                return await ticket.answered
        except (asyncio.QueueFull, TimeoutError):
            raise LedgerAway from None

    async def run(self) -> None:
        """Serve orders until cancelled."""
        while True:
            tickets = [await self._waiting.get()]
            while len(tickets) < BATCH_MAX and not self._waiting.empty():
                tickets.append(self._waiting.get_nowait())
            # a client that gave up gets no effect that it does not hear of
            await self._serve([ticket for ticket in tickets if not ticket.answered.done()])

    async def _serve(self, tickets: Sequence[Ticket[Command]]) -> None:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return await self._decide(tickets)
            except CONFLICT as error:
                logger.info("door: conflict, deciding again: %r", error)
            except AWAY as error:
                logger.warning("door: the ledger is away: %r", error)
                self._failed_at, self._why = monotonic(), str(error) or type(error).__name__
                await asyncio.sleep(RETRY_SECONDS * attempt)
            except Exception as error:  # noqa: BLE001 - it is told to those who wait, one by one
                return await self._serve_apart(tickets, error)
        return _fail(tickets, LedgerAway())

    async def _serve_apart(self, tickets: Sequence[Ticket[Command]], error: Exception) -> None:
        """One order of the batch broke something: the others must not suffer for it."""
        if len(tickets) == 1 and isinstance(error, LookAgain):
            return _fail(tickets, error)
        if len(tickets) == 1:
            cause = tickets[0].order.cause
            said = {"correlation_id": cause.correlation_id, "trace_id": trace_id_of(cause.traceparent)}
            logger.error("door: unexpected", exc_info=error, extra=said)
            return _fail(tickets, error)
        for ticket in tickets:
            await self._serve([ticket])
        return None

    async def _decide(self, tickets: Sequence[Ticket[Command]]) -> None:
        async with transaction(self._pool) as connection:
            answers = await self._known(connection, tickets)
            fresh = _first_of_each_key([ticket for ticket in tickets if (ticket.scope, ticket.key) not in answers])
            decided = await self._handler.decide(connection, [ticket.order for ticket in fresh])
            for ticket, outcome in zip(fresh, decided.outcomes, strict=True):
                if ticket.also and not outcome.refused:
                    await ticket.also(connection)
                answers[ticket.scope, ticket.key] = (ticket.request_hash, ticket.answer(outcome))
            await self._remember(connection, fresh, answers)
            await append(connection, decided.events)
        self._failed_at = None
        if decided.events:
            self._on_append()
        for ticket in tickets:
            _resolve(ticket, *answers[ticket.scope, ticket.key])

    async def _known(
        self, connection: Connection, tickets: Sequence[Ticket[Command]]
    ) -> dict[tuple[str, str], tuple[bytes, Answer]]:
        rows = await connection.fetch(
            "select scope, key, request_hash, status, answer from idempotency"
            " join unnest($1::text[], $2::text[]) as asked(scope, key) using (scope, key)",
            [ticket.scope for ticket in tickets],
            [ticket.key for ticket in tickets],
        )
        return {
            (row["scope"], row["key"]): (
                row["request_hash"],
                Answer(row["status"], json.loads(row["answer"]), repeated=True),
            )
            for row in rows
        }

    async def _remember(
        self,
        connection: Connection,
        tickets: Sequence[Ticket[Command]],
        answers: Mapping[tuple[str, str], tuple[bytes, Answer]],
    ) -> None:
        given = [answers[ticket.scope, ticket.key][1] for ticket in tickets]
        # two workers may hold the same key: the loser of this insert decides again and finds the answer
        await connection.execute(
            """
            insert into idempotency (scope, key, request_hash, status, answer, recorded_at)
            select * from unnest($1::text[], $2::text[], $3::bytea[], $4::smallint[], $5::jsonb[], $6::timestamptz[])
            """,
            [ticket.scope for ticket in tickets],
            [ticket.key for ticket in tickets],
            [ticket.request_hash for ticket in tickets],
            [answer.status for answer in given],
            [json.dumps(answer.body) for answer in given],
            [ticket.order.cause.recorded_at for ticket in tickets],
        )


def _first_of_each_key[Command](tickets: Sequence[Ticket[Command]]) -> list[Ticket[Command]]:
    first = {(ticket.scope, ticket.key): ticket for ticket in reversed(tickets)}
    return list(reversed(first.values()))


def _resolve[Command](ticket: Ticket[Command], request_hash: bytes, answer: Answer) -> None:
    if ticket.answered.done():
        return
    if request_hash != ticket.request_hash:
        ticket.answered.set_exception(KeyReused())
    else:
        ticket.answered.set_result(answer)


def _fail[Command](tickets: Sequence[Ticket[Command]], error: Exception) -> None:
    for ticket in tickets:
        if not ticket.answered.done():
            ticket.answered.set_exception(error)
