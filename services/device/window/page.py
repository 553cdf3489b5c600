"""The content of the window, made from what the API says about a device. Pure; decides nothing."""

from datetime import datetime

from services.device.api.representation import Representation
from services.device.decider import Device, License, LicenseStatus, Reserve
from services.device.outlook import Outlook
from services.device.window.sentences import (
    LicenseState,
    Message,
    clock_warning,
    clone_warning,
    headline,
    incoming_message,
    license_message,
    notice_messages,
    outlook_message,
    refusal_message,
    reserve_message,
    stale_warning,
    throttling_warning,
    unshown_change_message,
    why_unavailable,
)
from services.device.window.values import ActivateNow, AddOn, Entry, Fact, Page, Slot, Step
from shared.pages.texts import MaskedCode, Moment, Text, text

KINDS = {"paid": "", "trial": "Trial", "subscription": "Subscription", "renewal": "Discounted renewal"}
PENDING_STATUSES = ("activating", "verifying")


def page_of(shown: Representation, *, name: str | None, outlook: Outlook | None = None) -> Page:
    """Return the window of the device; `name` is what people call it.

    `outlook` is what stands in the way of the code in reserve, if anything does (R-141).
    """
    device, state = shown.view.device, license_state_of(shown, outlook)
    reserve = _slot(device.reserve, state, shown)
    return Page(
        device_id=shown.answer["device_id"],
        device_name=name or f"device …{shown.answer['device_id'][-6:]}",
        product=device.product,
        headline=headline(state),
        message=license_message(state),
        facts=_facts(device.license, state.status),
        warnings=tuple(_warnings(shown)),
        refusal=_refusal(shown),
        reserve=reserve,
        incoming=_slot(device.incoming, state, shown, second=True),
        activate_now=_activate_now(device, shown),
        may_remove=device.reserve is not None and not device.reserve.awaits,
        entry=_entry(device, state, shown),
        add_ons=tuple(_add_on(each) for each in shown.answer.get("add_ons", ())),
        as_of=(Moment(_moment(shown.answer["as_of"])),),
        etag=shown.etag,
        pending=is_pending(shown),
    )


def is_pending(shown: Representation) -> bool:
    """Tell whether an answer is due in a moment, so that refreshing makes sense."""
    return not shown.current or any(slot.status in PENDING_STATUSES for slot in shown.view.device.slots)


def license_state_of(shown: Representation, outlook: Outlook | None = None) -> LicenseState:
    """Return what the API says about the license, and what stands in the way of the code in reserve."""
    answer, device = shown.answer, shown.view.device
    return LicenseState(
        status=answer["status"],
        days_remaining=answer.get("days_remaining", 0),
        license=device.license,
        reserve=device.reserve,
        works_until=_moment_or_none(answer.get("works_until")),
        renewal_expected_by=_moment_or_none(answer.get("renewal_expected_by")),
        renewal_due_until=_moment_or_none(answer.get("renewal_due_until")),
        outlook=outlook,
    )


def _facts(current: License | None, status: LicenseStatus) -> tuple[Fact, ...]:
    if current is None:
        return ()
    # after the end, the message above says when it ended
    ends = [Fact("Ends", (Moment(current.over_at),))] if status == "active" else []
    facts = [
        *ends,
        Fact("Activation code", (MaskedCode(current.last_group),)),
        Fact("Edition", (_capitalized(current.edition),)),
    ]
    if KINDS[current.kind]:
        facts.append(Fact("Type", (KINDS[current.kind],)))
    if current.features:
        facts.append(Fact("Features", (", ".join(map(_capitalized, current.features)),)))
    return tuple(facts)


def _capitalized(word: str) -> str:
    return word.replace("-", " ").capitalize()


def _slot(slot: Reserve | None, state: LicenseState, shown: Representation, *, second: bool = False) -> Slot | None:
    if slot is None:
        return None
    takes_over_at = _takes_over_at(shown)
    outlook = None if second else state.outlook
    return Slot(
        code=(MaskedCode(slot.last_group),),
        message=outlook_message(outlook) if outlook else _message(slot, state, takes_over_at, second=second),
        notices=tuple(notice_messages(slot)),
        facts=_slot_facts(slot, state.license),
        steps=_steps(slot, takes_over_at) if _is_on_its_way(slot, state, outlook) else (),
    )


def _message(slot: Reserve, state: LicenseState, takes_over_at: datetime | None, *, second: bool) -> Message:
    message_of = incoming_message if second else reserve_message
    return message_of(slot, takes_over_at=takes_over_at, in_force=state.status == "active")


