"""What the doctor makes of figures: each finding is judged, and what is not well says what to do."""

from typing import Any

import pytest

from services.cli.doctor.diagnosis import GIB, Finding, of_checkpoint, of_consumers, of_disk

RELAY = {"topic": "device.events.v1", "waiting": 0, "seconds": 0.0, "problem": None, "trend": None}


def consumer(**more: Any) -> dict[str, Any]:
    return {"name": "device.verdicts", "waiting": 0, "seconds": 0.0, "problem": None, "trend": None} | more


def judged(*consumers: dict[str, Any]) -> list[Finding]:
    return list(of_consumers("device", {"consumers": consumers, "relay": RELAY}))


def test_a_consumer_that_keeps_up_is_well_and_so_is_the_relay() -> None:
    assert [(finding.part, finding.state) for finding in judged(consumer())] == [
        ("device.verdicts", "well"),
        ("device.relay", "well"),
    ]


def test_a_record_that_waits_for_minutes_is_a_warning_with_its_trend() -> None:
    late = consumer(waiting=4_000, seconds=300.0, trend={"direction": "rising"})
    finding = judged(late)[0]
    assert finding.state == "warning"
    assert "300 s" in finding.found
    assert "rising" in finding.found
    assert finding.advice


def test_a_consumer_that_nobody_reads_for_is_wrong() -> None:
    finding = judged(consumer(seconds=None, waiting=None, problem="no worker has told how far it is"))[0]
    assert (finding.state, finding.found) == ("wrong", "no worker has told how far it is")


@pytest.mark.parametrize(
    ("told", "state"), [(None, "warning"), ({"age_seconds": 60.0}, "well"), ({"age_seconds": 200_000.0}, "warning")]
)
def test_a_checkpoint_is_there_and_young(told: dict[str, Any] | None, state: str) -> None:
    (finding,) = of_checkpoint("device checkpoints", told)
    assert finding.state == state
    assert bool(finding.advice) is (state != "well")


@pytest.mark.parametrize(("free", "state"), [(GIB // 2, "wrong"), (5 * GIB, "warning"), (50 * GIB, "well")])
def test_a_disk_has_room_for_a_history_that_is_kept_for_ever(free: int, state: str) -> None:
    finding = of_disk("/data", free=free, total=100 * GIB)
    assert finding.state == state
    assert bool(finding.advice) is (state != "well")
