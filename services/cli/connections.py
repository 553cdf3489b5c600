"""The addresses and credentials of the system: from options and environment, or from the local system's folder."""

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
    """Addresses and credentials. A missing one is an error only when it is needed."""

    data: Path
    urls: dict[ServiceName, str]
    kafka: str
    operator_key: str | None
    database_urls: dict[ServiceName, str]

    @classmethod
    def resolve(cls, *, data: Path, device_url: str | None, activation_url: str | None, kafka: str | None) -> Self:
        """Return the values given, and for the rest those of the local system in folder `data`."""
        given = {"device": device_url, "activation": activation_url}
        local, ports = Credentials.load(data), Ports.from_environment()
        return cls(
            data=data,
            urls={name: given[name] or f"http://{LOOPBACK}:{port}" for name, port in http_ports().items()},
            kafka=kafka or f"{LOOPBACK}:{ports.kafka}",
            operator_key=secret("PERENNIAL_OPERATOR_KEY") or (local.operator_key if local else None),
            database_urls=({name: local.database_url(name, port=ports.postgres) for name in SERVICES} if local else {})
            | _database_urls_from_environment(),
        )

    def database_url(self, service: ServiceName) -> str:
        """Return the database URL of the service. Raises `CommandFailed` if it is unknown."""
        if service not in self.database_urls:
            message = f"set {_database_variable(service)}, or use --data to name the data folder of a local system"
            raise CommandFailed(ExitCode.UNREACHABLE, message)
        return self.database_urls[service]

    def signing_key_file(self, service: ServiceName) -> Path:
        """Return the file with the service's signing keys in a local system."""
        return self.data / "keys" / f"{service}.pem"

    def checkpoint_folder(self) -> Path:
        """Return the folder to which a local system exports its checkpoints."""
        return self.data / "checkpoints"

    def key(self) -> str:
        """Return the operator key. Raises `CommandFailed` if there is none."""
        if self.operator_key is None:
            message = "set PERENNIAL_OPERATOR_KEY, or use --data to name the data folder of a local system"
            raise CommandFailed(ExitCode.UNREACHABLE, message)
        return self.operator_key


def http_ports() -> dict[ServiceName, int]:
    """Return the ports of the local services, from PERENNIAL_DEVICE_PORT and PERENNIAL_ACTIVATION_PORT."""
    return {name: _port(f"PERENNIAL_{name.upper()}_PORT", port) for name, port in HTTP_PORTS.items()}


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not (text.isascii() and text.isdecimal() and int(text) <= PORT_MAX):
        raise CommandFailed(ExitCode.USAGE, f"{variable} is not a port number: use a number from 0 to {PORT_MAX}")
    return int(text)


def _database_urls_from_environment() -> dict[ServiceName, str]:
    return {name: url for name in SERVICES if (url := secret(_database_variable(name)))}


def _database_variable(service: ServiceName) -> str:
    return f"PERENNIAL_{service.upper()}_DATABASE_URL"
