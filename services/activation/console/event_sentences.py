"""One sentence for each event of either log, and helpers that turn the times in other sentences into moments. Pure.

An event that this release does not know is shown by its name.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from shared.messages import LicenseRenewed
from shared.pages import MaskedCode, Moment, Text, text
from shared.reasons import EXPLAINED_REASONS

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)")
REF_CHARACTERS = 8

SENTENCES = {
    "DeviceEnrolled": "The device was enrolled: {product} in {region}.",
    "InstallationChanged": "Another product or version was installed: {product} {product_version}.",
    "RegionCorrected": "The region of the device was corrected from {previous_region} to {region}. {note}",
    "CodeAdded": "Code {last_group} was added {purpose}.",
    "CodeRemoved": "Code {code_ref} was taken out of reserve: it was {cause}.",
    "RemovalRefused": "A removal was refused: {reason}.",
    "LicenseExpired": "The license ended on {ended_at}: {cause}.",
    "LicenseRemoved": "The device returned its license.",
    "ActivateNow": "The user pressed Activate now.",
    "ActivationRetried": "The activation was retried.",
    "VerificationRepeated": "Code {code_ref} is being verified again.",
    "OfflineActivationReported": "The device reported that it activated code {last_group} offline on {activated_at}.",
    "PredictionChanged": "The predicted end of the code in reserve changed to {predicted_ends_at}.",
    "GuessesThrottled": "Too many unknown codes were tried; the next can be added on {until}.",
    "CloneSuspected": "The contact counter does not match: two devices may be using this identity.",
    "CloneSuspicionEnded": "The device is no longer suspected to have a clone: {cause}.",
    "DeviceClockObserved": "The device's clock differs from the server's by {offset_seconds} seconds.",
    "CodeVerified": "Code {last_group} was verified as a reserve, valid until {predicted_ends_at} if it takes over.",
    "CodeRejected": "The code was not accepted: {reason}.",
    "LicenseActivated": "Code {last_group} became the license, until {ends_at} ({trigger}).",
    "ActivationRefused": "The activation was refused: {reason} ({trigger}).",
    "ActivationDelayed": "The activation waits until {retry_at}: {cause}.",
    "SeatReleased": "The seat was released: {cause}. {note}",
    "LicenseRenewed": "Order {order_id}, counted from {counts_from}, extended the license from {previous_ends_at} "
    "to {ends_at}.",
    "LicenseShortened": "Order {order_id} was refunded; the license now ends on {ends_at}. {note}",
    "CodeBlocked": "The code was blocked; its licenses stop on {stops_at}. {note}",
    "CodeUnblocked": "The code was unblocked. {note}",
    "PurchaseAnnounced": "Order {order_id} was announced; switches wait for it until {hold_until}.",
    "PurchaseCancelled": "Order {order_id} was canceled. {note}",
    "PurchaseRefused": "The {what} of order {order_id} was refused: {reason}.{awaits_purchase}",
    "AutoRenewalChanged": "Auto-renewal was turned {auto_renews}.",
    "CodeIssued": "The code was issued: {product}, {kind}, term {term}, seats: {seats}.",
    "PriorLicenseUsed": "The license was used as the prior license of a discounted renewal on device {device_id}.",
    "EarlierActivationReported": "Device {device_id} reported an earlier activation ({activated_at}); the start stays.",
    "CustomerErased": "The customer's data was erased.",
}
IF_DONE = {
    "SeatReleased": "The seat would be released: {cause}. {note}",
    "LicenseShortened": "Order {order_id} would be refunded; the license would end on {ends_at}. {note}",
    "CodeBlocked": "The code would be blocked; its licenses would stop on {stops_at}. {note}",
    "CodeUnblocked": "The code would be unblocked. {note}",
    "PurchaseCancelled": "Order {order_id} would be canceled. {note}",
}
"""The sentences of what an operator's action would record, for a preview: nothing of it has happened."""

WORDS = {
    ("purpose", "reserve"): "as a reserve",
    ("purpose", "immediate"): "for immediate activation",
    ("trigger", "immediate"): "immediate activation",
    ("trigger", "automatic"): "automatic switch",
    ("trigger", "manual"): "Activate now",
    ("trigger", "retry"): "retry",
    ("trigger", "removal"): "after a removal",
    ("trigger", "offline"): "offline activation",
    ("cause", "switched"): "the device switched to another code",
    ("cause", "operator"): "an operator took it away",
    ("cause", "new_token"): "it has a new token",
    ("cause", "counted_on"): "its contact counter goes on correctly",
    ("cause", "no_answer"): "no answer came in time",
    ("cause", "purchase_pending"): "a purchase was announced",
    ("cause", "renewal_due"): "a renewal is due",
}
AS_THEY_ARE = {"order_id", "device_id", "product", "product_version", "region", "previous_region", "term"}
"""Fields whose values are no words of ours."""


def event_sentence(type_name: str, data: Mapping[str, Any]) -> Text:
    """Return the sentence for an event."""
    return _sentence(SENTENCES.get(type_name), type_name, data)


def sentence_if_done(type_name: str, data: Mapping[str, Any]) -> Text:
    """Return the sentence for an event that an action would record."""
    return _sentence(IF_DONE.get(type_name), type_name, data)


def _sentence(words: str | None, type_name: str, data: Mapping[str, Any]) -> Text:
    if words is None:
        return (f"{type_name}.",)
    names = re.findall(r"{(\w+)}", words)
    told = {**data, "counts_from": counts_from(data)} if type_name == "LicenseRenewed" else data
    return text(words, **{name: _value(name, told.get(name)) for name in names})


def counts_from(renewed: Mapping[str, Any]) -> datetime:
    """Return from where a renewal counts (R-130)."""
    return msgspec.convert(renewed, LicenseRenewed).counts_from


def _value(  # noqa: PLR0911 - one line per kind of value
    name: str, value: Any
) -> datetime | MaskedCode | str | None:
    match name, value:
        case "awaits_purchase", _:
            return " It counts as soon as its purchase comes." if value else ""
        case _, None | "":
            return "" if name == "note" else "–"
        case "last_group", str():
            return MaskedCode(value)
        case _, datetime():
            return value
        case "code_ref", str():
            return f"{value[:REF_CHARACTERS]}…"
        case "note", str():
            return f"“{value}”"
        case "auto_renews", bool():
            return "on" if value else "off"
        case _, str() if MOMENT.fullmatch(value):
            return datetime.fromisoformat(value)
        case _, str() if name not in AS_THEY_ARE:
            return WORDS.get((name, value), value.replace("_", " "))
        case _:
            return str(value)


def with_moments(sentence: str) -> Text:
    """Return a sentence with its ISO times as moments, which are shown in the reader's zone."""
    parts: list[str | Moment] = []
    last = 0
    for found in MOMENT.finditer(sentence):
        parts += [sentence[last : found.start()], Moment(datetime.fromisoformat(found[0]))]
        last = found.end()
    return tuple(part for part in (*parts, sentence[last:]) if part != "")


def meaning_of(reason: str) -> str:
    """Return the meaning of a reason; an unknown word is shown as it is."""
    entry = EXPLAINED_REASONS.get(reason)  # type: ignore[call-overload] # other words are looked up too
    return entry.meaning if entry else reason.replace("_", " ")


def detail_sentence(detail: str) -> str:
    """Return a problem's detail as a sentence."""
    return f"{detail[:1].upper()}{detail[1:]}."
