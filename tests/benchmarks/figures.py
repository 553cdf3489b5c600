"""The figures by which builds are compared, each with its ratio. Pure: results come in as a run wrote them to JSON.

Results of another build may have fewer fields: what one side lacks is shown as `-`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

type Document = Mapping[str, Any]
"""The results of one run, from its JSON file."""

KB = 1000
MIB = 2**20
WORKERS = ("device", "activation")
MISSING = "-"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its name with its unit, where it stands in a document, and the number of decimals shown."""

    name: str
    read: Callable[[Document], float]
    decimals: int = 0

    def of(self, documents: Sequence[Document]) -> float | None:
        """Return the median of the runs that have this figure, or None if none has it."""
        found = [value for value in map(self._in, documents) if value is not None]
        return median(found) if found else None

    def text(self, value: float | None) -> str:
        """Return a value as it is shown."""
        return MISSING if value is None else f"{value:,.{self.decimals}f}"

    def _in(self, document: Document) -> float | None:
        try:
            return float(self.read(document))
        except KeyError:
            return None


def ratio(ours: float | None, other: float | None) -> str:
    """Return *ours : other* with two decimals, or `-` where it has no value."""
    if ours is None or not other:
        return MISSING
    return f"{ours / other:.2f}"


def compared(
    figures: Sequence[Figure], ours: Sequence[Document], others: Sequence[Sequence[Document]]
) -> list[list[str]]:
    """Return a row per figure: its name, the median of ours, and for each of the others its median and our ratio."""
    return [_row(figure, figure.of(ours), [figure.of(documents) for documents in others]) for figure in figures]


def _row(figure: Figure, ours: float | None, others: Sequence[float | None]) -> list[str]:
    row = [figure.name, figure.text(ours)]
    for other in others:
        row += [figure.text(other), ratio(ours, other)]
    return row


def _cpu_ms_per_add(run: Document) -> float:
    # earlier builds wrote no such field; the rate and the time give the number of all adds, those of the warm-up too
    latency, used = run["latency"], run["latency"]["used"]
    return float(1000 * sum(used["cpu_seconds"].values()) / (latency["adds_per_second"] * used["seconds"]))


def _worker_mib(run: Document) -> float:
    return float(max(run["memory_peak_bytes"][name] for name in WORKERS) / MIB)


def _rebuilt(source: str, measure: Callable[[Document], float]) -> Callable[[Document], float]:
    """Return the median of a measure over all rebuilds from one log."""

    def read(document: Document) -> float:
        found = [measure(run) for run in document["runs"] if run["source"] == source]
        if not found:
            raise KeyError(source)
        return median(found)

    return read


def _per_second(run: Document) -> float:
    return float(run["events"] / run["fold_seconds"])


def _cpu_us_per_event(run: Document) -> float:
    used = run["cpu_seconds"]
    # a short log is folded by the process that starts the others
    return float(1e6 * (used["rebuild"] + used.get("load", 0.0)) / run["events"])


def _peak_mib(run: Document) -> float:
    return float(run["memory_peak_bytes"] / MIB)


REBUILD = tuple(
    Figure(f"from {log}, {name}", _rebuilt(source, measure), decimals)
    for source, log in (("kafka", "Kafka"), ("ledger", "the ledger"))
    for name, measure, decimals in (
        ("events/s", _per_second, 0),
        ("CPU per event, µs", _cpu_us_per_event, 1),
        ("peak memory, MiB", _peak_mib, 0),
    )
)
"""What a rebuild is judged by; the CPU is that of all processes but the servers."""

LIVE = (
    Figure("lives/s, all on the same cores", lambda run: run["lives_per_second"]),
    Figure("CPU per life, ms", lambda run: sum(run["cpu_ms_per_life"].values()), 2),
    Figure("added → verdict at 50/s, p50, ms", lambda run: run["latency"]["decided"]["p50"], 1),
    Figure("added → verdict at 50/s, p99, ms", lambda run: run["latency"]["decided"]["p99"], 1),
    Figure("CPU per add at 50/s, ms", _cpu_ms_per_add, 2),
    Figure("at rest, % of a core", lambda run: sum(run["cpu_percent_at_rest"].values()), 1),
    Figure("WAL per life, KB", lambda run: run["wal_bytes_per_life"] / KB, 1),
    Figure("disk per life, KB: events", lambda run: run["disk_bytes_per_life"]["events"] / KB, 1),
    Figure("disk per life, KB: state", lambda run: run["disk_bytes_per_life"]["state"] / KB, 1),
    Figure("peak memory of a worker, MiB", _worker_mib),
)
"""What the live path is judged by. A life's disk is all that its device takes in both databases, with indexes."""
