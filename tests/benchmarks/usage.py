"""Measures the CPU time and memory of the processes during a run."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

from services.cli.system import System
from shared.local.stack import LocalStack

SAMPLE_SECONDS = 1.0
REST_SECONDS = 5.0
SETTLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Used:
    """The usage over `seconds`: CPU seconds by part, and the share of all cores that other programs used."""

    seconds: float
    cpu_seconds: dict[str, float]
    others_share: float


class Meter:
    """Measures the CPU usage of the parts with these process ids from its creation on."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self.pids = pids
        self._cpu_seconds, self._busy_seconds = _cpu_seconds_by_part(self.pids), _busy_seconds()
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Return the time since its creation."""
        return time.perf_counter() - self._began

    def read(self) -> Used:
        """Return the usage since its creation."""
        seconds, now = self.seconds, _cpu_seconds_by_part(self.pids)
        used = {name: now[name] - before for name, before in self._cpu_seconds.items()}
        others = _busy_seconds() - self._busy_seconds - sum(used.values())
        return Used(seconds, used, max(0.0, others) / (seconds * (psutil.cpu_count() or 1)))


async def percent_at_rest(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU use of each part while nothing is asked of it, in percent of one core."""
    await asyncio.sleep(SETTLE_SECONDS)
    meter = Meter(pids)
    await asyncio.sleep(REST_SECONDS)
    used = meter.read()
    return {name: 100 * seconds / used.seconds for name, seconds in used.cpu_seconds.items()}


def roots(system: System) -> dict[str, int]:
    """Return the process id of each part, by the name used in reports."""
    return pids_of({name.removesuffix(".1"): worker.pid for name, worker in system.workers.items()}, system.stack)


def pids_of(workers: Mapping[str, int], stack: LocalStack) -> dict[str, int]:
    """Return the process ids of some workers, and of the servers and the load beside them."""
    return {**workers, "PostgreSQL": stack.postgres.pid, "Kafka": stack.kafka.pid, "load": os.getpid()}


def _cpu_seconds_by_part(pids: Mapping[str, int]) -> dict[str, float]:
    return {name: _cpu_seconds(name, pid) for name, pid in pids.items()}


def _cpu_seconds(name: str, pid: int) -> float:
    root = psutil.Process(pid)
    times = root.cpu_times()
    if name == "load":
        # the servers are child processes of this one too
        return times.user + times.system
    # the usage of ended children is in their parent's figures
    total = times.user + times.system + times.children_user + times.children_system
    for child in root.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            used = child.cpu_times()
            total += used.user + used.system
    return total


def _busy_seconds() -> float:
    """Return the busy time of all cores since the machine started."""
    times = psutil.cpu_times()
    waiting = getattr(times, "iowait", 0.0)
    # guest time is part of user time too
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times) - times.idle - waiting - guests)


@dataclass(slots=True)
class Memory:
    """Resident bytes by part: the peak and the last sample."""

    peak: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)

    def look(self, pids: Mapping[str, int]) -> None:
        """Take one sample."""
        for name, pid in pids.items():
            with suppress(psutil.NoSuchProcess):
                self.last[name] = _resident_bytes(name, pid)
                self.peak[name] = max(self.peak.get(name, 0), self.last[name])


def _resident_bytes(name: str, pid: int) -> int:
    root = psutil.Process(pid)
    if name != "PostgreSQL":
        return root.memory_info().rss
    total = 0
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            # its processes share their buffers, which the sum of their resident sets would count many times
            full = process.memory_full_info()
            total += getattr(full, "pss", full.uss)
    return total


@contextmanager
def watched(pids: Mapping[str, int]) -> Iterator[Memory]:
    """Yield the memory of the parts, sampled every second until the end."""
    memory, ended = Memory(), threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            memory.look(pids)

    thread = threading.Thread(target=watch, daemon=True)
    memory.look(pids)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()
        memory.look(pids)
