"""What the device page says of a license, from what the device service's API says of it. Pure; decides nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.activation.console.told import meaning_of, with_moments
from services.activation.console.values import Fact, Pill, Tone, masked
from shared.messages import CodeRef
from shared.pages import Text, text

STATUS: dict[str, tuple[str, Tone]] = {
    "active": ("In force", "calm"),
    "grace": ("In grace", "warn"),
    "expired": ("Expired", "warn"),
    "blocked": ("Blocked", "bad"),
    "unlicensed": ("No license", "warn"),
}
SLOT: dict[str, tuple[str, Tone]] = {
    "ready": ("Ready", "calm"),
    "verifying": ("Being verified", "calm"),
    "activating": ("Being activated", "calm"),
    "retrying": ("Tried again", "warn"),
    "refused": ("Refused", "bad"),
}

type Said = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A code on the device: the license, or one that waits."""

    title: str
    code_ref: CodeRef
    code: Text
    standing: Pill
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Licensed:
    """The device's license now, or at the time asked about."""

    standing: Pill
    days: int | None
    slots: tuple[Slot, ...]
    notices: tuple[Text, ...]
    as_of: Text


def licensed_of(said: Said) -> Licensed:
    """Return what is shown of an answer of `GET /v1/devices/{id}/license`."""
    slots = [_license(said)] if "license" in said else []
    slots += [
        _slot(title, said[name])
        for name, title in (("reserve", "In reserve"), ("incoming", "Added after it"))
        if name in said
    ]
    return Licensed(
        standing=Pill(*STATUS.get(said["status"], (said["status"], "warn"))),
        days=said.get("days_remaining") if said["status"] == "active" else None,
        slots=tuple(slots),
        notices=tuple(_notices(said)),
        as_of=_at(said["as_of"]),
    )


def _license(said: Said) -> Slot:
    license_ = said["license"]
    facts = [
        Fact("First activation", _at(license_["started_at"])),
        Fact("Activated here", _at(license_["activated_at"])),
        Fact("Ends", _at(license_["ends_at"])),
        Fact("Works until", _at(said.get("works_until"))),
    ]
    if license_.get("stops_at"):
        facts.append(Fact("Stops, blocked", _at(license_["stops_at"])))
    if said.get("renewal_expected_by"):
        facts.append(Fact("Renewal expected by", _at(said["renewal_expected_by"])))
    facts.append(Fact("Kind", (f"{license_['kind']}, {license_['edition']}",)))
    return Slot(
        title="License",
        code_ref=license_["code_ref"],
        code=masked(license_["last_group"]),
        standing=Pill(*STATUS.get(said["status"], (said["status"], "warn"))),
        facts=tuple(facts),
    )


def _slot(title: str, slot: Said) -> Slot:
    facts = [Fact("Takes over", _at(slot.get("takes_over_at")))] if slot.get("takes_over_at") else []
    if slot.get("predicted_ends_at"):
        facts.append(Fact("Predicted end", _at(slot["predicted_ends_at"])))
    if slot.get("reason"):
        facts.append(Fact("Refused because", (meaning_of(slot["reason"]),)))
    if slot.get("retry_at"):
        facts.append(Fact("Tried again", _at(slot["retry_at"])))
    if slot.get("notices"):
        facts.append(Fact("Warned of", (", ".join(slot["notices"]).replace("_", " "),)))
    return Slot(
        title=title,
        code_ref=slot["code_ref"],
        code=masked(slot["last_group"]),
        standing=Pill(*SLOT.get(slot["status"], (slot["status"], "warn"))),
        facts=tuple(facts),
    )


def _notices(said: Said) -> Iterator[Text]:
    if said.get("stale"):
        yield text("What is shown is more than a day old: the device service has not caught up with its own log.")
    if said.get("clone_suspected"):
        yield text("The device's identity may be in use twice: its count of contacts does not fit.")
    if said.get("clock_deviates"):
        yield text("The device's clock is wrong by {seconds} seconds.", seconds=said["clock_offset_seconds"])
    if said.get("adding_available_at"):
        yield (
            *text("Too many unknown codes were tried here. The next can be added at "),
            *_at(said["adding_available_at"]),
            ".",
        )


def _at(told: str | None) -> Text:
    return with_moments(told) if told else ("–",)
