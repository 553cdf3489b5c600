"""Runs the program as people do: in its own process, with its own ports and data, observed only from outside."""

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
    """Return an environment with its own data folder and free ports."""
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
    """Remove the data; for root, PostgreSQL's data may be in another folder."""
    if data.exists():
        System(data).stack.erase()


def until(condition: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    """Return the first true result of `condition`; fail after the deadline."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.05)
    return answer


class Running:
    """A running program, its output so far, and its descendant processes."""

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
            preexec_fn=_take_terminal if terminal else _heed_interrupts,  # noqa: PLW1509  it makes one system call
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
        """Wait until the program has printed `words`, then record its processes."""
        until(lambda: words in self.output or self.process.poll() is not None, seconds=START_SECONDS_MAX)
        assert words in self.output, self.output
        self.refresh()

    def refresh(self) -> list[psutil.Process]:
        """Record and return the current descendants of the program."""
        self.descendants = psutil.Process(self.process.pid).children(recursive=True)
        return self.descendants

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """Return the JSON objects of a kind; every complete line must be one."""
        printed = [json.loads(line) for line in self.output.split("\n")[:-1]]
        return [line for line in printed if line["kind"] == kind]

    def press(self, key: bytes) -> None:
        """Send a key to the terminal."""
        os.write(self._terminal, key)

    def send(self, number: signal.Signals) -> None:
        """Send a signal only to the program."""
        self.process.send_signal(number)

    def send_to_group(self, number: signal.Signals) -> None:
        """Send a signal to the program's process group."""
        os.killpg(self.process.pid, number)

    def exit_code(self) -> int:
        """Wait for the program to exit and return its code."""
        code = self.process.wait(STOP_SECONDS_MAX)
        self._reader.join(STOP_SECONDS_MAX)
        return code

    def left(self) -> list[psutil.Process | int]:
        """Return the processes and ports that the program left behind."""
        ports = [int(value) for name, value in self.environment.items() if name.endswith("_PORT")]
        return [*filter(runs, self.descendants), *filter(listens, ports)]

    def _read(self) -> None:
        # reading a terminal whose other end is closed raises an error
        with suppress(OSError), os.fdopen(self._terminal, "rb", buffering=0, closefd=False) as source:
            while part := source.read(65_536):
                self.output += part.decode(errors="replace")


def _heed_interrupts() -> None:
    """Undo what a shell does to its background jobs, and they pass on: `make test &` would ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def runs(process: psutil.Process) -> bool:
    """Whether the process is running; a zombie is not."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def listens(port: int) -> bool:
    """Whether a server listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def answer(environment: Mapping[str, str], *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of `perennial` and wait until it exits."""
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
    """Return the JSON objects that a command prints; it must succeed."""
    outcome = answer(environment, *words, "--json", text=text)
    assert outcome.returncode == 0, outcome.stderr
    return [json.loads(line) for line in outcome.stdout.splitlines()]
