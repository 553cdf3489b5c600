"""The window's protection in a browser against attackers and leaks. All tests in this folder check for leaks."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from services.cli.system import System
from services.device.window.links import LINK_VALID, DeviceCredential, new_link, new_session
from services.device.window.window import COOKIE
from shared.keys.signing import KeyRing
from shared.ledger.clock import machine_now
from shared.ledger.identity import hash_of, new_secret
from tests.browser.visitor import Visitor, enters, field, pressable, text_on
from tests.journeys.browsing import link_to
from tests.journeys.people import OwnedDevice, Vendor

type NewDevice = Callable[[], OwnedDevice]

PAGE_BYTES_MAX = 100_000
STRANGER = "http://stranger.test"
FORMS = ("code", "code/reading", "activate-now", "remove", "check-now")


@pytest.fixture
def device(new_device: NewDevice, vendor: Vendor) -> OwnedDevice:
    """A device with a license."""
    device = new_device()
    device.activates(vendor.issue())
    return device


def window_of(device: OwnedDevice) -> str:
    return f"/devices/{device.device_id}/licensing"


# --- links and cookies --------------------------------------------------------------------------------------


def test_the_link_disappears(visitor: Visitor, device: OwnedDevice) -> None:
    """It is in no address, history or referrer."""
    page = visitor.starts()
    page.goto(link_to(device))
    page.reload()
    assert "link=" not in page.url
    assert page.evaluate("document.referrer") == ""
    assert page.evaluate("history.length") <= 2
    page.go_back()
    assert page.url == "about:blank"


def test_no_script_reads_the_cookie_and_no_other_window_gets_it(
    visitor: Visitor, device: OwnedDevice, new_device: NewDevice
) -> None:
    page, other = visitor.opens(device), new_device()
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (COOKIE, True, "Strict")
    assert cookie["path"] == window_of(device)
    assert page.evaluate("document.cookie") == ""
    page.goto(window_of(other))
    expect(page.get_by_role("heading", name="This window is closed")).to_be_visible()


def test_an_expired_link_and_one_for_another_device_say_so(
    system: System, visitor: Visitor, device: OwnedDevice, new_device: NewDevice
) -> None:
    """R-109: a clear sentence, and nothing about the device."""
    other, page = new_device(), visitor.starts()
    keys = KeyRing.read(system.signing_key_file("device"))
    old, _ = new_link(keys, DeviceCredential(device.device_id, hash_of(device.token)), now=machine_now() - LINK_VALID)
    page.goto(f"{window_of(device)}?link={old}")
    says_nothing_of_the_license(page, "The link is too old")
    page.goto(link_to(other).replace(other.device_id, device.device_id))
    says_nothing_of_the_license(page, "The link is for another device.")
    assert page.context.cookies() == []


@pytest.mark.parametrize("made_by", ["another device", "another vendor", "nobody"])
def test_a_cookie_made_for_something_else_opens_nothing(
    made_by: str, system: System, visitor: Visitor, device: OwnedDevice, new_device: NewDevice
) -> None:
    """R-108, R-109: not even the pages behind the window, nor its stream."""
    cookie = {
        "another device": lambda: session_cookie(KeyRing.read(system.signing_key_file("device")), new_device()),
        "another vendor": lambda: session_cookie(KeyRing.read(system.signing_key_file("activation")), device),
        "nobody": lambda: "<script>alert(1)</script>" * 10,
    }[made_by]()
    page = visitor.starts()
    page.context.add_cookies([{"name": COOKIE, "value": cookie, "url": visitor.home}])
    for behind in ("", "/code", "/added"):
        page.goto(window_of(device) + behind)
        says_nothing_of_the_license(page, "Open the Licensing window again from the application")
    stream = page.goto(f"{window_of(device)}/stream")
    assert stream is not None
    assert stream.status in (401, 403)


def session_cookie(keys: KeyRing, device: OwnedDevice) -> str:
    """Return the cookie of a session of this device, signed with these keys."""
    credential, now = DeviceCredential(device.device_id, hash_of(device.token)), machine_now()
    link, _ = new_link(keys, credential, now=now)
    return new_session(keys, link, credential, now=now, machine_now=now, chance=new_secret()).cookie


def says_nothing_of_the_license(page: Page, sentence: str) -> None:
    expect(text_on(page, sentence)).to_be_visible()
    expect(page.get_by_role("heading", name="remaining")).to_have_count(0)
    expect(page.get_by_text("antivirus")).to_have_count(0)


def test_a_window_without_a_session_says_so_and_stops_following(visitor: Visitor, device: OwnedDevice) -> None:
    page = visitor.opens(device)
    page.context.clear_cookies()
    # the stream reconnects now and then and needs the cookie
    page.context.set_offline(True)
    page.context.set_offline(False)
    expect(page.get_by_role("status").filter(has_text="This window is closed")).to_be_visible()


# --- other sites ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_another_site_does_nothing(form: str, visitor: Visitor, vendor: Vendor, device: OwnedDevice) -> None:
    """Even one that knows all of the form but its token, in a browser with an open window."""
    device.keeps_in_reserve(vendor.issue())
    before, page = device.event_names(), visitor.opens(device)
    action = f"{visitor.home}{window_of(device)}/{form}"
    forged = f'<form method="post" action="{action}"><input name="order" value="o"><input name="form" value="0"></form>'
    page.route(f"{STRANGER}/**", lambda route: route.fulfill(body=forged, content_type="text/html"))
    visitor.plays_an_attacker()
    page.goto(STRANGER)
    with page.expect_response(action) as answered:
        page.evaluate("document.forms[0].submit()")
    assert answered.value.status in (401, 403)
    expect(text_on(page, "Nothing was").first).to_be_visible()
    assert device.event_names() == before


def test_no_other_site_can_frame_the_window(visitor: Visitor, device: OwnedDevice) -> None:
    page = visitor.opens(device)
    framing = f'<iframe src="{visitor.home}{window_of(device)}"></iframe>'
    page.route(f"{STRANGER}/**", lambda route: route.fulfill(body=framing, content_type="text/html"))
    visitor.plays_an_attacker()
    page.goto(STRANGER)
    page.wait_for_load_state("networkidle")
    assert not any(frame.url.startswith(visitor.home) for frame in page.frames)


TRIES = """async () => {
    const broken = new Set();
    document.addEventListener('securitypolicyviolation', event => broken.add(event.effectiveDirective));
    const script = document.createElement('script');
    script.textContent = 'window.ran = true';
    const image = document.createElement('img');
    image.src = 'http://stranger.test/image.png';
    const style = document.createElement('style');
    style.textContent = 'body { color: red }';
    const frame = document.createElement('iframe');
    frame.src = 'http://stranger.test/';
    document.body.append(script, image, style, frame);
    await fetch('http://stranger.test/').catch(() => null);
    for (const until = Date.now() + 10000; broken.size < 5 && Date.now() < until;)
        await new Promise(done => setTimeout(done, 20));
    return { ran: window.ran === true, broken: [...broken].sort() };
}"""


def test_the_policy_stops_what_is_not_the_windows_own(visitor: Visitor, device: OwnedDevice) -> None:
    """A script injected into the page cannot do harm."""
    page = visitor.opens(device)
    asked = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    page.route(f"{STRANGER}/**", refuse)
    visitor.plays_an_attacker()
    tried = page.evaluate(TRIES)
    assert tried["ran"] is False
    assert tried["broken"] == ["connect-src", "frame-src", "img-src", "script-src-elem", "style-src-elem"]
    assert asked == []


# --- what is typed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
@pytest.mark.parametrize(
    "typed",
    ["<script>document.title = 'mine'</script>", '"><img src=x onerror="document.title = \'mine\'">', "X" * 199],
    ids=["a script", "a broken attribute", "far too long"],
)
def test_text_that_is_not_a_code_is_shown_as_text_beside_a_sentence(
    typed: str, scripts: bool, visitor: Visitor, device: OwnedDevice
) -> None:
    """R-06: it is shown as typed and does nothing."""
    before, page = device.event_names(), visitor.opens(device, java_script_enabled=scripts)
    pressable(page, "Enter activation code").click()
    field(page).fill(typed)
    if not scripts:
        pressable(page, "Add").click()
    expect(page.locator("#group-error")).to_contain_text("A code has 20 symbols")
    expect(field(page)).to_have_value(typed)
    assert "Enter activation code" in page.title()
    assert device.event_names() == before


def test_a_field_longer_than_any_code_is_not_accepted(visitor: Visitor, device: OwnedDevice) -> None:
    """R-06: without the browser's limit, the service has its own."""
    before, page = device.event_names(), visitor.opens(device, java_script_enabled=False)
    pressable(page, "Enter activation code").click()
    page.evaluate("document.getElementById('group1').removeAttribute('maxlength')")
    field(page).fill("X" * 20_000)
    pressable(page, "Add").click()
    expect(page.get_by_role("heading", name="The form was not accepted")).to_be_visible()
    pressable(page, "Open the window").click()
    expect(page.get_by_role("heading", name="days remaining")).to_be_visible()
    assert device.event_names() == before


