"""Where the system is and what opens it: from options and environment, or from the local system's own folder."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from services.cli.credentials import Credentials
from services.cli.failures import CommandFailed, ExitCode
from services.cli.names import SERVICES, ServiceName
from shared.local.ports import LOOPBACK, Ports
from shared.settings.secrets import secret

HTTP_PORTS: Mapping[ServiceName, int] = {"device": 8101, "activation": 8102}
PORT_MAX = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """The facts. What is missing is told when it is needed, not before."""

    data: Path
    urls: dict[ServiceName, str]
    kafka: str
    operator_key: str | None
    database_urls: dict[ServiceName, str]

    @classmethod
    def resolve(cls, *, data: Path, device_url: str | None, activation_url: str | None, kafka: str | None) -> Self:
        """Return what was given; for the rest, what the local system in folder `data` uses."""
        given = {"device": device_url, "activation": activation_url}
        local, ports = Credentials.load(data), Ports.from_environment()
        return cls(
            data=data,
            urls={name: given[name] or f"http://{LOOPBACK}:{port}" for name, port in http_ports().items()},
            kafka=kafka or f"{LOOPBACK}:{ports.kafka}",
            operator_key=secret("PERENNIAL_OPERATOR_KEY") or (local.operator_key if local else None),
            database_urls=({name: local.database_url(name, port=ports.postgres) for name in SERVICES} if local else {})
            | _given(),
        )

    def database_url(self, service: ServiceName) -> str:
        """Return where the service's ledger is. Raises `CommandFailed` when nobody said."""
        if service not in self.database_urls:
            message = f"set {_database_variable(service)}, or point --data at the folder of a local system"
            raise CommandFailed(ExitCode.UNREACHABLE, message)
        return self.database_urls[service]

    def signing_key_file(self, service: ServiceName) -> Path:
        """Return where a local system keeps the service's signing keys."""
        return self.data / "keys" / f"{service}.pem"

    def checkpoint_folder(self) -> Path:
        """Return where a local system exports its checkpoints."""
        return self.data / "checkpoints"

    def key(self) -> str:
        """Return the operator key. Raises `CommandFailed` when there is none."""
        if self.operator_key is None:
            message = "set PERENNIAL_OPERATOR_KEY, or point --data at the folder of a local system"
            raise CommandFailed(ExitCode.UNREACHABLE, message)
        return self.operator_key


def http_ports() -> dict[ServiceName, int]:
    """Return where the services of the local system listen: PERENNIAL_DEVICE_PORT and PERENNIAL_ACTIVATION_PORT."""
    return {name: _port(f"PERENNIAL_{name.upper()}_PORT", port) for name, port in HTTP_PORTS.items()}


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not (text.isascii() and text.isdecimal() and int(text) <= PORT_MAX):
        raise CommandFailed(ExitCode.USAGE, f"{variable} is no port: a number up to {PORT_MAX}")
    return int(text)


def _given() -> dict[ServiceName, str]:
    return {name: url for name in SERVICES if (url := secret(_database_variable(name)))}


def _database_variable(service: ServiceName) -> str:
    return f"PERENNIAL_{service.upper()}_DATABASE_URL"
