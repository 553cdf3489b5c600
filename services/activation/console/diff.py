"""The difference between two rows: the part that differs, with a little context. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

CONTEXT_CHARACTERS = 60
DIFFERING_CHARACTERS_MAX = 600


@dataclass(frozen=True, slots=True)
class DiffSide:
    """One side: the part that `differs`, and the common text `before` and `after` it."""

    before: str
    differs: str
    after: str


def diff_of(one: str | None, other: str | None) -> tuple[DiffSide, DiffSide]:
    """Return both sides; a missing row differs as a whole."""
    if one is None or other is None:
        return _whole(one), _whole(other)
    before = _common(zip(one, other, strict=False))
    after = _common(zip(reversed(one[before:]), reversed(other[before:]), strict=False))
    return _side(one, before, after), _side(other, before, after)


def _common(pairs: Iterable[tuple[str, str]]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _whole(text: str | None) -> DiffSide:
    return DiffSide("", _cut(text) if text is not None else "absent", "")


def _side(text: str, before: int, after: int) -> DiffSide:
    end = len(text) - after
    head, tail = text[max(0, before - CONTEXT_CHARACTERS) : before], text[end : end + CONTEXT_CHARACTERS]
    return DiffSide(
        f"…{head}" if before > CONTEXT_CHARACTERS else head,
        _cut(text[before:end]),
        f"{tail}…" if after > CONTEXT_CHARACTERS else tail,
    )


def _cut(text: str) -> str:
    return text if len(text) <= DIFFERING_CHARACTERS_MAX else f"{text[:DIFFERING_CHARACTERS_MAX]}…"
