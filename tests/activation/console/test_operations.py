"""The operations pages: what operators see and do for both services, without SQL and without scripts."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.activation.console.diff import DiffSide, diff_of
from services.activation.forecast import FORECAST, Current, Switchover, Waiting
from services.activation.projection import CODE_VIEW
from shared.kafka.inbox import Parked
from shared.kafka.parking import park
from shared.ledger.clock import machine_now
from shared.ledger.database import transaction
from shared.ledger.events import append
from shared.ledger.identity import new_id
from shared.operations.readings import NOTE, STEP_SECONDS, on_step
from tests.activation.console.harness import Browser, Harness
from tests.shared.records import OUTBOX, cause, record

WAITING = {"workers": 1, "waiting": 0, "seconds": 0.0, "gap_waits": 0, "problem": None, "trend": None}
MOVED = {"last_progress_at": "2026-03-01T12:00:00.000Z"}
MESSAGE: dict[str, Any] = {
    "id": "device.commands:3:7",
    "consumer": "device.commands",
    "topic": "device.commands.v1",
    "partition": 3,
    "offset": 7,
    "reason": "unknown_device",
    "explained": {"meaning": "No such device is enrolled.", "what_to_do": "Enroll it first, or check its id."},
    "detail": "no such device",
    "parked_at": "2026-03-01T12:00:00.000Z",
    "state": "waiting",
    "ended_at": None,
    "note": None,
    "kept_by_projection": False,
    "slice_waits": False,
    "key": "d",
    "headers": [{"name": "ce_source", "value": "/fleet"}],
    "value": '{"device_id": "<b>d</b>"}',
    "value_bytes": 25,
    "value_cut": False,
}
PROJECTION: dict[str, Any] = {
    "name": "license_view",
    "kept_by": "consumer",
    "topic": "device.events.v1",
    "logs": ["kafka", "ledger"],
    "replaceable": True,
    "events": 2_000,
    "behind": 0,
    "lag_seconds": 0.0,
    "rebuild": {"name": "license_view", "state": "never"},
}
REBUILD: dict[str, Any] = {
    "name": "license_view",
    "state": "running",
    "from": "kafka",
    "accept_differences": False,
    "ordered_at": "2026-03-01T12:00:00.000Z",
    "finished_at": None,
    "done": 500,
    "total": 2_000,
    "share": 0.25,
    "per_second": 300,
    "seconds_left": 5.0,
    "outcome": None,
}
OUTCOME: dict[str, Any] = {
    "equal": True,
    "folded": 2_000,
    "seconds": 6.6,
    "rows": 40,
    "digest": "ab" * 32,
    "differing": 0,
    "listed": [],
    "altered": [],
}
DIFFERING = {
    **OUTCOME,
    "equal": False,
    "differing": 21,
    "listed": [{"row": "d-1", "stored": "(d-1,<3>)", "folded": None}],
    "altered": ["slice 3 position 4: CodeAdded of stream d-1 was altered in the ledger"],
}
ENDED: list[tuple[dict[str, Any], list[str]]] = [
    ({"state": "swapped", "outcome": OUTCOME}, ["Equal, swapped.", "40, 0 differ", "abababababababab"]),
    (
        {"state": "differs", "outcome": DIFFERING},
        ["21 rows differ from what the log says", "<mark>(d-1,&lt;3&gt;)</mark>", "<mark>absent</mark>", "altered in"],
    ),
    ({"state": "swapped", "outcome": DIFFERING}, ["Swapped although 21 rows differ"]),
    ({"state": "failed", "outcome": {"code": "disk_full", "detail": "no room"}}, ["It failed: disk full.", "no room"]),
    ({"state": "interrupted", "done": 700}, ["700 of 2,000 events", "continues where it stopped", ">Continue<"]),
]

type Answers = dict[str, Any]


def device_answers(answers: Answers) -> Callable[[httpx.Request], httpx.Response]:
    """Return a device service that answers these bodies, by path without `/v1/`; the rest is a 404 problem."""

    def answer(request: httpx.Request) -> httpx.Response:
        body = answers.get(request.url.path.removeprefix("/v1/"))
        problem = {"code": "not_parked", "detail": "no such record is parked"}
        return httpx.Response(404, json=problem) if body is None else httpx.Response(200, json=body)

    return answer


async def set_aside(harness: Harness, *, consumer: str = "code_view", reason: str = "position_gap") -> str:
    """Park a record in the activation service, and return its name."""
    entry = Parked(
        record(key=b"k", value=b'{"a":1}', partition=1, offset=2), reason, "position 3 of slice 4 is missing"
    )
    async with transaction(harness.pool) as connection:
        await append(connection, await park(connection, consumer, [entry], outbox=OUTBOX, cause=cause()))
    return f"{consumer}:1:2"


async def shown(browser: Browser, path: str, status: int = 200) -> str:
    page = await browser.get(path)
    assert page.status_code == status, page.text
    return page.text


# --- parked ---------------------------------------------------------------------------------------


async def test_parked_messages_of_both_services_are_on_one_page(harness: Harness) -> None:
    """R-122."""
    parked_id = await set_aside(harness)
    harness.devices.answers = device_answers({"operations/parked": {"messages": [MESSAGE], "waiting": 1, "next": None}})
    async with await harness.operator() as browser:
        page = await shown(browser, "/console/parked")
    assert f'href="/console/parked/{parked_id}"' in page
    assert 'href="/console/parked/device.commands:3:7"' in page
    assert "An event before the message is missing, so its slice waits." in page
    assert "<caption" in page


async def test_a_message_of_the_device_service_is_shown_escaped_and_redriven_through_its_api(harness: Harness) -> None:
    """R-122."""
    path = "operations/parked/device.commands:3:7"
    would = {"would_record": [{"type": "LicenseRemoved", "stream_id": "d"}]}
    harness.devices.answers = device_answers({path: MESSAGE, f"{path}/redrive": would})
    async with await harness.operator() as browser:
        page = await browser.get("/console/parked/device.commands:3:7")
        assert "&lt;b&gt;d&lt;/b&gt;" in page.text
        assert "<strong>LicenseRemoved</strong> for d" in page.text
        answer = await browser.send_form("/console/parked/device.commands:3:7/redrive", page)
    assert answer.headers["location"] == "/console/parked/device.commands:3:7"
    assert [(each.method, each.url.path) for each in harness.devices.asked][-1] == ("POST", f"/v1/{path}/redrive")


async def test_a_discard_names_who_and_why_and_stays_visible(harness: Harness) -> None:
    """R-122, R-127."""
    path = f"/console/parked/{await set_aside(harness)}"
    async with await harness.operator("Ada") as browser:
        page = await browser.get(path)
        assert "Its slice keeps waiting." in page.text
        empty = await browser.send_form(f"{path}/discard", page, reason=" ")
        assert (empty.status_code, "Nothing was done." in empty.text) == (422, True)
        for _ in range(2):
            answer = await browser.send_form(f"{path}/discard", page, reason="a test <of> the tool")
            assert answer.headers["location"] == path
        page_after = await shown(browser, path)
        assert "a test &lt;of&gt; the tool" in page_after
        assert "Ada" in page_after.partition("Why discarded")[2]
        assert "/discard" not in page_after
        assert path in await shown(browser, "/console/parked?state=discarded")
        assert path not in await shown(browser, "/console/parked")
    notes = await harness.pool.fetch("select data from event where type = 'MessageDiscarded'")
    assert ["Ada" in json.loads(row["data"])["note"] for row in notes] == [True]


async def test_what_cannot_be_redriven_says_why_and_has_no_button(harness: Harness) -> None:
    """R-118: a projection accepts nothing out of order."""
    path = f"/console/parked/{await set_aside(harness)}"
    async with await harness.operator() as browser:
        page = await browser.get(path)
        assert "code_view is a projection: rebuild it" in page.text
        assert f"{path}/redrive" not in page.text
        fields = {"form": page.text.split('name="form" value="')[1].split('"')[0], "order": "once"}
        answer = await browser.post(f"{path}/redrive", data=fields)
        assert (answer.status_code, "Nothing was done." in answer.text) == (409, True)


async def test_every_page_says_when_the_device_service_is_unavailable(harness: Harness) -> None:
    async with await harness.operator() as browser:
        assert "The device service is not responding." in await shown(browser, "/console/parked")
        page = await shown(browser, "/console/parked/device.commands:3:7", 503)
        assert "The device service is not responding" in page
        system = await shown(browser, "/console/system")
        assert "The device service is not responding." in system
        assert "Codes as shown" in system
        assert "is not responding" in await shown(browser, "/console/projections/device/license_view", 503)


@pytest.mark.parametrize(
    "path", ["parked/code_view:1:9", "parked/nonsense", "projections/activation/nothing", "projections/other/code_view"]
)
async def test_what_does_not_exist_is_a_page_that_says_so(path: str, harness: Harness) -> None:
    async with await harness.operator() as browser:
        await shown(browser, f"/console/{path}", 404)


# --- system ----------------------------------------------------------------------------------------


async def test_lags_are_shown_in_seconds_with_their_trend_in_words(harness: Harness) -> None:
    for steps_ago in range(40, -1, -1):
        at = on_step(machine_now() - timedelta(seconds=steps_ago * STEP_SECONDS))
        await harness.pool.execute(NOTE, at, "1", CODE_VIEW.name, 1_234, 100.0 - steps_ago, 0, at, None)
    async with await harness.operator() as browser:
        page = await shown(browser, "/console/system")
    assert 'aria-label="Lag in the last 15 minutes: at most 1 min 40 s, now 1 min 40 s, rising"' in page
    assert "Behind, rising" in page
    assert "1,234" in page
    assert "<polyline" in page
    assert "no worker has told how far it is" in page


async def test_both_services_are_on_the_system_page(harness: Harness) -> None:
    consumers = [{"name": "device.verdicts", "topic": "t", "handled": 1, "parked": 2, **WAITING, **MOVED}]
    harness.devices.answers = device_answers(
        {
            "operations/consumers": {"consumers": consumers, "relay": {"topic": "t", **WAITING, **MOVED}},
            "operations/projections": {"projections": [PROJECTION]},
        }
    )
    async with await harness.operator() as browser:
        page = await shown(browser, "/console/system")
    assert "Verdicts from the activation service" in page
    assert "2 parked" in page
    assert 'href="/console/projections/device/license_view"' in page
    assert "finds no exported checkpoint of this log" in page


# --- rebuilds --------------------------------------------------------------------------------------


async def test_a_rebuild_is_ordered_once_and_its_progress_needs_no_script(harness: Harness) -> None:
    """R-118."""
    path = f"/console/projections/activation/{CODE_VIEW.name}"
    async with await harness.operator() as browser:
        page = await browser.get(path)
        assert "half of the machine" in page.text
        for _ in range(2):
            answer = await browser.send_form(path, page, source="ledger")
            assert answer.headers["location"] == path
        page_after = await shown(browser, path)
    assert "<progress" in page_after
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in page_after
    assert "Running" in page_after
    assert await harness.pool.fetchval("select source from rebuild_order") == "ledger"


async def test_a_rebuild_shows_its_progress_and_remaining_time(harness: Harness) -> None:
    listed = {"projections": [{**PROJECTION, "rebuild": REBUILD}]}
    harness.devices.answers = device_answers({"operations/projections": listed})
    async with await harness.operator() as browser:
        page = await shown(browser, "/console/projections/device/license_view")
    assert "500 of 2,000 events (25%), 300 per second, about 5.0 s left" in page


@pytest.mark.parametrize(("ended", "texts"), ENDED, ids=lambda value: value["state"] if isinstance(value, dict) else "")
async def test_the_outcome_of_a_rebuild_is_shown(ended: dict[str, Any], texts: list[str], harness: Harness) -> None:
    """R-118."""
    finished = {"finished_at": "2026-03-01T12:01:00.000Z"} if ended["state"] != "interrupted" else {}
    listed = {"projections": [{**PROJECTION, "rebuild": {**REBUILD, **finished, **ended}}]}
    harness.devices.answers = device_answers({"operations/projections": listed})
    async with await harness.operator() as browser:
        page = await shown(browser, "/console/projections/device/license_view")
    assert [words for words in texts if words not in page] == []
    assert ("Replace the table although 21 rows differ" in page) == (ended["state"] == "differs")
    assert "http-equiv" not in page


async def test_the_log_of_the_other_service_is_read_from_kafka_only(harness: Harness) -> None:
    path = f"/console/projections/activation/{FORECAST.name}"
    async with await harness.operator() as browser:
        page = await browser.get(path)
        assert 'value="ledger"' not in page.text
        answer = await browser.send_form(path, page, source="ledger")
        assert (answer.status_code, "can only be read from Kafka" in answer.text) == (409, True)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("(d,6,{})", "(d,5,{})", (DiffSide("(d,", "6", ",{})"), DiffSide("(d,", "5", ",{})"))),
        ("aa", "aaa", (DiffSide("aa", "", ""), DiffSide("aa", "a", ""))),
        (None, "a", (DiffSide("", "absent", ""), DiffSide("", "a", ""))),
        ("b" * 99 + "1", "b" * 99, (DiffSide("…" + "b" * 60, "1", ""), DiffSide("…" + "b" * 60, "", ""))),
    ],
)
def test_the_differing_parts_of_two_rows_are_found(
    one: str | None, other: str | None, expected: tuple[DiffSide, DiffSide]
) -> None:
    assert diff_of(one, other) == expected


# --- everywhere ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["parked/code_view:1:2/redrive", "parked/code_view:1:2/discard", "projections/activation/code_view"]
)
async def test_a_form_from_outside_this_session_does_nothing(path: str, harness: Harness) -> None:
    await set_aside(harness)
    async with await harness.operator() as browser:
        for fields in ({}, {"form": "0" * 64, "order": "1", "reason": "good enough"}):
            answer = await browser.post(f"/console/{path}", data=fields)
            assert answer.status_code == 403
    assert await harness.pool.fetchval("select count(*) from event where type <> 'MessageParked'") == 0
    assert await harness.pool.fetchval("select count(*) from rebuild_order") == 0


@pytest.mark.parametrize(
    "path", ["parked", "parked/code_view:1:2", "system", "forecast", "projections/activation/code_view"]
)
async def test_nobody_sees_operations_without_a_login(path: str, harness: Harness) -> None:
    async with harness.browser() as browser:
        assert "Operator key" in await shown(browser, f"/console/{path}", 401)


async def test_a_forecast_without_failures_says_so(harness: Harness) -> None:
    async with await harness.operator() as browser:
        page = await shown(browser, "/console/forecast?days=90")
    assert "none of the 0 switches in the next 90 days will fail" in page


async def test_a_forecast_says_where_chance_decides_and_who_comes_too_late(harness: Harness) -> None:
    """R-47, R-141."""
    code = await harness.issue()
    wants_it = Waiting(code_ref=code["code_ref"], last_group=code["last_group"], added_id=new_id())
    soon = machine_now() + timedelta(days=10)
    for name, ends_at in (("one", soon), ("other", soon), ("third", soon + timedelta(hours=1))):
        current = Current(code_ref=f"{7:032x}", ends_at=ends_at)
        row = Switchover(device_id=name, product="antivirus", region="DE", license=current, reserve=wants_it)
        await harness.foresees(row)
    async with await harness.operator() as browser:
        page = await shown(browser, "/console/forecast?days=30")
    assert page.count("Contested: 1 of 2 will get it.") == 2
    assert "Together with it: other" in page
    assert "Together with it: one" in page
    assert "Ahead of it: one, other" in page
    assert "3 of 3 switches in the next 30 days will fail or are contested" in page
