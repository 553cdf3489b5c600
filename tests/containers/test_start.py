"""What is wrong at the start: a worker says what and why in one line, and does not start or stays not ready."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import asyncpg
import pytest

from services.cli.names import SERVICES
from tests.containers.deployment import Container, Deployment
from tests.journeys.people import OwnedDevice, Vendor
from tests.journeys.waiting import until

START_SECONDS = 60.0
CHECKPOINT_SECONDS_MAX = 60.0
KAFKA = "kafka-1:9092,kafka-2:9092,kafka-3:9092"
POLICY = "cleanup.policy"


def started(deployment: Deployment, *command: str, **settings: str) -> tuple[int, str]:
    """Return how a container of the image ended, and what it said."""
    environment = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
    mount = f"{deployment.project}_secrets-device:/run/secrets/service:ro"
    words = ["docker", "run", "--rm", "--network", f"{deployment.project}_default", "-v", mount, *environment]
    outcome = subprocess.run(
        [*words, deployment.image, *command], capture_output=True, text=True, timeout=START_SECONDS, check=False
    )
    return outcome.returncode, outcome.stderr.strip()


def refused(deployment: Deployment, **settings: str) -> str:
    """Return the one line with which a device worker refuses to start."""
    defaults = {"PERENNIAL_SECRETS_FOLDER": "/run/secrets/service", "PERENNIAL_MODE": "sandbox"}
    code, said = started(deployment, "-m", "services.device", **{**defaults, **settings})
    lines = [line for line in said.splitlines() if not line.startswith("{")]
    assert code == 1, said
    assert len(lines) == 1, said
    return lines[0]


def test_a_missing_secret_is_named(deployment: Deployment) -> None:
    assert "PERENNIAL_DATABASE_URL is missing" in refused(deployment, PERENNIAL_SECRETS_FOLDER="")


def test_a_wrong_password_is_told_and_not_repeated(deployment: Deployment) -> None:
    url = "postgresql://device_service:hunter2@postgres-device/device"
    said = refused(deployment, PERENNIAL_DATABASE_URL=url)
    assert "password authentication failed" in said
    assert "hunter2" not in said


def test_a_ledger_that_is_not_there_is_told(deployment: Deployment) -> None:
    said = refused(deployment, PERENNIAL_DATABASE_URL="postgresql://device_service:x@nowhere/device")
    assert "Name or service not known" in said


def test_a_sandbox_ledger_never_serves_production(deployment: Deployment) -> None:
    assert "made for sandbox" in refused(deployment, PERENNIAL_MODE="production")


async def test_a_database_of_a_newer_release_is_refused(deployment: Deployment) -> None:
    owner = await asyncpg.connect(deployment.stack.postgres.dsn("device"))
    try:
        await owner.execute("insert into migration values ('999_tomorrow.sql', '')")
        assert "newer schema: 999_tomorrow.sql" in refused(deployment)
    finally:
        await owner.execute("delete from migration where name = '999_tomorrow.sql'")
        await owner.close()


def test_without_a_broker_a_worker_lives_and_stays_not_ready(deployment: Deployment) -> None:
    with worker(deployment, PERENNIAL_KAFKA_BOOTSTRAP_SERVERS="nowhere:9092") as container:
        assert "nowhere:9092 is not reached" in until(
            lambda: not_ready(container), lambda said: "is not reached" in said
        )


@pytest.mark.timeout(150)
def test_a_topic_that_someone_compacted_keeps_workers_from_starting(deployment: Deployment) -> None:
    topic = ("--topic", "activation.events.v1")
    configure(deployment, *topic, "--add-config", f"{POLICY}=compact")
    try:
        with worker(deployment) as container:
            said = until(lambda: not_ready(container), lambda said: "could lose history" in said)
        assert f"{POLICY} is compact, it must be delete" in said
        code, refusal = ensured(deployment, "8", "3")
        assert code == 1
        assert f"kafka-configs --alter --topic activation.events.v1 --add-config {POLICY}=delete" in refusal
    finally:
        configure(deployment, *topic, "--add-config", f"{POLICY}=delete")
    assert ensured(deployment, "8", "3")[0] == 0


@pytest.mark.parametrize(
    ("partitions", "replicas", "advice"),
    [
        ("16", "3", "has 8 partitions, not 16"),
        ("8", "4", "has 3 of 4 replicas"),
        ("8", "1", "min.insync.replicas is 2, it must be 1"),
        ("12", "3", "power of two"),
    ],
)
def test_topics_that_are_laid_out_otherwise_are_refused_with_what_to_do(
    deployment: Deployment, partitions: str, replicas: str, advice: str
) -> None:
    """R-127, R-128."""
    code, said = ensured(deployment, partitions, replicas)
    assert code == 1
    assert advice in said


@pytest.mark.timeout(150)
def test_the_doctor_finds_all_well_and_says_what_to_do_about_a_broker_that_is_gone(deployment: Deployment) -> None:
    until(lambda: diagnosed(deployment), lambda found: {one["state"] for one in found} <= {"well", "warning"})
    broker = deployment.container("kafka-3")
    broker.kill()
    try:
        until(lambda: diagnosed(deployment), lambda found: any("replicas in sync" in one["found"] for one in found))
    finally:
        broker.start()


def test_signed_checkpoints_of_both_ledgers_outlive_the_workers(
    deployment: Deployment, vendor: Vendor, new_device: Callable[[], OwnedDevice]
) -> None:
    new_device().activates(vendor.issue())

    def kept() -> str:
        look = "import os; print(os.listdir('/var/lib/perennial/checkpoints'))"
        return deployment.inspect(deployment.container("device"), look)

    until(kept, lambda files: all(service in files for service in SERVICES), seconds=CHECKPOINT_SECONDS_MAX)


def diagnosed(deployment: Deployment) -> list[dict[str, str]]:
    """Return what the doctor says."""
    settings = {
        "PERENNIAL_DEVICE_URL": "http://gate:8101",
        "PERENNIAL_ACTIVATION_URL": "http://gate:8102",
        "PERENNIAL_SECRETS_FOLDER": "/run/secrets/operator",
    }
    environment = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
    mount = f"{deployment.project}_secrets-operator:/run/secrets/operator:ro"
    words = ["docker", "run", "--rm", "--network", f"{deployment.project}_default", "-v", mount, *environment]
    doctor = ["-m", "services.cli", "--kafka", KAFKA, "doctor", "--json", "--replicas", "3"]
    outcome = subprocess.run(
        [*words, deployment.image, *doctor], capture_output=True, text=True, timeout=START_SECONDS, check=False
    )
    assert outcome.returncode in {0, 1, 3}, outcome.stderr
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def ensured(deployment: Deployment, partitions: str, replicas: str) -> tuple[int, str]:
    """Return how `perennial topics ensure` ended, and what it said."""
    layout = ("--partitions", partitions, "--replicas", replicas)
    return started(deployment, "-m", "services.cli", "--kafka", KAFKA, "topics", "ensure", *layout)


def configure(deployment: Deployment, *words: str) -> None:
    """Change a topic as somebody with Kafka's own tools would."""
    tool = ["/opt/kafka/bin/kafka-configs.sh", "--bootstrap-server", "kafka-1:9092", "--alter"]
    code, said = deployment.container("kafka-1").exec_run([*tool, *words])
    assert code == 0, said


@contextmanager
def worker(deployment: Deployment, **settings: str) -> Iterator[Container]:
    """Yield one more device worker, and stop it as one stops a worker."""
    environment = {
        "PERENNIAL_MODE": "sandbox",
        "PERENNIAL_SECRETS_FOLDER": "/run/secrets/service",
        "PERENNIAL_KAFKA_BOOTSTRAP_SERVERS": KAFKA,
        **settings,
    }
    container = deployment.engine.containers.run(
        deployment.image,
        ["-m", "services.device"],
        detach=True,
        environment=environment,
        network=f"{deployment.project}_default",
        volumes={f"{deployment.project}_secrets-device": {"bind": "/run/secrets/service", "mode": "ro"}},
        read_only=True,
    )
    try:
        yield container
    finally:
        container.stop(timeout=20)
        container.remove(v=True, force=True)


def not_ready(container: Container) -> str:
    """Return why a worker is not ready, as its container's own health check says it."""
    code, said = container.exec_run(["python", "-m", "shared.watching.healthcheck"])
    return said.decode() if code else ""
