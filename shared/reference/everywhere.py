"""The routes that both services have, described: health, the words, the sandbox's clock, operations, this reference."""

from shared.reference.described import Described, Routes

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
STANDING = {"workers": 1, "waiting": 0, "seconds": 0.0, "gap_waits": 0, "last_progress_at": AT, "problem": None}

HEALTH: Routes = {
    "GET /livez": Described(who="anybody", answer={"status": "alive"}),
    "GET /readyz": Described(who="anybody", answer={"status": "ready"}, problems={503: ("not_ready",)}),
    "GET /version": Described(who="anybody", answer={"version": "1.0.0"}),
    "GET /metrics": Described(who="anybody", answer="perennial_ready 1.0", media_type="text/plain"),
}
WORDS: Routes = {
    "GET /reasons": Described(
        who="anybody",
        answer={
            "reasons": [
                {
                    "word": "not_expired",
                    "meaning": "The license has not expired yet.",
                    "what_to_do": "Wait until it has.",
                    "rules": ["R-55"],
                }
            ],
            "notices": [],
            "problems": [],
            "parking": [],
        },
    ),
    "GET /problems/{word}": Described(
        who="anybody",
        answer=[
            {
                "word": "seats_exhausted",
                "meaning": "The code is in use on as many devices as it has seats.",
                "what_to_do": "Free a seat, or use another code.",
                "rules": ["R-47"],
            }
        ],
        problems={404: ("not_found",)},
    ),
}
SANDBOX: Routes = {
    "GET /v1/sandbox/clock": Described(who="operator", answer={"now": AT, "sandbox": True}),
    "POST /v1/sandbox/clock": Described(
        who="operator",
        body={"advance": "P1Y"},
        answer={"now": "2027-03-01T12:00:00.250Z"},
        problems={409: ("clock_backwards", "clock_too_far", "not_a_sandbox")},
    ),
}
OPERATIONS: Routes = {
    "GET /v1/operations/consumers": Described(
        who="operator",
        answer={
            "as_of": AT,
            "service": "device",
            "consumers": [
                {
                    "name": "device.verdicts",
                    "topic": "activation.events.v1",
                    "handled": 4711,
                    **STANDING,
                    "parked": 0,
                    "trend": TREND,
                }
            ],
            "relay": {"topic": "device.events.v1", **STANDING, "trend": TREND},
        },
    ),
    "GET /v1/log/checkpoints": Described(
        who="operator",
        answer={"ledger": "/perennial/device", "made_at": AT, "events": 4711, "age_seconds": 120.0},
        problems={404: ("no_checkpoint",)},
    ),
    "GET /v1/operations/parked": Described(who="operator", answer={"messages": [PARKED], "waiting": 1, "next": None}),
    "GET /v1/operations/parked/{parked_id}": Described(
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
    "GET /v1/operations/parked/{parked_id}/redrive": Described(
        who="operator",
        answer={"id": PARKED["id"], "would_record": [{"type": "CodeAdded", "stream_id": "d-1"}]},
        problems={404: ("not_parked",), 409: NOT_REDRIVEN},
    ),
    "POST /v1/operations/parked/{parked_id}/redrive": Described(
        who="operator",
        answer={"id": PARKED["id"], "recorded": ["CodeAdded", "MessageRedriven"]},
        problems={404: ("not_parked",), 409: NOT_REDRIVEN},
    ),
    "POST /v1/operations/parked/{parked_id}/discard": Described(
        who="operator",
        body={"reason": "a test of the fleet tool"},
        answer={"id": PARKED["id"], "recorded": ["MessageDiscarded"]},
        problems={404: ("not_parked",)},
    ),
    "GET /v1/operations/projections": Described(
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
    "GET /v1/operations/projections/{name}/rebuild": Described(
        who="operator", answer=REBUILD, problems={404: ("unknown_projection",)}
    ),
    "POST /v1/operations/projections/{name}/rebuild": Described(
        who="operator",
        body={"source": "kafka"},
        answer=REBUILD,
        problems={404: ("unknown_projection",), 409: ("not_replaceable", "kafka_only", "rebuild_running")},
    ),
}
EVERYWHERE: Routes = {**HEALTH, **WORDS, **SANDBOX, **OPERATIONS}
