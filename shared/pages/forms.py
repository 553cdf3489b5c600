"""Comes in: what the forms of pages send, read with limits before anything believes it. No rule may come in here.

A form carries two things beside its fields: a token, which only the page of the same session could have drawn, and
the key of its order, under which it is done once, however often it is sent (R-09).
"""

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from fastapi import Request

from shared.ledger.identity import hash_of

FORM_BYTES_MAX = 16_384
FIELDS_MAX = 20
ORDER_CHARACTERS_MAX = 64

type Form = Mapping[str, str]


class NotOurForm(Exception):
    """The form cannot be read, or was not drawn for this session: another page may have made the browser send it."""


def form_token_of(cookie: str) -> str:
    """Return what every form of a session carries: nobody makes it without the cookie, which no script can read."""
    return hash_of(f"form:{cookie}").hex()


def has_made(cookie: str, form_token: str) -> bool:
    """Tell whether a form was drawn for the session of this cookie."""
    return hmac.compare_digest(form_token.encode(), form_token_of(cookie).encode())


async def read_form(request: Request, cookie: str) -> Form:
    """Return the fields of a form that a page of this cookie's session drew. Raises `NotOurForm`."""
    # a browser that says where a request comes from is believed before any token
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise NotOurForm
    try:
        body = (await request.body()).decode()
        form = dict(parse_qsl(body, keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError:
        raise NotOurForm from None
    if not has_made(cookie, form.get("form", "")) or not order_of(form):
        raise NotOurForm
    return form


def order_of(form: Form) -> str:
    """Return the key under which the form is done once, however often it is sent (R-09)."""
    return form.get("order", "")[:ORDER_CHARACTERS_MAX]
