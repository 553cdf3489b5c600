"""What the window shows of a device: from what the API says to a value that a template draws. Pure; decides nothing."""

from datetime import datetime

from services.device.api.representation import Representation
from services.device.decider import Device, License, LicenseStatus, Reserve
from services.device.window.sentences import (
    Said,
    Standing,
    headline,
    of_clock,
    of_clone,
    of_incoming,
    of_license,
    of_notices,
    of_old,
    of_recorded,
    of_refusal,
    of_slot,
    of_throttling,
    why_unavailable,
)
from services.device.window.values import ActivateNow, AddOn, Entry, Fact, Page, Slot, Step
from shared.pages.texts import Masked, Moment, Text, text

KINDS = {"paid": "", "trial": "Trial", "subscription": "Subscription", "renewal": "Discounted renewal"}
TRIES = ("activating", "verifying")


def page_of(shown: Representation, *, name: str | None) -> Page:
    """Return what is shown of the device that people call `name`."""
    device, standing = shown.view.device, standing_of(shown)
    reserve = _slot(device.reserve, standing, shown)
    return Page(
        device_id=shown.answer["device_id"],
        device_name=name or f"device …{shown.answer['device_id'][-6:]}",
        product=device.product,
        headline=headline(standing),
        said=of_license(standing),
        facts=_facts(device.license, standing.status),
        noticed=tuple(_noticed(shown)),
        refused=_refused(shown),
        reserve=reserve,
        incoming=_slot(device.incoming, standing, shown, second=True),
        activate_now=_activate_now(device, shown),
        may_remove=device.reserve is not None and not device.reserve.awaits,
        entry=_entry(device, standing, shown),
        add_ons=tuple(_add_on(each) for each in shown.answer.get("add_ons", ())),
        as_of=(Moment(_moment(shown.answer["as_of"])),),
        etag=shown.etag,
        pending=is_pending(shown),
    )


def is_pending(shown: Representation) -> bool:
    """Tell whether an answer is due in a moment: who waits for it may look again."""
    return not shown.current or any(slot.status in TRIES for slot in shown.view.device.slots)


def standing_of(shown: Representation) -> Standing:
    """Return what the API says of the license."""
    answer, device = shown.answer, shown.view.device
    return Standing(
        status=answer["status"],
        days_remaining=answer.get("days_remaining", 0),
        license=device.license,
        reserve=device.reserve,
        works_until=_or_none(answer.get("works_until")),
        renewal_expected_by=_or_none(answer.get("renewal_expected_by")),
    )


def _facts(current: License | None, status: LicenseStatus) -> tuple[Fact, ...]:
    if current is None:
        return ()
    # the sentence itself says when it ended
    ends = [Fact("Ends", (Moment(current.over_at),))] if status == "active" else []
    facts = [
        *ends,
        Fact("Activation code", (Masked(current.last_group),)),
        Fact("Edition", (_titled(current.edition),)),
    ]
    if KINDS[current.kind]:
        facts.append(Fact("Kind", (KINDS[current.kind],)))
    if current.features:
        facts.append(Fact("Features", (", ".join(map(_titled, current.features)),)))
    return tuple(facts)


def _titled(word: str) -> str:
    return word.replace("-", " ").capitalize()


def _slot(slot: Reserve | None, standing: Standing, shown: Representation, *, second: bool = False) -> Slot | None:
    if slot is None:
        return None
    takes_over_at = _takes_over_at(shown)
    of = of_incoming if second else of_slot
    return Slot(
        code=(Masked(slot.last_group),),
        said=of(slot, takes_over_at=takes_over_at, in_force=standing.status == "active"),
        notices=tuple(of_notices(slot)),
        facts=_slot_facts(slot, standing.license),
        road=_road(slot, takes_over_at) if standing.status == "active" and slot.status == "ready" else (),
    )


