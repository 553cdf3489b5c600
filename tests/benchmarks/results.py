"""The results of a run as plain data, for both the tables and the JSON file."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.latency import Latency, LightLoad
from tests.benchmarks.limits import Limit
from tests.benchmarks.lives import EVENTS_PER_LIFE, Phase
from tests.benchmarks.machine import Machine
from tests.benchmarks.storage import Disk


@dataclass(frozen=True, slots=True)
class Throughput:
    """Both phases of whole lives. The time between the phases is not counted."""

    add: Phase
    switch: Phase
    disk: Disk
    """What both databases grew by, from before the devices were prepared to the end."""

    @property
    def lives(self) -> int:
        """Return the number of completed lives."""
        return self.add.lives

    @property
    def seconds(self) -> float:
        """Return the duration of both phases."""
        return self.add.used.seconds + self.switch.used.seconds

    @property
    def others_share(self) -> float:
        """Return the share of all cores that other programs used meanwhile."""
        return sum(phase.used.seconds * phase.used.others_share for phase in (self.add, self.switch)) / self.seconds

    @property
    def lives_per_second(self) -> float:
        """Return the rate over both phases."""
        return self.lives / self.seconds

    @property
    def events_per_second(self) -> float:
        """Return the rate of the six events of a life."""
        return EVENTS_PER_LIFE * self.lives_per_second

    @property
    def events(self) -> dict[str, int]:
        """Return the number of recorded events, by ledger and type."""
        return dict(Counter(self.add.events) + Counter(self.switch.events))

    def cpu_ms_per_life(self) -> dict[str, float]:
        """Return the CPU time of each part."""
        return {name: _per_life(self.add, name) + _per_life(self.switch, name) for name in self.add.used.cpu_seconds}

    def wal_bytes_per_life(self) -> float:
        """Return the WAL of both ledgers, with the page images after checkpoints that happened meanwhile."""
        return (self.add.wal_bytes + self.switch.wal_bytes) / self.lives

    def disk_bytes_per_life(self) -> dict[str, float]:
        """Return the disk that one more device takes with its whole life, in both ledgers."""
        return {"events": self.disk.events / self.lives, "state": self.disk.state / self.lives}


def _per_life(phase: Phase, name: str) -> float:
    return 1000 * phase.used.cpu_seconds[name] / phase.lives


@dataclass(frozen=True, slots=True)
class PairResults:
    """The results of the obvious pair in one of its two ways, under the names that ours have."""

    cpu_percent_at_rest: dict[str, float]
    latency: LightLoad
    throughput: Throughput
    memory_peak_bytes: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return all results with the rates."""
        return {**asdict(self), **_rates(self.throughput, self.latency)}


def _rates(throughput: Throughput, latency: LightLoad) -> dict[str, Any]:
    return {
        "lives_per_second": throughput.lives_per_second,
        "cpu_ms_per_add": latency.cpu_ms_per_add(),
        "cpu_ms_per_life": throughput.cpu_ms_per_life(),
        "wal_bytes_per_life": throughput.wal_bytes_per_life(),
        "disk_bytes_per_life": throughput.disk_bytes_per_life(),
    }


@dataclass(frozen=True, slots=True)
class Results:
    """The results of one run."""

    machine: Machine
    cpu_percent_at_rest: dict[str, float]
    latency: Latency
    throughput: Throughput
    memory_peak_bytes: dict[str, int]
    memory_end_bytes: dict[str, int]
    bare_producer: Limit
    bare_insert: Limit
    batch_of_one: Throughput
    obvious_pair: dict[str, PairResults]
    """By the way in which the pair sends its messages; empty if it was left out."""

    def as_json(self) -> dict[str, Any]:
        """Return all results with the rates."""
        return {
            **asdict(self),
            **_rates(self.throughput, self.latency),
            "others_share": self.throughput.others_share,
            "events_per_second": self.throughput.events_per_second,
            "bare_producer_records_per_second": self.bare_producer.per_second,
            "bare_insert_rows_per_second": self.bare_insert.per_second,
            "batch_of_one_lives_per_second": self.batch_of_one.lives_per_second,
            "obvious_pair": {way: found.as_json() for way, found in self.obvious_pair.items()},
        }

    def write(self, file: Path) -> None:
        """Write all results as JSON."""
        file.write_text(json.dumps(self.as_json(), indent=2) + "\n")
