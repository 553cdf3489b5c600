"""The doctor's diagnosis: every finding has a state, and one that is not well says what to do."""

from typing import Any

import pytest

from services.cli.doctor.diagnosis import GIB, Finding, diagnose_checkpoint, diagnose_consumers, diagnose_disk

RELAY = {"topic": "device.events.v1", "waiting": 0, "seconds": 0.0, "problem": None, "trend": None}


def consumer(**more: Any) -> dict[str, Any]:
    return {"name": "device.verdicts", "waiting": 0, "seconds": 0.0, "problem": None, "trend": None} | more


def diagnose(*consumers: dict[str, Any]) -> list[Finding]:
    return list(diagnose_consumers("device", {"consumers": consumers, "relay": RELAY}))


def test_a_consumer_and_a_relay_without_a_backlog_are_well() -> None:
    assert [(finding.part, finding.state) for finding in diagnose(consumer())] == [
        ("device.verdicts", "well"),
        ("device.relay", "well"),
    ]


def test_a_record_that_has_waited_for_minutes_is_a_warning_with_its_trend() -> None:
    late = consumer(waiting=4_000, seconds=300.0, trend={"direction": "rising"})
    finding = diagnose(late)[0]
    assert finding.state == "warning"
    assert "300 s" in finding.found
    assert "rising" in finding.found
    assert finding.advice


def test_a_consumer_without_a_worker_is_wrong() -> None:
    finding = diagnose(consumer(seconds=None, waiting=None, problem="no worker reports its progress"))[0]
    assert (finding.state, finding.found) == ("wrong", "no worker reports its progress")


@pytest.mark.parametrize(
    ("latest", "state"), [(None, "warning"), ({"age_seconds": 60.0}, "well"), ({"age_seconds": 200_000.0}, "warning")]
)
def test_a_missing_or_old_checkpoint_is_a_warning(latest: dict[str, Any] | None, state: str) -> None:
    (finding,) = diagnose_checkpoint("device checkpoints", latest)
    assert finding.state == state
    assert bool(finding.advice) is (state != "well")


@pytest.mark.parametrize(("free", "state"), [(GIB // 2, "wrong"), (5 * GIB, "warning"), (50 * GIB, "well")])
def test_a_disk_that_is_nearly_full_is_a_warning_or_an_error(free: int, state: str) -> None:
    finding = diagnose_disk("/data", free=free, total=100 * GIB)
    assert finding.state == state
    assert bool(finding.advice) is (state != "well")
