"""Generates activation codes. Only doors call it."""

import secrets

from shared.rules.codes import Code, generate_code


def new_code() -> Code:
    """Return a random activation code."""
    return generate_code(secrets.randbelow)
