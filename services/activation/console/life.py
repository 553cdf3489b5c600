"""The device's life as a picture and a table, made from the same answer as the explanation. Pure; decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.activation.console.event_sentences import meaning_of
from services.activation.console.values import masked, moment
from shared.pages import Text
from shared.pages.pictures import Span, TimeLine, Tone, time_line

LANES = (
    ("License", ("license",), "Periods with a license"),
    ("Reserve", ("reserve",), "Codes that waited"),
    ("Renewals, refunds", ("renewal", "refund"), "Renewals and refunds"),
    ("Refusals, blocks", ("refusal", "block", "unblock"), "Refusals and blocks"),
)
TONES: Mapping[str, Tone] = {"reserve": "soft", "refund": "warn", "refusal": "bad", "block": "bad"}

type JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what it was, of which code if of one, from when until when."""

    what: str
    code_ref: str | None
    about: Text
    since: Text
    until: Text


@dataclass(frozen=True, slots=True)
class Life:
    """The picture and the table. `line` is None if nothing has happened yet; `cut`: there was more before."""

    line: TimeLine | None
    rows: Sequence[Row]
    cut: bool


def life_of(answer: JsonObject, now: datetime) -> Life:
    """Return the picture of `life`, as `GET /v1/devices/{id}/why` tells it."""
    entries = [*answer["periods"], *({**mark, "since": mark["at"], "until": mark["at"]} for mark in answer["marks"])]
    lanes = [
        (name, f"{words}: {len(spans)}", spans)
        for name, kinds, words in LANES
        for spans in [[_span(entry, now) for entry in entries if entry["what"] in kinds]]
    ]
    rows = [_row(entry) for entry in sorted(entries, key=lambda entry: str(entry["since"]), reverse=True)]
    return Life(time_line(lanes, now=now), rows, bool(answer["cut"]))


def _span(entry: JsonObject, now: datetime) -> Span:
    since, until = _at(entry["since"]), _at(entry.get("until"))
    return Span(since or now, max(since or now, until or now), TONES.get(entry["what"], "calm"))


def _row(entry: JsonObject) -> Row:
    lasts = "at" not in entry
    return Row(
        what=str(entry["what"]).capitalize(),
        code_ref=entry.get("code_ref"),
        about=masked(entry["last_group"]) if lasts else (_about(entry),),
        since=moment(_at(entry["since"])),
        until=moment(_at(entry.get("until")), "still there") if lasts else ("",),
    )


def _about(mark: JsonObject) -> str:
    return meaning_of(mark["reason"]) if mark.get("reason") else str(mark.get("order_id") or "")


def _at(instant: str | None) -> datetime | None:
    return datetime.fromisoformat(instant) if instant else None
