"""The home page and the lists: what an operator sees at a glance, and the list behind each number."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.activation.console import code_list
from services.activation.console.device_client import DeviceUnavailable
from services.activation.console.exports import csv_line, json_line
from services.activation.forecast import Current, Switchover, Waiting
from shared.calendar import instant
from shared.doors.kept import Kept
from shared.ledger.clock import machine_now
from shared.ledger.database import Pool
from shared.ledger.identity import new_id
from tests.activation.console.harness import Harness
from tests.at_the_door import OPERATOR, told

EVENT = {
    "version": 2,
    "type": "CodeAdded",
    "event_id": "0198a1b2-0000-7000-8000-00000000000e",
    "occurred_at": "2026-03-01T12:00:00.250Z",
    "recorded_at": "2026-03-01T12:00:00.250Z",
    "correlation_id": "0198a1b2-0000-7000-8000-000000000001",
    "causation_id": None,
    "slice": 17,
    "position": 4711,
    "data": {"device_id": "d-1", "code_ref": "0" * 32, "last_group": "7QX2M", "purpose": "reserve"},
    "device_id": "d-1",
}
DEVICE: dict[str, Any] = {
    "device_id": "d-1",
    "status": "active",
    "product": "antivirus",
    "region": "DE",
    "vendor": "=1+1",
    "code_ref": "0" * 32,
    "last_group": "7QX2M",
    "ends_at": "2027-03-01T12:00:00.250Z",
    "works_until": "2027-03-01T12:00:00.250Z",
    "reserve": "ready",
}
REFUSAL: dict[str, Any] = {
    "device_id": "d-1",
    "type": "ActivationRefused",
    "event_id": "0198a1b2-0000-7000-8000-00000000000e",
    "occurred_at": "2026-03-01T12:00:00.250Z",
    "reason": "code_blocked",
    "code_ref": "0" * 32,
    "order_id": "order-1",
    "seconds": 0.25,
}


def overview() -> dict[str, Any]:
    """Return what the device service tells of its fleet."""
    today = machine_now().astimezone(UTC).date()
    days = [(today + timedelta(days=number)).isoformat() for number in range(14)]
    return {
        "as_of": instant(machine_now()),
        "statuses": {"unlicensed": 12, "active": 4_711, "over": 20_000, "grace": None, "expired": None, "blocked": 3},
        "ending": [{"day": day, "count": 5 if day == days[2] else 0} for day in days],
        "refusals": [{"day": today.isoformat(), "reason": "code_blocked", "count": 7}],
        "refusals_cut": False,
        "freshness": {"renewals": 40, "median_seconds": 0.08, "slow_seconds": 0.3, "longest_seconds": 1.2},
        "latest": [EVENT],
    }


def device_service(request: httpx.Request) -> httpx.Response:
    """Answer as the device service does; a list has two pages."""
    match request.url.path:
        case "/v1/overview":
            return httpx.Response(200, json=overview())
        case "/v1/devices":
            first = request.url.params["after"] == ""
            entry = DEVICE if first else {**DEVICE, "device_id": "d-2"}
            return httpx.Response(200, json={"as_of": "", "devices": [entry], "next": "0.d-1" if first else None})
        case "/v1/refusals" | "/v1/renewals":
            return httpx.Response(200, json={"as_of": "", "events": [REFUSAL], "next": None})
        case _:
            return httpx.Response(503, json={})


async def fails_in_two_days(harness: Harness) -> None:
    """Let a device wait with a code that is blocked."""
    code = await harness.issue()
    ends_at = datetime.combine(machine_now().astimezone(UTC) + timedelta(days=2), datetime.min.time(), UTC)
    async with harness.browser() as api:
        told(202, await api.post(f"/v1/codes/{code['code_ref']}/block", json={"note": "stolen"}, headers=OPERATOR))
    await harness.foresees(
        Switchover(
            device_id="d-1",
            product="antivirus",
            region="DE",
            license=Current(code_ref="f" * 32, ends_at=ends_at + timedelta(hours=12)),
            reserve=Waiting(code_ref=code["code_ref"], last_group=code["last_group"], added_id=new_id()),
        )
    )


async def test_the_home_page_tells_of_the_fleet_and_each_number_leads_to_its_list(harness: Harness) -> None:
    """R-141: how many licenses end and how much of it will fail."""
    harness.devices.answers = device_service
    await fails_in_two_days(harness)
    operator = await harness.operator()
    page = (await operator.get("/console")).text
    assert '<a href="/console/devices?status=active"><b>4,711</b>' in page
    assert "status=grace" not in page, "what was not told apart is not shown as none"
    today = machine_now().astimezone(UTC).date()
    day, after = today + timedelta(days=2), today + timedelta(days=3)
    assert f'href="/console/devices?expiring_from={day}&amp;expiring_before={after}">5<' in page
    assert 'href="/console/forecast?days=3">1<' in page
    assert 'class="picture columns-of"' in page
    assert 'class="bad"' in page
    assert f'href="/console/refusals?reason=code_blocked&amp;since={today - timedelta(days=6)}"' in page
    assert "<dt>Half of them within</dt><dd>0.08 seconds</dd>" in page
    assert 'href="/console/devices/d-1#event-' in page
    assert "The code was blocked" in page


async def test_without_the_device_service_the_home_page_shows_the_rest(harness: Harness) -> None:
    await fails_in_two_days(harness)
    operator = await harness.operator()
    response = await operator.get("/console")
    assert response.status_code == 200
    assert "The device service is not responding" in response.text
    assert 'href="/console/forecast?days=3">1<' in response.text
    assert "unknown" in response.text
    assert 'action="/console/search"' in response.text
    assert "The device service is not responding" in (await operator.get("/console/devices")).text
    assert "The device service is not responding" in (await operator.get("/console/refusals")).text
    assert (await operator.get("/console/export/devices.csv")).headers["location"] == "/console/devices?"


async def test_devices_are_listed_with_their_filters_page_by_page(harness: Harness) -> None:
    harness.devices.answers = device_service
    operator = await harness.operator()
    page = (await operator.get("/console/devices?status=active&product=antivirus&expiring_before=2027-01-01")).text
    asked = harness.devices.asked[-1].url.params
    assert (asked["status"], asked["product"], asked["expiring_before"]) == (
        "active",
        "antivirus",
        "2027-01-01T00:00:00.000Z",
    )
    assert 'href="/console/devices/d-1"' in page
    assert "expiring_before=2027-01-01&amp;after=0.d-1" in page
    assert "/console/export/devices.csv?status=active" in page
    wrong = await operator.get("/console/devices?expiring_before=soon")
    assert "This is not a valid time" in wrong.text


async def test_filters_that_cannot_be_are_named_and_nothing_is_listed_or_exported_without_them(
    harness: Harness,
) -> None:
    refused = {"code": "invalid_fields", "fields": [{"field": "product", "problem": "string_pattern_mismatch"}]}
    harness.devices.answers = lambda _: httpx.Response(422, json=refused)
    await harness.issue()
    operator = await harness.operator()
    assert "No device can have this product." in (await operator.get("/console/devices?product=Anti")).text
    codes = (await operator.get("/console/codes?expiring_before=soon")).text
    assert "This is not a valid time" in codes
    assert "List of codes" not in codes
    for name, filters in (
        ("devices", "product=Anti"),
        ("devices", "expiring_from=soon"),
        ("codes", "expiring_before=soon"),
    ):
        answer = await operator.get(f"/console/export/{name}.csv?{filters}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/console/{name}?{filters}")


async def test_refusals_and_renewals_are_listed(harness: Harness) -> None:
    """R-19, R-99."""
    harness.devices.answers = device_service
    operator = await harness.operator()
    page = (await operator.get("/console/refusals?reason=code_blocked&since=2026-01-01")).text
    assert "The vendor has blocked the code." in page
    assert harness.devices.asked[-1].url.params["since"] == "2026-01-01T00:00:00.000Z"
    assert "0.25 s" in (await operator.get("/console/renewals")).text


async def test_a_list_is_exported_whole_and_no_cell_is_a_formula(harness: Harness) -> None:
    harness.devices.answers = device_service
    operator = await harness.operator()
    as_csv = await operator.get("/console/export/devices.csv?status=active")
    assert as_csv.headers["content-disposition"] == 'attachment; filename="devices.csv"'
    header, *rows = as_csv.text.splitlines()
    assert header.startswith("device_id,status,product")
    assert [row.partition(",")[0] for row in rows] == ["d-1", "d-2"]
    assert ",'=1+1," in rows[0]
    lines = (await operator.get("/console/export/devices.jsonl")).text.splitlines()
    assert [json.loads(line)["vendor"] for line in lines] == ["=1+1", "=1+1"]
    async with harness.browser() as nobody:
        assert (await nobody.get("/console/export/devices.csv")).status_code == 401


async def test_an_export_breaks_off_when_the_device_service_goes_away(harness: Harness) -> None:
    """A file that ends early never looks whole."""

    def goes_away(request: httpx.Request) -> httpx.Response:
        if request.url.params["after"]:
            raise httpx.ConnectError("gone")
        return device_service(request)

    harness.devices.answers = goes_away
    operator = await harness.operator()
    with pytest.raises(DeviceUnavailable):
        await operator.get("/console/export/devices.csv")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", "\r=1"])
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert csv_line(["a"], {"a": text}).lstrip('"').startswith("'")
    assert csv_line(["a", "b"], {"a": "x-1", "b": None}) == "x-1,\r\n"
    assert json_line(["a"], {"a": "\u2028"}) == '{"a": "\\u2028"}\n'


async def codes_shown(harness: Harness, **filters: Any) -> list[str]:
    """Return the references on all pages of the list of codes, read from its export."""
    operator = await harness.operator()
    lines = (await operator.get("/console/export/codes.jsonl", params=filters)).text.splitlines()
    return [json.loads(line)["code_ref"] for line in lines]


async def shows(harness: Harness) -> None:
    """Bring the view of codes up to the ledger, as its projection does."""
    await harness.pool.execute(
        """insert into code_view (code_ref, version, view) select code_ref, version, jsonb_build_object('code', state)
           from code where state ->> 'code_ref' is not null
           on conflict (code_ref) do update set view = excluded.view"""
    )


async def test_codes_are_listed_by_status_vendor_product_and_end(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_list, "CHUNK_ROWS", 1)
    monkeypatch.setattr(code_list, "LOOKED_AT_MAX", 2)
    short, long, unused, blocked = [
        (await harness.issue(term=term, product=product))["code_ref"]
        for term, product in (("P1M", "antivirus"), ("P1Y", "antivirus"), ("P1Y", "vpn"), ("P1Y", "vpn"))
    ]
    await harness.activated(short, "d-1")
    await harness.activated(long, "d-2")
    async with harness.browser() as api:
        told(202, await api.post(f"/v1/codes/{blocked}/block", json={"note": "stolen"}, headers=OPERATOR))
    await shows(harness)
    assert await codes_shown(harness, status="in_use") == [short, long]
    assert await codes_shown(harness, status="never_activated") == [unused]
    assert await codes_shown(harness, status="blocked") == [blocked]
    assert await codes_shown(harness, status="expired") == []
    soon = (machine_now() + timedelta(days=60)).isoformat()
    assert await codes_shown(harness, expiring_before=soon) == [short]
    assert await codes_shown(harness, product="vpn") == sorted([unused, blocked])
    assert await codes_shown(harness, vendor="nobody") == []
    assert await codes_shown(harness) == sorted([short, long, unused, blocked])
    operator = await harness.operator()
    page = (await operator.get("/console/codes?status=in_use")).text
    assert f'href="/console/codes/{short}"' in page
    assert "Go on looking" in (await operator.get("/console/codes?vendor=nobody")).text


PLANS: dict[str, tuple[Any, ...]] = {
    "code_view_by_end": (code_list.BY_END, "", "", "~", 500),
    "code_view_unused": (code_list.UNUSED, "", 500),
    "code_view_blocked": (code_list.BLOCKED, "", 500),
    "code_view_pkey": (code_list.ALL, "", 500),
}


@pytest.mark.parametrize("index", PLANS)
async def test_each_list_of_codes_walks_along_its_own_index(index: str, activation_pool: Pool) -> None:
    query, *parameters = PLANS[index]
    async with activation_pool.acquire() as connection, connection.transaction():
        # an empty table is read as a whole, whatever its indexes are
        await connection.execute(
            "set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off"
        )
        plan = "\n".join(row[0] for row in await connection.fetch(f"explain {query}", *parameters))
    assert f"using {index}" in plan
    assert "Sort" not in plan


async def test_what_is_costly_is_found_again_only_after_a_hundred_times_as_long() -> None:
    now, found = [0.0], []

    async def find() -> int:
        now[0] += 2.0
        found.append(now[0])
        return len(found)

    kept = Kept(find, seconds=lambda: now[0])
    assert [await kept.value(), await kept.value()] == [1, 1]
    now[0] = 201.0
    assert await kept.value() == 1
    now[0] = 202.0
    assert await kept.value() == 2
