"""What the console says of an event of either log, in one sentence each; and how other sentences get their times. Pure.

An event that this release does not know is called by its name: nothing is guessed.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.pages import MaskedCode, Moment, Text, text
from shared.reasons import EXPLAINED_REASONS

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)")
REF_CHARACTERS = 8

SENTENCES = {
    "DeviceEnrolled": "The device was enrolled: {product} in {region}.",
    "InstallationChanged": "Another product or version was installed: {product} {product_version}.",
    "CodeAdded": "A person added code {last_group}, {purpose}.",
    "CodeRemoved": "Code {code_ref} left the reserve: it was {cause}.",
    "RemovalRefused": "A removal was refused: {reason}.",
    "LicenseExpired": "The license ended at {ended_at}: {cause}.",
    "LicenseRemoved": "The device gave its license back.",
    "ActivateNow": "The user pressed Activate now.",
    "ActivationRetried": "The activation was tried again.",
    "OfflineActivationReported": "The device told that it activated code {last_group} by itself at {activated_at}.",
    "PredictionChanged": "The code in reserve will end at another time: {predicted_ends_at}.",
    "GuessesThrottled": "Too many unknown codes were tried: the next may be added at {until}.",
    "CloneSuspected": "The device's count does not fit: its identity may be in use twice.",
    "DeviceClockObserved": "The device's clock is {offset_seconds} seconds away from the server's.",
    "CodeVerified": "Code {last_group} was verified: good as a reserve, until {predicted_ends_at} if it takes over.",
    "CodeRejected": "The code was not taken: {reason}.",
    "LicenseActivated": "Code {last_group} became the license, until {ends_at} ({trigger}).",
    "ActivationRefused": "The activation was refused: {reason} ({trigger}).",
    "ActivationDelayed": "The activation waits until {retry_at}: {cause}.",
    "SeatReleased": "The seat was given back: {cause}. {note}",
    "LicenseRenewed": "Order {order_id} renewed the license: from {previous_ends_at} to {ends_at}.",
    "LicenseShortened": "Order {order_id} was refunded: the license ends at {ends_at}. {note}",
    "CodeBlocked": "The code was blocked; licenses on it stop at {stops_at}. {note}",
    "CodeUnblocked": "The code was unblocked. {note}",
    "PurchaseAnnounced": "Order {order_id} was announced: switches wait for it until {hold_until}.",
    "PurchaseCancelled": "Order {order_id} came to nothing. {note}",
    "PurchaseRefused": "The {what} of order {order_id} was refused: {reason}.",
    "AutoRenewalChanged": "Whether the subscription renews itself was changed: {auto_renews}.",
    "CodeIssued": "The code was issued: {product}, {kind}, term {term}, seats: {seats}.",
    "PriorLicenseUsed": "The license was the prior one of a discounted renewal on device {device_id}.",
    "EarlierActivationReported": "Device {device_id} told late of an activation at {activated_at}; the start stays.",
    "CustomerErased": "What was told of the customer was erased.",
}
WORDS = {
    ("purpose", "reserve"): "to wait in reserve",
    ("purpose", "immediate"): "to be activated at once",
    ("trigger", "immediate"): "at once",
    ("trigger", "automatic"): "by itself",
    ("trigger", "manual"): "by Activate now",
    ("trigger", "retry"): "tried again",
    ("trigger", "removal"): "after a removal",
    ("trigger", "offline"): "by the device alone",
    ("cause", "switched"): "the device switched to another code",
    ("cause", "operator"): "an operator took it away",
    ("cause", "no_answer"): "no answer came in time",
    ("cause", "purchase_pending"): "a purchase is announced",
    ("cause", "renewal_due"): "a renewal is due",
}


def told_of(type_name: str, data: Mapping[str, Any]) -> Text:
    """Return what an event says, in a sentence."""
    words = SENTENCES.get(type_name)
    if words is None:
        return (f"{type_name}.",)
    names = re.findall(r"{(\w+)}", words)
    return text(words, **{name: _value(name, data.get(name)) for name in names})


def _value(  # noqa: PLR0911 - one line per kind of value
    name: str, value: Any
) -> datetime | MaskedCode | str | None:
    match name, value:
        case _, None | "":
            return "" if name == "note" else "–"
        case "last_group", str():
            return MaskedCode(value)
        case "code_ref", str():
            return f"{value[:REF_CHARACTERS]}…"
        case "note", str():
            return f"“{value}”"
        case "auto_renews", bool():
            return "yes" if value else "no"
        case _, str() if MOMENT.fullmatch(value):
            return datetime.fromisoformat(value)
        case _, str() if name not in ("order_id", "device_id", "product", "product_version", "region", "term"):
            return WORDS.get((name, value), value.replace("_", " "))
        case _:
            return str(value)


def with_moments(sentence: str) -> Text:
    """Return a sentence of a service with its times as times, to be told in the reader's zone."""
    parts: list[str | Moment] = []
    last = 0
    for found in MOMENT.finditer(sentence):
        parts += [sentence[last : found.start()], Moment(datetime.fromisoformat(found[0]))]
        last = found.end()
    return tuple(part for part in (*parts, sentence[last:]) if part != "")


def meaning_of(reason: str) -> str:
    """Return what a reason means; a word that is none is told as it is."""
    entry = EXPLAINED_REASONS.get(reason)  # type: ignore[call-overload] # a hold is no reason
    return entry.meaning if entry else reason.replace("_", " ")


def sentence(detail: str) -> str:
    """Return what a problem's detail says as a sentence of a page."""
    return f"{detail[:1].upper()}{detail[1:]}."
