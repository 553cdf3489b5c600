"""Who may open the window: a short-lived signed link, created with the device's token, becomes a session cookie. Pure.

Link and cookie name the device and a fingerprint of its token: a link opens one device's window, and nothing made with
a replaced token opens any. A device id alone never opens a window (R-109). A link expires by the service's time, like
everything that is told with a time. A session is told to nobody and ends by the machine's, so moving a sandbox a year
ahead closes no open window.
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

NotOpenedReason = Literal["missing", "forged", "other_device", "expired", "replaced"]


class NotOpened(Exception):
    """The link or session is not valid for this window."""

    def __init__(self, what: Literal["link", "session"], reason: NotOpenedReason) -> None:
        super().__init__(f"{what} {reason}")
        self.what: Literal["link", "session"] = what
        self.reason: NotOpenedReason = reason


@dataclass(frozen=True, slots=True)
class DeviceCredential:
    """A device and the hash of its current token (None if the device does not exist)."""

    device_id: DeviceId
    token_hash: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """An open window."""

    device_id: DeviceId
    cookie: str = field(repr=False)

    @property
    def form_token(self) -> str:
        """The CSRF token in every form of this session."""
        return form_token_of(self.cookie)


def new_link(keys: KeyRing, credential: DeviceCredential, *, now: datetime) -> tuple[str, datetime]:
    """Return a signed link token and when it expires; `now` is the service's time."""
    return _signed(keys, credential, LINK, until=now + LINK_VALID), now + LINK_VALID


def new_session(
    keys: KeyRing, link: str, credential: DeviceCredential, *, now: datetime, machine_now: datetime, chance: str
) -> Session:
    """Return the session that a link opens; `chance` is random and makes it unique. Raises `NotOpened`."""
    _check(keys, link, credential, kind=LINK, now=now)
    until = machine_now + SESSION_VALID
    return Session(credential.device_id, _signed(keys, credential, SESSION, until=until, chance=chance))


def session_of(keys: KeyRing, cookie: str | None, credential: DeviceCredential, *, now: datetime) -> Session:
    """Return the session of a cookie; `now` is the machine's time. Raises `NotOpened`."""
    if not cookie:
        raise NotOpened("session", "missing")
    _check(keys, cookie, credential, kind=SESSION, now=now)
    return Session(credential.device_id, cookie)


def _signed(keys: KeyRing, credential: DeviceCredential, kind: str, *, until: datetime, **more: str) -> str:
    claims = {"sub": credential.device_id, "token": _fingerprint(credential), "exp": until.timestamp(), **more}
    return keys.sign(claims, kind=kind)


def _check(keys: KeyRing, signed: str, credential: DeviceCredential, *, kind: str, now: datetime) -> None:
    what: Literal["link", "session"] = "link" if kind == LINK else "session"
    claims = _claims(keys, signed, kind)
    if claims is None:
        raise NotOpened(what, "forged")
    if claims["sub"] != credential.device_id:
        raise NotOpened(what, "other_device")
    if now.timestamp() >= claims["exp"]:
        raise NotOpened(what, "expired")
    # after a reinstallation neither the old token nor anything made with it opens the window
    if credential.token_hash is None or claims["token"] != _fingerprint(credential):
        raise NotOpened(what, "replaced")


def _claims(keys: KeyRing, signed: str, kind: str) -> dict[str, Any] | None:
    if len(signed) > SIGNED_CHARACTERS_MAX:
        return None
    try:
        return keys.public.verify(signed, kind=kind)
    except NotSigned:
        return None


def _fingerprint(credential: DeviceCredential) -> str:
    return (credential.token_hash or b"").hex()[:16]
