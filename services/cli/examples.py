"""The examples at the end of every command's help. They can be copied as they are.

`tests/cli/test_help.py` parses each of them with the command line itself.
"""

PARAGRAPH = "\n\n"
PROGRAM = "perennial "


def examples(*lines: str) -> str:
    """Return the help section with the examples, one per line."""
    return PARAGRAPH.join(("Examples:" if len(lines) > 1 else "Example:", *lines))


def examples_in(epilog: str) -> list[str]:
    """Return the example command lines in a help epilog."""
    return [line for line in epilog.split(PARAGRAPH) if line.startswith(PROGRAM)]
