"""The pages of devices and codes, also while the device service is unavailable."""

from datetime import datetime, timedelta

import httpx
import pytest

from services.activation.console.event_sentences import SENTENCES
from services.activation.console.values import status_of
from services.activation.decider import POLICY, Code, RecordPurchase
from services.activation.forecast import Current, Switchover
from shared.ledger.clock import Clock
from shared.messages import ACTIVATION_EVENTS, DEVICE_EVENTS, PARKING_EVENTS
from tests.activation.console.harness import Harness
from tests.at_the_door import OPERATOR, told
from tests.scenarios import END, NOON, START
from tests.shared.moments import UNTELLABLE_MOMENTS

DEVICE = "/console/devices/device-1"


def test_every_event_of_both_logs_has_a_sentence() -> None:
    names = {event.__name__ for event in (*DEVICE_EVENTS, *ACTIVATION_EVENTS)}
    assert set(SENTENCES) == names - {event.__name__ for event in PARKING_EVENTS}


async def test_the_page_of_a_code_shows_its_status_seats_and_purchases(harness: Harness) -> None:
    """R-66, R-82, R-90, R-130."""
    code = await harness.issue(seats=2)
    await harness.activated(code["code_ref"], "device-1")
    async with await harness.operator() as browser:
        bought = {"code_ref": code["code_ref"], "order_id": "A-17 <b>"}
        told(202, await browser.post("/v1/purchases", json=bought, headers=OPERATOR))
        page = await browser.get(f"/console/codes/{code['code_ref']}")
    assert page.status_code == 200
    assert f"code ending in {code['last_group']}" in page.text
    assert "1 of 2 taken" in page.text
    assert 'href="/console/devices/device-1"' in page.text
    assert "A-17 &lt;b&gt;" in page.text
    assert "The code is in use since" in page.text
    assert "Its last renewal counts from" in page.text
    assert "Counts from" in page.text
    for name in ("CodeIssued", "LicenseActivated", "LicenseRenewed"):
        assert name in page.text
    assert "The device service is not responding" in page.text


async def test_a_refund_that_came_before_its_purchase_says_that_it_will_count(harness: Harness) -> None:
    """R-132."""
    code = await harness.issue()
    async with await harness.operator() as browser:
        refund = {"code_ref": code["code_ref"], "note": "sent back"}
        told(409, await browser.post("/v1/purchases/A-17/refund", json=refund, headers=OPERATOR))
        page = await browser.get(f"/console/codes/{code['code_ref']}")
    assert "The refund of order A-17 was refused: unknown order. It counts as soon as its purchase comes." in page.text


@pytest.mark.parametrize(
    ("auto_renews", "after", "said"),
    [
        (True, timedelta(0), "Renewal due"),
        (True, POLICY.auto_renewal_hold, "Expired"),
        (False, timedelta(0), "Expired"),
        (True, -timedelta(milliseconds=1), "In use"),
    ],
)
def test_a_subscription_that_is_about_to_renew_itself_is_not_called_expired(
    auto_renews: bool, after: timedelta, said: str
) -> None:
    """R-135."""
    code = Code(kind="subscription", auto_renews=auto_renews, started_at=START, ends_at=END)
    assert status_of(code, END + after, POLICY).label == said


@pytest.mark.parametrize("moment", UNTELLABLE_MOMENTS[:1])  # one ahead is recorded as it was counted
async def test_a_purchase_dated_by_an_earlier_release_beyond_utc_is_shown(moment: datetime, harness: Harness) -> None:
    """R-134."""
    code = await harness.issue()
    await harness.activated(code["code_ref"], "device-1")
    bought = {"code_ref": code["code_ref"], "order_id": "A-17", "settled": True, "term": None}
    at = max(Clock(sandbox=True).now(), moment)  # today's rules record no date ahead
    await harness.order(RecordPurchase.model_construct(**bought, at=at, purchased_at=moment))
    async with await harness.operator() as browser:
        page = await browser.get(f"/console/codes/{code['code_ref']}")
        history = await browser.get(f"/v1/codes/{code['code_ref']}/history", headers=OPERATOR)
    assert (page.status_code, history.status_code) == (200, 200)
    assert moment.isoformat() in history.text
    assert "LicenseRenewed" in page.text


