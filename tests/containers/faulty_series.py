"""For each alert, what the metrics look like when its fault is there, and what they look like when all is well.

Values are those of `promtool test rules`: `start+step x times`, one every five seconds.
"""

from collections.abc import Mapping

type Series = Mapping[str, str]

STEPS = 130

WELL: Series = {
    'up{service="device", instance="d1"}': f"1x{STEPS}",
    'up{service="activation", instance="a1"}': f"1x{STEPS}",
    'perennial_ready{service="device", instance="d1"}': f"1x{STEPS}",
    'perennial_ledger_up{service="device", instance="d1"}': f"1x{STEPS}",
    'perennial_relay_oldest_unpublished_seconds{service="device", instance="d1"}': f"0.2x{STEPS}",
    'perennial_consumer_lag_seconds{service="device", consumer="license_view"}': f"0.3x{STEPS}",
    'perennial_consumer_gap_waits{service="device", consumer="license_view"}': f"0x{STEPS}",
    'perennial_checkpoint_age_seconds{service="device", instance="d1"}': f"60x{STEPS}",
    'perennial_relay_sent_events_total{service="device", instance="d1"}': f"0+10x{STEPS}",
    'perennial_timers_overdue_seconds{service="device", instance="d1"}': f"0.1x{STEPS}",
    'perennial_lease_groups_unowned{service="device", instance="d1"}': f"0x{STEPS}",
    'perennial_lease_changes_total{service="device", instance="d1"}': f"3x{STEPS}",
    'perennial_verdict_seconds_bucket{service="device", le="0.1"}': f"0+10x{STEPS}",
    'perennial_verdict_seconds_bucket{service="device", le="30"}': f"0+10x{STEPS}",
    'perennial_verdict_seconds_bucket{service="device", le="+Inf"}': f"0+10x{STEPS}",
    'perennial_freshness_seconds_bucket{service="device", le="0.1"}': f"0+10x{STEPS}",
    'perennial_freshness_seconds_bucket{service="device", le="30"}': f"0+10x{STEPS}",
    'perennial_freshness_seconds_bucket{service="device", le="+Inf"}': f"0+10x{STEPS}",
    'perennial_http_requests_total{service="device", status="202"}': f"0+50x{STEPS}",
    'perennial_http_requests_total{service="device", status="503"}': f"0x{STEPS}",
}

PARKED = 'perennial_parked_records{service="device", consumer="device.commands", reason="unreadable_event"}'

FAULTS: Mapping[str, Series] = {
    "NoWorker": {'up{service="activation", instance="a1"}': f"0x{STEPS}"},
    "WorkerNotReady": {'perennial_ready{service="device", instance="d1"}': f"0x{STEPS}"},
    "LedgerAway": {'perennial_ledger_up{service="device", instance="d1"}': f"0x{STEPS}"},
    "EventsNotSent": {'perennial_relay_oldest_unpublished_seconds{service="device", instance="d1"}': f"0+5x{STEPS}"},
    "ConsumerBehind": {'perennial_consumer_lag_seconds{service="device", consumer="license_view"}': f"0+5x{STEPS}"},
    "GapWaits": {'perennial_consumer_gap_waits{service="device", consumer="license_view"}': f"1x{STEPS}"},
    "RecordsParked": {PARKED: f"2x{STEPS}"},
    "CheckpointsOld": {'perennial_checkpoint_age_seconds{service="device", instance="d1"}': f"7200+5x{STEPS}"},
    "TimersOverdue": {'perennial_timers_overdue_seconds{service="device", instance="d1"}': f"0+5x{STEPS}"},
    "LeasesUnowned": {'perennial_lease_groups_unowned{service="device", instance="d1"}': f"8x{STEPS}"},
    "LeasesRestless": {'perennial_lease_changes_total{service="device", instance="d1"}': f"0+1x{STEPS}"},
    "VerdictsSlow": {'perennial_verdict_seconds_bucket{service="device", le="0.1"}': f"0x{STEPS}"},
    "RenewalsShownLate": {'perennial_freshness_seconds_bucket{service="device", le="0.1"}': f"0x{STEPS}"},
    "DoorsFail": {'perennial_http_requests_total{service="device", status="503"}': f"0+5x{STEPS}"},
}
