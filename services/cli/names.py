"""The two services: their names, the modes of their ledgers, and where their migrations lie."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

ServiceName = Literal["device", "activation"]
Mode = Literal["production", "sandbox"]
SERVICES: tuple[ServiceName, ...] = ("device", "activation")
MIGRATIONS: Mapping[ServiceName, Path] = {name: Path(__file__).parents[1] / name / "migrations" for name in SERVICES}
