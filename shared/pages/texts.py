"""Texts that contain times and codes, which a template formats for the reader. Pure."""

from dataclasses import dataclass
from datetime import datetime
from string import Formatter


@dataclass(frozen=True, slots=True)
class Moment:
    """A time to show in the reader's zone and language."""

    at: datetime


@dataclass(frozen=True, slots=True)
class MaskedCode:
    """A code with only its last group visible (R-10)."""

    last_group: str

    def __str__(self) -> str:
        return f"•••••-•••••-•••••-{self.last_group}"


type Text = tuple[str | Moment | MaskedCode, ...]
"""One or more sentences, in parts."""

_FORMATTER = Formatter()


def text(words: str, **parts: datetime | MaskedCode | int | str | None) -> Text:
    """Return `words` with each `{name}` replaced by the part of that name."""
    found: list[str | Moment | MaskedCode] = []
    for literal, name, _, _ in _FORMATTER.parse(words):
        found.append(literal)
        if name is not None:
            found.append(_part(parts[name]))
    return tuple(part for part in found if part != "")


def _part(value: datetime | MaskedCode | int | str | None) -> str | Moment | MaskedCode:
    match value:
        case datetime():
            return Moment(value)
        case MaskedCode():
            return value
        case _:
            return "" if value is None else str(value)


def plain(sentence: Text) -> str:
    """Return the text as a plain string, for titles and screen readers: times in UTC."""
    return "".join(f"{part.at:%Y-%m-%d %H:%M} UTC" if isinstance(part, Moment) else str(part) for part in sentence)
