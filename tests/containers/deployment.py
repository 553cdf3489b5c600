"""The system of docker-compose.yml, for tests: the same words as `services.cli.system.System`, said by containers.

Every run is a project of its own, on ports of its own, and leaves nothing: no container, no volume, no network.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import httpx
from testcontainers.core.docker_client import DockerClient

from services.cli.names import SERVICES, ServiceName
from shared.local.ports import LOOPBACK, free_port

HOUSE = Path(__file__).parents[2]
IMAGES = ("perennial:test", "perennial-gate:test")
BROKERS = ("kafka-1", "kafka-2", "kafka-3")
PARTITIONS = 8
UP_SECONDS = 300.0
POLL_SECONDS = 0.1

type Container = Any
"""A container as the engine's client has it, which tells no types."""


class Failed(AssertionError):
    """A docker command failed; the message is what it said last."""


def run(*words: str, environment: Mapping[str, str] | None = None, seconds: float = 120.0) -> str:
    """Run a command and return what it says. Raises `Failed`."""
    outcome = subprocess.run(
        words, capture_output=True, text=True, timeout=seconds, check=False, env={**os.environ, **(environment or {})}
    )
    if outcome.returncode != 0:
        raise Failed(f"{' '.join(words[:8])} …: {(outcome.stderr or outcome.stdout).strip()[-1_500:]}")
    return outcome.stdout


@dataclass(slots=True, frozen=True)
class Door:
    """Where one service is reached."""

    name: str
    url: str

    def ready(self) -> bool:
        """Whether a worker behind the door says that it is ready."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).is_success
        except httpx.TransportError:
            return False


@dataclass(slots=True, frozen=True)
class Credentials:
    """What opens the doors."""

    operator_key: str


@dataclass(frozen=True)
class Ledgers:
    """Both PostgreSQL servers, by the database that each has."""

    deployment: "Deployment"

    def dsn(self, database: str) -> str:
        """Return the owner's address of a database."""
        password = self.deployment.secret(f"secrets-{database}-owner", "password")
        port = self.deployment.ports[f"PERENNIAL_POSTGRES_{database.upper()}_PORT"]
        return f"postgresql://postgres:{password}@{LOOPBACK}:{port}/{database}"


@dataclass(frozen=True)
class Logs:
    """The three brokers."""

    bootstrap: str


@dataclass(frozen=True)
class Servers:
    """What a system calls its stack."""

    postgres: Ledgers
    kafka: Logs


