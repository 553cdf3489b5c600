"""Which rules a fold is made by: the digest of the source files that may have a part in it."""

import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import shared
from shared.projector.projection import Projection


def release_of(projection: Projection[Any]) -> str:
    """Return the digest of `shared` and of the package that the projection comes from, hexadecimal."""
    origin = getattr(projection.fold, "__module__", shared.__name__).partition(".")[0]
    digest = sha256()
    for package in sorted({shared.__name__, origin}):
        folder = Path(sys.modules[package].__file__ or "").parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
