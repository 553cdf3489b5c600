"""Runs one process of one service: starts its parts in order, watches them, and stops them in order.

What the parts are is the composition root's business (`__main__`). No rule may come in here.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from aiokafka.errors import KafkaError
from fastapi import FastAPI
from faststream.kafka import KafkaBroker

from shared.doors import sandbox
from shared.doors.app import Check, new_app
from shared.kafka import connection as kafka_connection
from shared.kafka.consumer import Consumer, Source
from shared.kafka.freshness import Freshness
from shared.kafka.relay import Relay
from shared.kafka.topics import WrongTopic, check_topics
from shared.keys.signing import KeyRing, NoSigningKey
from shared.ledger.clock import Clock
from shared.ledger.database import (
    ACCESS_DENIED,
    ACQUIRE_TIMEOUT_SECONDS,
    UNAVAILABLE,
    Connection,
    Pool,
    after_commit,
    open_pool,
)
from shared.ledger.events import (
    Append,
    Heads,
    NewEvent,
    RecordedEvent,
    WrongLedger,
    append,
    check_ledger,
)
from shared.ledger.lease import Leases
from shared.ledger.migrate import SchemaError, check_schema
from shared.ledger.outbox import Outbox
from shared.ledger.time_moves import follow_time
from shared.operations import Operations, ParkedMessages, Projections, Readings
from shared.operations.metrics import ProcessMetrics, Reading, Survey, registry_of
from shared.projector import Projection
from shared.projector.inline import InlineProjection
from shared.projector.live import live
from shared.projector.projection import OnFolded
from shared.proof.checkpoint_exporter import CheckpointExporter
from shared.proof.latest_checkpoint import LatestCheckpoint
from shared.recovery.recover import topic_ahead_of_ledger
from shared.settings.environment import ServiceSettings, from_environment
from shared.settings.secrets import WrongSetting
from shared.watching.logs import start_logs
from shared.watching.traces import start_traces

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
TAIL_SECONDS_MAX = 5.0
DERIVED_CONNECTIONS_MAX = 3
METADATA_SECONDS_MAX = 5
SILENCE_SECONDS_MAX = 90.0
"""After so long without a fetch that Kafka answered, though it answers others, a consumer stands still for ever."""
CATCH_UP_SECONDS = 1.0
"""So long records gather for the consumer of a view that the appends keep."""


class StandsStill(Exception):
    """A consumer hears nothing from a Kafka that answers: a new process reads on from the ledger's vector."""


