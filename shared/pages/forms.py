"""Comes in: submitted HTML forms, read with limits before anything trusts them. No rule here.

Besides its fields a form carries a CSRF token, which only a page of the same session can contain, and an idempotency
key, so that it takes effect once however often it is sent (R-09).
"""

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from fastapi import Request

from shared.ledger.identity import hash_of

FORM_BYTES_MAX = 16_384
FIELDS_MAX = 20
IDEMPOTENCY_KEY_CHARACTERS_MAX = 64

type Form = Mapping[str, str]


class NotOurForm(Exception):
    """The form is unreadable or not from this session: another site may have made the browser send it."""


def form_token_of(cookie: str) -> str:
    """Return the CSRF token of a session. Computing it takes the cookie, which no script can read."""
    return hash_of(f"form:{cookie}").hex()


def form_token_matches(cookie: str, form_token: str) -> bool:
    """Tell whether a CSRF token belongs to the session of this cookie."""
    return hmac.compare_digest(form_token.encode(), form_token_of(cookie).encode())


async def read_form(request: Request, cookie: str) -> Form:
    """Return the fields of a form from a page of this cookie's session. Raises `NotOurForm`."""
    # where a browser names the origin of a request, that decides before any token
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise NotOurForm
    try:
        body = (await request.body()).decode()
        form = dict(parse_qsl(body, keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError:
        raise NotOurForm from None
    if not form_token_matches(cookie, form.get("form", "")) or not idempotency_key_of(form):
        raise NotOurForm
    return form


def idempotency_key_of(form: Form) -> str:
    """Return the idempotency key of a form: it takes effect once, however often it is sent (R-09)."""
    return form.get("order", "")[:IDEMPOTENCY_KEY_CHARACTERS_MAX]
