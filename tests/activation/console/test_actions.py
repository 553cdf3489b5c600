"""Support's actions on codes: previewed by the rules, with a reason, done once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.activation.forecast import Current, Switchover, Waiting
from shared.ledger.clock import machine_now
from shared.ledger.identity import new_id
from shared.rules.policy import POLICY
from tests.activation.console.harness import Browser, Harness
from tests.at_the_door import OPERATOR, told

REASON = "stolen <script>alert(1)</script>"


def waits_with(code: dict[str, Any], **more: Any) -> Waiting:
    """Return a code as a device keeps it in reserve."""
    return Waiting(code_ref=code["code_ref"], last_group=code["last_group"], added_id=new_id(), **more)


def device(name: str, **more: Any) -> Switchover:
    """Return what is known about a device."""
    return Switchover(device_id=name, product="antivirus", region="DE", **more)


async def ends_at(harness: Harness, code_ref: str) -> datetime:
    """Return when the license of a code ends."""
    async with harness.browser() as api:
        shown = told(200, await api.get(f"/v1/codes/{code_ref}", headers=OPERATOR))
    return datetime.fromisoformat(shown["ends_at"])


async def press(browser: Browser, path: str, *, reason: str = REASON, query: str = "") -> httpx.Response:
    """Look at the preview and confirm it."""
    return await browser.send_form(path, await browser.get(path + query), reason=reason)


def names(events: Sequence[dict[str, Any]]) -> list[str]:
    """Return the event types."""
    return [event["type"] for event in events]


async def test_the_preview_of_a_block_shows_which_devices_stop_when_and_what_follows(harness: Harness) -> None:
    """R-46, R-105, R-31, R-85: a device with a reserve switches earlier, and takes the only seat before a stranger."""
    code, reserve = await harness.issue(seats=2), await harness.issue()
    ref = code["code_ref"]
    await harness.activated(ref, "alone", "prepared")
    current = Current(code_ref=ref, ends_at=await ends_at(harness, ref))
    soon = Current(code_ref=f"{7:032x}", ends_at=machine_now() + timedelta(days=30))
    await harness.foresees(
        device("alone", license=current),
        device("prepared", license=current, reserve=waits_with(reserve)),
        device("waiting", license=soon, reserve=waits_with(code)),
        device("stranger", license=soon, reserve=waits_with(reserve)),
    )
    async with await harness.operator() as browser:
        before = await harness.history(ref)
        page = await browser.get(f"/console/codes/{ref}/block")
        stops = (machine_now() + POLICY.block_notice).astimezone(UTC)
        assert f"{stops:%Y-%m-%d}" in page.text
        for name in ("alone", "prepared", "waiting", "stranger"):
            assert f'/console/devices/{name}"' in page.text
        assert "code blocked" in page.text
        assert "seats exhausted" in page.text
        assert "4 devices are affected" in page.text
        assert await harness.history(ref) == before


async def test_a_preview_says_where_chance_decides(harness: Harness) -> None:
    """R-105, R-141: those whose license a block stops want the only seat of their reserve together."""
    code, reserve = await harness.issue(seats=2), await harness.issue()
    ref = code["code_ref"]
    await harness.activated(ref, "one", "other")
    current = Current(code_ref=ref, ends_at=await ends_at(harness, ref))
    await harness.foresees(*(device(name, license=current, reserve=waits_with(reserve)) for name in ("one", "other")))
    async with await harness.operator() as browser:
        page = await browser.get(f"/console/codes/{ref}/block")
    assert page.text.count("1 of 2 will get it") == 4  # of each device, before and after


@pytest.mark.parametrize("reason", ["", "   "])
async def test_nothing_is_done_without_a_reason(reason: str, harness: Harness) -> None:
    code = await harness.issue()
    path = f"/console/codes/{code['code_ref']}/block"
    async with await harness.operator() as browser:
        answer = await press(browser, path, reason=reason)
    assert answer.status_code == 422
    assert "Give a reason" in answer.text
    assert names(await harness.history(code["code_ref"])) == ["CodeIssued"]


async def test_a_block_is_done_once_however_often_it_is_sent_and_records_why_and_who(harness: Harness) -> None:
    """R-09, R-46."""
    code = await harness.issue()
    page_of, path = f"/console/codes/{code['code_ref']}", f"/console/codes/{code['code_ref']}/block"
    async with await harness.operator("Ada & Co") as browser:
        preview = await browser.get(path)
        answers = [await browser.send_form(path, preview, reason=REASON) for _ in range(2)]
        changed = await browser.send_form(path, preview, reason="other words")
        shown = await browser.get(page_of)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert all("The code is blocked." in answer.text for answer in answers)
    assert changed.status_code == 403
    events = await harness.history(code["code_ref"])
    assert names(events) == ["CodeIssued", "CodeBlocked"]
    assert events[1]["data"]["note"] == f"{REASON} – Ada & Co, console"
    assert "<script>alert" not in shown.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; – Ada &amp; Co, console" in shown.text


async def test_a_preview_of_a_code_that_has_changed_does_nothing_and_is_renewed(harness: Harness) -> None:
    code = await harness.issue()
    path = f"/console/codes/{code['code_ref']}/block"
    async with await harness.operator() as browser:
        preview = await browser.get(path)
        await harness.activated(code["code_ref"], "device-1")
        answer = await browser.send_form(path, preview, reason=REASON)
        assert answer.status_code == 409
        assert "has changed since" in answer.text
        assert "CodeBlocked" not in names(await harness.history(code["code_ref"]))
        again = await browser.send_form(path, answer, reason=REASON)
    assert again.status_code == 200
    assert names(await harness.history(code["code_ref"]))[-1] == "CodeBlocked"


async def test_an_action_that_would_change_nothing_has_no_form(harness: Harness) -> None:
    code = await harness.issue()
    path = f"/console/codes/{code['code_ref']}"
    async with await harness.operator() as browser:
        page = await browser.get(f"{path}/unblock")
        assert "Nothing would change" in page.text
        assert "<textarea" not in page.text
        await press(browser, f"{path}/block")
        assert "Nothing would change" in (await browser.get(f"{path}/block")).text
        assert "The code is unblocked." in (await press(browser, f"{path}/unblock")).text


async def test_a_released_seat_lets_the_reserve_take_over_or_keeps_it_as_previewed(harness: Harness) -> None:
    """R-84."""
    code, reserve = await harness.issue(), await harness.issue()
    ref = code["code_ref"]
    await harness.activated(ref, "device-1")
    current = Current(code_ref=ref, ends_at=await ends_at(harness, ref))
    await harness.foresees(device("device-1", license=current, reserve=waits_with(reserve)))
    path, query = f"/console/codes/{ref}/release", "?device_id=device-1"
    async with await harness.operator() as browser:
        page = await browser.get(path + query)
        assert "at once" in page.text
        kept = await browser.get(f"{path}{query}&keep_reserve=yes")
        assert "keeps its code in reserve unused" in kept.text
        answer = await press(browser, path, query=f"{query}&keep_reserve=yes")
        assert "The seat is free." in answer.text
        assert "holds no seat" in (await browser.get(path + query)).text
        assert (await browser.get(path)).status_code == 422
    released = (await harness.history(ref))[-1]
    assert (released["type"], released["data"]["keeps_reserve"]) == ("SeatReleased", True)


async def test_a_refund_shows_the_earlier_end_before_it_is_done(harness: Harness) -> None:
    """R-96: never at once."""
    code = await harness.issue(term="P1M")
    ref = code["code_ref"]
    await harness.activated(ref, "device-1")
    async with await harness.operator() as browser:
        first_end = await ends_at(harness, ref)
        bought = {"code_ref": ref, "order_id": "A/17 & more"}
        told(202, await browser.post("/v1/purchases", json=bought, headers=OPERATOR))
        later_end = await ends_at(harness, ref)
        await harness.foresees(device("device-1", license=Current(code_ref=ref, ends_at=later_end)))
        query = "?order_id=A%2F17+%26+more"
        page = await browser.get(f"/console/codes/{ref}/refund{query}")
        for moment in (first_end, later_end):
            assert f"{moment:%Y-%m-%dT%H:%M}" in page.text
        assert "1 device is affected" in page.text
        assert "The refund is recorded." in (await press(browser, f"/console/codes/{ref}/refund", query=query)).text
        unknown = await browser.get(f"/console/codes/{ref}/refund?order_id=never")
        assert "Nothing would be done." in unknown.text
    assert await ends_at(harness, ref) == first_end


@pytest.mark.parametrize("version", ["²", "-1", "9" * 5_000])
async def test_the_version_of_the_preview_is_required_and_a_number(version: str, harness: Harness) -> None:
    code = await harness.issue()
    path = f"/console/codes/{code['code_ref']}/block"
    async with await harness.operator() as browser:
        preview = await browser.get(path)
        answer = await browser.send_form(path, preview, reason=REASON, version=version)
    assert answer.status_code == 403
