"""The latest exported checkpoint, for HTTP, and its age, for Prometheus. No database may come in here."""

import asyncio
import json
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.calendar import instant
from shared.doors.problems import Problem
from shared.ledger.clock import machine_now
from shared.proof.signed_checkpoint import SUFFIX, file_prefix

logger = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
"""The folder may be slow, so no scrape ever waits for it."""
STAMP = re.compile(r"\.(\d{8}T\d{6}\.\d{3})Z")


@dataclass(slots=True)
class LatestCheckpoint:
    """Watches a folder for the signed checkpoints of one ledger; without a folder there are none."""

    ledger: str
    folder: Path | None
    _file: Path | None = None
    _made_at: datetime | None = None

    async def run(self) -> None:
        """Look regularly until cancelled."""
        while True:
            try:
                await self.look()
            except OSError as error:
                logger.warning("the checkpoints in %s cannot be listed: %r", self.folder, error)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look once. Raises OSError."""
        if self.folder is not None:
            self._file = await asyncio.to_thread(self._latest, self.folder)
            self._made_at = _stamp(self._file) if self._file else None

    def age_seconds(self) -> float:
        """Return the age of the latest checkpoint in seconds; NaN if there is none."""
        return (machine_now() - self._made_at).total_seconds() if self._made_at else float("nan")

    async def shown(self) -> dict[str, Any]:
        """Return the content of the latest checkpoint's file, with its age. Raises a 404 `Problem` if there is none."""
        await self.look()
        if self._file is None or self._made_at is None:
            raise Problem(404, "no_checkpoint", "this worker's checkpoint folder has no checkpoint")
        content = json.loads(await asyncio.to_thread(self._file.read_bytes))
        return {
            "ledger": self.ledger,
            "file": self._file.name,
            "made_at": instant(self._made_at),
            "age_seconds": round(self.age_seconds(), 1),
            "events": sum(head[0] for head in content["heads"]),
            **content,
        }

    def _latest(self, folder: Path) -> Path | None:
        # the time stamps in the names sort chronologically
        return max(folder.glob(f"{file_prefix(self.ledger)}.[0-9]*{SUFFIX}"), key=lambda file: file.name, default=None)


def _stamp(file: Path) -> datetime | None:
    found = STAMP.search(file.name)
    return datetime.strptime(found[1], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC) if found else None
