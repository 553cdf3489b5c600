#!/usr/bin/env bash
# pytest-xdist 3.8.0 with pytest 9.2.0: `--dist loadgroup` runs, and groups nothing.
#
# Documented: tests with the same xdist_group mark run in the same process. Seen: six tests of one group run in two
# processes, without an error or a warning. pytest-xdist writes the group's name into a private attribute of each test
# (`_nodeid`) from which pytest 9.2.0 no longer makes the test's id. Under pytest 8.4.2 the same tests stay together.
# Ours: tests/scheduling.py gives pytest-xdist a scheduler of its own, by file.
set -euo pipefail

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
cd "$FOLDER"
cat >test_group.py <<'PY'
import os

import pytest

pytestmark = pytest.mark.xdist_group("one")


@pytest.mark.parametrize("number", range(6))
def test_note_the_process(number: int) -> None:
    with open("processes", "a") as notes:
        print(os.environ["PYTEST_XDIST_WORKER"], file=notes)
PY

processes() { # processes PYTEST: how many processes ran the group under this version of pytest
    python3 -m venv "venv-$1"
    "venv-$1/bin/pip" install --quiet "pytest==$1" pytest-xdist==3.8.0
    rm -f processes
    "venv-$1/bin/pytest" -q -n 2 --dist loadgroup test_group.py >&2
    sort -u processes | wc -l
}

old=$(processes 8.4.2)
new=$(processes 9.2.0)
echo "processes that ran one group: pytest 8.4.2: $old, pytest 9.2.0: $new"
[ "$old" = 1 ] && [ "$new" = 2 ]
