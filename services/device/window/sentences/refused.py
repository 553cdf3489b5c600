"""What the window says of a notice, and of what was refused: the catalogue's words, and what they mean here. Pure."""

from collections.abc import Iterator
from datetime import datetime

from services.device.decider import Reserve
from services.device.projection import Refusal
from services.device.window.sentences.said import Said
from shared.messages import Notice, Reason
from shared.pages.texts import Masked, Text, text
from shared.reasons import EXPLAINED_NOTICES, EXPLAINED_REASONS


def of_notices(slot: Reserve) -> Iterator[Said]:
    """Yield the warnings that came with a good verdict, as long as they matter."""
    for notice in slot.notices:
        yield _notice(notice, slot)


def _notice(notice: Notice, slot: Reserve) -> Said:
    entry = EXPLAINED_NOTICES[notice]
    return Said(
        tone="warn",
        happened=(*(entry.meaning,), *_detail_of(notice, slot)),
        follows=(entry.what_follows or "The code stays in reserve, and takes over as told.",),
        to_do=(entry.what_to_do,),
    )


def _detail_of(notice: Notice, slot: Reserve) -> Text:
    match notice:
        case "less_than_full_term" if slot.started_at is not None:
            return text(" It was first activated on {at}.", at=slot.started_at)
        case "fewer_seats" if slot.devices_left_out:
            return text(" Devices that will be left out: {count}.", count=slot.devices_left_out)
        case "other_edition":
            return text(" Its edition: {edition}.", edition=slot.edition)
        case _:
            return ()


HAPPENED = {
    "add": "The code{which} was not taken.",
    "activation": "The activation was refused.",
    "removal": "The removal was refused.",
}
STAYS = {
    "add": "The license does not change, a code in reserve stays, and nothing was spent.",
    "activation": "Nothing was spent, and no date changes.",
    "removal": "Everything stays as it was.",
}
GOOD_NEWS = ("already_activated", "same_as_current", "activation_running")
"""Reasons that leave nothing to wish for."""


def of_refusal(refusal: Refusal, *, throttled_until: datetime | None = None) -> Said:
    """Return what is said of the last thing that was refused."""
    entry = EXPLAINED_REASONS[refusal.reason]
    which = "" if refusal.last_group is None else " {code}"
    words = HAPPENED[refusal.what].replace("{which}", which)
    code = Masked(refusal.last_group or "")
    return Said(
        tone="calm" if refusal.reason in GOOD_NEWS else "bad",
        happened=(*text(words, code=code), f" {entry.meaning}"),
        follows=(entry.what_follows or STAYS[refusal.what], *_from(refusal.available_at or throttled_until)),
        to_do=(entry.what_to_do,),
    )


def _from(available_at: datetime | None) -> Text:
    return () if available_at is None else text(" It is possible from {at} on.", at=available_at)


def why_unavailable(reason: Reason | None, available_at: datetime | None) -> Text:
    """Return why Activate now is unavailable, and from when on it will be (R-56)."""
    if reason is None:
        return ()
    if reason == "not_expired" and available_at is not None:
        return text("Activate now is possible from {at} on, when the current license has ended.", at=available_at)
    return (EXPLAINED_REASONS[reason].meaning, *_from(available_at))
