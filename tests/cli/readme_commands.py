"""The commands of README's five minutes, as people type them, for `.ci/run`.

`bash -c "$(python -m tests.cli.readme_commands)"` plays them in the checkout, beside a `make run`, and ends with an
error at the first command that does not do what its comment says.
"""

from collections.abc import Iterator
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
CHAPTER = "## Five minutes"
INDENT = "    "
REFUSED = "# refused"
"""The comment of a command that is to fail with exit code 1."""
SWITCHED = """map(.type) | index("LicenseExpired") < rindex("LicenseActivated")"""
HISTORY = f"perennial device history $ID --json | jq -s -e '{SWITCHED}' >/dev/null"
SECONDS = 20


def commands(text: str) -> list[str]:
    """Return the indented lines of the chapter."""
    chapter = text.partition(f"\n{CHAPTER}\n")[2].partition("\n## ")[0]
    return [line.removeprefix(INDENT) for line in chapter.splitlines() if line.startswith(INDENT)]


def script(lines: list[str]) -> Iterator[str]:
    """Yield a script of bash that ends with an error at the first line that does not do what it says."""
    yield "set -euo pipefail"
    for line in lines:
        yield f"status=0; {line.partition(REFUSED)[0]} || status=$?; [ $status = 1 ]" if REFUSED in line else line
    yield f"for second in $(seq {SECONDS}); do {HISTORY} && exit 0; sleep 1; done; exit 1"


if __name__ == "__main__":
    print("\n".join(script(commands(README.read_text()))))
