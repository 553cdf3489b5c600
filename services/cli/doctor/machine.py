"""Looks at this machine: which Python, whether something keeps its clock, and how much room its disk has."""

import ctypes
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from services.cli.doctor.diagnosis import Finding, of_disk

PYTHON = (3, 13)
NOT_KEPT = 5
"""What Linux answers when nothing keeps its clock (TIME_ERROR in adjtimex(2))."""
TIMEX_BYTES = 512
PART = "this machine"


def of_machine(data: Path) -> Iterator[Finding]:
    """Give what was found; the disk is that of the local system's folder, if there is one."""
    yield _python()
    yield _clock()
    if data.is_dir():
        room = shutil.disk_usage(data)
        yield of_disk(str(data), free=room.free, total=room.total)


def _python() -> Finding:
    found = f"Python {platform.python_version()}"
    if sys.version_info[:2] == PYTHON:
        return Finding("well", PART, found)
    return Finding("warning", PART, found, f"this release is tested with Python {PYTHON[0]}.{PYTHON[1]}")


def _clock() -> Finding:
    try:
        kept = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)) not in (-1, NOT_KEPT)
    except (AttributeError, OSError):
        return Finding("warning", PART, "it does not tell whether its clock is kept", "see that NTP runs")
    if kept:
        return Finding("well", PART, "its clock is kept by NTP")
    return Finding("warning", PART, "nothing keeps its clock", "start an NTP service, such as chrony")