@dataclass
class Deployment:
    """One compose project."""

    project: str
    image: str = IMAGES[0]
    partitions: int = PARTITIONS
    ports: dict[str, int] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    mode: str = "sandbox"

    def __post_init__(self) -> None:
        names = ["DEVICE", "ACTIVATION", "POSTGRES_DEVICE", "POSTGRES_ACTIVATION", "KAFKA_1", "KAFKA_2", "KAFKA_3"]
        self.ports |= {f"PERENNIAL_{name}_PORT": free_port() for name in names}
        self.engine: Any = DockerClient().client

    # --- up and down -----------------------------------------------------------------------

    def compose(self, *words: str, seconds: float = UP_SECONDS, **settings: str) -> str:
        """Run docker compose on this project."""
        environment = {
            **{name: str(port) for name, port in self.ports.items()},
            "PERENNIAL_IMAGE": self.image,
            "PERENNIAL_GATE_IMAGE": IMAGES[1],
            "PERENNIAL_PARTITIONS": str(self.partitions),
            **self.settings,
            **settings,
        }
        file = str(HOUSE / "docker-compose.yml")
        return run(
            "docker", "compose", "-p", self.project, "-f", file, *words, environment=environment, seconds=seconds
        )

    def up(self, **replicas: int) -> None:
        """Bring everything up and wait until it makes progress."""
        scale = [word for name, count in replicas.items() for word in ("--scale", f"{name}={count}")]
        try:
            self.compose("up", "-d", "--wait", "--no-recreate", *scale)
        except Failed as failed:
            jobs = ("secrets", "migrate-device", "migrate-activation", "topics", *SERVICES)
            raise Failed(f"{failed}\n{self.compose('logs', '--no-log-prefix', '--tail', '3', *jobs)}") from failed

    def down(self) -> None:
        """Remove everything, and see that nothing is left."""
        self.compose("--profile", "cli", "--profile", "watch", "down", "-v", "--remove-orphans", "-t", "5")
        assert not (left := self._left()), f"down -v left {left}"

    def _left(self) -> list[str]:
        own = {"label": f"com.docker.compose.project={self.project}"}
        left = [
            *self.engine.containers.list(all=True, filters=own),
            *self.engine.volumes.list(filters=own),
            *self.engine.networks.list(filters=own),
        ]
        return [one.name for one in left]

    def __enter__(self) -> Self:
        try:
            self.compose("build")
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        self.engine.close()

    # --- what a journey asks a system --------------------------------------------------------

    @property
    def workers(self) -> dict[str, Door]:
        """The doors, as a load looks for them: behind each are however many workers there are."""
        return {f"{name}.gate": self.worker(name) for name in SERVICES}

    def worker(self, service: ServiceName) -> Door:
        """Return the service's door."""
        return Door(f"{service}.gate", f"http://{LOOPBACK}:{self.ports[f'PERENNIAL_{service.upper()}_PORT']}")

    @cached_property
    def credentials(self) -> Credentials:
        """The operator's key."""
        return Credentials(self.secret("secrets-operator", "perennial_operator_key"))

    @cached_property
    def stack(self) -> Servers:
        """The servers, by their addresses."""
        addresses = [f"{LOOPBACK}:{self.ports[f'PERENNIAL_KAFKA_{number}_PORT']}" for number in (1, 2, 3)]
        return Servers(Ledgers(self), Logs(",".join(addresses)))

    def secret(self, volume: str, name: str) -> str:
        """Return one secret out of its volume."""
        kept = self._secrets.get((volume, name))
        if kept is None:
            mount = f"{self.project}_{volume}:/secret:ro"
            program = f"print(open('/secret/{name}').read())"
            kept = run("docker", "run", "--rm", "-v", mount, self.image, "-c", program).strip()
            self._secrets[volume, name] = kept
        return kept

    @cached_property
    def _secrets(self) -> dict[tuple[str, str], str]:
        return {}

    # --- the containers ------------------------------------------------------------------------

    def containers(self, part: str) -> list[Container]:
        """Return the containers of a part, by number; also those that do not run."""
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={part}"]
        found = self.engine.containers.list(all=True, filters={"label": labels})
        return sorted(found, key=lambda one: int(one.labels["com.docker.compose.container-number"]))

    def container(self, part: str, number: int = 0) -> Container:
        """Return one container of a part."""
        return self.containers(part)[number]

    def address(self, container: Container) -> str:
        """Return a container's address in the project's network."""
        container.reload()
        return str(container.attrs["NetworkSettings"]["Networks"][f"{self.project}_default"]["IPAddress"])

    def urls(self, service: ServiceName) -> list[str]:
        """Return each running worker's own address, past the gate."""
        running = [one for one in self.containers(service) if one.status == "running"]
        return [f"http://{self.address(one)}:8100" for one in running]

    def inspect(self, container: Container, program: str) -> str:
        """Return what a Python program says that runs inside a container."""
        code, said = container.exec_run(["python", "-c", program])
        assert code == 0, said.decode(errors="replace")
        return str(said.decode())


def crash(container: Container) -> None:
    """End the container's program as a crash would, so that the engine starts it again by itself."""
    container.reload()
    os.kill(container.attrs["State"]["Pid"], signal.SIGKILL)


def wait_until_healthy(container: Container, *, seconds: float = 90.0) -> float:
    """Return after how many seconds the container's own check says that it makes progress."""
    started_at = time.monotonic()
    while True:
        container.reload()
        state: Mapping[str, Any] = container.attrs["State"]
        if state["Running"] and state.get("Health", {}).get("Status") == "healthy":
            return time.monotonic() - started_at
        assert time.monotonic() - started_at < seconds, f"{container.name} is not healthy: {state}"
        time.sleep(POLL_SECONDS)
