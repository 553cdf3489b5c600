"""The reference of this service beyond its code: examples, and the problems of each route."""

from typing import Any

from services.device.consumer import COMMANDS_TOPIC, FLEET_COMMANDS
from shared.reference import ACTIVATION_TOPIC, DEVICE_TOPIC, Application, CommandTopic, RouteDocs
from shared.reference.route_docs import Routes

DEVICE, CODE, GROUP = "0198a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "0123456789abcdef0123456789abcdef", "7QX2M"
TYPED = "7H3KP-M2W9D-QXR4T-7QX2M"
AT, END = "2026-03-01T12:00:00.250Z", "2027-03-01T12:00:00.250Z"
REQUEST = "0198a1b2-0000-7000-8000-000000000001"
JWS = "eyJhbGciOiJFZERTQSJ9.eyJkZXZpY2VfaWQiOiIwMTk4YTFiMiJ9.c2lnbmF0dXJl"
UNKNOWN = {404: ("unknown_device",)}
OTHER_TIME = {404: ("unknown_device",), 422: ("in_the_future", "before_first_event"), 503: ("newer_log",)}

LICENSE: dict[str, Any] = {
    "device_id": DEVICE,
    "status": "active",
    "as_of": AT,
    "stale": False,
    "may_activate_now": False,
    "activate_now_reason": "not_expired",
    "activate_now_available_at": END,
    "license": {"code_ref": CODE, "last_group": GROUP, "started_at": AT, "ends_at": END, "kind": "paid"},
    "days_remaining": 365,
    "works_until": END,
    "stops_at": None,
    "renewal_announced": False,
    "renewal_expected_by": None,
    "renewal_due_until": None,
    "renewal_seconds": None,
    "clock_deviates": False,
    "clock_offset_seconds": None,
    "clone_suspected": False,
    "adding_available_at": None,
    "add_ons": [],
}
EVENT = {
    "version": 2,
    "type": "CodeAdded",
    "event_id": "0198a1b2-0000-7000-8000-00000000000e",
    "occurred_at": AT,
    "recorded_at": AT,
    "correlation_id": REQUEST,
    "causation_id": None,
    "slice": 17,
    "position": 4711,
    "data": {"device_id": DEVICE, "code_ref": CODE, "last_group": GROUP, "purpose": "reserve"},
}
SEALED = ("sealed_for_another_key",)
FLEET = {"request_id": REQUEST, "code_ref": CODE, "last_group": GROUP}
RULE = {"rule": "R-55", "reason": "not_expired", "passed": False, "change": f"a time after {END}"}


def _accepted(*recorded: str, **fields: Any) -> dict[str, Any]:
    return {**fields, "recorded": list(recorded)}


