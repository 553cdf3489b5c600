"""The window's static files: named by their content, so that browsers may keep them for ever."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).with_name("assets")
MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
PREFIX = "/licensing-assets"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    content: bytes
    media_type: str
    name: str

    @property
    def path(self) -> str:
        """Where it is served."""
        return f"{PREFIX}/{self.name}"


def _read(file: Path) -> Asset:
    content = file.read_bytes()
    digest = sha256(content).hexdigest()[:16]
    return Asset(content, MEDIA_TYPES[file.suffix], f"{file.stem}.{digest}{file.suffix}")


def read_assets() -> dict[str, Asset]:
    """Return the files by the names they have in the folder."""
    return {file.name: _read(file) for file in sorted(FOLDER.iterdir()) if file.suffix in MEDIA_TYPES}
