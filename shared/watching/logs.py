"""Log lines of a service: text for people, or JSON with the correlation and trace id of each line.

Codes are masked before they get here: a code that is printed shows only its last group (`shared.rules.codes.masked`).
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal, override

from shared.calendar import instant
from shared.watching.traces import trace_id_of, traceparent


class JsonLines(logging.Formatter):
    """One JSON object per line, with `correlation_id` and `trace_id` from a record's `extra`."""

    def __init__(self, **always: str) -> None:
        super().__init__()
        self._always = always

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        line: dict[str, Any] = {
            "time": instant(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._always,
        }
        for name in ("correlation_id", "trace_id"):
            if value := getattr(record, name, None) or (trace_id_of(traceparent()) if name == "trace_id" else None):
                line[name] = str(value)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # in ASCII, for some readers end a line at U+0085, U+2028 or U+2029 too
        return json.dumps(line, ensure_ascii=True)


def start_logs(*, level: str, form: Literal["text", "json"], service: str, worker: str) -> None:
    """Log to stderr, as text for people or as JSON lines for machines."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(JsonLines(service=service, worker=worker) if form == "json" else plain)
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
