"""Sentences that carry times and codes: what a template shows in the reader's own way. Pure."""

from dataclasses import dataclass
from datetime import datetime
from string import Formatter


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, to be told in the reader's zone and language."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Masked:
    """A code of which the last group is readable (R-10)."""

    last_group: str

    def __str__(self) -> str:
        return f"•••••-•••••-•••••-{self.last_group}"


type Text = tuple[str | Moment | Masked, ...]
"""A sentence or several, in parts."""

_FORMATTER = Formatter()


def text(words: str, **parts: datetime | Masked | int | str | None) -> Text:
    """Return `words` with its `{names}` replaced by the parts of these names."""
    told: list[str | Moment | Masked] = []
    for literal, name, _, _ in _FORMATTER.parse(words):
        told.append(literal)
        if name is not None:
            told.append(_part(parts[name]))
    return tuple(part for part in told if part != "")


def _part(value: datetime | Masked | int | str | None) -> str | Moment | Masked:
    match value:
        case datetime():
            return Moment(value)
        case Masked():
            return value
        case _:
            return "" if value is None else str(value)


def plain(told: Text) -> str:
    """Return the text for those who only hear it or read it in a title: times in UTC."""
    return "".join(f"{part.at:%Y-%m-%d %H:%M} UTC" if isinstance(part, Moment) else str(part) for part in told)
