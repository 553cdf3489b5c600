"""The documentation of the routes that both services have: health, reasons, schemas, sandbox clock and operations."""

from shared.reference.route_docs import RouteDocs, Routes
from shared.reference.schemas import DIALECT, SCHEMA_JSON

AT = "2026-03-01T12:00:00.250Z"
PARKED = {
    "id": "device.commands:3:17",
    "consumer": "device.commands",
    "topic": "device.commands.v1",
    "partition": 3,
    "offset": 17,
    "reason": "unknown_device",
    "explained": {"meaning": "No such device is enrolled.", "what_to_do": "Enroll it, then redrive the message."},
    "detail": "no such device is enrolled",
    "parked_at": AT,
    "state": "waiting",
    "ended_at": None,
    "note": None,
    "kept_by_projection": False,
    "slice_waits": False,
}
REBUILD = {
    "name": "license_view",
    "state": "running",
    "from": "kafka",
    "accept_differences": False,
    "ordered_at": AT,
    "finished_at": None,
    "done": 120_000,
    "total": 480_000,
    "share": 0.25,
    "per_second": 40_000,
    "seconds_left": 9.0,
    "outcome": None,
}
TREND = {"since": AT, "step_seconds": 60, "waiting": [0, 0], "seconds": [0.0, 0.0], "direction": "steady"}
NOT_REDRIVEN = ("unknown_device", "kept_by_projection", "position_gap", "handled_already", "cut", "busy")
PROGRESS = {"workers": 1, "waiting": 0, "seconds": 0.0, "gap_waits": 0, "last_progress_at": AT, "problem": None}

HEALTH: Routes = {
    "GET /livez": RouteDocs(who="anybody", answer={"status": "alive"}),
    "GET /readyz": RouteDocs(who="anybody", answer={"status": "ready"}, problems={503: ("not_ready",)}),
    "GET /version": RouteDocs(who="anybody", answer={"version": "1.0.0"}),
    "GET /metrics": RouteDocs(who="anybody", answer="perennial_ready 1.0", media_type="text/plain"),
}
WORDS: Routes = {
    "GET /reasons": RouteDocs(
        who="anybody",
        answer={
            "reasons": [
                {
                    "word": "not_expired",
                    "meaning": "The license of this device is still active.",
                    "what_to_do": "Wait until it ends; a code in reserve takes over automatically.",
                    "rules": ["R-56"],
                }
            ],
            "notices": [],
            "problems": [],
            "parking": [],
        },
    ),
    "GET /problems/{word}": RouteDocs(
        who="anybody",
        answer=[
            {
                "word": "seats_exhausted",
                "meaning": "The code is already used on as many devices as it allows.",
                "what_to_do": "Remove the license from a device that no longer needs it, then try again.",
                "rules": ["R-47"],
            }
        ],
        problems={404: ("not_found",)},
    ),
}
SCHEMAS: Routes = {
    "GET /schemas/{event}/{version}": RouteDocs(
        who="anybody",
        answer={
            "$schema": DIALECT,
            "$id": "urn:perennial:schemas/CodeVerified/1",
            "title": "CodeVerified",
            "type": "object",
            "required": ["device_id"],
            "properties": {"device_id": {"type": "string"}},
        },
        media_type=SCHEMA_JSON,
        problems={404: ("not_found",)},
    ),
}
SANDBOX: Routes = {
    "GET /v1/sandbox/clock": RouteDocs(who="operator", answer={"now": AT, "sandbox": True}),
    "POST /v1/sandbox/clock": RouteDocs(
        who="operator",
        body={"advance": "P1Y"},
        answer={"now": "2027-03-01T12:00:00.250Z"},
        problems={409: ("clock_backwards", "clock_too_far", "not_a_sandbox")},
    ),
}
OPERATIONS: Routes = {
    "GET /v1/operations/consumers": RouteDocs(
        who="operator",
        answer={
            "as_of": AT,
            "service": "device",
            "consumers": [
                {
                    "name": "device.verdicts",
                    "topic": "activation.events.v1",
                    "handled": 4711,
                    **PROGRESS,
                    "parked": 0,
                    "trend": TREND,
                }
            ],
            "relay": {"topic": "device.events.v1", **PROGRESS, "trend": TREND},
        },
    ),
    "GET /v1/log/checkpoints": RouteDocs(
        who="operator",
        answer={"ledger": "/perennial/device", "made_at": AT, "events": 4711, "age_seconds": 120.0},
        problems={404: ("no_checkpoint",)},
    ),
    "GET /v1/operations/parked": RouteDocs(who="operator", answer={"messages": [PARKED], "waiting": 1, "next": None}),
    "GET /v1/operations/parked/{parked_id}": RouteDocs(
        who="operator",
        answer={
            **PARKED,
            "key": "d-1",
            "headers": [{"name": "ce_type", "value": "AddCode"}],
            "value": '{"device_id": "d-1"}',
            "value_bytes": 20,
            "value_cut": False,
        },
        problems={404: ("not_parked",)},
    ),
    "GET /v1/operations/parked/{parked_id}/redrive": RouteDocs(
        who="operator",
        answer={"id": PARKED["id"], "would_record": [{"type": "CodeAdded", "stream_id": "d-1"}]},
        problems={404: ("not_parked",), 409: NOT_REDRIVEN},
    ),
    "POST /v1/operations/parked/{parked_id}/redrive": RouteDocs(
        who="operator",
        answer={"id": PARKED["id"], "recorded": ["CodeAdded", "MessageRedriven"]},
        problems={404: ("not_parked",), 409: NOT_REDRIVEN},
    ),
    "POST /v1/operations/parked/{parked_id}/discard": RouteDocs(
        who="operator",
        body={"reason": "a test of the fleet tool"},
        answer={"id": PARKED["id"], "recorded": ["MessageDiscarded"]},
        problems={404: ("not_parked",)},
    ),
    "GET /v1/operations/projections": RouteDocs(
        who="operator",
        answer={
            "projections": [
                {
                    "name": "license_view",
                    "kept_by": "consumer",
                    "topic": "device.events.v1",
                    "logs": ["kafka", "ledger"],
                    "replaceable": True,
                    "events": 480_000,
                    "behind": 0,
                    "lag_seconds": 0.0,
                    "rebuild": {"name": "license_view", "state": "never"},
                }
            ]
        },
    ),
    "GET /v1/operations/projections/{name}/rebuild": RouteDocs(
        who="operator", answer=REBUILD, problems={404: ("unknown_projection",)}
    ),
    "POST /v1/operations/projections/{name}/rebuild": RouteDocs(
        who="operator",
        body={"source": "kafka"},
        answer=REBUILD,
        problems={404: ("unknown_projection",), 409: ("not_replaceable", "kafka_only", "rebuild_running")},
    ),
}
COMMON_ROUTES: Routes = {**HEALTH, **WORDS, **SCHEMAS, **SANDBOX, **OPERATIONS}
