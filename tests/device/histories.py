"""The states of a device, each told by the events that led to it."""

from datetime import timedelta

from services.device.decider import DeviceEvent
from tests.scenarios import (
    END,
    NEXT_END,
    A,
    B,
    C,
    activated,
    added,
    added_at_once,
    delayed,
    enrolled,
    expired,
    expiry,
    refused,
    rejected,
    released,
    renewed,
    verified,
)

HALF_AN_HOUR_LATER = END + timedelta(minutes=30)

UNKNOWN: list[DeviceEvent] = []
UNLICENSED: list[DeviceEvent] = [enrolled()]
UNLICENSED_ACTIVATING: list[DeviceEvent] = [*UNLICENSED, added_at_once(B)]
ACTIVE: list[DeviceEvent] = [*UNLICENSED, added_at_once(A), activated(A)]
SEAT_RELEASED: list[DeviceEvent] = [*ACTIVE, released(A)]
VERIFYING: list[DeviceEvent] = [*ACTIVE, added(B)]
READY: list[DeviceEvent] = [*VERIFYING, verified(B)]
REPLACING: list[DeviceEvent] = [*READY, added(C)]
EXPIRED: list[DeviceEvent] = [*ACTIVE, expired()]
ACTIVATING: list[DeviceEvent] = [*READY, expired(reserve=B)]
NEVER_VERIFIED: list[DeviceEvent] = [*VERIFYING, expired(reserve=B)]
RETRYING: list[DeviceEvent] = [*ACTIVATING, delayed(B, until=HALF_AN_HOUR_LATER)]
REFUSED: list[DeviceEvent] = [*ACTIVATING, refused(B, "code_blocked")]
RENEWAL_AWAITED: list[DeviceEvent] = [*ACTIVATING, refused(B, "stale")]
ACTIVATING_REPLACING: list[DeviceEvent] = [*REPLACING, expired(reserve=B)]
ACTIVATING_REPLACED: list[DeviceEvent] = [*ACTIVATING_REPLACING, verified(C)]
REJECTED_REPLACING: list[DeviceEvent] = [
    *VERIFYING,
    added(C),
    expired(reserve=B),
    rejected(B, "unknown_code"),
]
RENEWED_REFUSED: list[DeviceEvent] = [*REFUSED, renewed(device="device-1")]
SWITCHED: list[DeviceEvent] = [
    *ACTIVATING,
    activated(B, at=END, ends=NEXT_END, trigger="automatic", request=expiry(), replaced=A),
]