ENROLLMENT: Routes = {
    "POST /v1/devices": RouteDocs(
        who="anybody",
        body={"product": "antivirus", "region": "DE", "product_version": "21.3"},
        answer={"device_id": DEVICE, "token": "shown-once-stored-as-a-hash"},
        problems={429: ("too_many_enrollments",), 503: ("ledger_unavailable", "too_busy"), 409: SEALED},
    ),
    "POST /v1/devices/{device_id}/products": RouteDocs(
        who="device", body={"product": "password-safe"}, answer={"device_id": DEVICE}, problems=UNKNOWN
    ),
    "POST /v1/devices/{device_id}/token": RouteDocs(
        who="operator",
        answer={"device_id": DEVICE, "token": "shown-once-stored-as-a-hash"},
        problems={**UNKNOWN, 409: SEALED},
    ),
    "DELETE /v1/devices/{device_id}/name": RouteDocs(who="device", answer={"device_id": DEVICE, "keys_destroyed": 1}),
    "POST /v1/devices/{device_id}/licensing-link": RouteDocs(
        who="device",
        answer={"path": f"/devices/{DEVICE}/licensing?link={JWS}", "expires_at": "2026-03-01T12:10:00.250Z"},
        problems={**UNKNOWN, 503: ("no_signing_key",)},
    ),
}
REFUSAL = {
    "device_id": DEVICE,
    "type": "ActivationRefused",
    "event_id": "0198a1b2-0000-7000-8000-00000000000e",
    "occurred_at": AT,
    "reason": "code_blocked",
    "code_ref": CODE,
    "order_id": None,
    "seconds": 0.08,
}
RENEWAL = {**REFUSAL, "type": "LicenseRenewed", "reason": None, "order_id": "order-2026/77"}
LISTS: Routes = {
    "GET /v1/devices": RouteDocs(
        who="operator",
        answer={
            "as_of": AT,
            "devices": [
                {
                    "device_id": DEVICE,
                    "status": "active",
                    "product": "antivirus",
                    "region": "DE",
                    "vendor": "default",
                    "code_ref": CODE,
                    "last_group": GROUP,
                    "ends_at": END,
                    "works_until": END,
                    "reserve": "ready",
                }
            ],
            "next": None,
        },
    ),
    "GET /v1/devices/named": RouteDocs(
        who="operator",
        answer={
            "as_of": AT,
            "devices": [
                {
                    "device_id": DEVICE,
                    "name": "Ada's notebook",
                    "product": "antivirus",
                    "region": "DE",
                    "last_contact_at": AT,
                }
            ],
            "next": None,
        },
    ),
    "GET /v1/overview": RouteDocs(
        who="operator",
        answer={
            "as_of": AT,
            "statuses": {"unlicensed": 12, "active": 4711, "over": 90, "grace": 7, "expired": 80, "blocked": 3},
            "ending": [{"day": "2026-03-01", "count": 17}],
            "refusals": [{"day": "2026-03-01", "reason": "code_blocked", "count": 2}],
            "refusals_cut": False,
            "freshness": {"renewals": 40, "median_seconds": 0.08, "slow_seconds": 0.3, "longest_seconds": 1.2},
            "latest": [{**EVENT, "device_id": DEVICE}],
        },
    ),
    "GET /v1/refusals": RouteDocs(who="operator", answer={"as_of": AT, "events": [REFUSAL], "next": None}),
    "GET /v1/renewals": RouteDocs(who="operator", answer={"as_of": AT, "events": [RENEWAL], "next": None}),
}
LICENSES: Routes = {
    "POST /v1/devices/{device_id}/codes": RouteDocs(
        who="device",
        body={"code": TYPED, "replace": False},
        answer=_accepted("CodeAdded", code_ref=CODE, last_group=GROUP),
        problems={
            400: ("malformed",),
            404: ("unknown_device",),
            409: ("reserve_exists", "same_as_current", "activation_running"),
            429: ("throttled",),
            503: ("ledger_unavailable", "too_busy"),
        },
    ),
    "DELETE /v1/devices/{device_id}/codes/reserve": RouteDocs(
        who="device",
        answer=_accepted("CodeRemoved"),
        problems={**UNKNOWN, 409: ("no_reserve", "activation_running"), 503: ("ledger_unavailable", "too_busy")},
    ),
    "DELETE /v1/devices/{device_id}/license": RouteDocs(
        who="device",
        answer=_accepted("LicenseRemoved"),
        problems={**UNKNOWN, 409: ("no_license", "activation_running"), 503: ("ledger_unavailable", "too_busy")},
    ),
    "POST /v1/devices/{device_id}/activate-now": RouteDocs(
        who="device",
        body={"code_ref": CODE},
        answer=_accepted("ActivateNow"),
        problems={
            **UNKNOWN,
            409: ("not_expired", "no_reserve", "stale", "already_activated", "activation_running"),
            429: ("throttled",),
            503: ("ledger_unavailable", "too_busy"),
        },
    ),
    "GET /v1/devices/{device_id}/license": RouteDocs(who="device", answer=LICENSE, problems=OTHER_TIME),
    "GET /v1/devices/{device_id}/history": RouteDocs(
        who="device", answer={"as_of": AT, "events": [EVENT], "next": None}, problems=OTHER_TIME
    ),
    "GET /v1/devices/{device_id}/why": RouteDocs(
        who="device",
        answer={
            "device_id": DEVICE,
            "as_of": AT,
            "sense": "known",
            "status": "active",
            "verdict": "The license runs until 1 March 2027.",
            "answers": [
                {
                    "about": "activate_now",
                    "sentence": "The license of this device is still active.",
                    "rules": [RULE],
                    "evidence": [],
                    "further": [],
                }
            ],
        },
        problems=OTHER_TIME,
    ),
    "GET /v1/devices/{device_id}/license/document": RouteDocs(
        who="device",
        answer=JWS,
        media_type="application/jose",
        problems={**UNKNOWN, 409: ("no_license",), 503: ("no_signing_key",)},
    ),
    "GET /v1/events": RouteDocs(who="operator", answer={"as_of": AT, "events": [{**EVENT, "device_id": DEVICE}]}),
    "GET /.well-known/jwks.json": RouteDocs(
        who="anybody",
        answer={"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": "A" * 43}]},
    ),
}
REPORTS: Routes = {
    "PUT /v1/devices/{device_id}/installation": RouteDocs(
        who="device",
        body={"product": "antivirus", "product_version": "22.0"},
        answer=_accepted("InstallationChanged"),
        problems={**UNKNOWN, 503: ("ledger_unavailable", "too_busy")},
    ),
    "PUT /v1/devices/{device_id}/region": RouteDocs(
        who="operator",
        body={"region": "GB", "note": "moved"},
        answer=_accepted("RegionCorrected", "VerificationRepeated", device_id=DEVICE, region="GB"),
        problems={**UNKNOWN, 503: ("ledger_unavailable", "too_busy")},
    ),
    "POST /v1/devices/{device_id}/offline-activations": RouteDocs(
        who="device",
        body={"code": TYPED, "activated_at": AT},
        answer=_accepted("OfflineActivationReported", code_ref=CODE, last_group=GROUP),
        problems={
            400: ("malformed",),
            **UNKNOWN,
            409: ("already_activated", "not_expired", "reserve_exists", "date_out_of_range"),
            503: ("ledger_unavailable", "too_busy"),
        },
    ),
    "POST /v1/devices/{device_id}/deactivations": RouteDocs(
        who="device",
        body={"proof": JWS},
        answer=_accepted("LicenseRemoved", receipt=JWS),
        problems={
            403: ("malformed_signature", "wrong_kind", "unknown_key", "bad_signature"),
            **UNKNOWN,
            409: ("no_device_key", "no_license", "date_out_of_range"),
            503: ("no_signing_key",),
        },
    ),
    "POST /v1/devices/{device_id}/contact": RouteDocs(
        who="device",
        body={"sequence": 12, "nonce": "n0nce-made-up", "device_time": AT},
        answer={"iss": "/perennial/device", "sub": DEVICE, "nonce": "n0nce-made-up", "sequence": 12, **LICENSE}
        | {"statement": JWS},
        problems={**UNKNOWN, 503: ("no_signing_key", "ledger_unavailable", "too_busy")},
    ),
}
FLEETS: Routes = {
    "POST /v1/fleet/codes": RouteDocs(
        who="operator",
        body={"code": TYPED, "device_ids": [DEVICE], "replace": False},
        answer={
            **FLEET,
            "counts": {"accepted": 1, "refused": 0, "unknown_device": 0, "not_taken": 0},
            "results": [{"device_id": DEVICE, "result": "accepted", "reason": None}],
        },
        problems={400: ("malformed",), 503: ("ledger_unavailable", "too_busy")},
    ),
    "GET /v1/fleet/requests/{request_id}": RouteDocs(
        who="operator",
        answer={
            "as_of": AT,
            **FLEET,
            "requested_at": AT,
            "devices": [
                {
                    "device_id": DEVICE,
                    "result": "accepted",
                    "reason": None,
                    "verdict": {"type": "CodeVerified", "occurred_at": AT, "reason": None},
                }
            ],
            "next": None,
        },
        problems={404: ("unknown_request",)},
    ),
}
ROUTES: Routes = {**ENROLLMENT, **LISTS, **LICENSES, **REPORTS, **FLEETS}

