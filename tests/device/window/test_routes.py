"""The window's routes on a real ledger, in this process: access, headers, and what forms may do."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.device.api import Doors, Throttle, Watch
from services.device.api import routes as api_routes
from services.device.decider import DECIDER
from services.device.outbox import SANDBOX_OUTBOX
from services.device.store import DeviceStore
from services.device.window import FORM_BYTES_MAX, PAGES, Window, routes, window
from services.device.window.links import LINK_VALID
from shared.doors.app import new_app
from shared.doors.command_queue import CommandQueue
from shared.doors.limits import allow_forms
from shared.keys.crypto_shredding import Sealing
from shared.keys.signing import KeyRing
from shared.ledger.clock import Clock, machine_now
from shared.ledger.code_generator import new_code
from shared.ledger.command_handler import CommandHandler
from shared.ledger.database import Pool
from tests.at_the_door import OPERATOR, OPERATOR_KEY_HASH, told

ANTIVIRUS = {"product": "antivirus", "region": "DE", "name": "Ada's <notebook>"}


class Time:
    """The machine's time, as the window sees it."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return machine_now() + self.ahead


@dataclass(frozen=True, slots=True)
class Harness:
    """The service's API and its window."""

    app: FastAPI
    time: Time
    clock: Clock
    stopping: asyncio.Event

    def browser(self, url: str = "http://door") -> httpx.AsyncClient:
        """Return a browser with a jar of cookies of its own."""
        transport = httpx.ASGITransport(self.app, client=("192.0.2.1", 50_000))
        return httpx.AsyncClient(transport=transport, base_url=url, timeout=60.0)


@dataclass(frozen=True, slots=True)
class Owner:
    """A device and its token."""

    device_id: str
    token: str

    @property
    def page(self) -> str:
        """The path of its window."""
        return f"/devices/{self.device_id}/licensing"


