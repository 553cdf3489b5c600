"""Turns what the doctor has read into findings and advice. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from services.cli.names import ServiceName
from services.cli.output import plural

type State = Literal["well", "warning", "wrong", "away"]

SKEW_SECONDS_MAX = 2.0
BACKLOG_EVENTS_MAX = 10_000
LAG_POSITIONS_MAX = 10_000
REPLICAS_IN_SYNC_MIN = 2
WAIT_SECONDS_MAX = 60.0
CHECKPOINT_SECONDS_MAX = 86_400.0
GIB = 1 << 30
FREE_BYTES_MIN, FREE_SHARE_MIN = 1 * GIB, 0.10

READERS: tuple[tuple[str, ServiceName, ServiceName], ...] = (
    ("activation.requests", "activation", "device"),
    ("device.verdicts", "device", "activation"),
    ("license_view", "device", "device"),
)
"""Each reader of a ledger: its name, the service that stores its positions, and the service whose events it reads."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: the state of a part, what was found, and what to do about it."""

    state: State
    part: str
    found: str
    advice: str = ""

    def row(self) -> dict[str, str]:
        """Return the finding as a row of output."""
        return {"state": self.state, "part": self.part, "found": self.found, "do": self.advice}


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReadings:
    """The state of one ledger, as read from its database."""

    mode: str
    skew_seconds: float
    backlog: int
    unowned: int
    workers: Sequence[str] | None
    heads: Mapping[int, int]
    vectors: Sequence[tuple[str, int, int]]
    parked: Sequence[tuple[str, str, int]]

    def lag(self, reader: str, heads: Mapping[int, int]) -> int:
        """Return how many positions the reader is behind `heads`."""
        vector = {number: position for name, number, position in self.vectors if name == reader}
        return sum(max(0, position - vector.get(number, 0)) for number, position in heads.items())


def diagnose_ledger(part: str, readings: LedgerReadings) -> Iterator[Finding]:
    """Diagnose one ledger by itself."""
    if abs(readings.skew_seconds) > SKEW_SECONDS_MAX:
        found = f"its clock is off by {readings.skew_seconds:+.1f} s from the clock of this machine"
        yield Finding("wrong", part, found, "synchronize both clocks with NTP")
    yield _workers(part, readings)
    if readings.unowned:
        found = f"{readings.unowned} of 16 lease groups have no owner: no events are sent and no timers fire for them"
        yield Finding("wrong", part, found, "start a worker; if workers are running, check again in 10 seconds")
    else:
        yield Finding("well", part, "every lease group has an owner")
    state: State = "warning" if readings.backlog > BACKLOG_EVENTS_MAX else "well"
    advice = "check the relay's log for Kafka errors; if there are none, add a worker" if state == "warning" else ""
    yield Finding(state, part, f"{plural(readings.backlog, 'event')} waiting to be sent to Kafka", advice)
    for consumer, reason, count in readings.parked:
        found = f"{plural(count, 'record')} parked by {consumer}: {reason}"
        yield Finding("warning", part, found, "see `perennial parked list`, then use `perennial parked redrive`")


def _workers(part: str, readings: LedgerReadings) -> Finding:
    if not readings.workers:
        return Finding("wrong", part, "no worker is renewing leases", "start a worker")
    return Finding("well", part, f"{plural(len(readings.workers), 'worker')} running: {', '.join(readings.workers)}")


def diagnose_readers(readings: Mapping[ServiceName, LedgerReadings]) -> Iterator[Finding]:
    """Diagnose the ledgers together, because each service reads what the other wrote."""
    if len({ledger.mode for ledger in readings.values()}) > 1:
        found = ", ".join(f"the {service} ledger is for {ledger.mode}" for service, ledger in readings.items())
        yield Finding("wrong", "ledgers", found, "never mix sandbox and production: check the database URLs")
    for reader, owner, writer in READERS:
        if owner not in readings or writer not in readings:
            continue
        lag = readings[owner].lag(reader, readings[writer].heads)
        state: State = "warning" if lag > LAG_POSITIONS_MAX else "well"
        advice = "add workers to its service, up to one per partition" if state == "warning" else ""
        yield Finding(state, reader, f"{plural(lag, 'event')} behind the {writer} ledger", advice)


def diagnose_topics(topics: Sequence[Mapping[str, Any]], replicas: int) -> Iterator[Finding]:
    """Diagnose the topics' partitions: how many replicas they have, and how many of these are in sync."""
    for topic in topics:
        part, partitions = topic["topic"], topic["partitions"]
        existing = min(len(partition["replicas"]) for partition in partitions)
        in_sync = min(len(partition["isr"]) for partition in partitions)
        found = f"{in_sync} of {plural(existing, 'replica')} in sync"
        if existing < replicas:
            advice = "add replicas with Kafka's kafka-reassign-partitions tool"
            yield Finding("wrong", part, f"{plural(existing, 'replica')} per partition instead of {replicas}", advice)
        elif in_sync < min(existing, REPLICAS_IN_SYNC_MIN):
            yield Finding("wrong", part, f"only {found}, so writes are blocked", "start the brokers")
        elif in_sync < existing:
            yield Finding("warning", part, found, "start the missing broker")
        else:
            yield Finding("well", part, f"{plural(len(partitions), 'partition')}, {found}")


def diagnose_consumers(service: ServiceName, report: Mapping[str, Any]) -> Iterator[Finding]:
    """Diagnose how long records have waited for the consumers of a service, and events for its relay."""
    relay = {"name": f"{service}.relay", **report["relay"]}
    for each in (*report["consumers"], relay):
        part = each["name"]
        if each["problem"]:
            yield Finding("wrong", part, each["problem"], "check the log of the worker that has its partitions")
        elif each["seconds"] > WAIT_SECONDS_MAX:
            trend = each["trend"]["direction"] if each["trend"] else "unknown"
            found = f"{_waiting(each)}; the trend is {trend}"
            yield Finding("warning", part, found, "if the trend is not falling, add workers to its service")
        else:
            yield Finding("well", part, _waiting(each))


def _waiting(progress: Mapping[str, Any]) -> str:
    oldest = f", the oldest for {progress['seconds']:.0f} s" if progress["waiting"] else ""
    return f"{progress['waiting']:,} waiting{oldest}"


def diagnose_checkpoint(part: str, latest: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Diagnose the latest signed checkpoint: without one, nobody can prove later that the log was not rewritten."""
    if latest is None:
        advice = "set PERENNIAL_CHECKPOINT_FOLDER and PERENNIAL_SIGNING_KEY_FILE, then wait for the first event"
        yield Finding("warning", part, "no checkpoint was exported yet", advice)
    elif latest["age_seconds"] > CHECKPOINT_SECONDS_MAX:
        found = f"the latest is {latest['age_seconds'] / 3600:.0f} hours old"
        yield Finding("warning", part, found, "if there were events since, check that the folder is writable")
    else:
        yield Finding("well", part, f"the latest is {plural(round(latest['age_seconds'] / 60), 'minute')} old")


def diagnose_disk(part: str, *, free: int, total: int) -> Finding:
    """Diagnose the free space of a disk: on a full disk, a ledger cannot accept anything."""
    found = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free"
    if free < FREE_BYTES_MIN:
        return Finding("wrong", part, found, "free up disk space now: a full disk stops everything")
    if free < total * FREE_SHARE_MIN:
        return Finding("warning", part, found, "free up disk space: history is kept forever and keeps growing")
    return Finding("well", part, found)