def test_a_code_is_in_no_address_no_store_and_no_log(
    system: System, visitor: Visitor, vendor: Vendor, device: OwnedDevice
) -> None:
    """R-112: and the browser does not suggest it the next time."""
    page, new = visitor.opens(device), vendor.issue()
    pressable(page, "Enter activation code").click()
    assert page.locator("form[autocomplete=off] input:not([type]):not([autocomplete=off])").count() == 0
    pressable(page, "Cancel").click()
    enters(page, new.text)
    expect(text_on(page, "Verified, in reserve")).to_be_visible()
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert page.evaluate("caches.keys()") == []
    content, log = page.content(), system.worker("device").log.read_text()
    for written in (new.text, new.text.replace("-", "")):
        assert written not in content
        assert written not in log


# --- headers and weight ---------------------------------------------------------------------------------------


def test_every_page_carries_the_strictest_headers(visitor: Visitor, device: OwnedDevice) -> None:
    page = visitor.opens(device)
    for behind in ("", "/code", "/added", "/nothing-here"):
        answer = page.goto(window_of(device) + behind)
        assert answer is not None
        headers = answer.all_headers()
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["referrer-policy"], headers["x-content-type-options"]) == ("no-referrer", "nosniff")
        assert headers["cache-control"] == "no-store"


def test_the_first_view_is_light(visitor: Visitor, vendor: Vendor, device: OwnedDevice) -> None:
    """Everything sent until the window is usable, including headers, is less than 100 KB."""
    device.keeps_in_reserve(vendor.issue())
    page = visitor.opens(device)
    page.wait_for_load_state()
    loaded = [request for request in visitor.requests if not request.url.endswith("/stream")]
    sizes = [request.sizes() for request in loaded]
    assert len(loaded) > 3
    assert sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes) < PAGE_BYTES_MAX


def test_a_link_from_another_site_opens_the_window(visitor: Visitor, device: OwnedDevice) -> None:
    """A strict cookie is not sent with a cross-site request, so a page of our own goes on."""
    page, link = visitor.starts(), f"{visitor.home}{link_to(device)}"
    linking = f'<a href="{link}">my license</a>'
    page.route(f"{STRANGER}/**", lambda route: route.fulfill(body=linking, content_type="text/html"))
    visitor.plays_an_attacker()
    page.goto(STRANGER)
    page.get_by_role("link", name="my license").click()
    expect(page.get_by_role("heading", name="Licensing")).to_be_visible()
    expect(page.get_by_role("heading", name="days remaining")).to_be_visible()
    assert "link=" not in page.url
