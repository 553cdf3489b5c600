"""Secrets: from the environment, or from files whose folders it names."""

import os
from pathlib import Path

SECRETS_FOLDER = "PERENNIAL_SECRETS_FOLDER"
"""Where secrets lie: one file per variable, named as the variable in small letters; several folders are parted by
colons. What the environment itself says goes first."""


class WrongSetting(Exception):
    """A setting is missing or names what cannot be used; the message says which and why, and repeats no value."""


def secret(variable: str) -> str | None:
    """Return what the environment, or a file among the secrets, says; None if neither does. Raises `WrongSetting`."""
    if variable in os.environ:
        return os.environ[variable]
    files = [folder / variable.lower() for folder in secrets_folders()]
    return next((file.read_text().strip() for file in files if file.is_file()), None)


def secrets_folders() -> list[Path]:
    """Return where secrets lie. Raises `WrongSetting` if one of the folders is none."""
    folders = [Path(name) for name in os.environ.get(SECRETS_FOLDER, "").split(":") if name]
    for folder in folders:
        if not folder.is_dir():
            raise WrongSetting(f"{SECRETS_FOLDER} names {folder}, which is no folder")
    return folders
