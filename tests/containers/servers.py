"""PostgreSQL and Kafka in containers, for the journeys: what `shared.local.stack` is with local processes.

They listen on ports that are chosen before they start, so that a server that was killed comes back where it was.
"""

import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, override

from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from shared.local.ports import LOOPBACK, free_port
from shared.local.postgres import SETTINGS, SUPERUSER

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = "apache/kafka:4.3.1"
ANSWER_SECONDS = 30.0
START_SECONDS = 60.0
STOP_SECONDS = 20
POLL_SECONDS = 0.1
TUNED = ("max_connections", "max_wal_size", "wal_compression", "random_page_cost", "jit", "timezone")

# its image would be one more to fetch; every container here is removed by its own `erase`
testcontainers_config.ryuk_disabled = True


def engine_missing(*images: str) -> str | None:
    """Return why containers cannot be run here, or None: no engine answers, or an image is not there."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    words = ("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    outcome = subprocess.run(words, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)
    if outcome.returncode != 0:
        return f"no container engine answers: {outcome.stderr.strip()}"
    missing = sorted(set(images) - set(outcome.stdout.split()))
    return f"these images are not here: {', '.join(missing)}" if missing else None


class KafkaContainer(DockerContainer):
    """One node of `apache/kafka`, broker and controller in one, that clients on this machine reach at `port`."""

    INSIDE = "localhost:9092"

    def __init__(self, port: int, *, partitions: int) -> None:
        super().__init__(KAFKA_IMAGE)
        self.port = port
        self.with_bind_ports(19092, port)
        settings = {
            "NODE_ID": 1,
            "PROCESS_ROLES": "broker,controller",
            "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "LISTENERS": "INSIDE://:9092,CONTROLLER://:9093,OUTSIDE://:19092",
            "ADVERTISED_LISTENERS": f"INSIDE://{self.INSIDE},OUTSIDE://{LOOPBACK}:{port}",
            "LISTENER_SECURITY_PROTOCOL_MAP": "INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT,OUTSIDE:PLAINTEXT",
            "INTER_BROKER_LISTENER_NAME": "INSIDE",
            "LOG_DIRS": "/var/lib/kafka/data",
            "NUM_PARTITIONS": partitions,
            "AUTO_CREATE_TOPICS_ENABLE": "false",
            "GROUP_INITIAL_REBALANCE_DELAY_MS": 0,
            "OFFSETS_TOPIC_REPLICATION_FACTOR": 1,
            "OFFSETS_TOPIC_NUM_PARTITIONS": 8,
            "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": 1,
            "TRANSACTION_STATE_LOG_MIN_ISR": 1,
            "SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": 1,
            "SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": 1,
            "LOG_CLEANER_DEDUPE_BUFFER_SIZE": 16_777_216,
            "BROKER_SESSION_TIMEOUT_MS": 3_000,
            "BROKER_HEARTBEAT_INTERVAL_MS": 500,
            "HEAP_OPTS": "-Xms256m -Xmx512m",
        }
        for name, value in settings.items():
            self.with_env(f"KAFKA_{name}", str(value))


class _Server:
    """A container that is started, stopped and killed as a local server is."""

    name: str

    def __init__(self, container: DockerContainer) -> None:
        self.container = container
        self._made = False

    @property
    def _engines(self) -> Any:
        """The engine's own view of the container."""
        return self.container.get_wrapped_container()

    @property
    def running(self) -> bool:
        """Whether the server runs."""
        if not self._made:
            return False
        self._engines.reload()
        return bool(self._engines.status == "running")

    def start(self) -> None:
        """Start the server, where it left off, and wait until it takes work."""
        if not self._made:
            self.container.start()
            self._made = True
        elif not self.running:
            self._engines.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            assert time.monotonic() < deadline, f"{self.name} does not start: {self._last_words()}"
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End the server cleanly."""
        if self.running:
            self._engines.stop(timeout=STOP_SECONDS)

    def kill(self) -> None:
        """End the server at once (SIGKILL)."""
        if self.running:
            self._engines.kill()

    def erase(self) -> None:
        """Remove the container and all data."""
        if self._made:
            self.container.stop(force=True, delete_volume=True)
            self._made = False

    def _ready(self) -> bool:
        raise NotImplementedError

    def _last_words(self) -> str:
        return str(self._engines.logs(tail=5).decode(errors="replace"))


class PostgresServer(_Server):
    """PostgreSQL, with the settings of the local one."""

    name = "PostgreSQL"
    DISK = "/var/lib/postgresql"

    def __init__(self, *, disk_bytes: int | None = None) -> None:
        self.port = free_port()
        self._password = secrets.token_hex(16)
        container = PostgresContainer(
            POSTGRES_IMAGE, username=SUPERUSER, password=self._password, dbname="postgres", driver=None
        )
        settings = [word for name in TUNED for word in ("-c", f"{name}={SETTINGS[name]}")]
        container.with_command(["postgres", *settings]).with_bind_ports(5432, self.port)
        if disk_bytes:
            container.with_tmpfs_mount(self.DISK, f"size={disk_bytes}")
        super().__init__(container)

    def fill_disk(self) -> None:
        """Leave no room at all."""
        self._engines.exec_run(["dd", "if=/dev/zero", f"of={self.DISK}/filler", "bs=64k"])

    def free_disk(self) -> None:
        """Take back what `fill_disk` did."""
        code, said = self._engines.exec_run(["rm", f"{self.DISK}/filler"])
        assert code == 0, said

    def dsn(self, database: str = "postgres", *, user: str = SUPERUSER, password: str | None = None) -> str:
        """Give the address of a database; without `password` the superuser's."""
        return f"postgresql://{user}:{password or self._password}@{LOOPBACK}:{self.port}/{database}"

    @override
    def _ready(self) -> bool:
        words = ("pg_isready", "-q", "-h", LOOPBACK, "-U", SUPERUSER)
        code, _ = self._engines.exec_run(list(words))
        return bool(code == 0)


