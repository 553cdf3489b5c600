"""Rejects bodies that are too large or not JSON before anything reads them, and adds security headers to answers."""

from collections.abc import Mapping

from fastapi import FastAPI, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.doors.problems import Problem, problem_response

BODY_BYTES_MAX = 65_536
LENGTH_DIGITS_MAX = 18
LARGER_BODIES = "larger_bodies"
FORMS = "forms"
FORM = b"application/x-www-form-urlencoded"
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)


class Limits:
    """The middleware that does both."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        bytes_max, media_type = _limits_of(scope)
        refusal = _refusal_of(scope, bytes_max, media_type)
        if refusal:
            return await refusal(scope, receive, with_security_headers(send))
        return await self.app(scope, _limited(receive, bytes_max), with_security_headers(send))


def allow_larger_bodies(app: FastAPI, bytes_max: Mapping[str, int]) -> None:
    """Let the routes at these paths read bodies of more than `BODY_BYTES_MAX` bytes."""
    setattr(app.state, LARGER_BODIES, bytes_max)


def allow_forms(app: FastAPI, *, under: str, bytes_max: int) -> None:
    """Let the routes whose paths begin with `under` read browser forms of up to `bytes_max` bytes, and nothing else."""
    setattr(app.state, FORMS, (under, bytes_max))


def _limits_of(scope: Scope) -> tuple[int, bytes]:
    """Return the maximum size of a body in bytes, and its media type."""
    state = scope["app"].state
    forms: tuple[str, int] | None = getattr(state, FORMS, None)
    if forms and scope["path"].startswith(forms[0]):
        return forms[1], FORM
    return getattr(state, LARGER_BODIES, {}).get(scope["path"], BODY_BYTES_MAX), b"application/json"


def _refusal_of(scope: Scope, bytes_max: int, wanted: bytes) -> Response | None:
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    # a page rejects a form that is too large when it reads it, in its own words
    # Python itself refuses to read a number of thousands of digits
    if not length.isdigit() or len(length) > LENGTH_DIGITS_MAX or (int(length) > bytes_max and wanted != FORM):
        return problem_response(413, "body_too_large", f"a body can have at most {bytes_max} bytes")
    has_body = int(length) > 0 or b"transfer-encoding" in headers
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if has_body and media_type != wanted:
        return problem_response(415, "unsupported_media_type", f"the body must be {wanted.decode()}")
    return None


def _limited(receive: Receive, bytes_max: int) -> Receive:
    """Count the bytes of a body without a Content-Length."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > bytes_max:
            raise Problem(413, "body_too_large", f"a body can have at most {bytes_max} bytes")
        return message

    return limited


def with_security_headers(send: Send) -> Send:
    """Return a `send` that adds the security headers which an answer does not have yet."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name for name, _ in message["headers"]}
            message["headers"] += [header for header in SECURITY_HEADERS if header[0] not in present]
        await send(message)

    return with_headers
