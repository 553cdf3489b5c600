"""Activation codes: `masked` defines a code and keeps it out of logs, `typed` reads codes as people type them. Pure."""

from shared.rules.codes.masked import ALPHABET, SYMBOL_COUNT, Code, generate_code
from shared.rules.codes.typed import TYPED_CHARACTERS_MAX, MalformedCode, read_code

__all__ = ["ALPHABET", "SYMBOL_COUNT", "TYPED_CHARACTERS_MAX", "Code", "MalformedCode", "generate_code", "read_code"]
