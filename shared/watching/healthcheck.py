"""A container's health check that needs no shell: asks the service in this container whether it is ready.

`python -m shared.watching.healthcheck` exits with 0 if `/readyz` says ready, else with 1 and the reason. It imports
nothing of Perennial, because it runs every few seconds beside the service.
"""

import http.client
import json
import os
import sys

TIMEOUT_SECONDS = 4.0


def problem(port: int) -> str | None:
    """Return why the service on `port` is not ready, or None."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read()
    except OSError as error:
        return f"no answer: {error}"
    finally:
        connection.close()
    return None if answer.status == http.client.OK else _detail(body)


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return "not ready, without a reason"


if __name__ == "__main__":
    sys.exit(problem(int(os.environ.get("PERENNIAL_HTTP_PORT", "8100"))))