async def test_a_code_that_was_never_issued_has_no_page(harness: Harness) -> None:
    async with await harness.operator() as browser:
        for path in (f"/console/codes/{7:032x}", "/console/codes/%2e%2e", f"/console/codes/{7:032x}/block"):
            assert (await browser.get(path)).status_code == 404


async def test_a_codes_timeline_is_paged_from_the_latest_and_includes_the_devices_events(harness: Harness) -> None:
    """R-124: by cause, not by time alone."""
    code = await harness.issue(seats=100)
    await harness.activated(code["code_ref"], *(f"device-{number}" for number in range(40)))
    latest = (await harness.history(code["code_ref"]))[-1]
    cause = {**latest, "type": "CodeAdded", "event_id": latest["causation_id"], "causation_id": None}
    cause |= {"data": {"last_group": code["last_group"], "purpose": "immediate"}, "device_id": "device-39"}
    applied = {**latest, "event_id": "0" * 36, "causation_id": latest["event_id"], "device_id": "device-39"}
    harness.devices.answers = lambda _: httpx.Response(200, json={"events": [cause, applied]})
    async with await harness.operator() as browser:
        page = await browser.get(f"/console/codes/{code['code_ref']}")
        # the evidence of the why answer names versions too: the pager is the last link
        earlier = page.text.rpartition("before=")[2].partition("#")[0]
        older = await browser.get(f"/console/codes/{code['code_ref']}?before={earlier}")
    assert page.text.count('class="activation"') == 30
    assert page.text.index("was added for immediate activation") < page.text.index(f'id="event-{latest["event_id"]}"')
    assert "applied by the device service on" in page.text
    assert older.text.count('class="activation"') == 11
    assert "CodeIssued" in older.text


async def test_while_the_device_service_is_unavailable_the_page_shows_what_is_known_here(harness: Harness) -> None:
    code = await harness.issue()
    await harness.activated(code["code_ref"], "device-1")
    current = Current(code_ref=code["code_ref"], ends_at=NOON)
    await harness.foresees(Switchover(device_id="device-1", product="antivirus", region="DE", license=current))
    async with await harness.operator() as browser:
        page = await browser.get(DEVICE)
    assert page.status_code == 200
    assert "The device service is not responding" in page.text
    assert f"/console/codes/{code['code_ref']}" in page.text


async def test_a_refusal_of_the_device_service_is_shown_on_the_page(harness: Harness) -> None:
    """R-125."""
    await harness.foresees(Switchover(device_id="device-1", product="antivirus", region="DE"))
    problem = {"code": "in_the_future", "detail": "at lies in the future"}
    harness.devices.answers = lambda _: httpx.Response(422, json=problem)
    async with await harness.operator() as browser:
        page = await browser.get(f"{DEVICE}?at=2999-01-01")
        assert "At lies in the future." in page.text
        wrong = await browser.get(f"{DEVICE}?at=<b>soon")
    assert "This is not a valid time" in wrong.text
    assert "<b>soon" not in wrong.text


async def test_a_device_that_was_never_enrolled_has_no_page(harness: Harness) -> None:
    harness.devices.answers = lambda _: httpx.Response(404, json={"code": "unknown_device", "detail": "no such"})
    async with await harness.operator() as browser:
        assert (await browser.get("/console/devices/nobody")).status_code == 404


async def test_the_device_service_gets_a_one_minute_token_and_never_the_operator_key(harness: Harness) -> None:
    async with await harness.operator("Ada") as browser:
        await browser.get(DEVICE)
    credential = harness.devices.asked[0].headers["authorization"].removeprefix("Bearer ")
    claims = harness.keys.public.verify(credential, kind="perennial-operator")
    assert (claims["sub"], claims["aud"]) == ("Ada", "device")
    assert 0 < claims["exp"] - harness.time.now().timestamp() <= 60
