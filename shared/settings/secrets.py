"""Reads secrets from the environment, or from files in the folders that it names."""

import os
from pathlib import Path

SECRETS_FOLDER = "PERENNIAL_SECRETS_FOLDER"
"""The folders with secrets, separated by colons: one file per variable, named like the variable in lower case. A
variable in the environment itself takes precedence."""


class WrongSetting(Exception):
    """A setting is missing or unusable. The message says which and why, without repeating its value."""


def secret(variable: str) -> str | None:
    """Return the value from the environment or a secrets file; None if there is neither. Raises `WrongSetting`."""
    if variable in os.environ:
        return os.environ[variable]
    files = [folder / variable.lower() for folder in secrets_folders()]
    return next((file.read_text().strip() for file in files if file.is_file()), None)


def secrets_folders() -> list[Path]:
    """Return the folders with secrets. Raises `WrongSetting` if one of them is not a folder."""
    folders = [Path(name) for name in os.environ.get(SECRETS_FOLDER, "").split(":") if name]
    for folder in folders:
        if not folder.is_dir():
            raise WrongSetting(f"{SECRETS_FOLDER} names {folder}, which is not a folder")
    return folders
