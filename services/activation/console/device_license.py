"""The license part of the device page, made from the device service's API answer. Pure; decides nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.activation.console.event_sentences import meaning_of, with_moments
from services.activation.console.values import Fact, Pill, Tone, masked
from shared.messages import CodeRef
from shared.pages import Text, text

STATUS: dict[str, tuple[str, Tone]] = {
    "active": ("Active", "calm"),
    "grace": ("Grace period", "warn"),
    "expired": ("Expired", "warn"),
    "blocked": ("Blocked", "bad"),
    "unlicensed": ("No license", "warn"),
}
SLOT: dict[str, tuple[str, Tone]] = {
    "ready": ("Ready", "calm"),
    "verifying": ("Being verified", "calm"),
    "activating": ("Being activated", "calm"),
    "retrying": ("Retrying", "warn"),
    "refused": ("Refused", "bad"),
}

type JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A code on the device: the license, or a waiting one."""

    title: str
    code_ref: CodeRef
    code: Text
    status: Pill
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLicense:
    """The device's license, now or as of another time."""

    status: Pill
    days: int | None
    slots: tuple[Slot, ...]
    notices: tuple[Text, ...]
    as_of: Text


def device_license_of(answer: JsonObject) -> DeviceLicense:
    """Return the content from an answer of `GET /v1/devices/{id}/license`."""
    slots = [_license(answer)] if "license" in answer else []
    slots += [
        _slot(title, answer[name])
        for name, title in (("reserve", "In reserve"), ("incoming", "Added later"))
        if name in answer
    ]
    return DeviceLicense(
        status=Pill(*STATUS.get(answer["status"], (answer["status"], "warn"))),
        days=answer.get("days_remaining") if answer["status"] == "active" else None,
        slots=tuple(slots),
        notices=tuple(_notices(answer)),
        as_of=_at(answer["as_of"]),
    )


def _license(answer: JsonObject) -> Slot:
    license_ = answer["license"]
    facts = [
        Fact("First activation", _at(license_["started_at"])),
        Fact("Activated here", _at(license_["activated_at"])),
        Fact("Ends", _at(license_["ends_at"])),
        Fact("Works until", _at(answer.get("works_until"))),
    ]
    if license_.get("stops_at"):
        facts.append(Fact("Stops (blocked)", _at(license_["stops_at"])))
    if answer.get("renewal_expected_by"):
        facts.append(Fact("Renewal expected by", _at(answer["renewal_expected_by"])))
    if answer.get("renewal_due_until"):
        facts.append(Fact("Renewal due until", _at(answer["renewal_due_until"])))
    facts.append(Fact("Type", (f"{license_['kind']}, {license_['edition']}",)))
    return Slot(
        title="License",
        code_ref=license_["code_ref"],
        code=masked(license_["last_group"]),
        status=Pill(*STATUS.get(answer["status"], (answer["status"], "warn"))),
        facts=tuple(facts),
    )


def _slot(title: str, slot: JsonObject) -> Slot:
    facts = [Fact("Takes over", _at(slot.get("takes_over_at")))] if slot.get("takes_over_at") else []
    if slot.get("predicted_ends_at"):
        facts.append(Fact("Predicted end", _at(slot["predicted_ends_at"])))
    if slot.get("reason"):
        facts.append(Fact("Reason for refusal", (meaning_of(slot["reason"]),)))
    if slot.get("retry_at"):
        facts.append(Fact("Next attempt", _at(slot["retry_at"])))
    if slot.get("notices"):
        facts.append(Fact("Warnings", (", ".join(slot["notices"]).replace("_", " "),)))
    return Slot(
        title=title,
        code_ref=slot["code_ref"],
        code=masked(slot["last_group"]),
        status=Pill(*SLOT.get(slot["status"], (slot["status"], "warn"))),
        facts=tuple(facts),
    )


def _notices(answer: JsonObject) -> Iterator[Text]:
    if answer.get("stale"):
        yield text("This data is more than a day old: the device service has not caught up with its own log.")
    if answer.get("clone_suspected"):
        yield text("Two devices may be using this identity: the contact counter does not match.")
    if answer.get("clock_deviates"):
        yield text("The device's clock is off by {seconds} seconds.", seconds=answer["clock_offset_seconds"])
    if answer.get("adding_available_at"):
        yield (
            *text("Too many unknown codes were tried here. The next code can be added on "),
            *_at(answer["adding_available_at"]),
            ".",
        )


def _at(instant: str | None) -> Text:
    return with_moments(instant) if instant else ("–",)