@pytest.fixture(autouse=True)
def no_wait_for_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No consumer runs here, so no verdict comes."""
    monkeypatch.setattr(window, "SETTLE_SECONDS_MAX", 0.0)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return KeyRing.load_or_create(tmp_path_factory.mktemp("keys") / "device.pem")


@pytest.fixture
async def harness(device_pool: Pool, keys: KeyRing) -> AsyncIterator[Harness]:
    async with running(device_pool, keys) as harness:
        yield harness


@asynccontextmanager
async def running(pool: Pool, keys: KeyRing | None) -> AsyncIterator[Harness]:
    handler = CommandHandler(DECIDER, DeviceStore(), SANDBOX_OUTBOX)
    queue, time, stopping = CommandQueue(handler, pool=pool), Time(), asyncio.Event()
    clock = Clock(sandbox=True)
    doors = Doors(
        queue=queue,
        pool=pool,
        clock=clock,
        watch=Watch(),
        heard_until=clock.now,
        sealing=Sealing(pool),
        enrollments=Throttle(per_minute=100),
        keys=keys,
        issuer=SANDBOX_OUTBOX.source,
        operator_key_hash=OPERATOR_KEY_HASH,
    )
    app = new_app(title="tests", version="0", registry=CollectorRegistry(), checks=())
    app.include_router(api_routes(doors))
    app.include_router(routes(Window(doors=doors, stopping=stopping, now=time.now)))
    allow_forms(app, under=PAGES, bytes_max=FORM_BYTES_MAX)
    serving = asyncio.create_task(queue.run())
    yield Harness(app, time, clock, stopping)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


async def enrolled(harness: Harness) -> Owner:
    async with harness.browser() as nobody:
        answer = told(201, await nobody.post("/v1/devices", json=ANTIVIRUS, headers=OPERATOR))
    return Owner(answer["device_id"], answer["token"])


async def link_to(browser: httpx.AsyncClient, owner: Owner) -> str:
    """Return the path of a fresh link."""
    headers = {"Authorization": f"Bearer {owner.token}"}
    answer = told(201, await browser.post(f"/v1/devices/{owner.device_id}/licensing-link", headers=headers))
    return str(answer["path"])


async def opens(browser: httpx.AsyncClient, owner: Owner) -> httpx.Response:
    """Open the window with a fresh link and return its page."""
    page = await browser.get(await link_to(browser, owner), follow_redirects=True)
    assert page.status_code == 200, page.text
    return page


def fields(html: str, action: str) -> dict[str, str]:
    """Return the hidden fields of the form that goes to `action`."""
    form = re.search(rf'<form[^>]*action="[^"]*{action}".*?</form>', html, re.DOTALL)
    assert form is not None, f"no form for {action}"
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form[0]))


async def history(harness: Harness, owner: Owner) -> list[str]:
    async with harness.browser() as operator:
        page = told(200, await operator.get(f"/v1/devices/{owner.device_id}/history", headers=OPERATOR))
    return [event["type"] for event in page["events"]]


# --- who gets in -------------------------------------------------------------------------------------


async def test_a_link_opens_the_window_and_disappears_from_the_address(harness: Harness) -> None:
    owner = await enrolled(harness)
    async with harness.browser() as browser:
        arrived = await browser.get(await link_to(browser, owner))
        assert (arrived.status_code, arrived.headers["location"]) == (303, owner.page)
        page = await browser.get(owner.page)
        assert page.status_code == 200
        assert "Ada&#39;s &lt;notebook&gt;" in page.text
        assert page.text.count("<h1") == 1


async def test_the_cookie_is_for_one_window_and_out_of_reach(harness: Harness) -> None:
    owner = await enrolled(harness)
    for url, secure in (("http://door", False), ("https://door", True)):
        async with harness.browser(url) as browser:
            cookie = (await browser.get(await link_to(browser, owner))).headers["set-cookie"]
            assert {"HttpOnly", "SameSite=strict", f"Path={owner.page}"} <= set(cookie.split("; "))
            assert ("Secure" in cookie.split("; ")) == secure


async def test_without_a_link_nobody_learns_whether_a_device_exists(harness: Harness) -> None:
    """R-109."""
    owner = await enrolled(harness)
    async with harness.browser() as stranger:
        for path in ("", "/code", "/added", "/stream"):
            known = await stranger.get(f"{owner.page}{path}")
            unknown = await stranger.get(f"/devices/nobody/licensing{path}")
            assert (known.status_code, unknown.status_code) == (401, 401)
            assert known.text.replace(owner.device_id, "nobody") == unknown.text
        assert (await stranger.get("/devices/%00%27/licensing")).status_code == 404
        assert (await stranger.post("/v1/devices/nobody/licensing-link")).status_code == 401


async def test_a_link_that_is_expired_or_for_another_device_opens_nothing(harness: Harness) -> None:
    owner, other = await enrolled(harness), await enrolled(harness)
    async with harness.browser() as browser:
        link = await link_to(browser, owner)
        elsewhere = await browser.get(link.replace(owner.device_id, other.device_id, 1))
        assert (elsewhere.status_code, "another device" in elsewhere.text) == (403, True)
        harness.clock.ahead = timedelta(minutes=11)
        late = await browser.get(link)
        assert (late.status_code, "too old" in late.text) == (401, True)
        assert not browser.cookies
        assert (await browser.get(f"{owner.page}?link=x")).status_code == 401
        assert (await browser.get(f"{owner.page}?link={'x' * 9_000}")).status_code == 404


async def test_a_cookie_of_one_device_opens_no_other_window_and_ends_with_the_token(harness: Harness) -> None:
    """R-83, R-109."""
    owner, other = await enrolled(harness), await enrolled(harness)
    async with harness.browser() as browser:
        await opens(browser, owner)
        (cookie,) = browser.cookies.jar
        carried = {"Cookie": f"{cookie.name}={cookie.value}"}
        assert (await browser.get(other.page, headers=carried)).status_code == 403
        told(200, await browser.post(f"/v1/devices/{owner.device_id}/token", headers=OPERATOR))
        assert (await browser.get(owner.page)).status_code == 401


async def test_in_a_sandbox_a_link_tells_the_sandbox_s_time_and_a_move_closes_no_open_window(harness: Harness) -> None:
    """R-109, R-144."""
    owner = await enrolled(harness)
    year = timedelta(days=365)
    async with harness.browser() as browser:
        await opens(browser, owner)
        unopened = await link_to(browser, owner)
        harness.clock.ahead = year
        headers = {"Authorization": f"Bearer {owner.token}"}
        link = told(201, await browser.post(f"/v1/devices/{owner.device_id}/licensing-link", headers=headers))
        left = datetime.fromisoformat(link["expires_at"]) - harness.clock.now()
        assert timedelta(minutes=9) < left <= LINK_VALID
        assert (await browser.get(owner.page)).status_code == 200
        assert (await browser.get(unopened)).status_code == 401
        assert (await browser.get(link["path"], follow_redirects=True)).status_code == 200


async def test_a_session_expires(harness: Harness) -> None:
    owner = await enrolled(harness)
    async with harness.browser() as browser:
        await opens(browser, owner)
        harness.time.ahead = timedelta(hours=8, minutes=1)
        over = await browser.get(owner.page)
        assert (over.status_code, "closed itself" in over.text) == (401, True)


async def test_a_link_on_another_site_works_too(harness: Harness) -> None:
    owner = await enrolled(harness)
    async with harness.browser() as browser:
        arrived = await browser.get(await link_to(browser, owner), headers={"Sec-Fetch-Site": "cross-site"})
        assert arrived.status_code == 200
        assert f"0; url={owner.page}" in arrived.text
        assert (await browser.get(owner.page)).status_code == 200


async def test_a_service_without_a_signing_key_says_so(device_pool: Pool) -> None:
    async with running(device_pool, None) as harness:
        owner = await enrolled(harness)
        async with harness.browser() as browser:
            page = await browser.get(owner.page)
            assert (page.status_code, "without a key" in page.text) == (503, True)


# --- headers and files -----------------------------------------------------------------------------------


async def test_every_page_has_the_strictest_headers_and_loads_nothing_from_elsewhere(harness: Harness) -> None:
    owner = await enrolled(harness)
    async with harness.browser() as browser:
        await opens(browser, owner)
        for path in ("", "/code", "/added"):
            page = await browser.get(f"{owner.page}{path}")
            policy = page.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert page.headers["referrer-policy"] == "no-referrer"
            assert page.headers["cache-control"] == "no-store"
            assert page.headers["x-content-type-options"] == "nosniff"
            assert not re.search(r"<style|style=|<script>|\son\w+=|https?://", page.text)


async def test_a_page_is_light_and_its_files_are_cached_forever(harness: Harness) -> None:
    owner = await enrolled(harness)
    async with harness.browser() as browser:
        page = await opens(browser, owner)
        files = [await browser.get(path) for path in re.findall(r'(?:href|src)="(/licensing-assets/[^"]+)"', page.text)]
        assert len(files) == 4
        assert all("immutable" in file.headers["cache-control"] for file in files)
        assert len(page.content) + sum(len(file.content) for file in files) < 100_000
        assert (await browser.get("/licensing-assets/style.css")).status_code == 404
        assert (await browser.get("/licensing-assets/..%2F__init__.py")).status_code == 404


async def test_dates_are_shown_in_the_readers_language(harness: Harness) -> None:
    owner = await enrolled(harness)
    async with harness.browser() as browser:
        await opens(browser, owner)
        page = await browser.get(owner.page, headers={"Accept-Language": "de"})
        assert re.search(
            r'<time datetime="[^"]+Z" title="[^"]+Z" lang="de" dir="auto">\d+\. \w+ \d+, .* UTC</time>', page.text
        )


# --- what a form may do -------------------------------------------------------------------------------------


async def test_a_form_posted_twice_has_one_effect(harness: Harness) -> None:
    """R-09."""
    owner, code = await enrolled(harness), new_code().reveal()
    async with harness.browser() as browser:
        await opens(browser, owner)
        form = fields((await browser.get(f"{owner.page}/code")).text, "/code") | {"group1": code}
        for _ in range(3):
            done = await browser.post(f"{owner.page}/code", data=form)
            assert (done.status_code, done.headers["location"]) == (303, f"{owner.page}/added")
    assert await history(harness, owner) == ["DeviceEnrolled", "CodeAdded"]


async def test_a_form_sent_again_with_another_code_asks_again(harness: Harness) -> None:
    """R-09: Back after Add."""
    owner = await enrolled(harness)
    async with harness.browser() as browser:
        await opens(browser, owner)
        form = fields((await browser.get(f"{owner.page}/code")).text, "/code")
        await browser.post(f"{owner.page}/code", data=form | {"group1": new_code().reveal()})
        again = await browser.post(f"{owner.page}/code", data=form | {"group1": new_code().reveal()})
        assert (again.status_code, "already sent" in again.text) == (422, True)
        assert fields(again.text, "/code")["order"] != form["order"]
    assert await history(harness, owner) == ["DeviceEnrolled", "CodeAdded"]


async def without_token(form: dict[str, str]) -> dict[str, Any]:
    return {"data": {**form, "form": ""}}


async def of_nobody(form: dict[str, str]) -> dict[str, Any]:
    return {"data": {**form, "form": "0" * 64}}


async def without_order(form: dict[str, str]) -> dict[str, Any]:
    return {"data": {**form, "order": ""}}


async def from_elsewhere(form: dict[str, str]) -> dict[str, Any]:
    return {"data": form, "headers": {"Sec-Fetch-Site": "cross-site"}}


async def unreadable(_: dict[str, str]) -> dict[str, Any]:
    return {"content": b"\xff\xfe=\xff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}


async def with_many_fields(form: dict[str, str]) -> dict[str, Any]:
    return {"data": {**form, **{f"x{number}": "1" for number in range(50)}}}


type Forging = Callable[[dict[str, str]], Coroutine[Any, Any, dict[str, Any]]]


@pytest.mark.parametrize(
    "forge", [without_token, of_nobody, without_order, from_elsewhere, unreadable, with_many_fields]
)
async def test_a_form_that_is_not_the_windows_own_does_nothing(forge: Forging, harness: Harness) -> None:
    owner = await enrolled(harness)
    async with harness.browser() as browser:
        await opens(browser, owner)
        form = fields((await browser.get(f"{owner.page}/code")).text, "/code") | {"group1": new_code().reveal()}
        for path in ("/code", "/code/reading", "/activate-now", "/remove", "/check-now"):
            refused = await browser.post(f"{owner.page}{path}", **await forge(form))
            assert (refused.status_code, "Nothing was done" in refused.text) == (403, True)
    assert await history(harness, owner) == ["DeviceEnrolled"]


async def test_a_form_of_another_session_does_nothing(harness: Harness) -> None:
    owner = await enrolled(harness)
    async with harness.browser() as browser, harness.browser() as other:
        await opens(other, owner)
        page = await opens(browser, owner)
        refused = await other.post(f"{owner.page}/check-now", data=fields(page.text, "/check-now"))
        assert refused.status_code == 403


async def test_bodies_are_small_forms_for_the_window_and_json_everywhere_else(harness: Harness) -> None:
    owner = await enrolled(harness)
    async with harness.browser() as browser:
        await opens(browser, owner)
        assert (await browser.post(f"{owner.page}/code", json={})).status_code == 415
        assert (await browser.post(f"{owner.page}/code", data={"a": "x" * 20_000})).status_code == 413
        assert (await browser.post("/v1/devices", data={"a": "b"})).status_code == 415


@pytest.mark.parametrize("typed", ['"><script>alert(1)</script>', "7" * 5_000, "А" * 20, "", "{{7*7}}"])
async def test_an_odd_text_in_the_code_field_is_shown_as_text_with_the_mistake(typed: str, harness: Harness) -> None:
    """R-06."""
    owner = await enrolled(harness)
    async with harness.browser() as browser:
        await opens(browser, owner)
        form = fields((await browser.get(f"{owner.page}/code")).text, "/code")
        page = await browser.post(f"{owner.page}/code", data=form | {"group1": typed})
        assert page.status_code == 422
        assert "<script>alert" not in page.text
        assert "49" not in re.findall(r'value="([^"]*)"', page.text)
        assert re.search(r'<p class="error" id="group-error" role="alert">[^<]+</p>', page.text)
        assert len(page.content) < 10_000
    assert await history(harness, owner) == ["DeviceEnrolled"]


async def test_a_code_is_checked_without_any_effect(harness: Harness) -> None:
    """R-05, R-07."""
    owner, code = await enrolled(harness), new_code().reveal()
    async with harness.browser() as browser:
        await opens(browser, owner)
        form = fields((await browser.get(f"{owner.page}/code")).text, "/code")
        for typed, complete in ((code, True), (code[:-1], False), ("", False)):
            answer = told(200, await browser.post(f"{owner.page}/code/reading", data=form | {"group1": typed}))
            assert answer["complete"] == complete
    assert await history(harness, owner) == ["DeviceEnrolled"]


async def test_a_stream_sends_the_current_tag_and_ends_when_the_service_stops(harness: Harness) -> None:
    owner = await enrolled(harness)
    async with harness.browser() as browser:
        page = await opens(browser, owner)
        # this client gets an answer when it has ended
        asyncio.get_running_loop().call_later(1.0, harness.stopping.set)
        ended = await browser.get(f"{owner.page}/stream")
        assert ended.headers["content-type"].startswith("text/event-stream")
        shown = re.search('data-etag="(.*?)"', page.text)
        assert shown
        # one block, with an event in it: clients take a block of `retry` alone for an empty event
        assert ended.text == f"retry: 1000\nevent: shown\ndata: {unescape(shown[1])}\n\n"


async def test_a_monitor_that_asks_for_the_head_of_a_stream_gets_it_at_once(harness: Harness) -> None:
    owner = await enrolled(harness)
    async with harness.browser() as browser:
        await opens(browser, owner)
        answer = await browser.head(f"{owner.page}/stream")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")
