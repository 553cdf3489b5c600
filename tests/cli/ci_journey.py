"""What `.ci/run` does with a `make run` that it started: a short journey over HTTP, and a check after the stop.

`python -m tests.cli.ci_journey play PID` plays the journey and prints the processes that belong to PID;
`python -m tests.cli.ci_journey left` reads that list and fails if any of them still runs or a port is still in use.
"""

import json
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil

from shared.local.ports import LOOPBACK
from tests.cli.running import listens, runs, until

DEVICE, ACTIVATION = f"http://{LOOPBACK}:8101", f"http://{LOOPBACK}:8102"
PORTS = (15432, 19092, 19093, 8101, 8102)


def play() -> list[str]:
    """Play the life of a code on two devices; return the event types of the first device."""
    operator = json.loads(Path(".data/credentials.json").read_text())["operator_key"]
    with httpx.Client(trust_env=False, timeout=20) as client:
        for url in (DEVICE, ACTIVATION):
            assert client.get(f"{url}/readyz").status_code == 200
        codes = _ask(
            client, "POST", f"{ACTIVATION}/v1/codes", operator, product="antivirus", term="P1Y", seats=2, count=2
        )
        first, second = (code["code"] for code in codes["codes"])
        devices = [_enrolled(client, operator) for _ in range(2)]
        for url in devices:
            _ask(client, "POST", f"{url}/codes", operator, code=first)
        licenses = [_when(client, url, operator, _active)["license"] for url in devices]
        assert licenses[0]["started_at"] == licenses[1]["started_at"], (
            "the term of a code starts with its first activation"
        )
        _ask(client, "POST", f"{devices[0]}/codes", operator, code=second)
        _when(client, devices[0], operator, lambda seen: seen.get("reserve", {}).get("status") == "ready")
        for service in (ACTIVATION, DEVICE):
            _ask(client, "POST", f"{service}/v1/sandbox/clock", operator, advance="P1YT1M")
        _when(client, devices[0], operator, lambda seen: _active(seen) and seen["license"]["last_group"] == second[-5:])
        _when(client, devices[1], operator, lambda seen: seen["status"] == "expired")
        events = _ask(client, "GET", f"{devices[0]}/history", operator)["events"]
    return [event["type"] for event in events]


def _ask(client: httpx.Client, method: str, url: str, key: str, **body: Any) -> dict[str, Any]:
    answer = client.request(method, url, headers={"Authorization": f"Bearer {key}"}, json=body or None)
    assert answer.is_success, answer.text
    answered: dict[str, Any] = answer.json()
    return answered


def _enrolled(client: httpx.Client, key: str) -> str:
    device = _ask(client, "POST", f"{DEVICE}/v1/devices", key, product="antivirus", region="DE")
    return f"{DEVICE}/v1/devices/{device['device_id']}"


def _active(seen: dict[str, Any]) -> bool:
    return bool(seen["status"] == "active")


def _when(client: httpx.Client, url: str, key: str, reached: Any) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        seen = _ask(client, "GET", f"{url}/license", key)
        return seen if reached(seen) else None

    found: dict[str, Any] = until(look)
    return found


def family(pid: int) -> list[int]:
    """Return the process and all its descendants."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def left(pids: list[int]) -> list[str]:
    """Describe the processes and ports that are still in use."""
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return [
        *(f"process {process.pid} ({process.name()})" for process in processes if runs(process)),
        *(f"port {port}" for port in PORTS if listens(port)),
    ]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["play", pid]:
            print(json.dumps(family(int(pid))))
            print("recorded:", ", ".join(play()), file=sys.stderr)
        case ["left"]:
            remaining = left(json.loads(sys.stdin.read()))
            sys.exit("still in use: " + ", ".join(remaining) if remaining else 0)
