"""Reads what a client would like (RFC 7240). No rule may come in here."""

import re

PREFERENCE = re.compile(
    r'[ \t,]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]*=[ \t]*(?:"([^"]*)"|([^",; \t]*)))?(?:"[^"]*"|[^,])*'
)
DIGITS_MAX = 9


def wait_seconds(prefer: str | None, *, seconds_max: int) -> int | None:
    """Return how many seconds a client would wait, `seconds_max` at most; None if it does not say so in whole seconds.

    If it says so twice, the first one counts (RFC 7240, 2).
    """
    for name, quoted, bare in PREFERENCE.findall(prefer or ""):
        if name.lower() == "wait":
            text = quoted or bare
            is_number = text.isascii() and text.isdecimal()
            return min(int(text[:DIGITS_MAX]), seconds_max) if is_number else None
    return None
