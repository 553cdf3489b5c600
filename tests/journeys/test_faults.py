"""Kills everything, again and again, under load; afterwards nothing is lost, doubled or different.

The moments come from a seed, which is printed with every kill: a run is repeated with `PERENNIAL_FAULTS_SEED`.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.system import System
from shared.ledger.identity import new_id
from tests.journeys.faults import Plan, killed_and_examined, quiet_kafka_client, say
from tests.journeys.running import running_system

FULL = Plan(lives=2_000, wave_lives=200, worker_kills=32, server_kills=2, pause_seconds_max=4.0)
SHORT = Plan(lives=200, wave_lives=100, worker_kills=6, server_kills=1, pause_seconds_max=1.0)


def seed_of_this_run() -> int:
    """Return the seed: the environment's, or a new one."""
    seed = int(os.environ.get("PERENNIAL_FAULTS_SEED", new_id().int % 1_000_000))
    say(f"seed {seed}: repeat with PERENNIAL_FAULTS_SEED={seed}")
    return seed


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[System]:
    """A system of its own, to be killed."""
    quiet_kafka_client()
    with running_system(tmp_path) as system:
        yield system


@pytest.mark.timeout(240)
async def test_nothing_is_lost_or_done_twice_when_everything_is_killed_once_in_a_while(victim: System) -> None:
    """R-120, R-121, R-116, R-118, R-85, R-66; the short form."""
    checked = await killed_and_examined(victim, SHORT, seed_of_this_run())
    assert not checked, "\n".join(map(str, checked[:50]))


@pytest.mark.faults
@pytest.mark.timeout(1_800)
async def test_two_thousand_lives_survive_thirty_kills(victim: System) -> None:
    """R-120, R-121, R-116, R-118, R-85, R-66."""
    checked = await killed_and_examined(victim, FULL, seed_of_this_run())
    assert not checked, "\n".join(map(str, checked[:50]))
