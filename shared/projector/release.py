"""Which code a fold was made by: a digest of all source files that can affect the result."""

import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import shared
from shared.projector.projection import Projection


def release_digest(projection: Projection[Any]) -> str:
    """Return the digest of `shared` and of the package that defines the projection, in hexadecimal."""
    origin = getattr(projection.fold, "__module__", shared.__name__).partition(".")[0]
    digest = sha256()
    for package in sorted({shared.__name__, origin}):
        folder = Path(sys.modules[package].__file__ or "").parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
