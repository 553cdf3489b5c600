"""Log lines for machines: one JSON object is one line for every reader."""

import json
import logging

from shared.watching.logs import JsonLines

SAID = "one\u0085two\u2028three\u2029four\nfive, für Müller"


def test_no_reader_cuts_a_log_line_in_two() -> None:
    """What others wrote may be in a message, with all that a reader takes for the end of a line."""
    record = logging.LogRecord("tests", logging.WARNING, __file__, 1, "unreadable: %s", (SAID,), None)
    line = JsonLines(service="device", worker="1").format(record)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["message"] == f"unreadable: {SAID}"
