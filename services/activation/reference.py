"""The reference of this service beyond its code: examples, and the problems of each route."""

from typing import Any

from services.activation.consumer import PURCHASES_TOPIC, SHOP_COMMANDS
from shared.reference import ACTIVATION_TOPIC, DEVICE_TOPIC, Application, CommandTopic, RouteDocs
from shared.reference.route_docs import Routes

DEVICE, CODE, GROUP = "0198a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "0123456789abcdef0123456789abcdef", "7QX2M"
AT, END = "2026-03-01T12:00:00.250Z", "2027-03-01T12:00:00.250Z"
ORDER = "order-2026/77"
UNKNOWN = {404: ("unknown_code",)}
OTHER_TIME = {404: ("unknown_code",), 422: ("in_the_future", "before_first_event"), 503: ("newer_log",)}
ORDERED = {404: ("unknown_code",), 503: ("ledger_unavailable", "too_busy")}
SHOWN = {
    "code_ref": CODE,
    "last_group": GROUP,
    "product": "antivirus",
    "kind": "paid",
    "term": "P1Y",
    "seats": 3,
    "seats_taken": 1,
    "started_at": AT,
    "ends_at": END,
}
SWITCH = {
    "device_id": DEVICE,
    "switch_at": END,
    "outcome": "fails",
    "license_ref": "fedcba9876543210fedcba9876543210",
    "reserve_ref": CODE,
    "reserve_last_group": GROUP,
    "reason": "seats_exhausted",
    "change": "a free seat",
    "findings": [{"rule": "R-47", "reason": "seats_exhausted", "passed": False, "change": "a free seat"}],
    "rivals": ["0198a1b2-7c3d-7e4f-8a5b-000000000002"],
}


def _accepted(*recorded: str, **fields: Any) -> dict[str, Any]:
    return {"code_ref": CODE, **fields, "recorded": list(recorded)}


