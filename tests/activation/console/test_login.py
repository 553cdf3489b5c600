"""Who gets into the console, for how long, and which headers a browser gets."""

import re
from datetime import timedelta

import pytest

from services.activation.console.console import COOKIE, GUESSES_PER_MINUTE
from services.activation.console.login import safe_path
from services.activation.console.sessions import VALID, NotLoggedIn, Sessions
from tests.activation.console.harness import Browser, Harness, hidden_of
from tests.at_the_door import OPERATOR_KEY, OPERATOR_KEY_HASH

PAGE = "/console"
CODE = f"/console/codes/{7:032x}"
FORMS = ("/console/search", "/console/logout", f"{CODE}/block", f"{CODE}/unblock", f"{CODE}/release", f"{CODE}/refund")
"""Every path of the console that takes a form, but the login's own."""
LOOKS = (PAGE, "/console/codes?last_group=ABCDE", CODE, f"{CODE}/block", "/console/devices/device-1")


@pytest.mark.parametrize("path", LOOKS)
async def test_every_page_needs_a_login_which_then_leads_there(path: str, harness: Harness) -> None:
    async with harness.browser() as browser:
        page = await browser.get(path)
        assert page.status_code == 401
        entered = await browser.send_form("/console/login", page, name="Ada", key=OPERATOR_KEY)
        assert (entered.status_code, entered.headers["location"]) == (303, path)


async def test_the_operator_key_opens_a_session_and_is_in_no_cookie(harness: Harness) -> None:
    async with harness.browser() as browser:
        answer = await browser.log_in(name="Ada & Co")
        assert answer.headers["location"] == PAGE
        cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith(f"{COOKIE}="))
        for part in ("HttpOnly", "SameSite=strict", f"Max-Age={int(VALID.total_seconds())}", "Path=/console"):
            assert part in cookie
        assert "Secure" not in cookie
        assert OPERATOR_KEY not in str(dict(browser.cookies))
        page = await browser.get(PAGE)
    assert page.status_code == 200
    assert "Ada &amp; Co" in page.text
    async with harness.browser("https://door") as browser:
        assert "Secure" in (await browser.log_in()).headers["set-cookie"]


@pytest.mark.parametrize(
    ("name", "key"),
    [("Ada", "guess"), ("Ada", ""), ("", OPERATOR_KEY), ("<b>Ada</b>", OPERATOR_KEY), ("Ada\nEve", OPERATOR_KEY)],
)
async def test_a_wrong_key_or_no_name_opens_nothing_and_repeats_no_key(name: str, key: str, harness: Harness) -> None:
    async with harness.browser() as browser:
        answer = await browser.log_in(name=name, key=key)
        assert answer.status_code == 403
        assert COOKIE not in browser.cookies
        assert OPERATOR_KEY not in answer.text
        assert "<b>" not in answer.text
        assert (await browser.get(PAGE)).status_code == 401


async def test_guesses_are_throttled_by_address_and_others_still_get_in(harness: Harness) -> None:
    async with harness.browser(address="192.0.2.9") as guesser:
        answers = [await guesser.log_in(key="guess") for _ in range(GUESSES_PER_MINUTE + 1)]
        assert [answer.status_code for answer in answers] == [403] * GUESSES_PER_MINUTE + [429]
        assert (await guesser.log_in()).status_code == 429
    async with harness.browser() as browser:
        assert (await browser.log_in()).status_code == 303


async def test_a_session_ends_after_eight_hours_and_with_the_logout_for_every_copy(harness: Harness) -> None:
    async with await harness.operator() as browser, harness.browser() as copy:
        copy.cookies.set(COOKIE, browser.cookies[COOKIE])
        harness.time.ahead = VALID - timedelta(minutes=1)
        assert (await browser.get(PAGE)).status_code == 200
        harness.time.ahead = VALID
        assert (await browser.get(PAGE)).status_code == 401
        harness.time.ahead = timedelta(0)
        answer = await browser.send_form("/console/logout", await browser.get(PAGE))
        assert answer.headers["location"] == "/console/login"
        assert (await browser.get(PAGE)).status_code == 401
        assert (await copy.get(PAGE)).status_code == 401


