"""Asks this process's own door whether it makes progress: a container's health check, without a shell.

`python -m shared.watching.healthcheck` exits with 0 when `/readyz` says ready, else with 1 and the reason. It imports
nothing of Perennial, because it runs every few seconds beside the service.
"""

import http.client
import json
import os
import sys

TIMEOUT_SECONDS = 4.0


def problem(port: int) -> str | None:
    """Return why the service on `port` is not ready, or None."""
    door = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        door.request("GET", "/readyz")
        answer = door.getresponse()
        body = answer.read()
    except OSError as error:
        return f"no answer: {error}"
    finally:
        door.close()
    return None if answer.status == http.client.OK else _detail(body)


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return "not ready, and it did not say why"


if __name__ == "__main__":
    sys.exit(problem(int(os.environ.get("PERENNIAL_HTTP_PORT", "8100"))))
