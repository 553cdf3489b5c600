"""An operator's commands against a running system, each in its own process, as at a terminal."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer

from services.cli.failures import ExitCode
from services.cli.ledgers import CONSUMERS
from services.cli.system import System
from shared.ledger.identity import new_id
from shared.ledger.slices import slice_of
from shared.local.ports import LOOPBACK, Ports
from tests.cli.running import PERENNIAL, Running, answer, erase, objects, surroundings, until

ISSUE = ("code", "issue", "--product", "antivirus", "--term", "P1Y")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("operator") / "data"
    with Running(PERENNIAL, "up", "--json", environment=surroundings(data)) as system:
        system.wait_for('"kind": "ready"')
        yield system
    erase(data)


@pytest.fixture
def environment(running: Running) -> dict[str, str]:
    return dict(running.environment)


def enroll(environment: dict[str, str]) -> str:
    device_id: str = objects(environment, "device", "enroll", "--product", "antivirus", "--region", "DE")[0][
        "device_id"
    ]
    return device_id


def test_the_region_of_a_device_is_corrected(environment: dict[str, str]) -> None:
    """R-137."""
    device_id = enroll(environment)
    refused = answer(environment, "device", "correct-region", device_id, "--region", "UK")
    assert (refused.returncode, refused.stdout) == (ExitCode.USAGE, "")
    assert "--region: for the United Kingdom write GB" in refused.stderr
    correct = ("device", "correct-region", device_id, "--region", "GB", "--reason", "said UK at first")
    (shown,) = objects(environment, *correct)
    assert (shown["region"], shown["recorded"]) == ("GB", ["RegionCorrected"])
    assert recorded(environment, device_id) == ["DeviceEnrolled", "RegionCorrected"]


def code(environment: dict[str, str]) -> dict[str, str]:
    issued: dict[str, str] = objects(environment, *ISSUE)[0]
    return issued


def recorded(environment: dict[str, str], device_id: str) -> list[str]:
    return [event["type"] for event in objects(environment, "device", "history", device_id)]


def parked(environment: dict[str, str], *more: str) -> list[dict[str, Any]]:
    return objects(environment, "parked", "list", *more)


def order(environment: dict[str, str], name: str, **body: Any) -> None:
    """Send a command as a fleet tool does."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(new_id()),
        "ce_source": "/fleet",
        "ce_type": name,
        "ce_time": "2026-11-24T12:00:00Z",
    }

    async def send() -> None:
        bootstrap = f"{LOOPBACK}:{environment['PERENNIAL_KAFKA_PORT']}"
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
            await producer.send_and_wait(
                "device.commands.v1",
                json.dumps(body).encode(),
                key=str(body.get("device_id", "")).encode(),
                headers=[(name, value.encode()) for name, value in headers.items()],
            )

    asyncio.run(send())


def query(running: Running, service: str, sql: str, *values: object) -> Any:
    """Query a ledger as the superuser, because only that role may do what these tests do."""

    async def ask() -> Any:
        connection = await asyncpg.connect(superuser(running, service))
        try:
            return await connection.fetchval(sql, *values)
        finally:
            await connection.close()

    return asyncio.run(ask())


def superuser(running: Running, service: str) -> str:
    ports = Ports(postgres=int(running.environment["PERENNIAL_POSTGRES_PORT"]))
    return System(Path(running.environment["PERENNIAL_DATA"]), ports=ports).stack.postgres.dsn(service)


def test_a_code_is_issued_added_and_activated_and_is_shown_whole_only_once(
    running: Running, environment: dict[str, str]
) -> None:
    """R-04, R-112."""
    bought, device_id = code(environment), enroll(environment)
    objects(environment, "device", "add-code", device_id, text=bought["code"] + "\n")
    until(lambda: objects(environment, "device", "show", device_id)[0]["status"] == "active")
    assert recorded(environment, device_id) == ["DeviceEnrolled", "CodeAdded", "LicenseActivated"]
    assert objects(environment, "code", "show", bought["code_ref"])[0]["seats_taken"] == 1
    assert objects(environment, "code", "show", "-", text=bought["code"])[0]["code_ref"] == bought["code_ref"]
    until(lambda: {"CodeAdded", "LicenseActivated"} <= {line["type"] for line in running.lines("event")})
    assert bought["code"] not in running.output