def _is_on_its_way(slot: Reserve, state: LicenseState, outlook: Outlook | None) -> bool:
    return state.status == "active" and slot.status == "ready" and outlook is None


def _slot_facts(slot: Reserve, current: License | None) -> tuple[Fact, ...]:
    facts = []
    if slot.term is not None and current is not None and slot.edition != current.edition:
        facts.append(Fact("Edition", (_capitalized(slot.edition),)))
    # the term of an unused code begins at its activation, so its end is not known yet
    end_known = slot.started_at is not None or slot.status == "activating"
    if slot.predicted_ends_at is not None and end_known and slot.status != "ready":
        facts.append(Fact("Expected end", (Moment(slot.predicted_ends_at),)))
    return tuple(facts)


def _steps(slot: Reserve, takes_over_at: datetime | None) -> tuple[Step, ...]:
    """Return the steps from today over the switch to the predicted end (R-10)."""
    if takes_over_at is None or slot.predicted_ends_at is None:
        return ()
    return (
        Step(text("Today"), "the current license"),
        Step((Moment(takes_over_at),), "the new code takes over automatically"),
        Step((Moment(slot.predicted_ends_at),), "expected end of the new license"),
    )


def _takes_over_at(shown: Representation) -> datetime | None:
    return _moment_or_none(shown.answer.get("reserve", {}).get("takes_over_at"))


def _activate_now(device: Device, shown: Representation) -> ActivateNow | None:
    if device.reserve is None:
        return None
    answer = shown.answer
    why = why_unavailable(answer["activate_now_reason"], _moment_or_none(answer["activate_now_available_at"]))
    return ActivateNow(allowed=answer["may_activate_now"], why=why, code_ref=device.reserve.code_ref)


def _entry(device: Device, state: LicenseState, shown: Representation) -> Entry:
    reserve, throttled = device.reserve, shown.answer["adding_available_at"]
    trial = state.status == "active" and state.license is not None and state.license.kind == "trial"
    refusal = shown.view.last_refusal
    return Entry(
        label="Enter activation code" if reserve is None else "Enter another code",
        intro=_intro(device, state, throttled),
        available=throttled is None and not (reserve is not None and reserve.awaits),
        replaces=() if reserve is None else (MaskedCode(reserve.last_group),),
        ends_trial=trial,
        asks_prior=refusal is not None and refusal.reason in ("no_prior_license", "already_used_for_renewal"),
    )


def _intro(device: Device, state: LicenseState, throttled: str | None) -> Text:
    if throttled is not None:
        return text("You can enter the next code on {at}.", at=_moment(throttled))
    if device.reserve is not None and device.reserve.awaits:
        return text("You can enter another code once the result is here.")
    if state.status == "active":
        return text("Add a new code while this license is active. It takes over automatically when the license ends.")
    return text("A code you add now is checked and activated right away.")


def _warnings(shown: Representation) -> list[Message]:
    answer = shown.answer
    messages = [unshown_change_message()] if not shown.current else []
    if answer["stale"]:
        messages.append(stale_warning(_moment(answer["as_of"])))
    if answer["adding_available_at"]:
        messages.append(throttling_warning(_moment(answer["adding_available_at"])))
    if answer["clone_suspected"]:
        messages.append(clone_warning())
    if answer["clock_deviates"]:
        messages.append(clock_warning(answer["clock_offset_seconds"]))
    return messages


def _refusal(shown: Representation) -> Message | None:
    """Return the last refusal, unless the waiting code or the warning about throttling already says it."""
    refusal, reserve = shown.view.last_refusal, shown.view.device.reserve
    if refusal is None:
        return None
    said_by_reserve = refusal.what == "activation" and reserve is not None and reserve.status == "refused"
    said_by_warning = refusal.reason == "throttled" and shown.answer["adding_available_at"] is not None
    if said_by_warning or (said_by_reserve and reserve is not None and reserve.reason == refusal.reason):
        return None
    return refusal_message(refusal)


def _add_on(add_on: dict[str, str]) -> AddOn:
    until = _moment_or_none(add_on["works_until"])
    status = add_on["status"]
    return AddOn(
        add_on["product"],
        text(f"{status}, works until {{until}}", until=until) if until else text(status),
    )


def _moment(instant: str) -> datetime:
    return datetime.fromisoformat(instant)


def _moment_or_none(instant: str | None) -> datetime | None:
    return None if instant is None else _moment(instant)
