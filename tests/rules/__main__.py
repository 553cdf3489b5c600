"""`python -m tests.rules` prints each rule with its tests, then both deciders' tables; it exits with 1 on a gap."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.rules.index import Index, index_of
from tests.rules.matrix import drawn, table_of
from tests.rules.rulebook import CHAPTERS, OUR_DECISIONS

HOUSE = Path(__file__).parents[2]
SERVICES = ("device", "activation")


def main(house: Path = HOUSE, services: Sequence[str] = SERVICES) -> int:
    """Print the index and the tables. Return 1, and print why, if a rule has no test or only empty ones."""
    index = index_of(house)
    print(*_chapters(index), sep="\n")
    print(*_tables(services), sep="\n")
    problems = list(_problems(index))
    report = [*(f"{test}: asserts nothing" for test in index.empty()), *(problems or ["Every rule has a test."])]
    print(*report, sep="\n", file=sys.stderr)
    return 1 if problems else 0


def _chapters(index: Index) -> Iterator[str]:
    for title, rules in CHAPTERS.items():
        yield f"{title}\n{'=' * len(title)}\n"
        for number, sentence in rules.items():
            tests = index.by_rule[number]
            levels = ", ".join(sorted({test.level for test in tests if not test.empty})) or "no test"
            yield f"{number}{' (our decision)' if number in OUR_DECISIONS else ''}  {sentence}  [{levels}]"
            yield from (f"    {test}{'  EMPTY' if test.empty else ''}" for test in tests)
        yield ""


def _tables(services: Sequence[str]) -> Iterator[str]:
    for service in services:
        title = f"State × input: {service}"
        yield f"{title}\n{'=' * len(title)}\n"
        cells = table_of(service)
        yield from ["(not drawn yet)", ""] if cells is None else drawn(cells)


def _problems(index: Index) -> Iterator[str]:
    for rule in index.missing():
        yield f"{rule}: no test covers it" if not index.by_rule[rule] else f"{rule}: its tests are empty"
    for rule, test in index.unknown():
        yield f"{rule}: no such rule, but {test} names it"


if __name__ == "__main__":
    sys.exit(main())
