"""What the doctor makes of what it read: pure, from figures to sentences and advice."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from services.cli.names import ServiceName

type State = Literal["well", "warning", "wrong", "away"]

SKEW_SECONDS_MAX = 2.0
BACKLOG_EVENTS_MAX = 10_000
LAG_POSITIONS_MAX = 10_000
COPIES_IN_SYNC_MIN = 2
WAIT_SECONDS_MAX = 60.0
CHECKPOINT_SECONDS_MAX = 86_400.0
GIB = 1 << 30
ROOM_BYTES_MIN, ROOM_SHARE_MIN = 1 * GIB, 0.10

READS: tuple[tuple[str, ServiceName, ServiceName], ...] = (
    ("activation.requests", "activation", "device"),
    ("device.verdicts", "device", "activation"),
    ("license_view", "device", "device"),
)
"""Each reader of a ledger: who keeps its position vector, and whose events it reads."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: how it is, what was found, and what to do about it."""

    state: State
    part: str
    found: str
    advice: str = ""

    def row(self) -> dict[str, str]:
        """Return it as a row of the answer."""
        return {"state": self.state, "part": self.part, "found": self.found, "do": self.advice}


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """How one ledger stands."""

    mode: str
    skew_seconds: float
    backlog: int
    unowned: int
    workers: Sequence[str] | None
    heads: Mapping[int, int]
    vectors: Sequence[tuple[str, int, int]]
    parked: Sequence[tuple[str, str, int]]

    def lag(self, reader: str, heads: Mapping[int, int]) -> int:
        """Return how many positions of `heads` the reader has not come to."""
        vector = {number: position for name, number, position in self.vectors if name == reader}
        return sum(max(0, position - vector.get(number, 0)) for number, position in heads.items())


def of_ledger(part: str, reading: Readings) -> Iterator[Finding]:
    """Judge one ledger by itself."""
    if abs(reading.skew_seconds) > SKEW_SECONDS_MAX:
        found = f"its clock is {reading.skew_seconds:+.1f} s off this machine's"
        yield Finding("wrong", part, found, "synchronise both clocks (NTP)")
    yield _workers(part, reading)
    if reading.unowned:
        found = (
            f"{reading.unowned} of 16 lease groups belong to nobody: their events are not sent, their timers not seen"
        )
        yield Finding("wrong", part, found, "start a worker; with workers there, wait 10 seconds and look again")
    else:
        yield Finding("well", part, "every lease group has its worker")
    state: State = "warning" if reading.backlog > BACKLOG_EVENTS_MAX else "well"
    advice = "see whether the relay's log names Kafka; else add a worker" if state == "warning" else ""
    yield Finding(state, part, f"{reading.backlog} events wait to be sent", advice)
    for consumer, reason, count in reading.parked:
        advice = f"perennial parked list, then perennial parked redrive ({consumer})"
        yield Finding("warning", part, f"{count} records parked by {consumer}: {reason}", advice)


def _workers(part: str, reading: Readings) -> Finding:
    if not reading.workers:
        return Finding("wrong", part, "no worker renews its leases", "start a worker")
    return Finding("well", part, f"{len(reading.workers)} workers: {', '.join(reading.workers)}")


def of_reading(readings: Mapping[ServiceName, Readings]) -> Iterator[Finding]:
    """Judge the ledgers together: one reads what the other wrote."""
    if len({reading.mode for reading in readings.values()}) > 1:
        found = ", ".join(f"{service} is for {reading.mode}" for service, reading in readings.items())
        yield Finding("wrong", "ledgers", found, "a sandbox and production never belong together: check the addresses")
    for reader, keeper, written in READS:
        if keeper not in readings or written not in readings:
            continue
        lag = readings[keeper].lag(reader, readings[written].heads)
        state: State = "warning" if lag > LAG_POSITIONS_MAX else "well"
        advice = "add workers of its service, up to one per partition" if state == "warning" else ""
        yield Finding(state, reader, f"{lag} positions behind the {written} ledger", advice)


def of_kafka(topics: Sequence[Mapping[str, Any]], replicas: int) -> Iterator[Finding]:
    """Judge the topics' partitions: how many there are, and how many copies keep up."""
    for topic in topics:
        part, partitions = topic["topic"], topic["partitions"]
        copies = min(len(partition["replicas"]) for partition in partitions)
        in_sync = min(len(partition["isr"]) for partition in partitions)
        if copies < replicas:
            advice = "add copies with Kafka's kafka-reassign-partitions tool"
            yield Finding("wrong", part, f"{copies} copies where {replicas} should be", advice)
        elif in_sync < min(copies, COPIES_IN_SYNC_MIN):
            yield Finding("wrong", part, f"only {in_sync} of {copies} copies in sync: writes wait", "start the brokers")
        elif in_sync < copies:
            yield Finding("warning", part, f"{in_sync} of {copies} copies in sync", "start the broker that is missing")
        else:
            yield Finding("well", part, f"{len(partitions)} partitions, {copies} copies, all in sync")


def of_consumers(service: ServiceName, told: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge how long records wait at a service's consumers, and events at its relay."""
    relay = {"name": f"{service}.relay", **told["relay"]}
    for each in (*told["consumers"], relay):
        part = each["name"]
        if each["problem"]:
            yield Finding("wrong", part, each["problem"], "see the log of the worker that has its partitions")
        elif each["seconds"] > WAIT_SECONDS_MAX:
            direction = each["trend"]["direction"] if each["trend"] else "not known"
            found = f"{each['waiting']} wait, the oldest for {each['seconds']:.0f} s; the trend is {direction}"
            yield Finding("warning", part, found, "if it is not falling, add workers of its service")
        else:
            yield Finding("well", part, f"{each['waiting']} wait, the oldest for {each['seconds']:.0f} s")


def of_checkpoint(part: str, told: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Judge the latest signed checkpoint: without one nobody can show later that the log was not rewritten."""
    if told is None:
        advice = "set PERENNIAL_CHECKPOINT_FOLDER and PERENNIAL_SIGNING_KEY_FILE, then wait for the first event"
        yield Finding("warning", part, "none was exported yet", advice)
    elif told["age_seconds"] > CHECKPOINT_SECONDS_MAX:
        found = f"the latest is {told['age_seconds'] / 3600:.0f} hours old"
        yield Finding("warning", part, found, "if something happened since, see whether its folder can be written")
    else:
        yield Finding("well", part, f"the latest is {told['age_seconds'] / 60:.0f} minutes old")


def of_disk(part: str, *, free: int, total: int) -> Finding:
    """Judge the room on a disk: a ledger that cannot grow takes no order."""
    found = f"{free / GIB:.1f} of {total / GIB:.1f} GiB are free"
    if free < ROOM_BYTES_MIN:
        return Finding("wrong", part, found, "make room now: a full disk stops every order")
    if free < total * ROOM_SHARE_MIN:
        return Finding("warning", part, found, "make room: history is kept for ever and grows")
    return Finding("well", part, found)
