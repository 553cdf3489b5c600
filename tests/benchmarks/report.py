"""The result tables of a run, on standard output: in color at a terminal, plain elsewhere."""

from collections.abc import Iterable, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import LIVE, Document, Figure, compared
from tests.benchmarks.latency import Latency, Percentiles
from tests.benchmarks.lives import EVENTS_PER_LIFE
from tests.benchmarks.results import Results, Throughput

PLAIN_COLUMNS = 130
MIB = 2**20
OTHERS_SHARE_WORTH_SAYING = 0.05


def show(results: Results) -> None:
    """Print all tables."""
    output = console()
    _show_machine(output, results)
    for table in (
        _throughput(results),
        _latency(results.latency),
        _usage(results),
        _limits(results),
        _live_path(results.as_json()),
    ):
        output.print(table)
    _warn_of_others(output, results)


def show_turns(ours: Sequence[Document], against: str, others: Sequence[Document]) -> None:
    """Print the medians of two builds that took turns, and of the obvious pair, which was run in our turns."""
    first = ours[0].get("obvious_pair", {})
    pair = {way: [run["obvious_pair"][way] for run in ours] for way in first}
    console().print(comparison(f"Medians, by turns: {len(ours)} of each build", LIVE, ours, {against: others, **pair}))


def comparison(
    title: str, figures: Sequence[Figure], ours: Sequence[Document], others: Mapping[str, Sequence[Document]]
) -> Table:
    """Return the table of our figures, those of the others, and the ratios."""
    columns = [column for name in others for column in (name, "ours : it")]
    return _table(title, "figure", "ours", *columns, rows=compared(figures, ours, list(others.values())))


def _live_path(results: Document) -> Table:
    pair = {way: [found] for way, found in results["obvious_pair"].items()}
    return comparison("The live path; a life of the obvious pair has 4 events, ours has 6", LIVE, [results], pair)


def console() -> Console:
    """Return the console of all tables: as wide as the terminal, or wide enough in a file."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=PLAIN_COLUMNS)


def _warn_of_others(output: Console, results: Results) -> None:
    pair = ((way, found.throughput.others_share) for way, found in results.obvious_pair.items())
    for name, share in (
        ("light load", results.latency.used.others_share),
        ("throughput", results.throughput.others_share),
        ("batches of one", results.batch_of_one.others_share),
        *pair,
    ):
        if share > OTHERS_SHARE_WORTH_SAYING:
            text = f"{name}: other programs used {share:.0%} of the CPU meanwhile; compare CPU per life, not rates"
            output.print(text, style="yellow")


def _table(title: str, *columns: str, rows: Iterable[Iterable[str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    first, *others = columns
    table.add_column(first, no_wrap=True)
    for column in others:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def _show_machine(output: Console, results: Results) -> None:
    machine = results.machine
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    output.print(
        f"{machine.cores} cores, {machine.memory_gib:.0f} GiB, {machine.system}, load average at start"
        f" {machine.load_average:.1f}; servers, services and load generator share the cores",
    )
    output.print(f"{versions}\n{machine.command} (seed {machine.seed})", style="dim")


def _throughput(results: Results) -> Table:
    run = results.throughput
    phases = (("A: add, verify", run.add), ("B: expire, recheck, switch", run.switch))
    rows = [
        (
            name,
            f"{phase.lives:,}",
            f"{phase.used.seconds:.2f}",
            f"{phase.lives / phase.used.seconds:,.0f}",
            _recorded(phase.events),
        )
        for name, phase in phases
    ]
    rows.append(
        ("whole lives", f"{run.lives:,}", f"{run.seconds:.2f}", f"{run.lives_per_second:,.0f}", _recorded(run.events))
    )
    title = f"Throughput: {run.lives_per_second:,.0f} lives/s, {run.events_per_second:,.0f} events/s"
    return _table(
        f"{title} ({EVENTS_PER_LIFE} per life: in the ledgers, on Kafka and in the view)",
        "phase", "lives", "seconds", "lives/s", "events recorded", rows=rows,
    )  # fmt: skip


def _recorded(events: dict[str, int]) -> str:
    return f"{sum(events.values()):,}"


def _latency(latency: Latency) -> Table:
    rows = [
        ("request → 202, recorded", *_percentiles(latency.accepted)),
        ("request → verdict in the device ledger", *_percentiles(latency.recorded)),
        ("request → verdict shown (long poll)", *_percentiles(latency.shown)),
        ("added → verdict, both in the device ledger", *_percentiles(latency.decided)),
    ]
    title = f"Latency of {latency.adds:,} adds at {latency.adds_per_second:.0f}/s over HTTP, ms"
    return _table(title, "from → to", "p50", "p99", "max", rows=rows)


def _percentiles(of: Percentiles) -> tuple[str, str, str]:
    return f"{of.p50:.1f}", f"{of.p99:.1f}", f"{of.most:.1f}"


def _usage(results: Results) -> Table:
    per_life, per_add = results.throughput.cpu_ms_per_life(), results.latency.cpu_ms_per_add()
    rows = [
        (
            name,
            f"{cpu_ms:.3f}",
            f"{per_add[name]:.2f}",
            f"{results.cpu_percent_at_rest[name]:.1f}",
            f"{results.memory_peak_bytes[name] / MIB:.0f}",
            f"{results.memory_end_bytes[name] / MIB:.0f}",
        )
        for name, cpu_ms in per_life.items()
    ]
    sums = (f"{sum(per_life.values()):.3f}", f"{sum(per_add.values()):.2f}")
    rows.append(("all", *sums, f"{sum(results.cpu_percent_at_rest.values()):.1f}", "", ""))
    columns = ("per life", "per add, light load", "idle, %", "peak MiB", "final MiB")
    return _table("Processes: CPU in ms, and memory", "process", *columns, rows=rows)


def _limits(results: Results) -> Table:
    run, one = results.throughput, results.batch_of_one
    rows = [
        _row("bare producer, records/s", results.bare_producer.per_second, run),
        _row("bare insert, rows/s", results.bare_insert.per_second, run),
        (
            f"batches of one ({one.lives:,} lives), lives/s",
            f"{one.lives_per_second:,.0f}",
            f"×{run.lives_per_second / one.lives_per_second:.1f}",
        ),
    ]
    return _table("Limits, measured in the same run", "limit", "rate", "this system", rows=rows)


def _row(name: str, per_second: float, run: Throughput) -> tuple[str, str, str]:
    all_events_per_second = sum(run.events.values()) / run.seconds
    return name, f"{per_second:,.0f}", f"{100 * all_events_per_second / per_second:.1f} %"
