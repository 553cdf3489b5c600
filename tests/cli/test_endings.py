"""How a command ends: always with an exit code, in one line, and never in a traceback."""

import os
import subprocess
from pathlib import Path

import pytest

from services.cli.failures import ExitCode
from tests.cli.running import PERENNIAL, answer


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A shell without a system: its data folder is not there yet, and nobody listens."""
    nobody = "http://127.0.0.1:9"
    return {
        **os.environ,
        "PERENNIAL_DATA": str(tmp_path / "data"),
        "PERENNIAL_DEVICE_URL": nobody,
        "PERENNIAL_ACTIVATION_URL": nobody,
        "PERENNIAL_OPERATOR_KEY": "key",
    }


def test_characters_that_the_terminal_does_not_have_are_printed_as_escapes(environment: dict[str, str]) -> None:
    shown = answer({**environment, "PYTHONIOENCODING": "ascii"}, "device", "history", "--help")
    assert (shown.returncode, shown.stderr) == (ExitCode.DONE, "")
    assert "0199\\u2026 --at" in shown.stdout


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--until", ("forecast", "--until", "9999-12-31")),
        ("--until", ("forecast", "--until", "tomorrow")),
        ("--until", ("forecast", "--until", "9999-12-31T23:00:00-05:00")),
        ("--at", ("device", "show", "pc-1", "--at", "0001-01-01T00:00:00+05:00")),
        ("--since", ("log", "export", "--to", "{tmp}/x", "--since", "yesterday")),
        ("--until", ("log", "export", "--to", "{tmp}/x", "--until", "2027-13-01")),
        ("--since", ("what-if", "--policy", "{tmp}/policy.json", "--since", "10000-01-01")),
    ],
)
def test_a_time_that_is_none_is_wrong_usage_and_the_option_is_named(
    environment: dict[str, str], tmp_path: Path, option: str, words: tuple[str, ...]
) -> None:
    refused = answer(environment, *(word.format(tmp=tmp_path) for word in words))
    assert (refused.returncode, refused.stdout) == (ExitCode.USAGE, "")
    assert f": {option}: " in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


OFFLINE = [
    ("--help",),
    ("code", "issue", "--help"),
    ("reason", "list"),
    ("reason", "list", "--json"),
    ("reason", "show", "throttled"),
    ("secrets", "make", "{tmp}/secrets"),
    ("up", "--json"),
]
"""Commands that need no system: they print help, tables, fields, JSON, or as they go."""


@pytest.mark.parametrize("words", OFFLINE)
@pytest.mark.parametrize("closed_before", [True, False])
def test_output_that_nobody_reads_ends_every_command_in_silence(
    environment: dict[str, str], tmp_path: Path, words: tuple[str, ...], *, closed_before: bool
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    outcome = subprocess.run(
        ["/bin/sh", "-c", f'"$@" {">&-" if closed_before else ""}', "sh", PERENNIAL, *words_in(tmp_path, words)],
        env=environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (outcome.returncode, outcome.stderr) == (ExitCode.CLOSED_PIPE, b"")


@pytest.mark.parametrize("words", OFFLINE)
def test_a_full_disk_below_the_output_is_told_in_its_own_words(
    environment: dict[str, str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    with Path("/dev/full").open("w") as full:
        outcome = subprocess.run(
            [PERENNIAL, *words_in(tmp_path, words)],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    message = "perennial: file_error: the output: No space left on device\n"
    assert (outcome.returncode, outcome.stderr) == (ExitCode.REFUSED, message)


@pytest.mark.parametrize("closing", ["2>&-", "2>/dev/full"])
def test_an_error_that_cannot_be_printed_is_still_in_the_exit_code(environment: dict[str, str], closing: str) -> None:
    words = ["/bin/sh", "-c", f'"$@" {closing}', "sh", PERENNIAL, "consumer", "list"]
    assert subprocess.run(words, env=environment, check=False).returncode == ExitCode.UNREACHABLE


def words_in(folder: Path, words: tuple[str, ...]) -> list[str]:
    return [word.format(tmp=folder) for word in words]


def test_a_file_that_cannot_be_read_is_not_the_fault_of_a_service(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "data" / "credentials.json").mkdir(parents=True)
    refused = answer(environment, "consumer", "list")
    message = f"perennial: file_error: {tmp_path}/data/credentials.json: Is a directory\n"
    assert (refused.returncode, refused.stderr) == (ExitCode.REFUSED, message)


def test_a_ledger_that_cannot_be_reached_is_not_the_fault_of_the_file(
    environment: dict[str, str], tmp_path: Path
) -> None:
    shell = {**environment, "PERENNIAL_DEVICE_DATABASE_URL": "postgresql://device:x@127.0.0.1:9/device"}
    (tmp_path / "out").mkdir()
    refused = answer(shell, "log", "export", "--service", "device", "--to", str(tmp_path / "out" / "x"))
    assert (refused.returncode, refused.stdout) == (ExitCode.UNREACHABLE, "")
    assert refused.stderr.startswith("perennial: connection failed: ")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("record_id", ["device.commands:1", f"device.commands:1:{'9' * 30}", "nobody:1:1"])
def test_what_is_not_the_id_of_a_parked_record_is_refused_before_the_ledger_is_asked(
    environment: dict[str, str], record_id: str
) -> None:
    refused = answer(environment, "parked", "show", record_id)
    assert (refused.returncode, refused.stdout) == (ExitCode.REFUSED, "")
    assert "not the id of a parked record" in refused.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("device", "show", b"pc-\xff"), ExitCode.USAGE),
        (("--device-url", "http://127.0.0.1:port", "device", "show", "pc-1"), ExitCode.USAGE),
        (("log", "republish", "--service", "device", "--slice", "1", "--from-position", "9" * 30), ExitCode.USAGE),
    ],
)
def test_an_argument_that_cannot_be_sent_is_wrong_usage(
    environment: dict[str, str], words: tuple[str | bytes, ...], code: ExitCode
) -> None:
    outcome = subprocess.run([PERENNIAL, *words], env=environment, capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stdout) == (code, "")
    assert "Traceback" not in outcome.stderr


def test_the_traceback_of_an_unexpected_error_goes_to_a_file_that_only_its_owner_can_read(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "credentials.json").write_text("[]")
    outcome = answer(environment, "consumer", "list")
    (file,) = (tmp_path / "data").glob("error-*.txt")
    message = f"perennial: unexpected error (TypeError): its traceback is in {file}\n"
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (ExitCode.UNEXPECTED, "", message)
    assert "Traceback (most recent call last)" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
