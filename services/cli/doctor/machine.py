"""Checks this machine: Python version, clock synchronization and free disk space."""

import ctypes
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from services.cli.doctor.diagnosis import Finding, diagnose_disk

PYTHON = (3, 13)
NOT_SYNCHRONIZED = 5
"""What Linux returns when the clock is not synchronized (TIME_ERROR in adjtimex(2))."""
TIMEX_BYTES = 512
PART = "this machine"


def check_machine(data: Path) -> Iterator[Finding]:
    """Yield the findings; the disk is the one with the local system's folder, if that exists."""
    yield _python()
    yield _clock()
    if data.is_dir():
        usage = shutil.disk_usage(data)
        yield diagnose_disk(str(data), free=usage.free, total=usage.total)


def _python() -> Finding:
    found = f"Python {platform.python_version()}"
    if sys.version_info[:2] == PYTHON:
        return Finding("well", PART, found)
    return Finding("warning", PART, found, f"this release is tested with Python {PYTHON[0]}.{PYTHON[1]}")


def _clock() -> Finding:
    try:
        clock_state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    except (AttributeError, OSError):
        return Finding("warning", PART, "cannot tell whether the clock is synchronized", "check that NTP is running")
    if clock_state not in (-1, NOT_SYNCHRONIZED):
        return Finding("well", PART, "the clock is synchronized by NTP")
    return Finding("warning", PART, "the clock is not synchronized", "start an NTP service, such as chrony")
