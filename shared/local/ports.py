"""The ports of the local stack, all on 127.0.0.1."""

import os
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from shared.local.failures import Failure, LocalStackError

LOOPBACK = "127.0.0.1"
FREE = range(20_000, 32_000)
"""Below the ports that the system gives to outgoing connections: one of these could take a port a moment later."""
POSTGRES_SETTING = "PERENNIAL_POSTGRES_PORT"
KAFKA_SETTING = "PERENNIAL_KAFKA_PORT"
KAFKA_CONTROLLER_SETTING = "PERENNIAL_KAFKA_CONTROLLER_PORT"

_given: set[int] = set()
_ours: Sequence[int] = FREE


def share_free_ports(*, number: int, of: int) -> None:
    """Take free ports from one of `of` equal shares: processes that look at the same time never find the same one."""
    global _ours  # noqa: PLW0603 - ports belong to the process
    _ours = FREE[number::of]


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the servers listen."""

    postgres: int = 15432
    kafka: int = 19092
    kafka_controller: int = 19093

    @classmethod
    def from_environment(cls) -> "Ports":
        """Take each port from its environment variable, or the default."""
        default = cls()
        return cls(
            postgres=int(os.environ.get(POSTGRES_SETTING, default.postgres)),
            kafka=int(os.environ.get(KAFKA_SETTING, default.kafka)),
            kafka_controller=int(os.environ.get(KAFKA_CONTROLLER_SETTING, default.kafka_controller)),
        )


def free_ports() -> Ports:
    """Return three free ports, for tests."""
    return Ports(postgres=free_port(), kafka=free_port(), kafka_controller=free_port())


def free_port() -> int:
    """Return a free port that this function has not returned before in this process."""
    while True:
        port = secrets.choice(_ours)
        if port not in _given and _listenable(port):
            _given.add(port)
            return port


def _listenable(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def require_free(port: int, *, setting: str) -> None:
    """Raise `port-taken` unless the port is free; `setting` names the variable for another one."""
    with socket.socket() as probe:
        # connections left over from a killed server must not block its successor
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as refusal:
            raise LocalStackError(
                Failure.PORT_TAKEN,
                f"port {port} is taken by {_owner(port)}: stop it, or choose another port with {setting}",
            ) from refusal


def _owner(port: int) -> str:
    with suppress(psutil.Error):  # another user's process is invisible, but the port is still taken
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another program"


def database_url(port: int, database: str, *, user: str, password: str) -> str:
    """Return the URL of a database on this machine."""
    return f"postgresql://{user}:{password}@{LOOPBACK}:{port}/{database}"
