"""How results are compared: medians by name, our ratio to each of the others, and a dash where a side has no figure."""

from typing import Any

import pytest

from tests.benchmarks.figures import LIVE, REBUILD, Figure, compared, ratio
from tests.benchmarks.kafka_streams import as_runs, in_its_words

RATE = Figure("lives/s", lambda run: run["lives_per_second"])
WAL = Figure("WAL per life, KB", lambda run: run["wal_bytes_per_life"] / 1000, 1)


def results(**fields: float) -> dict[str, Any]:
    """Return the results of one run, all of whose figures are one unless `fields` say another."""
    return {
        "lives_per_second": 1,
        "cpu_ms_per_life": {"device": 0.5, "load": 0.5},
        "latency": {
            "adds": 75,
            "adds_per_second": 50,
            "used": {"seconds": 2, "cpu_seconds": {"device": 0.06, "Kafka": 0.04}},
            "decided": {"p50": 1, "p99": 1},
        },
        "cpu_percent_at_rest": {"device": 1},
        "memory_peak_bytes": {"device": 2**20, "activation": 2**19, "PostgreSQL": 2**30},
        **fields,
    }


def test_each_figure_is_the_median_of_its_runs_with_our_ratio_to_each_of_the_others() -> None:
    ours = [results(lives_per_second=rate) for rate in (900, 100, 600)]
    assert compared([RATE], ours, [[results(lives_per_second=200)], [results(lives_per_second=1200)]]) == [
        ["lives/s", "600", "200", "3.00", "1,200", "0.50"]
    ]


def test_a_figure_that_one_side_lacks_is_a_dash_and_has_no_ratio() -> None:
    assert compared([WAL], [results(wal_bytes_per_life=24_000)], [[results()]]) == [
        ["WAL per life, KB", "24.0", "-", "-"]
    ]
    assert compared([WAL], [results()], [[results(wal_bytes_per_life=24_000)]]) == [
        ["WAL per life, KB", "-", "24.0", "-"]
    ]


def test_runs_without_a_figure_do_not_count_in_its_median() -> None:
    assert WAL.of([results(), results(wal_bytes_per_life=4_000), results(wal_bytes_per_life=6_000)]) == 5


@pytest.mark.parametrize("other", [0, None])
def test_nothing_has_no_ratio(other: float | None) -> None:
    assert ratio(3, other) == "-"


def test_results_of_builds_before_these_figures_have_all_but_the_new_ones() -> None:
    missing = [row[0] for row in compared(LIVE, [results()], []) if row[1] == "-"]
    assert missing == ["WAL per life, KB", "disk per life, KB: events", "disk per life, KB: state"]


def test_the_cpu_of_a_light_load_is_divided_by_all_its_adds() -> None:
    """Those of the warm-up use CPU too: 100 ms for 50 adds/s in 2 s."""
    per_add = next(figure for figure in LIVE if figure.name.startswith("CPU per add"))
    assert per_add.of([results()]) == pytest.approx(1)


def test_the_memory_of_a_worker_is_that_of_the_larger_one() -> None:
    memory = next(figure for figure in LIVE if figure.name.startswith("peak memory"))
    assert memory.of([results()]) == 1


def test_a_rebuild_is_judged_by_log_and_a_log_that_was_not_read_has_no_figure() -> None:
    run = {
        "source": "kafka",
        "events": 1_000,
        "fold_seconds": 0.5,
        "cpu_seconds": {"rebuild": 0.015, "load": 0.005, "PostgreSQL": 1},
        "memory_peak_bytes": 2**20,
    }
    twice = {"runs": [run, run | {"fold_seconds": 0.25}, run | {"source": "ledger", "fold_seconds": 0.1}]}
    assert compared(REBUILD, [{"runs": [run]}], [[twice]]) == [
        ["from Kafka, events/s", "2,000", "3,000", "0.67"],
        ["from Kafka, CPU per event, µs", "20.0", "20.0", "1.00"],
        ["from Kafka, peak memory, MiB", "1", "1", "1.00"],
        ["from the ledger, events/s", "-", "10,000", "-"],
        ["from the ledger, CPU per event, µs", "-", "20.0", "-"],
        ["from the ledger, peak memory, MiB", "-", "1", "-"],
    ]


def test_kafka_streams_counts_with_its_rows_committed_beside_both_of_our_logs() -> None:
    line = {
        "events": 600,
        "events_per_s": [900, 900, 900],
        "events_per_s_committed": [200, 300, 400],
        "cpu_s": [1, 0.06, 2],
        "peak_rss_mb": [1, 2, 3],
    }
    rows = compared(REBUILD, [], [[as_runs([line])]])
    assert [row[2] for row in rows] == 2 * ["300", "100.0", "2"]


def test_the_copy_for_kafka_streams_renames_one_field_and_no_other() -> None:
    body = b'{"previous_ends_at":"2026-01-01","ends_at":"2027-01-01","note":"ends_at"}'
    assert in_its_words(body) == b'{"previous_ends_at":"2026-01-01","expires_at":"2027-01-01","note":"ends_at"}'