def test_an_operator_takes_the_reserve_off_a_device_or_activates_it_once_no_license_is_in_force(
    environment: dict[str, str],
) -> None:
    """R-24, R-55, R-56, R-61."""
    device_id, first, second, third = enroll(environment), *(code(environment) for _ in range(3))
    activate, remove = ("device", "activate-now", device_id), ("device", "remove-reserve", device_id)
    objects(environment, "device", "add-code", device_id, text=first["code"])
    until(lambda: objects(environment, "device", "show", device_id)[0]["status"] == "active")
    in_reserve(environment, device_id, second)
    assert [objects(environment, *remove)[0]["recorded"] for _ in range(2)] == [["CodeRemoved"], []]

    in_reserve(environment, device_id, third)
    early = answer(environment, *activate)
    assert (early.returncode, early.stdout) == (ExitCode.REFUSED, "")
    assert early.stderr.startswith("perennial: not_expired: ")
    objects(environment, "code", "release", first["code_ref"], device_id, "--reason", "lost", "--keep-reserve")
    until(lambda: objects(environment, "device", "show", device_id)[0]["status"] == "unlicensed")
    assert answer(environment, *activate, "--code-ref", second["code_ref"]).returncode == ExitCode.REFUSED
    (asked,) = objects(environment, *activate, "--code-ref", third["code_ref"])
    assert asked["recorded"] == ["ActivateNow"]
    until(lambda: objects(environment, "device", "show", device_id)[0]["status"] == "active")


def in_reserve(environment: dict[str, str], device_id: str, bought: dict[str, str]) -> None:
    """Add a code to a device that has a license, and wait until it is good as its reserve."""
    objects(environment, "device", "add-code", device_id, text=bought["code"])
    until(lambda: objects(environment, "device", "show", device_id)[0].get("reserve", {}).get("status") == "ready")


def test_the_history_of_a_blocked_code_says_why_it_was_blocked(environment: dict[str, str]) -> None:
    """R-46, R-106."""
    ref = code(environment)["code_ref"]
    objects(environment, "code", "block", ref, "--reason", "stolen")
    objects(environment, "code", "unblock", ref, "--reason", "found")
    events = objects(environment, "code", "history", ref)
    assert [(event["type"], event["data"].get("note")) for event in events] == [
        ("CodeIssued", None),
        ("CodeBlocked", "stolen"),
        ("CodeUnblocked", "found"),
    ]
    table = answer(environment, "code", "history", ref).stdout
    assert "stolen" in table
    assert "\x1b[" not in table


def test_support_finds_a_code_and_releases_its_seat_after_a_preview(
    environment: dict[str, str],
) -> None:
    """R-84, R-96."""
    bought, device_id = code(environment), enroll(environment)
    ref = bought["code_ref"]
    objects(environment, "device", "add-code", device_id, text=bought["code"] + "\n")
    until(lambda: objects(environment, "device", "show", device_id)[0]["status"] == "active")
    for asked in (("--last-group", bought["code"][-5:].lower()), ("--device", device_id)):
        assert ref in [found["code_ref"] for found in objects(environment, "code", "find", *asked)]
    assert objects(environment, "code", "find", "--order", "order/of nobody") == []
    held = {"device_id": device_id, "name": None, "last_contact_at": None}
    assert objects(environment, "code", "devices", ref) == [held]

    release = ("code", "release", ref, device_id, "--reason", "stolen")
    preview = until(lambda: _affecting(objects(environment, *release, "--preview")[0]))
    first = preview["affected"][0]
    assert (preview["refused"], first["device_id"], first["until_then"]) == (None, device_id, None)
    conditional = "The seat would be released: an operator took it away."
    assert [sentence.strip() for sentence in preview["would_happen"]] == [conditional]
    told = answer(environment, *release, "--preview")
    assert (told.stdout.splitlines()[0].strip(), told.stderr) == (conditional, "nothing was changed\n")
    assert objects(environment, "code", "devices", ref) == [held]
    assert objects(environment, *release)[0]["recorded"] == ["SeatReleased"]
    assert objects(environment, "code", "devices", ref) == []
    refund = ("code", "refund", ref, "order-1", "--reason", "sent back")
    assert objects(environment, *refund, "--preview")[0]["refused"]
    assert answer(environment, *refund).stderr.startswith("perennial: unknown_order: ")


