"""How the help of every command ends: with lines that can be typed as they stand.

`tests/cli/test_help.py` reads them back and lets the command line itself parse each.
"""

PARAGRAPH = "\n\n"
PROGRAM = "perennial "


def examples(*lines: str) -> str:
    """Return the end of a command's help: its examples, one per line."""
    return PARAGRAPH.join(("Examples:" if len(lines) > 1 else "Example:", *lines))


def examples_in(epilog: str) -> list[str]:
    """Return the lines of a help's end that can be typed."""
    return [line for line in epilog.split(PARAGRAPH) if line.startswith(PROGRAM)]
