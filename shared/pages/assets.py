"""Goes out: the static files of the pages. Names contain a content hash, so browsers may cache them forever."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Response

from shared.doors.problems import Problem

MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
CACHE_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file and the path it is served at."""

    content: bytes
    media_type: str
    path: str


def read_assets(folders: Iterable[Path], *, prefix: str) -> dict[str, Asset]:
    """Return the files by their names in their folders."""
    files = [file for folder in folders for file in sorted(folder.iterdir()) if file.suffix in MEDIA_TYPES]
    return {file.name: _read(file, prefix) for file in files}


def _read(file: Path, prefix: str) -> Asset:
    content = file.read_bytes()
    digest = sha256(content).hexdigest()[:16]
    return Asset(content, MEDIA_TYPES[file.suffix], f"{prefix}/{file.stem}.{digest}{file.suffix}")


def add_assets(router: APIRouter, assets: Mapping[str, Asset], *, prefix: str) -> None:
    """Add the route that serves the files."""
    by_path = {asset.path: asset for asset in assets.values()}

    @router.get(prefix + "/{name}", include_in_schema=False)
    async def asset_file(name: str) -> Response:
        if (asset := by_path.get(f"{prefix}/{name}")) is None:
            raise Problem(404, "not_found", "There is nothing at this address")
        headers = {"Cache-Control": CACHE_FOREVER, "Cross-Origin-Resource-Policy": "same-origin"}
        return Response(asset.content, headers=headers, media_type=asset.media_type)