class KafkaServer(_Server):
    """Kafka, one node."""

    name = "Kafka"

    def __init__(self, *, partitions: int) -> None:
        self.port = free_port()
        super().__init__(KafkaContainer(self.port, partitions=partitions))

    @property
    def bootstrap(self) -> str:
        """The address that clients start from."""
        return f"{LOOPBACK}:{self.port}"

    def tool(
        self, main_class: str, *arguments: str, timeout_seconds: float = 60.0, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run one of Kafka's own tools, inside the container, with `text` as its input."""
        inside = [KafkaContainer.INSIDE if word == self.bootstrap else word for word in arguments]
        container = self._engines.id
        words = ["docker", "exec", "-i", container, "/opt/kafka/bin/kafka-run-class.sh", main_class, *inside]
        return subprocess.run(words, input=text, capture_output=True, text=True, timeout=timeout_seconds, check=False)

    @override
    def _ready(self) -> bool:
        code, _ = self._engines.exec_run(["bash", "-c", "exec 3<>/dev/tcp/localhost/9092"])
        return bool(code == 0)


class ContainerStack:
    """Both servers."""

    def __init__(self, *, partitions: int = 8, disk_bytes: int | None = None) -> None:
        self.postgres = PostgresServer(disk_bytes=disk_bytes)
        self.kafka = KafkaServer(partitions=partitions)

    def start(self) -> None:
        """Start both and wait until both take work."""
        self._both(lambda server: server.start())

    def stop(self) -> None:
        """End both cleanly."""
        self._both(lambda server: server.stop())

    def kill(self) -> None:
        """End both at once."""
        self._both(lambda server: server.kill())

    def erase(self) -> None:
        """Remove both."""
        self._both(lambda server: server.erase())

    def _both(self, act: Callable[[_Server], None]) -> None:
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(act, (self.postgres, self.kafka)))