async def test_another_operator_key_ends_all_sessions(harness: Harness) -> None:
    async with await harness.operator() as browser:
        cookie = browser.cookies[COOKIE]
    now = harness.time.now()
    assert (await Sessions(harness.pool, OPERATOR_KEY_HASH).find(cookie, now=now)).operator.name == "Ada"
    with pytest.raises(NotLoggedIn):
        await Sessions(harness.pool, "another").find(cookie, now=now)


@pytest.mark.parametrize("cookie", ["", "guess", "x" * 5_000, "../../etc", "%00"])
async def test_a_made_up_cookie_opens_nothing(cookie: str, harness: Harness) -> None:
    async with harness.browser() as browser:
        browser.cookies.set(COOKIE, cookie)
        assert (await browser.get(PAGE)).status_code == 401


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_from_outside_this_session_does_nothing(path: str, harness: Harness) -> None:
    """Neither without a token, nor with that of another session, nor sent from another site."""
    async with await harness.operator() as browser, await harness.operator("Eve") as other:
        own = hidden_of(await browser.get(PAGE), "/console/search")
        foreign = hidden_of(await other.get(PAGE), "/console/search")
        for data in ({}, {"order": "1"}, {"form": "é", "order": "1"}, foreign, {"form": own["form"]}):
            assert (await browser.post(path, data=data)).status_code == 403
        for site in ("cross-site", "same-site"):
            answer = await browser.post(path, data=own, headers={"Sec-Fetch-Site": site})
            assert answer.status_code == 403
        json = await browser.post(path, json=own)
        assert json.status_code == 415
        assert (await browser.get(PAGE)).status_code == 200


async def test_the_login_form_too_is_accepted_only_from_its_own_page(harness: Harness) -> None:
    async with harness.browser() as browser, harness.browser() as other:
        page = await other.get("/console/login")
        data = {**hidden_of(page, "/console/login"), "name": "Ada", "key": OPERATOR_KEY}
        assert (await browser.post("/console/login", data=data)).status_code == 403
        assert (
            await other.post("/console/login", data=data, headers={"Sec-Fetch-Site": "cross-site"})
        ).status_code == 403
        assert (await other.post("/console/login", data=data)).status_code == 303


@pytest.mark.parametrize(
    ("asked", "leads_to"),
    [
        ("/console/codes/1?before=2", "/console/codes/1?before=2"),
        ("//evil.example", PAGE),
        ("https://evil.example", PAGE),
        ("/console//evil.example", PAGE),
        ("/console\\evil", PAGE),
        ("/consoles", PAGE),
        ("/console/\r\nSet-Cookie: a=b", PAGE),
        ("/console/" + "a" * 500, PAGE),
    ],
)
def test_a_login_leads_to_a_page_of_the_console_and_nowhere_else(asked: str, leads_to: str) -> None:
    assert safe_path(asked) == leads_to


async def test_a_link_from_another_site_finds_the_session_at_the_second_look(harness: Harness) -> None:
    """A strict cookie is not sent along with another site's link."""
    async with harness.browser() as browser:
        page = await browser.get(f"{PAGE}?x=%22", headers={"Sec-Fetch-Site": "cross-site"})
        assert f'content="0; url={PAGE}"' in page.text
        assert "http-equiv" not in (await browser.get(PAGE)).text


async def checked(browser: Browser, path: str) -> None:
    """Look at the headers of a page, and at what it loads."""
    page = await browser.get(path)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    expected = {
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cross-origin-opener-policy": "same-origin",
    }
    assert {name: page.headers[name] for name in expected} == expected
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"<script(?![^>]* src=)|style=|\son\w+=|https?://", page.text)
    for asset in re.findall(r'(?:href|src)="(/console/assets/[^"]+)"', page.text):
        assert "immutable" in (await browser.get(asset)).headers["cache-control"]


async def test_every_page_has_the_strictest_headers_and_loads_nothing_from_elsewhere(harness: Harness) -> None:
    code = await harness.issue()
    path = f"/console/codes/{code['code_ref']}"
    async with harness.browser() as browser:
        await checked(browser, "/console/login")
    async with await harness.operator() as browser:
        for page in (PAGE, path, f"{path}/block", "/console/nowhere", "/console/devices/nobody"):
            await checked(browser, page)
