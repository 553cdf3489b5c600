"""The credentials that a local system generates and keeps in its folder."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from services.cli.names import SERVICES, ServiceName
from shared.ledger.identity import new_secret
from shared.local.ports import database_url

FILE = "credentials.json"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The database passwords, and the operator key that people use."""

    operator_key: str
    passwords: dict[str, str]

    @classmethod
    def load_or_create(cls, folder: Path) -> Self:
        """Return the credentials in the folder; create them first if needed, readable only by their owner."""
        file = folder / FILE
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            created = {"operator_key": new_secret(), "passwords": {name: secrets.token_hex(16) for name in SERVICES}}
            file.touch(mode=0o600)
            file.write_text(json.dumps(created))
        return cls(**json.loads(file.read_text()))

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Return the credentials in the folder, or None if no system was ever started there."""
        return cls.load_or_create(folder) if (folder / FILE).exists() else None

    def database_url(self, service: ServiceName, *, port: int) -> str:
        """Return the database URL of a service."""
        return database_url(port, service, user=f"{service}_service", password=self.passwords[service])
