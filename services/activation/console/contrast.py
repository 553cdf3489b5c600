"""Where two rows are not the same: the stretch that differs in each, with a little of what stands around it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

AROUND_CHARACTERS = 60
DIFFERING_CHARACTERS_MAX = 600


@dataclass(frozen=True, slots=True)
class Contrast:
    """One side: what it has like the other `before` and `after`, and what `differs`."""

    before: str
    differs: str
    after: str


def contrast(one: str | None, other: str | None) -> tuple[Contrast, Contrast]:
    """Return both sides; a row that is absent differs as a whole."""
    if one is None or other is None:
        return _whole(one), _whole(other)
    before = _alike(zip(one, other, strict=False))
    after = _alike(zip(reversed(one[before:]), reversed(other[before:]), strict=False))
    return _side(one, before, after), _side(other, before, after)


def _alike(pairs: Iterable[tuple[str, str]]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _whole(text: str | None) -> Contrast:
    return Contrast("", _cut(text) if text is not None else "absent", "")


def _side(text: str, before: int, after: int) -> Contrast:
    end = len(text) - after
    head, tail = text[max(0, before - AROUND_CHARACTERS) : before], text[end : end + AROUND_CHARACTERS]
    return Contrast(
        f"…{head}" if before > AROUND_CHARACTERS else head,
        _cut(text[before:end]),
        f"{tail}…" if after > AROUND_CHARACTERS else tail,
    )


def _cut(text: str) -> str:
    return text if len(text) <= DIFFERING_CHARACTERS_MAX else f"{text[:DIFFERING_CHARACTERS_MAX]}…"
