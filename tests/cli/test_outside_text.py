"""Text that others wrote never gives orders to the terminal of whoever reads it."""

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

import services.cli
from services.cli import app
from services.cli.screen import Screen
from services.cli.why import print_why
from shared.kafka.inbox import Parked
from shared.kafka.parking import park
from shared.ledger.database import Pool, transaction
from tests.cli.conftest import Perennial
from tests.conftest import Database
from tests.shared.records import OUTBOX, cause, record

CLEAR = "\x1b[2J"
TITLE = "\x1b]0;yours\x07"
BACKWARDS = "\u202e"
RED = "\x9b31m"
LEFT_TO_RIGHT = "\u200e"
ORDERS = CLEAR + TITLE + BACKWARDS + RED + LEFT_TO_RIGHT
AS_TEXT = r"\x1b[2J\x1b]0;yours\x07\u202e\x9b31m\u200e"


@pytest.fixture
async def parked(device_database: Database, device_pool: Pool) -> dict[str, str]:
    """An operator's shell with a parked record that a hostile tool wrote."""
    written = record(
        key=f"key {ORDERS}".encode(),
        value=f"Gerät {ORDERS}\nid  another".encode(),
        headers=[("ce_subject", f"Gerät № 7 {ORDERS}".encode()), ("ce_source", b"\xff"), (f"h{CLEAR}", b"")],
        partition=3,
        offset=7,
    )
    entry = Parked(written, "unknown_event", f"not known {ORDERS}")
    async with transaction(device_pool) as connection:
        await park(connection, "device.commands", [entry], outbox=OUTBOX, cause=cause())
    return {"PERENNIAL_DEVICE_DATABASE_URL": device_database.service}


def perennial(environment: dict[str, str], *words: str) -> Result:
    return CliRunner().invoke(app, words, env=environment)


def test_a_parked_record_is_shown_with_its_orders_to_the_terminal_as_text(parked: dict[str, str]) -> None:
    """R-122."""
    shown = perennial(parked, "parked", "show", "device.commands:3:7").stdout
    assert all(line.isprintable() for line in shown.splitlines())
    lines = [re.split(" {2,}", line, maxsplit=1) for line in shown.splitlines()]
    assert ["key", f"key {AS_TEXT}"] in lines
    assert ["value", f"Gerät {AS_TEXT}\\nid  another"] in lines
    assert ["headers.ce_subject", f"Gerät № 7 {AS_TEXT}"] in lines
    assert ["headers.ce_source", "\ufffd"] in lines
    listed = perennial(parked, "parked", "list", "--service", "device").stdout
    assert f"not known {AS_TEXT}" in listed
    assert all(line.isprintable() for line in listed.splitlines())


def test_programs_get_the_text_as_it_was_written(parked: dict[str, str]) -> None:
    shown = perennial(parked, "parked", "show", "device.commands:3:7", "--json").stdout
    assert shown.strip().isprintable()
    assert json.loads(shown)["headers"]["ce_subject"] == f"Gerät № 7 {ORDERS}"


async def test_the_reason_of_an_operator_is_shown_as_text(perennial: Perennial) -> None:
    ref = json.loads((await perennial("code", "issue", "--product", "antivirus", "--json")).stdout)["code_ref"]
    assert (await perennial("code", "block", ref, "--reason", f"stolen {BACKWARDS}{RED}")).returncode == 0
    shown = (await perennial("code", "history", ref)).stdout
    assert r"stolen \u202e\x9b31m" in shown
    assert all(line.isprintable() for line in shown.splitlines())


def test_what_is_shown_as_it_happens_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(as_json=False).show("event", f"device{CLEAR}", f"CodeBlocked note {ORDERS}")
    assert f"CodeBlocked note {AS_TEXT}" in (shown := capsys.readouterr().out)
    assert shown.strip().isprintable()


def test_an_explanation_is_text() -> None:
    shown = StringIO()
    event = {"type": "CodeBlocked", "occurred_at": "now", "slice": 1, "position": 2, "event_id": "e"}
    answer = {
        "about": "license",
        "sentence": f"blocked {CLEAR}",
        "rules": [{"passed": False, "rule": "R-46", "reason": f"code_blocked{BACKWARDS}", "change": RED}],
        "evidence": [{**event, "data": {"note": f"stolen {ORDERS}"}}],
        "activation": [],
    }
    print_why({"verdict": f"no license {TITLE}", "as_of": "now", "answers": [answer]}, Console(file=shown, width=500))
    assert f"stolen {AS_TEXT}" in shown.getvalue()
    assert all(line.isprintable() for line in shown.getvalue().splitlines())


def test_only_the_modules_that_escape_it_print() -> None:
    folder = Path(services.cli.__file__).parent
    printing = {
        file.stem for file in folder.rglob("*.py") if re.search(r"\b(typer\.echo|print|secho)\(", file.read_text())
    }
    assert printing == {"output", "screen", "why"}
