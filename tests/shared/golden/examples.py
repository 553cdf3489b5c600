"""The example of each event, with every field set to something else than its default."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.messages import (
    ActivateNow,
    ActivationDelayed,
    ActivationRefused,
    ActivationRetried,
    CodeAdded,
    CodeBlocked,
    CodeIssued,
    CodeRejected,
    CodeRemoved,
    CodeUnblocked,
    CodeVerified,
    DeviceEnrolled,
    Event,
    LicenseActivated,
    LicenseExpired,
    LicenseRenewed,
    MessageParked,
    MessageRedriven,
    PurchaseAnnounced,
    PurchaseRefused,
    RemovalRefused,
    SeatReleased,
)

DEVICE = "0198a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
CODE = "0123456789abcdef0123456789abcdef"
CURRENT = "fedcba9876543210fedcba9876543210"
REQUEST = UUID("0198a1b2-0000-7000-8000-000000000001")
START = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
END = datetime(2027, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
NEXT_END = datetime(2028, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)

REQUESTED: dict[str, Any] = {
    "device_id": DEVICE,
    "code_ref": CODE,
    "request_id": REQUEST,
    "product": "antivirus",
    "region": "DE",
    "current_ref": CURRENT,
    "current_ends_at": END,
}
ANSWERED: dict[str, Any] = {"device_id": DEVICE, "code_ref": CODE, "request_id": REQUEST, "policy_version": 3}
PURCHASED: dict[str, Any] = {"code_ref": CODE, "order_id": "order-2026/77"}
PLACE: dict[str, Any] = {"topic": "store.purchases.v1", "partition": 5, "offset": 1234}


def examples() -> tuple[Event, ...]:
    """Return one example of each event of today. A function: after a change, the checks still run without it."""
    return (
        DeviceEnrolled(device_id=DEVICE, product="antivirus", region="DE"),
        CodeAdded(**REQUESTED, last_group="7QX2M", purpose="reserve"),
        CodeRemoved(device_id=DEVICE, code_ref=CODE, cause="replaced"),
        RemovalRefused(device_id=DEVICE, code_ref=CODE, reason="activation_running"),
        LicenseExpired(
            device_id=DEVICE,
            code_ref=CURRENT,
            ended_at=END,
            generation=2,
            request_id=REQUEST,
            product="antivirus",
            region="DE",
            reserve_ref=CODE,
        ),
        ActivateNow(**REQUESTED),
        ActivationRetried(**REQUESTED),
        CodeVerified(
            **ANSWERED,
            last_group="7QX2M",
            term="P1Y2M3D",
            predicted_ends_at=NEXT_END,
            started_at=START,
            notices=("seats_exhausted", "less_than_full_term"),
        ),
        CodeRejected(**ANSWERED, reason="wrong_product"),
        LicenseActivated(
            **ANSWERED,
            last_group="7QX2M",
            trigger="automatic",
            activated_at=END,
            started_at=START,
            ends_at=NEXT_END,
            replaced_ref=CURRENT,
        ),
        ActivationRefused(**ANSWERED, reason="not_expired", trigger="manual", available_at=END),
        ActivationDelayed(**ANSWERED, trigger="retry", retry_at=END, cause="purchase_pending"),
        LicenseRenewed(**PURCHASED, purchased_at=START, previous_ends_at=END, ends_at=NEXT_END, device_id=DEVICE),
        SeatReleased(device_id=DEVICE, code_ref=CODE, cause="operator", note="the notebook was stolen"),
        CodeIssued(
            code_ref=CODE,
            last_group="7QX2M",
            product="antivirus",
            kind="subscription",
            term="P1Y2M3D",
            seats=3,
            regions=("DE", "AT"),
            activate_by=END,
        ),
        CodeBlocked(code_ref=CODE, note="reported as stolen"),
        CodeUnblocked(code_ref=CODE, note="found again"),
        PurchaseAnnounced(**PURCHASED, hold_until=END),
        PurchaseRefused(**PURCHASED, reason="not_activated"),
        MessageParked(**PLACE, reason="unreadable_event", detail="RecordPurchase: order_id: missing"),
        MessageRedriven(**PLACE),
    )
