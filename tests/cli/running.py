"""The program as people run it: a process of its own, its ports and data its own, watched from outside alone."""

import fcntl
import json
import os
import pty
import signal
import socket
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import psutil

from services.cli.system import System
from shared.local.ports import LOOPBACK, free_port, free_ports

CHECKOUT = Path(__file__).parents[2]
PERENNIAL = str(CHECKOUT / ".venv" / "bin" / "perennial")
START_SECONDS_MAX = 150.0
STOP_SECONDS_MAX = 60.0


def surroundings(data: Path) -> dict[str, str]:
    """Return an environment with a data folder and ports that nobody else uses."""
    ports = free_ports()
    given = {name: value for name, value in os.environ.items() if not name.startswith("PERENNIAL_")}
    return given | {
        "PERENNIAL_DATA": str(data),
        "PERENNIAL_POSTGRES_PORT": str(ports.postgres),
        "PERENNIAL_KAFKA_PORT": str(ports.kafka),
        "PERENNIAL_KAFKA_CONTROLLER_PORT": str(ports.kafka_controller),
        "PERENNIAL_DEVICE_PORT": str(free_port()),
        "PERENNIAL_ACTIVATION_PORT": str(free_port()),
    }


def erase(data: Path) -> None:
    """Remove the data; as root, PostgreSQL's part of it may lie elsewhere."""
    if data.exists():
        System(data).stack.erase()


def until(condition: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    """Return the first true answer of `condition`; fail after the deadline."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)
    return answer


class Running:
    """A program that runs, what it has said so far, and which processes belong to it."""

    def __init__(self, *words: str, environment: Mapping[str, str], terminal: bool = False) -> None:
        self.environment = environment
        self.output = ""
        self.descendants: list[psutil.Process] = []
        self._terminal, inner = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            words,
            cwd=CHECKOUT,
            env=dict(environment),
            stdin=inner if terminal else subprocess.DEVNULL,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            preexec_fn=_take_terminal if terminal else None,  # noqa: PLW1509  it makes one system call
        )
        os.close(inner)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(STOP_SECONDS_MAX)

    def wait_for(self, words: str) -> None:
        """Return when the program said `words`; note its processes."""
        until(lambda: words in self.output or self.process.poll() is not None, seconds=START_SECONDS_MAX)
        assert words in self.output, self.output
        self.refresh()

    def refresh(self) -> list[psutil.Process]:
        """Note and return the processes that belong to the program now."""
        self.descendants = psutil.Process(self.process.pid).children(recursive=True)
        return self.descendants

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """Return the JSON objects of a kind; every whole line must be one."""
        said = [json.loads(line) for line in self.output.split("\n")[:-1]]
        return [line for line in said if line["kind"] == kind]

    def press(self, key: bytes) -> None:
        """Type at the terminal."""
        os.write(self._terminal, key)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program alone."""
        self.process.send_signal(number)

    def send_to_group(self, number: signal.Signals) -> None:
        """Send a signal to the program's process group."""
        os.killpg(self.process.pid, number)

    def exit_code(self) -> int:
        """Wait for the end."""
        code = self.process.wait(STOP_SECONDS_MAX)
        self._reader.join(STOP_SECONDS_MAX)
        return code

    def left(self) -> list[psutil.Process | int]:
        """Return what the program left behind: processes and ports."""
        ports = [int(value) for name, value in self.environment.items() if name.endswith("_PORT")]
        return [*filter(runs, self.descendants), *filter(listens, ports)]

    def _read(self) -> None:
        # a terminal whose other side is closed answers with an error
        with suppress(OSError), os.fdopen(self._terminal, "rb", buffering=0, closefd=False) as source:
            while part := source.read(65_536):
                self.output += part.decode(errors="replace")


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def runs(process: psutil.Process) -> bool:
    """Whether the process still does something; one that only waits to be reaped does not."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def listens(port: int) -> bool:
    """Whether somebody answers at the port."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def answer(environment: Mapping[str, str], *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of `perennial` to its end."""
    return subprocess.run(
        [PERENNIAL, *words],
        cwd=CHECKOUT,
        env=dict(environment),
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def objects(environment: Mapping[str, str], *words: str, text: str = "") -> list[dict[str, Any]]:
    """Return the JSON objects that a command answers; it must succeed."""
    outcome = answer(environment, *words, "--json", text=text)
    assert outcome.returncode == 0, outcome.stderr
    return [json.loads(line) for line in outcome.stdout.splitlines()]
