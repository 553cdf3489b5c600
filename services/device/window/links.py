"""Who may open the window: a short-lived signed link, made with the device's token, becomes a session's cookie. Pure.

Both name the device and its token's hash: a link opens one device's window, and a token that was replaced opens none.
A window is never opened by the id of its device alone (R-109). Times are the machine's: that a sandbox goes a year
ahead closes no window.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.keys.signing import KeyRing, NotSigned
from shared.messages import DeviceId
from shared.pages.forms import form_token_of

LINK = "perennial-licensing-link"
SESSION = "perennial-licensing-session"
LINK_VALID = timedelta(minutes=10)
SESSION_VALID = timedelta(hours=8)
SIGNED_CHARACTERS_MAX = 2_000

Why = Literal["missing", "forged", "other_device", "over", "replaced"]


class NotOpened(Exception):
    """The link or the session opens nothing; `why` is one of few words."""

    def __init__(self, what: Literal["link", "session"], why: Why) -> None:
        super().__init__(f"{what} {why}")
        self.what: Literal["link", "session"] = what
        self.why: Why = why


@dataclass(frozen=True, slots=True)
class Key:
    """What a window is opened for: a device, and its token as it is now (None if there is no such device)."""

    device_id: DeviceId
    token_hash: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """A window that is open."""

    device_id: DeviceId
    cookie: str = field(repr=False)

    @property
    def form_token(self) -> str:
        """What every form of this session carries."""
        return form_token_of(self.cookie)


def new_link(keys: KeyRing, key: Key, *, now: datetime) -> tuple[str, datetime]:
    """Return what is signed for the link, and when it is over."""
    return _signed(keys, key, LINK, until=now + LINK_VALID), now + LINK_VALID


def new_session(keys: KeyRing, link: str, key: Key, *, now: datetime, chance: str) -> Session:
    """Return the session that a link opens; `chance` tells it from all others. Raises `NotOpened`."""
    _check(keys, link, key, kind=LINK, now=now)
    return Session(key.device_id, _signed(keys, key, SESSION, until=now + SESSION_VALID, chance=chance))


def session_of(keys: KeyRing, cookie: str | None, key: Key, *, now: datetime) -> Session:
    """Return the session of a cookie. Raises `NotOpened`."""
    if not cookie:
        raise NotOpened("session", "missing")
    _check(keys, cookie, key, kind=SESSION, now=now)
    return Session(key.device_id, cookie)


def _signed(keys: KeyRing, key: Key, kind: str, *, until: datetime, **more: str) -> str:
    said = {"sub": key.device_id, "token": _fingerprint(key), "exp": until.timestamp(), **more}
    return keys.sign(said, kind=kind)


def _check(keys: KeyRing, signed: str, key: Key, *, kind: str, now: datetime) -> None:
    what: Literal["link", "session"] = "link" if kind == LINK else "session"
    said = _said(keys, signed, kind)
    if said is None:
        raise NotOpened(what, "forged")
    if said["sub"] != key.device_id:
        raise NotOpened(what, "other_device")
    if now.timestamp() >= said["exp"]:
        raise NotOpened(what, "over")
    # after a reinstallation the old token opens nothing, and neither does what was made with it
    if key.token_hash is None or said["token"] != _fingerprint(key):
        raise NotOpened(what, "replaced")


def _said(keys: KeyRing, signed: str, kind: str) -> dict[str, Any] | None:
    if len(signed) > SIGNED_CHARACTERS_MAX:
        return None
    try:
        return keys.public.verify(signed, kind=kind)
    except NotSigned:
        return None


def _fingerprint(key: Key) -> str:
    return (key.token_hash or b"").hex()[:16]
