"""The states of a device, each as the events that led to it."""

from datetime import timedelta
from uuid import UUID

from services.device.decider import DeviceEvent
from tests.scenarios import (
    END,
    LATER,
    NEXT_END,
    NOON,
    A,
    B,
    C,
    D,
    activated,
    added,
    added_at_once,
    announced,
    asked_again,
    asked_now,
    blocked,
    corrected,
    delayed,
    enrolled,
    expired,
    expiry,
    given_back,
    refused,
    rejected,
    released,
    renewed,
    renews_itself,
    reported,
    suspected,
    throttled,
    verified,
)

SOON = END + timedelta(seconds=30)
"""Half a minute after the end: an attempt that began then may still be answered in time."""
HALF_AN_HOUR_LATER = END + timedelta(minutes=30)
STOP = NOON + timedelta(days=8)
"""When a license that is blocked at noon stops."""
AFTER_THE_STOP = STOP + timedelta(seconds=30)
EARLIER = UUID(int=2)
"""The id of an earlier command."""
HELD_UNTIL = END + timedelta(days=3)
"""Until when a renewal that is bought but not settled is waited for."""

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
    rejected(B, "wrong_region"),
    refused(B, "wrong_region"),
]
RENEWED_REFUSED: list[DeviceEvent] = [*REFUSED, renewed(device=D)]
SWITCHED: list[DeviceEvent] = [
    *ACTIVATING,
    activated(B, at=END, ends=NEXT_END, trigger="automatic", request=expiry(), replaced=A),
]

UNANSWERED: list[DeviceEvent] = [*ACTIVATING, delayed(B, until=HALF_AN_HOUR_LATER, cause="no_answer")]
CLICKED: list[DeviceEvent] = [
    *REFUSED,
    asked_now(B, request=EARLIER),
    refused(B, "code_blocked", trigger="manual", request=EARLIER),
]
CLICKED_TWICE: list[DeviceEvent] = [
    *CLICKED,
    asked_now(B, request=EARLIER, again=LATER + timedelta(seconds=10)),
    refused(B, "code_blocked", trigger="manual", request=EARLIER),
]
OVERTAKEN: list[DeviceEvent] = [*ACTIVATING, renewed(device=D)]
SUSPECTED: list[DeviceEvent] = [*ACTIVE, suspected(expected=8, received=7)]
REFUSED_THERE: list[DeviceEvent] = [*ACTIVATING, refused(B, "wrong_region")]
ASKED_AGAIN: list[DeviceEvent] = [*READY, corrected("FR"), asked_again(B, verified_before=True)]

TRIAL: list[DeviceEvent] = [*UNLICENSED, added_at_once(A), activated(A, kind="trial")]
TRIAL_READY: list[DeviceEvent] = [*TRIAL, added(B), verified(B)]
TRIAL_ENDING: list[DeviceEvent] = [*TRIAL, added_at_once(B, over=A, at=NOON, ends_trial=True)]
SUBSCRIBED: list[DeviceEvent] = [
    *UNLICENSED,
    added_at_once(A),
    activated(A, kind="subscription", auto_renews=True),
    added(B),
    verified(B),
]
RENEWAL_DUE: list[DeviceEvent] = [
    *SUBSCRIBED,
    expired(reserve=B),
    delayed(B, until=END + timedelta(days=1), cause="renewal_due"),
]

BLOCKED: list[DeviceEvent] = [*READY, blocked(A, stops=STOP, device=D)]
STOPPED: list[DeviceEvent] = [*ACTIVE, blocked(A, stops=STOP, device=D), expired(ended=STOP, cause="blocked")]
STOPPED_ACTIVATING: list[DeviceEvent] = [*BLOCKED, expired(reserve=B, ended=STOP, generation=2, cause="blocked")]
ANNOUNCED: list[DeviceEvent] = [*ACTIVE, announced(A, until=HELD_UNTIL, device=D), expired()]
HELD: list[DeviceEvent] = [
    *READY,
    announced(A, until=HELD_UNTIL, device=D),
    expired(reserve=B),
    delayed(B, until=HELD_UNTIL),
]

REMOVED: list[DeviceEvent] = [*ACTIVE, given_back(request=EARLIER)]
REMOVED_ACTIVATING: list[DeviceEvent] = [*READY, given_back(reserve=B, request=EARLIER)]
RESERVE_KEPT: list[DeviceEvent] = [*READY, released(A, keeps_reserve=True)]
REPORTED: list[DeviceEvent] = [*EXPIRED, reported(C, activated=END, at=SOON, request=EARLIER)]
REPORTED_OVER_REFUSED: list[DeviceEvent] = [*REFUSED, reported(C, activated=END, at=SOON, request=EARLIER)]
THROTTLED: list[DeviceEvent] = [*UNLICENSED, throttled(until=NOON + timedelta(minutes=1))]
NO_LONGER_RENEWS: list[DeviceEvent] = [*SUBSCRIBED, renews_itself(A, on=False, device=D)]