class Service:
    """One process: its pool, clock, leases and relay, and what the composition root adds."""

    def __init__(
        self, name: str, settings: ServiceSettings, *, pool: Pool, derived_pool: Pool, clock: Clock, outbox: Outbox
    ) -> None:
        self.name = name
        self.settings = settings
        self.pool = pool
        self._derived_pool = derived_pool
        self.clock = clock
        self.outbox = outbox
        self.leases = Leases(f"{name}.{settings.worker}", pool=pool, on_change=self.on_change)
        self.relay = Relay(
            pool=derived_pool,
            leases=self.leases,
            outbox=outbox,
            bootstrap_servers=settings.kafka_bootstrap_servers,
            events_max=2 * settings.batch_records_max,
        )
        # FastStream logs two lines per message unless it is told not to
        self._broker = KafkaBroker(
            # FastStream takes one text for one broker
            settings.kafka_bootstrap_servers.split(","),
            logger=None,
            # handlers get the batch as it came; to inject arguments, FastStream sends each batch through a thread
            apply_types=False,
            graceful_timeout=settings.stop_seconds_max,
            # a topic that was lost and made again is heard of by looking; the default is to look every five minutes
            metadata_max_age_ms=METADATA_SECONDS_MAX * 1_000,
        )
        self._append: Append = append
        self._consumers: list[Consumer[Any]] = []
        self._loops: list[Coroutine[Any, Any, None]] = []
        self._wakers: list[Callable[[], None]] = [self.relay.wake]
        self._readings: list[Reading] = []
        self._survey = Survey(pool, clock)
        self._checks: list[Check] = [self._consumers_problem, self.relay.problem, self.leases.problem]
        self._stop = asyncio.Event()
        self._failure: Exception | None = None
        self._kafka_problem: str | None = "Kafka was not reached yet"
        self._exporting = self._checkpoints()
        self._latest_checkpoint = LatestCheckpoint(outbox.source, settings.checkpoint_folder)
        if settings.checkpoint_folder:
            self.gauge(
                "perennial_checkpoint_age_seconds",
                "How long ago the latest exported checkpoint was made",
                self._latest_checkpoint.age_seconds,
            )

    @property
    def stopping(self) -> asyncio.Event:
        """Is set when the process begins to stop: what a client may keep open for long has to end then."""
        return self._stop

    async def append(
        self, connection: Connection, events: Sequence[NewEvent], *, heads: Heads | None = None
    ) -> list[RecordedEvent]:
        """Append in the caller's `transaction`, with the views that are kept inline; then the relay is woken."""
        recorded = await self._append(connection, events, heads=heads)
        if recorded:
            after_commit(partial(self.relay.wake, {entry.event.slice_number for entry in recorded}))
        return recorded

    def on_change(self) -> None:
        """Wake whoever waits: this worker has other slices now, or a sandbox's time was moved."""
        for wake in self._wakers:
            wake()

    def fail(self, error: Exception) -> None:
        """Stop the process with an error: the log will replay."""
        self._failure = error
        self._stop.set()

    def keep_inline(self, projection: Projection[Any], on_folded: OnFolded) -> None:
        """Keep a view of this service's own events with each append, ahead of everything that appends.

        A consumer catches up what was appended elsewhere, for example by a worker of the last release.
        """
        self._append = InlineProjection(projection, on_folded).append
        self.consume(live(projection, on_folded, gather_seconds=CATCH_UP_SECONDS, kept_inline=True))

    def consume(self, source: Source[Any]) -> Freshness:
        """Add a consumer, and return how fresh what it brings is."""
        consumer = Consumer(
            source,
            pool=self._derived_pool if source.derived else self.pool,
            clock=self.clock,
            outbox=self.outbox,
            append=self.append,
            on_failure=self.fail,
        )
        settings = self.settings
        consumer.subscribe(self._broker, worker=settings.worker, batch_records_max=settings.batch_records_max)
        self._consumers.append(consumer)
        return Freshness(consumer, self.clock)

    def also(self, loop: Coroutine[Any, Any, None], *, wake: Callable[[], None] | None = None) -> None:
        """Add something that runs until the stop; `wake` is called when time or this worker's slices changed."""
        self._loops.append(loop)
        if wake:
            self._wakers.append(wake)

    def check(self, problem: Check) -> None:
        """Add what keeps this worker from being ready while it returns a reason."""
        self._checks.append(problem)

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Add a gauge that only this service has to its metrics."""
        self._readings.append((name, meaning, read))

    def operate(self, *projections: Projection[Any]) -> Operations:
        """Return what an operator can look at and order, with these projections; what it needs runs until the stop."""
        sources = [consumer.source for consumer in self._consumers]
        readings = Readings(
            pool=self._derived_pool,
            worker=self.settings.worker,
            consumers=self._consumers,
            relay=self.relay,
            survey=self._survey,
            leases=self.leases,
        )
        parked = ParkedMessages(
            pool=self.pool,
            sources={source.name: source for source in sources},
            outbox=self.outbox,
            clock=self.clock,
            on_append=self.relay.wake,
        )
        anew = Projections(
            pool=self.pool,
            known={projection.name: projection for projection in projections},
            database_url=self.settings.database_url.get_secret_value(),
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            outbox=self.outbox,
            clock=self.clock,
        )
        for loop in (readings.run(), anew.run(), self._latest_checkpoint.run()):
            self.also(loop)
        return Operations(
            service=self.name,
            pool=self.pool,
            sources=sources,
            topic=self.outbox.topic,
            parked=parked,
            projections=anew,
            checkpoints=self._latest_checkpoint,
        )

    def new_app(self, title: str, version: str) -> FastAPI:
        """Return the HTTP app, with health, metrics, and the sandbox's routes in a sandbox."""
        process = ProcessMetrics(
            consumers=self._consumers,
            relay=self.relay,
            leases=self.leases,
            survey=self._survey,
            checks=self._checks,
            readings=self._readings,
        )
        app = new_app(title=title, version=version, registry=registry_of(process), checks=self._checks)
        if self.clock.sandbox:
            app.include_router(sandbox.routes(self.clock, self.pool, self.settings.operator_key_hash))
        return app

    async def run(self, app: FastAPI) -> None:
        """Serve until a signal or a failure; then finish what is in flight, give leases back, and return.

        Raises what made the process fail.
        """
        _collect_rarely()
        await self._refuse_restored()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        server = _Server(
            uvicorn.Config(
                app,
                host=self.settings.http_host,
                port=self.settings.http_port,
                log_level="warning",
                access_log=False,
                lifespan="off",
                # longer than proxies keep a connection: who closes first must be the client
                timeout_keep_alive=75,
                timeout_graceful_shutdown=int(self.settings.stop_seconds_max),
            )
        )
        serving = asyncio.create_task(server.serve())
        serving.add_done_callback(lambda _: self._stop.set())
        consuming = asyncio.create_task(self._start_consumers())
        time = follow_time(self.clock, self.pool, on_move=self.on_change)
        keeping = (self._survey.run(), time, self._watch_consumers(), self.leases.keep())
        loops = [asyncio.create_task(loop) for loop in (*self._loops, *keeping)]
        relaying = asyncio.create_task(self.relay.run())
        if self._exporting:
            loops.append(asyncio.create_task(self._exporting.run()))
        for task in (consuming, *loops, relaying):
            task.add_done_callback(self._watch)
        await self._stop.wait()
        logger.info("%s.%s stops", self.name, self.settings.worker)
        server.should_exit = True
        await asyncio.wait([serving])
        await self._stop_consumers(consuming)
        await _cancel([*loops, relaying])
        await self._release_leases()
        if self._failure:
            raise self._failure
        serving.result()

    def _checkpoints(self) -> CheckpointExporter | None:
        """Return what exports signed checkpoints, if there is a folder for them. Raises `NoSigningKey`."""
        settings = self.settings
        if settings.checkpoint_folder is None:
            return None
        if settings.signing_key_file is None:
            raise NoSigningKey("checkpoints need a key: set PERENNIAL_SIGNING_KEY_FILE")
        return CheckpointExporter(
            pool=self._derived_pool,
            leases=self.leases,
            ledger=self.outbox.source,
            keys=KeyRing.read(settings.signing_key_file),
            folder=settings.checkpoint_folder,
            interval_seconds=settings.checkpoint_seconds,
        )

    def _watch(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            logger.error("%s.%s fails", self.name, self.settings.worker, exc_info=error)
            self.fail(error if isinstance(error, Exception) else RuntimeError(repr(error)))

    async def _start_consumers(self) -> None:
        """Start consuming as soon as Kafka is there: the doors are open meanwhile."""
        topics = sorted({consumer.source.topic for consumer in self._consumers} | {self.outbox.topic})
        while self._kafka_problem:
            try:
                await check_topics(self.settings.kafka_bootstrap_servers, topics)
                await self._check_tail()
                await self._broker.start()
                self._kafka_problem = None
            except WrongTopic as error:
                self._kafka_problem = str(error)
                logger.warning("%s", error)
            except (KafkaError, *UNAVAILABLE) as error:
                self._kafka_problem = f"Kafka at {self.settings.kafka_bootstrap_servers} is not reached: {error!r}"
                logger.warning("%s", self._kafka_problem)
            if self._kafka_problem:
                await asyncio.sleep(RETRY_SECONDS)

    async def _refuse_restored(self) -> None:
        """Raise `WrongLedger` before a door opens or a timer fires, if Kafka can tell; else it is told later."""
        try:
            async with asyncio.timeout(TAIL_SECONDS_MAX):
                await self._check_tail()
        except (KafkaError, *UNAVAILABLE) as error:
            logger.warning("whether the topic is ahead of this ledger is not known yet: %r", error)

    async def _check_tail(self) -> None:
        """Raise `WrongLedger` if the topic has events that the ledger has not: it was restored from a backup."""
        topic = self.outbox.topic
        async with self.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
            ahead = await topic_ahead_of_ledger(connection, self.settings.kafka_bootstrap_servers, topic)
        if ahead:
            raise WrongLedger(
                f"{topic} has position {ahead.on_topic} of slice {ahead.slice_number}, this ledger ends at"
                f" {ahead.in_ledger}: was it restored? stop all workers, run `perennial recover --service {self.name}`"
            )

    async def _watch_consumers(self) -> None:
        """Fail when a consumer stands still: aiokafka has ways to stop reading without an error (design §12)."""
        silent_before: set[str] = set()
        while True:
            await asyncio.sleep(SILENCE_SECONDS_MAX / 10)
            silent = [each for each in self._consumers if each.silence_seconds() > SILENCE_SECONDS_MAX]
            # a process that was paused hears Kafka again until the second look
            known, silent_before = silent_before, {each.source.name for each in silent}
            silent = [each for each in silent if each.source.name in known]
            if not silent:
                continue
            try:
                await check_topics(self.settings.kafka_bootstrap_servers, sorted(each.source.topic for each in silent))
            except (KafkaError, WrongTopic, *UNAVAILABLE):
                continue  # Kafka is what is silent
            raise StandsStill(f"{silent[0].source.name} stands still")

    def _consumers_problem(self) -> str | None:
        if self._kafka_problem:
            return self._kafka_problem
        return next((problem for consumer in self._consumers if (problem := consumer.problem())), None)

    async def _stop_consumers(self, consuming: asyncio.Task[None]) -> None:
        await _cancel([consuming])
        try:
            async with asyncio.timeout(self.settings.stop_seconds_max):
                await self._broker.stop()
        except TimeoutError:
            logger.warning("a batch was left in flight; it will be handled again")

    async def _release_leases(self) -> None:
        try:
            await self.leases.release()
        except UNAVAILABLE as error:
            logger.warning("leases run out by themselves: %r", error)


def _collect_rarely() -> None:
    """Leave what the start made out of garbage collection, and collect seldom.

    Records and states are freed by their reference counts; with the usual thresholds the collector took 28 % of a
    busy device worker's time (`make bench`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the service stops its parts in order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


@asynccontextmanager
async def opened(
    name: str, settings: ServiceSettings, outboxes: dict[str, Outbox], *, migrations: Path
) -> AsyncIterator[Service]:
    """Yield a service whose ledger is checked: this service's, and of the mode it was started for.

    `migrations` are the service's own. Raises `WrongLedger`, `SchemaError`, or an error of the database.
    """
    async with AsyncExitStack() as pools:
        pool = await _opened_pool(pools, name, settings, durable=True)
        derived_pool = await _opened_pool(pools, name, settings, durable=False)
        async with pool.acquire() as connection:
            await check_schema(connection, migrations)
            await check_ledger(connection, service=name, mode=settings.mode)
            clock = Clock(sandbox=settings.mode == "sandbox")
            await clock.refresh(connection)
        outbox = outboxes[settings.mode]
        yield Service(name, settings, pool=pool, derived_pool=derived_pool, clock=clock, outbox=outbox)


async def _opened_pool(pools: AsyncExitStack, name: str, settings: ServiceSettings, *, durable: bool) -> Pool:
    pool = await open_pool(
        settings.database_url.get_secret_value(),
        connections_max=settings.database_connections_max if durable else DERIVED_CONNECTIONS_MAX,
        name=f"perennial {name}.{settings.worker}",
        durable=durable,
    )
    # a broken connection must not keep the process from ending
    pools.callback(pool.terminate)
    return pool


def main(name: str, serve: Callable[[ServiceSettings], Coroutine[Any, Any, None]]) -> None:
    """Read the settings and serve. Exits with 1 and one line when the service cannot start or go on."""
    # the first process of a container has no default action for signals; until the service runs, nothing is in flight
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    try:
        settings = from_environment()
    except WrongSetting as wrong:
        sys.exit(f"perennial: {wrong}")
    start_logs(level=settings.log_level, form=settings.log_format, service=name, worker=settings.worker)
    start_traces(service=name, worker=settings.worker)
    import uvloop  # noqa: PLC0415 - a service's loop; tests and tools use the usual one

    kafka_connection.mend()
    try:
        uvloop.run(serve(settings))
    except (WrongSetting, WrongLedger, SchemaError, NoSigningKey, *ACCESS_DENIED, *UNAVAILABLE) as error:
        sys.exit(f"perennial: {error or type(error).__name__}")
