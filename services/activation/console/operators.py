"""Turns a login form into an operator.

Another way to log in, such as OpenID Connect, replaces only this module: its result must be an `Operator`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from shared.doors.credentials import is_operator
from shared.pages import Form

NAME = re.compile(r"[^\x00-\x1f\x7f<>]{1,60}")


@dataclass(frozen=True, slots=True)
class Operator:
    """A logged-in person; the log records the name with each action."""

    name: str


type Login = Callable[[Form], Operator | None]
"""Returns the operator whom a login form authenticates, or None."""


def key_login(operator_key_hash: str) -> Login:
    """Return the login with the operator key; its holder chooses the name."""

    def login(form: Form) -> Operator | None:
        name = form.get("name", "").strip()
        if not NAME.fullmatch(name) or not is_operator(form.get("key", "").strip(), operator_key_hash):
            return None
        return Operator(name)

    return login
