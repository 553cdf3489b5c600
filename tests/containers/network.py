"""Cuts containers off from each other and spoils their network, from inside their own network namespaces.

It needs root on the machine that the engine runs on: `nsenter`, `iptables` and `tc`. There is no netem everywhere: what
is dropped at random comes later, by TCP's own repetition, and what waits for its turn on a narrow line is late too.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.containers.deployment import Container, Deployment, run


def spoiling_impossible() -> str | None:
    """Return why the network cannot be spoiled here, or None."""
    if os.geteuid() != 0:
        return "only root may change a container's network"
    missing = [program for program in ("nsenter", "iptables", "tc") if shutil.which(program) is None]
    return f"{missing[0]} is not installed" if missing else None


@contextmanager
def cut_off(deployment: Deployment, container: Container, others: list[Container]) -> Iterator[None]:
    """Let nothing pass between a container and others: no packet, and no word that there is none."""
    rules = [
        (chain, way, address, "-j", "DROP")
        for address in map(deployment.address, others)
        for chain, way in (("INPUT", "-s"), ("OUTPUT", "-d"))
    ]
    with _rules(container, rules):
        yield


@contextmanager
def losing(container: Container, share: float) -> Iterator[None]:
    """Drop a share of what comes in."""
    random = ("-m", "statistic", "--mode", "random", "--probability", f"{share:.2f}", "-j", "DROP")
    with _rules(container, [("INPUT", "!", "-i", "lo", *random)]):
        yield


@contextmanager
def narrow(container: Container, *, kilobits_per_second: int, seconds_max: float) -> Iterator[None]:
    """Let so much out and no more; what would have to wait for longer than `seconds_max` is dropped."""
    shape = ["rate", f"{kilobits_per_second}kbit", "burst", "4kb", "latency", f"{1_000 * seconds_max:.0f}ms"]
    inside = (*_inside(container), "tc", "qdisc")
    run(*inside, "add", "dev", "eth0", "root", "tbf", *shape)
    try:
        yield
    finally:
        run(*inside, "del", "dev", "eth0", "root")


def _inside(container: Container) -> tuple[str, ...]:
    container.reload()
    return ("nsenter", "-t", str(container.attrs["State"]["Pid"]), "-n")


@contextmanager
def _rules(container: Container, rules: Sequence[tuple[str, ...]]) -> Iterator[None]:
    inside = (*_inside(container), "iptables", "-w")
    for rule in rules:
        run(*inside, "-A", *rule)
    try:
        yield
    finally:
        for rule in rules:
            run(*inside, "-D", *rule)