def _slot_facts(slot: Reserve, current: License | None) -> tuple[Fact, ...]:
    facts = []
    if slot.term is not None and current is not None and slot.edition != current.edition:
        facts.append(Fact("Edition", (_titled(slot.edition),)))
    # a term that has not begun ends the later, the longer the code waits
    known = slot.started_at is not None or slot.status == "activating"
    if slot.predicted_ends_at is not None and known and slot.status != "ready":
        facts.append(Fact("Expected end", (Moment(slot.predicted_ends_at),)))
    return tuple(facts)


def _road(slot: Reserve, takes_over_at: datetime | None) -> tuple[Step, ...]:
    """Return the way over the switch to the predicted end (R-10)."""
    if takes_over_at is None or slot.predicted_ends_at is None:
        return ()
    return (
        Step(text("Today"), "the current license"),
        Step((Moment(takes_over_at),), "the new code takes over by itself"),
        Step((Moment(slot.predicted_ends_at),), "expected end of the new license"),
    )


def _takes_over_at(shown: Representation) -> datetime | None:
    return _or_none(shown.answer.get("reserve", {}).get("takes_over_at"))


def _activate_now(device: Device, shown: Representation) -> ActivateNow | None:
    if device.reserve is None:
        return None
    answer = shown.answer
    why = why_unavailable(answer["activate_now_reason"], _or_none(answer["activate_now_available_at"]))
    return ActivateNow(allowed=answer["may_activate_now"], why=why, code_ref=device.reserve.code_ref)


def _entry(device: Device, standing: Standing, shown: Representation) -> Entry:
    reserve, throttled = device.reserve, shown.answer["adding_available_at"]
    trial = standing.status == "active" and standing.license is not None and standing.license.kind == "trial"
    refusal = shown.view.last_refusal
    return Entry(
        label="Enter activation code" if reserve is None else "Enter another code",
        intro=_intro(device, standing, throttled),
        available=throttled is None and not (reserve is not None and reserve.awaits),
        replaces=() if reserve is None else (Masked(reserve.last_group),),
        ends_trial=trial,
        asks_prior=refusal is not None and refusal.reason in ("no_prior_license", "already_used_for_renewal"),
    )


def _intro(device: Device, standing: Standing, throttled: str | None) -> Text:
    if throttled is not None:
        return text("The next code can be entered at {at}.", at=_moment(throttled))
    if device.reserve is not None and device.reserve.awaits:
        return text("Another code can be entered when the result is there.")
    if standing.status == "active":
        return text("Add a new code while this license still runs. It takes over by itself when the license ends.")
    return text("A code that you add now is checked and activated at once.")


def _noticed(shown: Representation) -> list[Said]:
    answer = shown.answer
    said = [of_recorded()] if not shown.current else []
    if answer["stale"]:
        said.append(of_old(_moment(answer["as_of"])))
    if answer["adding_available_at"]:
        said.append(of_throttling(_moment(answer["adding_available_at"])))
    if answer["clone_suspected"]:
        said.append(of_clone())
    if answer["clock_deviates"]:
        said.append(of_clock(answer["clock_offset_seconds"]))
    return said


def _refused(shown: Representation) -> Said | None:
    """Return what was refused last, unless the code that waits says so itself or the device is told to wait anyway."""
    refusal, reserve = shown.view.last_refusal, shown.view.device.reserve
    if refusal is None:
        return None
    told_there = refusal.what == "activation" and reserve is not None and reserve.status == "refused"
    told_above = refusal.reason == "throttled" and shown.answer["adding_available_at"] is not None
    if told_above or (told_there and reserve is not None and reserve.reason == refusal.reason):
        return None
    return of_refusal(refusal)


def _add_on(add_on: dict[str, str]) -> AddOn:
    until = _or_none(add_on["works_until"])
    status = add_on["status"]
    told = text(f"{status}, works until {{until}}", until=until) if until else text(status)
    return AddOn(add_on["product"], told)


def _moment(told: str) -> datetime:
    return datetime.fromisoformat(told)


def _or_none(told: str | None) -> datetime | None:
    return None if told is None else _moment(told)
