"""The names of the two services, the modes of their ledgers, and the folders of their migrations."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

ServiceName = Literal["device", "activation"]
Mode = Literal["production", "sandbox"]
SERVICES: tuple[ServiceName, ...] = ("device", "activation")
MIGRATIONS: Mapping[ServiceName, Path] = {name: Path(__file__).parents[1] / name / "migrations" for name in SERVICES}