def _affecting(preview: dict[str, Any]) -> dict[str, Any] | None:
    """Return the preview once the forecast knows the device."""
    return preview if preview["affected"] else None


def test_devices_are_listed_and_found_by_name(environment: dict[str, str]) -> None:
    """R-109: who holds a seat is told with the name that people gave the device."""
    bought, words = code(environment), ("--product", "vpn", "--region", "DE", "--name", "Ada's notebook")
    (enrolled,) = objects(environment, "device", "enroll", *words)
    device_id = enrolled["device_id"]
    (listed,) = objects(environment, "device", "list", "--product", "vpn", "--status", "unlicensed")
    assert (listed["device_id"], listed["name"], listed["ends_at"]) == (device_id, "Ada's notebook", None)
    (found,) = objects(environment, "device", "list", "--name", "NOTEBOOK")
    assert (found["device_id"], found["name"], found["last_contact_at"]) == (device_id, "Ada's notebook", None)
    assert objects(environment, "device", "list", "--name", "nobody's") == []
    enroll(environment)
    cut = answer(environment, "device", "list", "--limit", "1")
    assert "1 device listed; there are more: raise --limit" in cut.stderr
    both = answer(environment, "device", "list", "--name", "x", "--status", "active")
    assert (both.returncode, both.stdout) == (ExitCode.USAGE, "")
    empty = answer(environment, "device", "list", "--name", "")
    assert (empty.returncode, empty.stdout) == (ExitCode.USAGE, "")
    assert "--name: 1 to 100 characters" in empty.stderr
    away = ("--device-url", "http://127.0.0.1:9", "code", "devices", bought["code_ref"])
    holder = enroll(environment)
    objects(environment, "device", "add-code", holder, text=bought["code"])
    until(lambda: objects(environment, "code", "show", bought["code_ref"])[0]["seats_taken"] == 1)
    without = answer(environment, *away, "--json")
    assert (without.returncode, json.loads(without.stdout)) == (ExitCode.DONE, {"device_id": holder})
    assert "the device service is unreachable" in without.stderr


def test_a_link_from_the_command_line_opens_only_the_window_of_its_device(environment: dict[str, str]) -> None:
    """R-109."""
    device_id = enroll(environment)
    (link,) = objects(environment, "device", "window", device_id)
    with httpx.Client(follow_redirects=True, trust_env=False) as browser:
        assert "Licensing" in browser.get(link["url"]).raise_for_status().text
        other = link["url"].replace(device_id, enroll(environment))
        assert browser.get(other).is_client_error


def test_consumers_and_relays_report_their_progress(environment: dict[str, str]) -> None:
    rows = until(lambda: _all_reported(objects(environment, "consumer", "list")))
    assert {row["name"] for row in rows} == {*CONSUMERS, "device.relay", "activation.relay"}
    assert {(row["workers"], row["problem"]) for row in rows} == {(1, None)}


