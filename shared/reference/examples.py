"""An example of each event, with every field different from its default; `tests/shared/golden` pins them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.messages import (
    ActivateNow,
    ActivationDelayed,
    ActivationRefused,
    ActivationRetried,
    AutoRenewalChanged,
    CloneSuspected,
    CloneSuspicionEnded,
    CodeAdded,
    CodeBlocked,
    CodeIssued,
    CodeRejected,
    CodeRemoved,
    CodeUnblocked,
    CodeVerified,
    CustomerErased,
    DeviceClockObserved,
    DeviceEnrolled,
    EarlierActivationReported,
    Event,
    Finding,
    GuessesThrottled,
    InstallationChanged,
    LicenseActivated,
    LicenseExpired,
    LicenseRemoved,
    LicenseRenewed,
    LicenseShortened,
    MessageDiscarded,
    MessageParked,
    MessageRedriven,
    OfflineActivationReported,
    PredictionChanged,
    PriorLicenseUsed,
    PurchaseAnnounced,
    PurchaseCancelled,
    PurchaseRefused,
    RegionCorrected,
    RemovalRefused,
    SeatReleased,
    VerificationRepeated,
)

DEVICE = "0198a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
CODE = "0123456789abcdef0123456789abcdef"
CURRENT = "fedcba9876543210fedcba9876543210"
PRIOR = "00112233445566778899aabbccddeeff"
OTHER_DEVICE = "0198a1b2-7c3d-7e4f-8a5b-000000000002"
REQUEST = UUID("0198a1b2-0000-7000-8000-000000000001")
START = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
END = datetime(2027, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
NEXT_END = datetime(2028, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)

DECIDED: dict[str, Any] = {"policy_version": 3}
ON_DEVICE: dict[str, Any] = {**DECIDED, "device_id": DEVICE}
INSTALLED: dict[str, Any] = {
    **ON_DEVICE,
    "product": "antivirus",
    "region": "DE",
    "product_version": "21.3",
    "vendor": "acme",
}
ATTEMPTED: dict[str, Any] = {
    **INSTALLED,
    "request_id": REQUEST,
    "answer_by": NEXT_END,
    "prior_ref": PRIOR,
    "accepts_short_term": True,
    "trials_before": 2,
}
REQUESTED: dict[str, Any] = {**ATTEMPTED, "code_ref": CODE, "current_ref": CURRENT, "current_ends_at": END}
ANSWERED: dict[str, Any] = {**ON_DEVICE, "code_ref": CODE, "request_id": REQUEST}
ON_CODE: dict[str, Any] = {**DECIDED, "code_ref": CODE}
ON_HOLDER: dict[str, Any] = {**ON_CODE, "device_id": DEVICE}
PURCHASED: dict[str, Any] = {**ON_HOLDER, "order_id": "order-2026/77"}
PLACE: dict[str, Any] = {"topic": "store.purchases.v1", "partition": 5, "offset": 1234, **DECIDED}
FINDINGS = (
    Finding(rule="R-13", reason="unknown_code", passed=True),
    Finding(rule="R-45, R-54b", reason="wrong_product", passed=False, change="a code for antivirus"),
)


def examples() -> tuple[Event, ...]:
    """Return an example of each current event. A function, so that a mistake here does not break the import."""
    return (*_of_devices(), *_of_both(), *_of_codes())


def _of_devices() -> tuple[Event, ...]:
    return (
        DeviceEnrolled(**INSTALLED, part_of=OTHER_DEVICE, sealed_name="k1.c2VhbGVk", public_key="A" * 43),
        InstallationChanged(**INSTALLED),
        RegionCorrected(**ON_DEVICE, region="GB", previous_region="IE", note="moved"),
        CodeAdded(**REQUESTED, last_group="7QX2M", purpose="immediate", ends_trial=True),
        CodeRemoved(**ON_DEVICE, code_ref=CODE, cause="replaced"),
        RemovalRefused(**ON_DEVICE, code_ref=CODE, reason="activation_running"),
        LicenseExpired(**ATTEMPTED, code_ref=CURRENT, ended_at=END, generation=2, reserve_ref=CODE, cause="blocked"),
        LicenseRemoved(**ATTEMPTED, code_ref=CURRENT, removed_at=END, reserve_ref=CODE, cause="deactivated_offline"),
        ActivateNow(**REQUESTED, again_at=NEXT_END),
        ActivationRetried(**REQUESTED, ends_trial=True),
        VerificationRepeated(**REQUESTED, verified_before=True),
        OfflineActivationReported(**REQUESTED, last_group="7QX2M", activated_at=END),
        PredictionChanged(
            **ON_DEVICE,
            code_ref=CODE,
            predicted_ends_at=NEXT_END,
            started_at=START,
            notices=("not_later_than_current",),
        ),
        GuessesThrottled(**ON_DEVICE, guesses=6, until=END),
        CloneSuspected(**ON_DEVICE, expected=12, received=7),
        CloneSuspicionEnded(**ON_DEVICE, cause="new_token"),
        DeviceClockObserved(**ON_DEVICE, offset_seconds=-86_400, deviates=True),
    )


def _of_both() -> tuple[Event, ...]:
    return (
        CodeVerified(
            **ANSWERED,
            last_group="7QX2M",
            term="P1Y2M3D",
            predicted_ends_at=NEXT_END,
            started_at=START,
            notices=("seats_exhausted", "fewer_seats"),
            kind="renewal",
            edition="premium",
            features=("vpn",),
            devices_left_out=2,
        ),
        CodeRejected(**ANSWERED, reason="wrong_product", asked_at=START, findings=FINDINGS),
        LicenseActivated(
            **ANSWERED,
            last_group="7QX2M",
            trigger="automatic",
            activated_at=END,
            started_at=START,
            ends_at=NEXT_END,
            replaced_ref=CURRENT,
            kind="subscription",
            edition="premium",
            features=("vpn", "vault"),
            grace_days=7,
            auto_renews=True,
            prior_ref=PRIOR,
            starts_term=False,
        ),
        ActivationRefused(**ANSWERED, reason="not_expired", trigger="manual", available_at=END, findings=FINDINGS),
        ActivationDelayed(**ANSWERED, trigger="retry", retry_at=END, cause="purchase_pending"),
        SeatReleased(**ON_DEVICE, code_ref=CODE, cause="operator", note="the notebook was stolen", keeps_reserve=True),
        LicenseRenewed(
            **PURCHASED, term="P1Y", purchased_at=START, previous_ends_at=END, ends_at=NEXT_END, anchor_at=START
        ),
        LicenseShortened(
            **PURCHASED, term="P1Y", previous_ends_at=NEXT_END, ends_at=END, note="paid back", anchor_at=START
        ),
        CodeBlocked(**ON_HOLDER, note="reported as stolen", stops_at=END),
        CodeUnblocked(**ON_HOLDER, note="found again"),
        PurchaseAnnounced(**PURCHASED, hold_until=END),
        PurchaseCancelled(**PURCHASED, note="the card was declined"),
        AutoRenewalChanged(**ON_HOLDER, auto_renews=True),
    )


def _of_codes() -> tuple[Event, ...]:
    return (
        CodeIssued(
            **ON_CODE,
            last_group="7QX2M",
            product="antivirus",
            kind="renewal",
            term="P1Y2M3D",
            seats=3,
            regions=("DE", "AT"),
            activate_by=END,
            vendor="acme",
            edition="premium",
            features=("vpn",),
            version_min="20.0",
            version_max="22",
            grace_days=7,
            auto_renews=True,
            short_term="P6M",
            sealed_customer="k1.c2VhbGVk",
        ),
        PriorLicenseUsed(**ON_CODE, renewal_ref=CURRENT, device_id=DEVICE),
        EarlierActivationReported(
            **ON_CODE, device_id=DEVICE, activated_at=START, started_at=END, affected=(OTHER_DEVICE,)
        ),
        PurchaseRefused(
            **ON_CODE,
            order_id="order-2026/77",
            reason="unknown_order",
            what="refund",
            awaits_purchase=True,
            note="sent back",
            term="P1M",
        ),
        CustomerErased(**ON_CODE),
        MessageParked(**PLACE, reason="unreadable_event", detail="RecordPurchase: order_id: missing"),
        MessageRedriven(**PLACE),
        MessageDiscarded(**PLACE, note="a test of the shop, ordered twice"),
    )
