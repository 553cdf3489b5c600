"""Who may open the window."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from services.device.window.links import (
    LINK_VALID,
    SESSION_VALID,
    DeviceCredential,
    NotOpened,
    Session,
    new_link,
    new_session,
    session_of,
)
from shared.keys.signing import KeyRing
from shared.pages import form_token_matches
from tests.scenarios import NOON

AT_NOON = {"now": NOON, "machine_now": NOON}
MINE, YOURS = DeviceCredential("mine", b"a" * 32), DeviceCredential("yours", b"b" * 32)
MILLISECOND = timedelta(milliseconds=1)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return KeyRing.load_or_create(tmp_path_factory.mktemp("keys") / "device.pem")


def opened(keys: KeyRing) -> Session:
    link, _ = new_link(keys, MINE, now=NOON)
    return new_session(keys, link, MINE, **AT_NOON, chance="1")


def why_not(attempt: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(NotOpened) as refused:
        attempt()
    return refused.value.what, refused.value.reason


def test_a_link_opens_the_window_of_its_device_until_it_expires(keys: KeyRing) -> None:
    link, until = new_link(keys, MINE, now=NOON)
    assert until == NOON + LINK_VALID
    assert new_session(keys, link, MINE, now=until - MILLISECOND, machine_now=NOON, chance="1").device_id == "mine"
    assert why_not(lambda: new_session(keys, link, MINE, now=until, machine_now=NOON, chance="1")) == (
        "link",
        "expired",
    )


def test_a_link_opens_no_other_devices_window(keys: KeyRing) -> None:
    """R-109."""
    link, _ = new_link(keys, MINE, now=NOON)
    assert why_not(lambda: new_session(keys, link, YOURS, **AT_NOON, chance="1")) == (
        "link",
        "other_device",
    )


def test_a_session_is_for_one_device_and_expires(keys: KeyRing) -> None:
    cookie = opened(keys).cookie
    end = NOON + SESSION_VALID
    assert session_of(keys, cookie, MINE, now=end - MILLISECOND).device_id == "mine"
    assert why_not(lambda: session_of(keys, cookie, MINE, now=end)) == ("session", "expired")
    assert why_not(lambda: session_of(keys, cookie, YOURS, now=NOON)) == ("session", "other_device")
    assert why_not(lambda: session_of(keys, None, MINE, now=NOON)) == ("session", "missing")


def test_a_new_token_invalidates_what_the_old_one_opened(keys: KeyRing) -> None:
    """R-83."""
    cookie, replaced = opened(keys).cookie, DeviceCredential("mine", b"c" * 32)
    assert why_not(lambda: session_of(keys, cookie, replaced, now=NOON)) == ("session", "replaced")
    assert why_not(lambda: session_of(keys, cookie, DeviceCredential("mine", None), now=NOON)) == (
        "session",
        "replaced",
    )


def test_a_link_is_no_session_and_a_session_is_no_link(keys: KeyRing) -> None:
    link, _ = new_link(keys, MINE, now=NOON)
    assert why_not(lambda: session_of(keys, link, MINE, now=NOON)) == ("session", "forged")
    cookie = opened(keys).cookie
    assert why_not(lambda: new_session(keys, cookie, MINE, **AT_NOON, chance="1")) == (
        "link",
        "forged",
    )


@pytest.mark.parametrize("forge", [lambda link: link[:-4] + "AAAA", lambda _: "mine", lambda _: "x" * 5_000])
def test_what_this_service_did_not_sign_opens_nothing(
    forge: Callable[[str], str], keys: KeyRing, tmp_path: Path
) -> None:
    link, _ = new_link(keys, MINE, now=NOON)
    assert why_not(lambda: new_session(keys, forge(link), MINE, **AT_NOON, chance="1")) == ("link", "forged")
    strangers, _ = new_link(KeyRing.load_or_create(tmp_path / "other.pem"), MINE, now=NOON)
    assert why_not(lambda: new_session(keys, strangers, MINE, **AT_NOON, chance="1")) == (
        "link",
        "forged",
    )


def test_a_form_belongs_to_one_session(keys: KeyRing) -> None:
    link, _ = new_link(keys, MINE, now=NOON)
    one, other = (new_session(keys, link, MINE, **AT_NOON, chance=chance) for chance in "12")
    assert form_token_matches(one.cookie, one.form_token)
    assert not form_token_matches(one.cookie, other.form_token)
    assert not form_token_matches(one.cookie, "é")
    assert one.cookie not in repr(one)