CODES: Routes = {
    "POST /v1/codes": RouteDocs(
        who="seller",
        body={"product": "antivirus", "term": "P1Y", "seats": 3, "count": 1},
        answer={"codes": [{"code_ref": CODE, "last_group": GROUP, "code": "7H3KP-M2W9D-QXR4T-7QX2M"}]},
        problems={
            403: ("not_your_vendor",),
            422: ("date_out_of_range",),
            409: ("not_a_subscription", "sealed_for_another_key"),
            503: ("ledger_unavailable", "too_busy"),
        },
    ),
    "GET /v1/codes": RouteDocs(who="seller", answer={"as_of": AT, "codes": [SHOWN], "next": None}),
    "GET /v1/codes/{code_ref}": RouteDocs(
        who="seller", answer={"as_of": AT, "version": 2, **SHOWN}, problems=OTHER_TIME
    ),
    "GET /v1/codes/{code_ref}/devices": RouteDocs(
        who="seller", answer={"as_of": AT, "devices": [DEVICE], "next": None}, problems=UNKNOWN
    ),
    "GET /v1/codes/{code_ref}/history": RouteDocs(
        who="seller",
        answer={
            "as_of": AT,
            "events": [
                {
                    "version": 1,
                    "type": "CodeIssued",
                    "event_id": "0198a1b2-0000-7000-8000-00000000000e",
                    "occurred_at": AT,
                    "recorded_at": AT,
                    "correlation_id": "0198a1b2-0000-7000-8000-00000000000c",
                    "causation_id": None,
                    "slice": 17,
                    "position": 4711,
                    "data": {"code_ref": CODE, "product": "antivirus", "term": "P1Y", "seats": 3},
                }
            ],
            "next": None,
        },
        problems=OTHER_TIME,
    ),
    "GET /v1/codes/{code_ref}/why": RouteDocs(
        who="seller",
        answer={
            "as_of": AT,
            "event_id": None,
            "verdict": "The code is good: it is in use on 1 of 3 devices.",
            "rules": [],
            "evidence": [],
        },
        problems={404: ("unknown_code", "no_such_event"), 503: ("newer_log",)},
    ),
    "POST /v1/codes/{code_ref}/preview": RouteDocs(
        who="operator",
        body={"action": "block"},
        answer={
            "as_of": AT,
            "refused": None,
            "would_happen": ["The code was blocked; its licenses stop on 2026-03-15 12:00 UTC."],
            "affected": [
                {
                    "device_id": DEVICE,
                    "until": END,
                    "until_then": "2026-03-15T12:00:00.250Z",
                    "follows": "no code in reserve",
                    "follows_then": "no code in reserve",
                }
            ],
            "more": False,
        },
        problems=UNKNOWN,
    ),
    "POST /v1/codes/{code_ref}/block": RouteDocs(
        who="seller", body={"note": "chargeback 4711"}, answer=_accepted("CodeBlocked"), problems=ORDERED
    ),
    "POST /v1/codes/{code_ref}/unblock": RouteDocs(
        who="seller", body={"note": "paid after all"}, answer=_accepted("CodeUnblocked"), problems=ORDERED
    ),
    "PUT /v1/codes/{code_ref}/auto-renewal": RouteDocs(
        who="seller",
        body={"auto_renews": True},
        answer=_accepted("AutoRenewalChanged"),
        problems={**ORDERED, 409: ("not_a_subscription",)},
    ),
    "DELETE /v1/codes/{code_ref}/devices/{device_id}": RouteDocs(
        who="seller",
        answer=_accepted("SeatReleased", next="add the code on the other device"),
        problems={404: ("unknown_code", "not_a_holder"), 503: ("ledger_unavailable", "too_busy")},
    ),
}
PURCHASES: Routes = {
    "POST /v1/purchases": RouteDocs(
        who="seller",
        body={"code_ref": CODE, "order_id": ORDER, "settled": True},
        answer=_accepted("LicenseRenewed", counts_from=AT, ends_at=END),
        problems={**ORDERED, 409: ("not_activated", "order_reused"), 422: ("date_out_of_range",)},
    ),
    "POST /v1/purchases/{order_id}/refund": RouteDocs(
        who="seller",
        body={"code_ref": CODE, "note": "paid back"},
        answer=_accepted("LicenseShortened"),
        problems={**ORDERED, 409: ("unknown_order", "refund_exceeds_purchase")},
    ),
    "POST /v1/purchases/{order_id}/cancellation": RouteDocs(
        who="seller",
        body={"code_ref": CODE, "note": "the card was declined"},
        answer=_accepted("PurchaseCancelled"),
        problems={**ORDERED, 409: ("unknown_order", "already_settled")},
    ),
}
OTHERS: Routes = {
    "POST /v1/customers/{subject}/erase": RouteDocs(
        who="seller", answer={"subject": "customer-4711", "keys_destroyed": 1, "codes": [CODE]}
    ),
    "POST /v1/vendors/{vendor}/keys": RouteDocs(
        who="operator",
        answer={"vendor": "acme", "key_id": "0198a1b2-0000-7000-8000-000000000009", "key": "shown-once", "made_at": AT},
        problems={409: ("sealed_for_another_key",)},
    ),
    "DELETE /v1/vendors/{vendor}/keys/{key_id}": RouteDocs(
        who="operator",
        answer={"vendor": "acme", "key_id": "0198a1b2-0000-7000-8000-000000000009"},
        problems={404: ("unknown_vendor_key",)},
    ),
    "GET /v1/forecast": RouteDocs(
        who="seller",
        answer={"as_of": AT, "until": "2027-06-30T00:00:00.000Z", "switches": [SWITCH], "next": None},
        problems={422: ("in_the_past", "too_many_rivals")},
    ),
    "GET /v1/forecast/{device_id}": RouteDocs(
        who="seller", answer={"as_of": AT, **SWITCH}, problems={404: ("unknown_device",), 422: ("too_many_rivals",)}
    ),
}
ROUTES: Routes = {**CODES, **PURCHASES, **OTHERS}

APPLICATION = Application(
    name="activation",
    sends=ACTIVATION_TOPIC,
    receives=DEVICE_TOPIC,
    commands=CommandTopic(
        topic=PURCHASES_TOPIC,
        about="What shops sold, canceled and refunded. What cannot be processed is parked with the reason.",
        key="the code's reference, so that commands about one code stay in order",
        source="/shop",
        types=SHOP_COMMANDS,
        optional=frozenset({"purchased_at"}),
        examples={
            "RecordPurchase": {"code_ref": CODE, "order_id": ORDER, "settled": True, "purchased_at": AT},
            "CancelPurchase": {"code_ref": CODE, "order_id": ORDER, "note": "the card was declined"},
            "RecordRefund": {"code_ref": CODE, "order_id": ORDER, "note": "paid back"},
        },
    ),
)
