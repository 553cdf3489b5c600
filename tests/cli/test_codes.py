"""`perennial code` against the activation service's doors, as at a terminal."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.activation.forecast import Current, Switchover, Waiting
from services.cli.failures import ExitCode, RefusedByService
from services.cli.field_forms import FORMS
from shared.calendar import instant
from shared.ledger.database import Pool
from shared.ledger.identity import new_id
from tests.cli.conftest import Perennial
from tests.cli.running import PERENNIAL, answer
from tests.cli.test_help import LEAVES

ISSUE = ("code", "issue", "--product", "antivirus")


@pytest.mark.parametrize(
    ("words", "form"),
    [
        ((*ISSUE, "--term", "1Y"), "--term: an ISO 8601 duration such as P1Y"),
        ((*ISSUE, "--term", "P0D"), "--term: an ISO 8601 duration such as P1Y"),
        ((*ISSUE, "--region", "DE", "--region", "Germany"), "--region: a country of ISO 3166-1 as two capital letters"),
        ((*ISSUE, "--region", "DE", "--region", "UK"), "--region: for the United Kingdom write GB"),
        ((*ISSUE, "--region", "EU"), "--region: the European Union is no country"),
        ((*ISSUE, "--seats", "0"), "--seats: a number from 1 to 1000000"),
        ((*ISSUE, "--count", "1001"), "--count: a number from 1 to 1000"),
        (("code", "issue", "--product", "Anti Virus"), "--product: 1 to 64 lower-case letters"),
        ((*ISSUE, "--vendor", "Acme Inc"), "--vendor: 1 to 19 lower-case letters"),
        ((*ISSUE, "--edition", "Pro"), "--edition: 1 to 19 lower-case letters"),
        ((*ISSUE, "--feature", "vpn", "--feature", "Safe Pay"), "--feature: 1 to 19 lower-case letters"),
        ((*ISSUE, "--version-min", "v21"), "--version-min: up to four numbers"),
        ((*ISSUE, "--version-max", "21."), "--version-max: up to four numbers"),
        ((*ISSUE, "--grace-days", "366"), "--grace-days: a number from 0 to 365"),
        ((*ISSUE, "--short-term", "3M"), "--short-term: an ISO 8601 duration such as P3M"),
        (("code", "find", "--last-group", "77"), "--last-group: the last five characters"),
        (("code", "find", "--device", "pc 1"), "the id of the device: 1 to 64 letters"),
        (("code", "block", "0" * 32, "--reason", ""), "--reason: 1 to 500 characters"),
        (("code", "refund", "0" * 32, "o-1", "--reason", "x", "--term", "P1W"), "--term: an ISO 8601 duration"),
        (("code", "history", "0" * 32, "--after", "9" * 12), "--after: a number from 0"),
    ],
)
async def test_a_refused_field_is_named_by_its_option_with_the_form_it_must_have(
    perennial: Perennial, words: tuple[str, ...], form: str
) -> None:
    refused = await perennial(*words)
    assert (refused.returncode, refused.stdout) == (ExitCode.USAGE, "")
    assert refused.stderr.startswith(f"perennial: invalid_fields: {form}")
    assert len(refused.stderr.splitlines()) == 1


async def test_every_field_of_an_issue_can_be_said(perennial: Perennial, tmp_path: Path) -> None:
    """R-140, and R-115: who bought the codes is read from a file, and kept sealed."""
    customer = {"subject": "c-77", "name": "Ada", "contact": "ada@example.org"}
    (tmp_path / "ada.json").write_text(json.dumps(customer))
    terms = ("--vendor", "acme", "--edition", "pro", "--feature", "vpn", "--feature", "backup", "--grace-days", "7")
    versions = ("--version-min", "21.3", "--version-max", "22", "--region", "DE", "--activate-by", "2999-01-01")
    subscription = ("--kind", "subscription", "--term", "P1M", "--auto-renews", "--seats", "3")
    named = ("--customer", str(tmp_path / "ada.json"))
    issued = await perennial(*ISSUE, *terms, *versions, *subscription, *named, "--json")
    assert issued.returncode == ExitCode.DONE, issued.stderr
    ref = json.loads(issued.stdout)["code_ref"]
    (event,) = [json.loads(line) for line in (await perennial("code", "history", ref, "--json")).stdout.splitlines()]
    said = {name: event["data"].get(name) for name in SAID}
    assert said == SAID
    assert event["data"]["sealed_customer"]
    assert json.loads((await perennial("code", "show", ref, "--json")).stdout)["customer"] == customer


SAID = {
    "vendor": "acme",
    "edition": "pro",
    "features": ["vpn", "backup"],
    "grace_days": 7,
    "version_min": "21.3",
    "version_max": "22",
    "regions": ["DE"],
    "kind": "subscription",
    "term": "P1M",
    "auto_renews": True,
    "seats": 3,
}


async def test_a_renewal_code_says_its_shorter_term_and_its_customer_may_come_from_stdin(
    perennial: Perennial, shell: dict[str, str]
) -> None:
    """R-30, R-115."""
    words = (*ISSUE, "--kind", "renewal", "--short-term", "P3M", "--customer", "-", "--json")
    issued = await asyncio.to_thread(answer, shell, *words, text='{"subject": "c-78"}')
    ref = json.loads(issued.stdout)["code_ref"]
    shown = json.loads((await perennial("code", "show", ref, "--json")).stdout)
    assert (shown["short_term"], shown["customer"]) == ("P3M", {"subject": "c-78"})


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("Ada", "malformed_json: --customer: - is not a JSON document"),
        ('{"name": "Ada"}', "invalid_fields: --customer: `subject` is 1 to 128 letters"),
        ('{"subject": "c-78", "name": ""}', "invalid_fields: --customer: `name` is a text of 1 to 300 characters"),
        ('["Ada"]', "invalid_fields: --customer: a JSON object with `subject`"),
    ],
)
async def test_a_customer_that_cannot_be_read_is_refused_and_not_repeated(
    shell: dict[str, str], said: str, message: str
) -> None:
    """R-115, R-134."""
    refused = await asyncio.to_thread(answer, shell, *ISSUE, "--customer", "-", text=said)
    assert (refused.returncode, refused.stdout) == (ExitCode.USAGE, "")
    assert refused.stderr.startswith(f"perennial: {message}")
    assert "Ada" not in refused.stderr


async def test_every_refused_field_is_named_once(perennial: Perennial) -> None:
    refused = await perennial(*ISSUE, "--term", "1Y", "--seats", "0", "--region", "x", "--region", "y")
    assert [refused.stderr.count(option) for option in ("--term", "--seats", "--region")] == [1, 1, 1]


async def test_a_history_is_shown_on_a_terminal_that_has_only_ascii(
    perennial: Perennial, shell: dict[str, str]
) -> None:
    ref = json.loads((await perennial(*ISSUE, "--json")).stdout)["code_ref"]
    assert (await perennial("code", "block", ref, "--reason", "Rückgabe …")).returncode == ExitCode.DONE
    shown = await asyncio.to_thread(answer, {**shell, "PYTHONIOENCODING": "ascii"}, "code", "history", ref)
    assert (shown.returncode, shown.stderr) == (ExitCode.DONE, "")
    assert r"R\xfcckgabe \u2026" in shown.stdout


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2027-03-12", "2027-03-12T23:59:59.999Z"),
        ("9999-12-31", "9999-12-31T23:59:59.999Z"),
        ("2027-03-12T10:00:00+01:00", "2027-03-12T09:00:00.000Z"),
    ],
)
async def test_a_code_can_be_activated_until_the_end_of_the_day_that_was_named(
    perennial: Perennial, typed: str, meant: str
) -> None:
    ref = json.loads((await perennial(*ISSUE, "--activate-by", typed, "--json")).stdout)["code_ref"]
    issued = json.loads((await perennial("code", "history", ref, "--json")).stdout)
    assert instant(datetime.fromisoformat(issued["data"]["activate_by"])) == meant


@pytest.mark.parametrize("refused_until", ["2026-03-01", "2026-03-01T23:59:59Z"])
async def test_a_forecast_goes_to_the_end_of_the_day_that_was_named(
    perennial: Perennial, activation_pool: Pool, refused_until: str
) -> None:
    today = str(await activation_pool.fetchval("select (now() at time zone 'UTC')::date"))
    assert (await perennial("forecast", "--until", today)).returncode == ExitCode.DONE
    assert "in_the_past" in (await perennial("forecast", "--until", refused_until)).stderr


async def test_a_forecast_says_where_chance_decides(perennial: Perennial, activation_pool: Pool) -> None:
    """R-141."""
    ref = json.loads((await perennial(*ISSUE, "--json")).stdout)["code_ref"]
    reserve = Waiting(code_ref=ref, last_group="7QX2M", added_id=new_id())
    current = Current(code_ref=f"{7:032x}", ends_at=datetime(2999, 1, 1, tzinfo=UTC))
    for name in ("one", "other"):
        row = Switchover(device_id=name, product="antivirus", region="DE", license=current, reserve=reserve)
        know = "insert into switchover_forecast (device_id, version, view) values ($1, 1, $2::text::jsonb)"
        await activation_pool.execute(know, name, row.timed().to_json())
    shown = await perennial("forecast", "--until", "3000-01-01", "--failing")
    assert shown.stdout.count("CONTESTED") == 2
    assert "seats exhausted: 1 of 2 will get it; wanted too by other" in shown.stdout
    assert "0 will switch, 0 will fail, 2 contested, 0 renewed instead" in shown.stderr


async def test_codes_are_in_the_file_before_they_are_printed(
    perennial: Perennial, shell: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "codes.jsonl"
    script = 'set -o pipefail; "$@" | head -n 1'
    words = ["/bin/bash", "-c", script, "bash", PERENNIAL, *ISSUE, "--count", "1000", "--json", "--to", str(file)]
    piped = await asyncio.to_thread(subprocess.run, words, env=shell, capture_output=True, text=True, check=False)
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    assert (piped.returncode, piped.stderr) == (ExitCode.CLOSED_PIPE, "")
    assert [json.loads(line) for line in piped.stdout.splitlines()] == kept[:1]
    assert len({row["code"] for row in kept}) == 1000
    assert file.stat().st_mode & 0o777 == 0o600
    again = await perennial(*ISSUE, "--to", str(file))
    assert (again.returncode, again.stdout) == (ExitCode.REFUSED, "")
    assert again.stderr == f"perennial: file_exists: {file} exists; name a new file\n"
    assert len(file.read_text().splitlines()) == 1000


async def test_a_file_that_cannot_be_made_is_refused_before_any_code_is_issued(
    perennial: Perennial, activation_pool: Pool, tmp_path: Path
) -> None:
    refused = await perennial(*ISSUE, "--to", str(tmp_path / "no" / "codes.jsonl"))
    assert (refused.returncode, refused.stdout) == (ExitCode.REFUSED, "")
    assert "not_written" in refused.stderr
    assert await activation_pool.fetchval("select count(*) from code") == 0


async def test_no_file_is_left_when_no_code_is_issued(perennial: Perennial, tmp_path: Path) -> None:
    file = tmp_path / "codes.jsonl"
    refused = await perennial(*ISSUE, "--term", "1Y", "--to", str(file))
    assert (refused.returncode, file.exists()) == (ExitCode.USAGE, False)


async def test_codes_that_do_not_fit_on_the_disk_are_printed_all_the_same(
    shell: dict[str, str], tmp_path: Path
) -> None:
    # the limit stands in for a full disk
    program = (
        "import resource; from services.cli import app; import services.cli.codes, services.cli.errors;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); app()"
    )
    file = tmp_path / "codes.jsonl"
    words = [sys.executable, "-B", "-c", program, *ISSUE, "--count", "2", "--json", "--to", str(file)]
    outcome = await asyncio.to_thread(subprocess.run, words, env=shell, capture_output=True, text=True, check=False)
    assert len([json.loads(line)["code"] for line in outcome.stdout.splitlines()]) == 2
    assert outcome.returncode == ExitCode.REFUSED
    last = f"perennial: not_written: {file} is incomplete: File too large; keep what was printed"
    assert outcome.stderr.splitlines()[-1] == last


def test_the_options_in_the_forms_of_fields_exist() -> None:
    options = {option for command in LEAVES.values() for parameter in command.params for option in parameter.opts}
    assert {form.partition(":")[0] for form in FORMS.values() if form.startswith("--")} <= options


def test_a_field_that_the_command_line_does_not_know_is_named_as_the_service_names_it() -> None:
    refused = RefusedByService({"code": "invalid_fields", "fields": [{"field": "color", "problem": "extra_forbidden"}]})
    assert refused.message == "invalid_fields: color: missing, unknown or wrong"