APPLICATION = Application(
    name="device",
    sends=DEVICE_TOPIC,
    receives=ACTIVATION_TOPIC,
    commands=CommandTopic(
        topic=COMMANDS_TOPIC,
        about="Commands from fleet tools about devices. What cannot be processed is parked with the reason.",
        key="the device's id, so that commands about one device stay in order",
        source="/fleet",
        types=FLEET_COMMANDS,
        examples={
            "EnrollDevice": {"device_id": "fleet-4711", "product": "antivirus", "region": "DE"},
            "ReportInstallation": {"device_id": "fleet-4711", "product": "antivirus", "product_version": "22.0"},
            "CorrectRegion": {"device_id": "fleet-4711", "region": "GB", "note": "moved"},
            "AddCode": {"device_id": "fleet-4711", "code_ref": CODE, "last_group": GROUP},
            "RemoveReserve": {"device_id": "fleet-4711"},
            "RemoveLicense": {"device_id": "fleet-4711"},
            "Activate": {"device_id": "fleet-4711", "code_ref": CODE},
            "ReportOfflineActivation": {
                "device_id": "fleet-4711",
                "code_ref": CODE,
                "last_group": GROUP,
                "activated_at": AT,
            },
            "ReportExpiry": {"device_id": "fleet-4711", "ended_at": END},
        },
    ),
)
