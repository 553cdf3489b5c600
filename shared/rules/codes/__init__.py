"""Activation codes: `masked` is what a code is and why no log shows it, `typed` reads what people type. Pure."""

from shared.rules.codes.masked import ALPHABET, SYMBOL_COUNT, Code, code_by
from shared.rules.codes.typed import TYPED_CHARACTERS_MAX, MalformedCode, read_code

__all__ = ["ALPHABET", "SYMBOL_COUNT", "TYPED_CHARACTERS_MAX", "Code", "MalformedCode", "code_by", "read_code"]
