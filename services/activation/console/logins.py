"""Who logs in: turns what a login form says into an operator.

This is the one place that another way of logging in replaces, such as OpenID Connect: it has to come to an `Operator`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from shared.doors.credentials import is_operator
from shared.pages import Form

NAME = re.compile(r"[^\x00-\x1f\x7f<>]{1,60}")


@dataclass(frozen=True, slots=True)
class Operator:
    """Who acts: the name stands beside what was done."""

    name: str


type Login = Callable[[Form], Operator | None]
"""Returns who a login form proves to be, or None."""


def key_login(operator_key_hash: str) -> Login:
    """Return the login by the operator key; who holds it says what to be called."""

    def login(form: Form) -> Operator | None:
        name = form.get("name", "").strip()
        if not NAME.fullmatch(name) or not is_operator(form.get("key", "").strip(), operator_key_hash):
            return None
        return Operator(name)

    return login
