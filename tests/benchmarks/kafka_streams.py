"""The peer of a rebuild: Kafka Streams folds the same topic into a durable table of its own, with a changelog.

It is a Java program outside this house, in a folder where `mvn -q package` has built it. It finds what it needs in our
records: the headers `ce_type` and `position`, and the JSON fields that its own fold knows.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.local.kafka import Kafka

JAR = "target/peer-streams-1.jar"
MIB = 2**20
RUN_SECONDS_MAX = 1_800.0
# the best settings that its README found for a store on disk
JAVA_OPTIONS = "-Xms1g -Xmx2g -XX:+UseParallelGC --enable-native-access=ALL-UNNAMED"
STREAMS_CONFIG = "statestore.cache.max.bytes=268435456,producer.batch.size=262144,producer.buffer.memory=134217728"


class NoPeer(Exception):
    """The folder holds no built peer, or the peer failed. The message says what to do."""


def require_built(folder: Path) -> None:
    """Raise `NoPeer` unless the folder holds the built program."""
    if not (folder / JAR).exists():
        raise NoPeer(f"{folder / JAR} is missing: run `mvn -q package` in that folder")


def rebuilt(folder: Path, kafka: Kafka, topic: str, *, threads: int) -> Mapping[str, Any]:
    """Fold the topic once with so many threads, and return the result that the peer prints. Raises `NoPeer`."""
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
