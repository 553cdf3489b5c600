"""The window's texts for notices and refusals: the catalogue's sentences, and what they mean here. Pure."""

from collections.abc import Iterator
from datetime import datetime

from services.device.decider import Reserve
from services.device.projection import Refusal
from services.device.window.sentences.message import Message
from shared.messages import Notice, Reason
from shared.pages.texts import MaskedCode, Text, text
from shared.reasons import EXPLAINED_NOTICES, EXPLAINED_REASONS


def notice_messages(slot: Reserve) -> Iterator[Message]:
    """Yield the warnings that came with a positive verdict, as long as they matter."""
    for notice in slot.notices:
        yield _notice(notice, slot)


def _notice(notice: Notice, slot: Reserve) -> Message:
    entry = EXPLAINED_NOTICES[notice]
    return Message(
        tone="warn",
        happened=(entry.meaning, *_detail_of(notice, slot)),
        follows=(entry.what_follows or "The code stays in reserve and takes over as planned.",),
        to_do=(entry.what_to_do,),
    )


def _detail_of(notice: Notice, slot: Reserve) -> Text:
    match notice:
        case "less_than_full_term" if slot.started_at is not None:
            return text(" It was first activated on {at}.", at=slot.started_at)
        case "fewer_seats" if slot.devices_left_out:
            return text(" Devices that will get no seat: {count}.", count=slot.devices_left_out)
        case "other_edition":
            return text(" Its edition is {edition}.", edition=slot.edition)
        case _:
            return ()


HAPPENED = {
    "add": "The code{which} was not accepted.",
    "activation": "The activation was refused.",
    "removal": "The removal was refused.",
}
STAYS = {
    "add": "The license and any code in reserve are unchanged, and no code was used.",
    "activation": "No code was used, and no date has changed.",
    "removal": "Nothing has changed.",
}
GOOD_NEWS = ("already_activated", "same_as_current", "activation_running")
"""Refusals that are not bad news."""


def refusal_message(refusal: Refusal, *, throttled_until: datetime | None = None) -> Message:
    """Return the message about a refusal."""
    entry = EXPLAINED_REASONS[refusal.reason]
    which = "" if refusal.last_group is None else " {code}"
    words = HAPPENED[refusal.what].replace("{which}", which)
    code = MaskedCode(refusal.last_group or "")
    return Message(
        tone="calm" if refusal.reason in GOOD_NEWS else "bad",
        happened=(*text(words, code=code), f" {entry.meaning}"),
        follows=(entry.what_follows or STAYS[refusal.what], *_from(refusal.available_at or throttled_until)),
        to_do=(entry.what_to_do,),
    )


def _from(available_at: datetime | None) -> Text:
    return () if available_at is None else text(" It is possible from {at}.", at=available_at)


def why_unavailable(reason: Reason | None, available_at: datetime | None) -> Text:
    """Return why Activate now is unavailable, and when it becomes available (R-56)."""
    if reason is None:
        return ()
    if reason == "not_expired" and available_at is not None:
        return text("Activate now becomes available on {at}, when the current license ends.", at=available_at)
    return (EXPLAINED_REASONS[reason].meaning, *_from(available_at))
