"""The peer of a rebuild: Kafka Streams folds the same events into a durable table of its own, with a changelog.

It is a Java program outside this house, in a folder where `mvn -q package` has built it. It reads a copy of our topic,
with the same keys, headers and order. Only the field `ends_at` has another name there, the one that its fold knows.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

from shared.kafka.topics import Layout, create_topic
from shared.local.kafka import Kafka
from shared.projector.topic_reader import StoredRecord, TopicReader, open_topic
from tests.benchmarks.endings import CannotRun
from tests.benchmarks.orders import Message, Sender, sender

NAME = "Kafka Streams"
JAR = "target/peer-streams-1.jar"
MIB = 2**20
RUN_SECONDS_MAX = 1_800.0
# the best settings that its README found for a store on disk
JAVA_OPTIONS = "-Xms1g -Xmx2g -XX:+UseParallelGC --enable-native-access=ALL-UNNAMED"
STREAMS_CONFIG = "statestore.cache.max.bytes=268435456,producer.batch.size=262144,producer.buffer.memory=134217728"


class NoPeer(CannotRun):
    """The folder holds no built peer, or the peer failed. The message says what to do."""


def require_built(folder: Path) -> None:
    """Raise `NoPeer` unless the folder holds the built program."""
    if not (folder / JAR).exists():
        raise NoPeer(f"{folder / JAR} is missing: run `mvn -q package` in that folder")


@asynccontextmanager
async def _copied(bootstrap_servers: str, topic: str) -> AsyncIterator[str]:
    """Yield the name of a copy of the topic with the peer's field names; it is deleted at the end."""
    name = f"scratch.peer.{topic}"
    async with open_topic(bootstrap_servers, topic) as opened, sender(bootstrap_servers) as out:
        await create_topic(bootstrap_servers, name, Layout(opened.partition_count))
        try:
            await asyncio.gather(*(_copy(opened, number, out, name) for number in range(opened.partition_count)))
            yield name
        finally:
            await _delete(bootstrap_servers, name)


async def _copy(opened: TopicReader, partition: int, out: Sender, name: str) -> None:
    offset, end = 0, 1
    while offset < end:
        records, end = await opened.fetch(partition, offset)
        await out.send(name, [_message(partition, record) for record in records])
        offset = records[-1].offset + 1 if records else end


def _message(partition: int, record: StoredRecord) -> Message:
    # the number of a partition is also a slice of it
    return Message(
        slice_number=partition,
        key=record.key or b"",
        value=in_its_words(record.value or b""),
        headers=[(header, value or b"") for header, value in record.headers],
    )


def in_its_words(body: bytes) -> bytes:
    """Return an event's bytes with the field names that the peer's fold knows."""
    return body.replace(b'"ends_at":', b'"expires_at":')


async def _delete(bootstrap_servers: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([name])
    finally:
        await admin.close()


async def rebuilt(folder: Path, kafka: Kafka, topic: str, *, threads: int) -> Mapping[str, Any]:
    """Fold a copy of the topic once with so many threads, and return the peer's result. Raises `NoPeer`."""
    async with _copied(kafka.bootstrap, topic) as copy:
        return await asyncio.to_thread(_run, folder, kafka, copy, threads)


def _run(folder: Path, kafka: Kafka, topic: str, threads: int) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory(prefix="perennial-peer-") as state:
        environment = {
            "JAVA_OPTS": JAVA_OPTIONS,
            "STREAMS_CONFIG": STREAMS_CONFIG,
            **os.environ,
            "BOOTSTRAP": kafka.bootstrap,
            "BROKER_PID": str(kafka.pid),
            "TOPIC": topic,
            "THREADS": str(threads),
            "RUNS": "1",
            "STATE_DIR": state,
            # its script wants the jars of Kafka's tools, which this mode does not use
            "KAFKA_LIB": str(folder / "target/lib"),
        }
        words = [sys.executable, str(folder / "run-bench"), "streams"]
        outcome = subprocess.run(
            words, cwd=state, env=environment, stdout=subprocess.PIPE, text=True, timeout=RUN_SECONDS_MAX, check=False
        )
    if outcome.returncode != 0:
        raise NoPeer(f"run-bench streams ended with status {outcome.returncode}: its last words are above")
    result: Mapping[str, Any] = json.loads(outcome.stdout.splitlines()[-1])
    return result


def as_runs(results: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return results of the peer in the form of ours; it stands beside both of our logs, though it reads one.

    The rate is that of rows that are flushed and committed; each figure is a list of least, median and most.
    """
    return {"runs": [_as_run(source, result) for source in ("ledger", "kafka") for result in results]}


def _as_run(source: str, result: Mapping[str, Any]) -> dict[str, Any]:
    _, per_second, _ = result["events_per_s_committed"]
    return {
        "source": source,
        "events": result["events"],
        "fold_seconds": result["events"] / per_second,
        "cpu_seconds": {"rebuild": result["cpu_s"][1]},
        "memory_peak_bytes": int(result["peak_rss_mb"][1] * MIB),
    }