def _all_reported(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows once a worker has reported each of them."""
    return rows if all(row["workers"] for row in rows) else []


def test_the_doctor_checks_everything_and_says_what_to_do_about_problems(environment: dict[str, str]) -> None:
    until(lambda: answer(environment, "doctor").returncode == ExitCode.DONE)
    findings = objects(environment, "doctor")
    parts = " ".join(finding["part"] for finding in findings)
    for part in (
        "machine",
        "device service",
        "activation service",
        "ledger",
        "relay",
        "checkpoints",
        "events.v1",
        "commands.v1",
        *CONSUMERS,
    ):
        assert part in parts
    assert all(finding["do"] for finding in findings if finding["state"] != "well")
    found = " ".join(finding["found"] for finding in findings)
    for words in ("PostgreSQL ", "Python ", "1 broker reachable", "the schema matches this release", "signs with key"):
        assert words in found
    away = answer(environment, "--device-url", "http://127.0.0.1:9", "--kafka", "127.0.0.1:9", "doctor", "--json")
    assert away.returncode == ExitCode.UNREACHABLE
    unreachable = [json.loads(line) for line in away.stdout.splitlines()]
    assert {finding["part"] for finding in unreachable if finding["state"] == "away"} == {"device service", "Kafka"}
    assert all(finding["do"] for finding in unreachable if finding["state"] == "away")


def test_errors_are_one_line_on_stderr_and_never_repeat_a_code(environment: dict[str, str]) -> None:
    """R-112."""
    bought = code(environment)["code"]
    for words, exit_code, message in (
        (("code", "show", bought), 1, "not a code reference"),
        (("code", "show", "0" * 32), 1, "unknown_code"),
        (("code", "block", "0" * 32, "--reason", "x", "--preview"), 1, "unknown_code"),
        (("device", "show", "nobody"), 1, "unknown_device"),
        (("parked", "redrive", "device.commands:0:999"), 1, "not_parked"),
        (("parked", "redrive", "license_view:0:1"), 1, "rebuild"),
        (("log", "republish", "--service", "device", "--slice", "0", "--from-position", "9999"), 1, "not published"),
        (("--device-url", "http://127.0.0.1:9", "device", "show", "x"), 3, "connection failed"),
    ):
        outcome = answer(environment, *words)
        assert (outcome.returncode, outcome.stdout) == (exit_code, ""), words
        assert message in outcome.stderr
        assert len(outcome.stderr.splitlines()) == 1
        assert bought not in outcome.stderr


def test_topics_and_schema_are_created_only_once(running: Running, environment: dict[str, str]) -> None:
    assert objects(environment, "topics", "ensure", "--partitions", "8", "--replicas", "1")[0]["made"] == []
    owner = environment | {"PERENNIAL_OWNER_DATABASE_URL": superuser(running, "device")}
    assert objects(owner, "migrate", "--service", "device")[0]["applied"] == []


def test_a_command_for_an_unknown_device_is_parked_and_redriven_once_the_device_is_enrolled(
    running: Running, environment: dict[str, str]
) -> None:
    """R-122."""
    bought, device_id = code(environment), f"fleet-{new_id()}"
    order(environment, "AddCode", device_id=device_id, code_ref=bought["code_ref"], last_group=bought["code"][-5:])
    (row,) = until(lambda: parked(environment))
    assert row["reason"] == "unknown_device"
    assert objects(environment, "parked", "show", row["id"])[0]["headers"]["ce_type"] == "AddCode"
    for more in ((), ("--preview",)):
        refused = answer(environment, "parked", "redrive", row["id"], *more)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "unknown_device" in refused.stderr

    order(environment, "EnrollDevice", device_id=device_id, product="antivirus", region="DE")
    until(lambda: recorded(environment, device_id) == ["DeviceEnrolled"])
    for _ in range(2):
        foreseen = {"id": row["id"], "would_record": ["CodeAdded", "MessageRedriven"]}
        assert objects(environment, "parked", "redrive", row["id"], "--preview") == [foreseen]
    assert "nothing was changed" in answer(environment, "parked", "redrive", row["id"], "--preview").stderr
    assert recorded(environment, device_id) == ["DeviceEnrolled"]
    assert [each["id"] for each in parked(environment)] == [row["id"]]
    assert objects(environment, "parked", "redrive", row["id"])[0]["recorded"] == ["CodeAdded", "MessageRedriven"]
    until(lambda: recorded(environment, device_id) == ["DeviceEnrolled", "CodeAdded", "LicenseActivated"])
    assert parked(environment) == []
    assert [entry["id"] for entry in parked(environment, "--all") if entry["redriven_at"]] == [row["id"]]
    assert "not_parked" in answer(environment, "parked", "redrive", row["id"]).stderr
    until(lambda: "MessageRedriven" in {line["type"] for line in running.lines("event")})


def test_an_unknown_command_stays_parked(environment: dict[str, str]) -> None:
    """R-122."""
    order(environment, "PaintDevice", device_id="d-1")
    (row,) = until(lambda: parked(environment, "--service", "device"))
    assert row["reason"] == "unknown_event"
    assert "still" in answer(environment, "parked", "redrive", row["id"]).stderr
    assert [entry["id"] for entry in parked(environment)] == [row["id"]]


def test_a_parked_record_is_discarded_with_a_reason_and_stays_visible(environment: dict[str, str]) -> None:
    """R-122."""
    order(environment, "ShredDevice", device_id="d-1")
    (row,) = until(lambda: [each for each in parked(environment) if "ShredDevice" in each["detail"]])
    assert answer(environment, "parked", "discard", row["id"], "--reason", " ").returncode == 1
    discarded = objects(environment, "parked", "discard", row["id"], "--reason", "nobody shreds devices")[0]
    assert discarded["recorded"] == ["MessageDiscarded"]
    assert row["id"] not in [each["id"] for each in parked(environment)]
    (kept,) = [each for each in parked(environment, "--all") if each["id"] == row["id"]]
    assert kept["discard_note"] == "nobody shreds devices"
    for words in (("redrive", row["id"]), ("discard", row["id"], "--reason", "again")):
        assert "not_parked" in answer(environment, "parked", *words).stderr


def test_an_event_that_never_reached_kafka_is_reported_and_republishing_delivers_it(
    running: Running, environment: dict[str, str]
) -> None:
    """R-120, R-122."""
    device_id, first, second = enroll(environment), code(environment), code(environment)
    slice_number = slice_of(device_id)
    until(lambda: query(running, "device", PUBLISHED, slice_number))
    lost = query(running, "device", "select position + 1 from slice_head where slice = $1", slice_number)
    # the ledger records the next event as sent already, so the relay skips it
    query(running, "device", "update slice_published set position = $2 where slice = $1", slice_number, lost)
    objects(environment, "device", "add-code", device_id, text=first["code"])
    assert answer(environment, "device", "add-code", device_id, text=second["code"]).returncode == 1

    (waiting,) = until(lambda: [row for row in parked(environment) if row["id"].startswith("activation.requests:")])
    assert waiting["reason"] == "position_gap"
    refused = answer(environment, "parked", "redrive", waiting["id"])
    advice = f"log republish --service device --slice {slice_number} --from-position {lost}"
    assert refused.returncode == 1
    assert advice in refused.stderr
    assert objects(environment, "device", "show", device_id)[0]["status"] == "unlicensed"

    (again,) = objects(environment, *advice.split())
    assert again["to_position"] >= lost + 1
    until(lambda: objects(environment, "device", "show", device_id)[0]["status"] == "active")
    assert recorded(environment, device_id) == ["DeviceEnrolled", "CodeAdded", "CodeRejected", "LicenseActivated"]
    until(lambda: query(running, "device", PUBLISHED, slice_number))
    head = query(running, "device", "select position from slice_head where slice = $1", slice_number)
    until(lambda: query(running, "activation", READ_UP_TO, "activation.requests", slice_number) == head)
    until(lambda: query(running, "device", READ_UP_TO, "license_view", slice_number) == head)
    (marked,) = objects(environment, "parked", "redrive", waiting["id"])
    assert marked["recorded"] == ["MessageRedriven"]


PUBLISHED = (
    "select h.position > 0 and h.position = p.position"
    " from slice_head h join slice_published p using (slice) where slice = $1"
)
READ_UP_TO = "select position from inbound_slice where consumer = $1 and slice = $2"
