"""Takes in commands by HTTP: decides those that wait together in one transaction (group commit), and answers each once.

While one transaction runs, the next commands gather. Under load one commit serves many; a lone command does not wait.
The answer is stored under the command's idempotency key in the same transaction. So a retry, whether ours after a
commit of unknown outcome or the client's, gets the same answer and has no second effect (R-09). A refusal is no effect:
the request is decided again (R-142), and the same refusal is recorded once. A request of many commands waits and is
decided as one: all of them or none, under one key and with one answer (R-140).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic

from shared.doors.idempotency import (
    Answer,
    KeyReused,
    Refusal,
    ScopedKey,
    StoredAnswer,
    store_answers,
    store_refusals,
    stored_under,
)
from shared.ledger.command_handler import CommandHandler, CommandMessage, Outcome
from shared.ledger.database import CONFLICT, UNAVAILABLE, Connection, Pool, transaction
from shared.ledger.events import Append, append
from shared.ledger.outbox import Cause
from shared.watching.traces import trace_id_of

logger = logging.getLogger(__name__)

BATCH_MAX = 200
"""How many commands close a batch. A request is never split, so the last one may exceed it."""
WAITING_MAX = 2_000
"""How many commands may wait. A request whose commands do not fit is turned away before anything is recorded."""
ATTEMPTS_MAX = 8
RETRY_SECONDS = 0.25
DEADLINE_SECONDS = 10.0
FAILURE_REPORTED_SECONDS = 30.0
"""How long a failure to commit is reported as a problem if no newer commands arrive."""
REFUSALS = 400
"""From this HTTP status on an answer is a refusal."""


class LedgerUnavailable(Exception):
    """The ledger did not confirm the command in time. It may have been committed: a retry with the same key tells."""


class TooBusy(Exception):
    """Too many commands wait. Nothing was recorded."""


class PartlyRefused(Exception):
    """Some commands of one request were refused and others were not: none of them is recorded."""


class StaleRead(Exception):
    """Data that a command was built from has changed since. Raised by `in_transaction`; the caller builds it again."""


@dataclass(slots=True, kw_only=True)
class PendingCommand[Command]:
    """A request that waits in the queue: one command, or several that are recorded together or not at all.

    `in_transaction` runs in the same transaction if the request is not refused; `to_answer` turns the outcome into an
    answer.
    """

    messages: Sequence[CommandMessage[Command]]
    scope: str
    key: str
    request_hash: bytes
    to_answer: Callable[[Outcome], Answer]
    in_transaction: Callable[[Connection], Awaitable[None]] | None = None
    answered: asyncio.Future[Answer] = field(default_factory=asyncio.Future)
    is_taken: bool = False

    @property
    def cause(self) -> Cause:
        """The cause that all its commands share."""
        return self.messages[0].cause

    @property
    def scoped_key(self) -> ScopedKey:
        """The idempotency key after its scope."""
        return self.scope, self.key

    def refusal_in(self, outcome: Outcome, answer: Answer) -> Refusal | None:
        """Return the refusal that an outcome puts on record; None if it is none."""
        if not outcome.events or answer.status < REFUSALS:
            return None
        return Refusal(self.scope, self.key, self.request_hash, str(answer.body.get("code")))


class CommandQueue[Command, State]:
    """The commands that wait in one process."""

    def __init__(
        self,
        handler: CommandHandler[Command, State],
        *,
        pool: Pool,
        append: Append = append,
    ) -> None:
        self._handler = handler
        self._pool = pool
        self._append = append
        self._waiting: asyncio.Queue[PendingCommand[Command]] = asyncio.Queue()
        self._commands_waiting = 0
        self._failed_at: float | None = None
        self._why = ""

    def problem(self) -> str | None:
        """Return why the latest commands could not be committed, or None."""
        if self._failed_at is None or monotonic() - self._failed_at > FAILURE_REPORTED_SECONDS:
            return None
        return f"the ledger accepts no commands: {self._why}"

    async def submit(self, pending: PendingCommand[Command]) -> Answer:
        """Return the answer, committed. Raises `TooBusy`, `LedgerUnavailable` or `KeyReused`."""
        if self._commands_waiting + len(pending.messages) > WAITING_MAX:
            raise TooBusy
        self._commands_waiting += len(pending.messages)
        self._waiting.put_nowait(pending)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                return await pending.answered
        except TimeoutError:
            # whatever still waits in the queue is dropped, so it is certain that nothing was recorded
            raise LedgerUnavailable if pending.is_taken or self.problem() else TooBusy from None

    async def run(self) -> None:
        """Serve commands until cancelled."""
        while True:
            batch = self._taken(await self._waiting.get())
            while sum(len(pending.messages) for pending in batch) < BATCH_MAX and not self._waiting.empty():
                batch += self._taken(self._waiting.get_nowait())
            await self._serve(batch)

    def _taken(self, pending: PendingCommand[Command]) -> list[PendingCommand[Command]]:
        """Return the request; nothing if its client gave up: it must not cause an effect that it never learns of."""
        self._commands_waiting -= len(pending.messages)
        if pending.answered.done():
            return []
        pending.is_taken = True
        return [pending]

    async def _serve(self, batch: Sequence[PendingCommand[Command]]) -> None:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return await self._decide(batch)
            except CONFLICT as error:
                logger.info("command queue: conflict, deciding again: %r", error)
            except UNAVAILABLE as error:
                logger.warning("command queue: the ledger is unavailable: %r", error)
                self._failed_at, self._why = monotonic(), str(error) or type(error).__name__
                await asyncio.sleep(RETRY_SECONDS * attempt)
            except Exception as error:  # noqa: BLE001 - passed on to the clients, one by one
                return await self._serve_one_by_one(batch, error)
        return _fail(batch, LedgerUnavailable())

    async def _serve_one_by_one(self, batch: Sequence[PendingCommand[Command]], error: Exception) -> None:
        """Keep a command that fails from failing the others of its batch."""
        if len(batch) == 1 and isinstance(error, StaleRead):
            return _fail(batch, error)
        if len(batch) == 1:
            cause = batch[0].cause
            extra = {"correlation_id": cause.correlation_id, "trace_id": trace_id_of(cause.traceparent)}
            logger.error("command queue: unexpected", exc_info=error, extra=extra)
            return _fail(batch, error)
        for pending in batch:
            await self._serve([pending])
        return None

    async def _decide(self, batch: Sequence[PendingCommand[Command]]) -> None:
        async with transaction(self._pool) as connection:
            answers, refusals = await stored_under(connection, [pending.scoped_key for pending in batch])
            fresh = _first_of_each_key([pending for pending in batch if pending.scoped_key not in answers])
            messages = [each for pending in fresh for each in _messages_of(pending, refusals)]
            decided = await self._handler.decide(connection, messages)
            outcomes = iter(decided.outcomes)
            effects = list[tuple[ScopedKey, StoredAnswer, datetime]]()
            refused = list[tuple[Refusal, datetime]]()
            for pending in fresh:
                outcome = _one_outcome([next(outcomes) for _ in pending.messages])
                if pending.in_transaction and not outcome.refused:
                    await pending.in_transaction(connection)
                answer = pending.to_answer(outcome)
                refusal = pending.refusal_in(outcome, answer)
                stored = StoredAnswer(pending.request_hash, replace(answer, repeated=outcome.is_on_record))
                answers[pending.scoped_key] = stored
                if refusal and not outcome.is_on_record:
                    refused.append((refusal, pending.cause.recorded_at))
                elif refusal is None and _has_effect(pending, outcome):
                    effects.append((pending.scoped_key, stored, pending.cause.recorded_at))
            # two workers may get the same key: the loser of these inserts decides again and finds what is stored
            await store_answers(connection, effects)
            await store_refusals(connection, refused)
            await self._append(connection, decided.events)
        self._failed_at = None
        for pending in batch:
            _resolve(pending, answers[pending.scoped_key])


def _messages_of[Command](
    pending: PendingCommand[Command], refusals: Collection[Refusal]
) -> Sequence[CommandMessage[Command]]:
    """Return the commands of a request. Several that are one decision are refused in ways that nothing records."""
    if not refusals or len(pending.messages) > 1:
        return pending.messages
    (message,) = pending.messages

    def is_on_record(outcome: Outcome) -> bool:
        return pending.refusal_in(outcome, pending.to_answer(outcome)) in refusals

    return [message._replace(is_on_record=is_on_record)]


def _has_effect[Command](pending: PendingCommand[Command], outcome: Outcome) -> bool:
    """Tell whether an outcome that is no refusal on record does something (R-142)."""
    return bool(outcome.events or (pending.in_transaction and not outcome.refused))


def _one_outcome(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome of a request: its refusal, or all its events. Raises `PartlyRefused`."""
    if len(outcomes) == 1:
        return outcomes[0]
    refused = [outcome for outcome in outcomes if outcome.refused]
    if not refused:
        return Outcome([event for outcome in outcomes for event in outcome.events])
    if len(refused) < len(outcomes):
        raise PartlyRefused
    return refused[0]


def _first_of_each_key[Command](batch: Sequence[PendingCommand[Command]]) -> list[PendingCommand[Command]]:
    first = {pending.scoped_key: pending for pending in reversed(batch)}
    return list(reversed(first.values()))


def _resolve[Command](pending: PendingCommand[Command], stored: StoredAnswer) -> None:
    if pending.answered.done():
        return
    if stored.request_hash != pending.request_hash:
        pending.answered.set_exception(KeyReused())
    else:
        pending.answered.set_result(stored.answer)


def _fail[Command](batch: Sequence[PendingCommand[Command]], error: Exception) -> None:
    for pending in batch:
        if not pending.answered.done():
            pending.answered.set_exception(error)
