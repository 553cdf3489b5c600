"""The demo's walkthrough: the life of a license, as in the article about the product, through the real HTTP APIs.

It runs in sandbox time. Each step lists the events that it recorded, as read from the history of the device.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any

from services.cli.api_client import ApiClient
from services.cli.failures import CommandFailed, ExitCode, RefusedByService
from services.cli.histories import iter_events
from services.cli.names import SERVICES
from shared.ledger.identity import new_id

PRODUCT, REGION, TERM = "antivirus", "DE", "P1Y"
STEP_SECONDS_MAX = 20.0
POLL_SECONDS = 0.02
PAST_THE_END = timedelta(minutes=1)

type License = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a sentence, and the names of the recorded events."""

    words: str
    events: tuple[str, ...]


class Walkthrough:
    """The walkthrough for one device and two codes bought for it."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._version = 0
        self.device_id = ""
        self.token = ""
        self.path = ""

    def play(self) -> Iterator[Step]:
        """Play the walkthrough step by step. Raises `CommandFailed` if a step does not complete in time."""
        first, second = self._codes()
        yield self._enroll()
        yield self._activate_first(first)
        yield self._add_second(second)
        yield self._activate_too_early()
        yield self._expire(second)
        yield self._activate_again(second)
        yield self._renew(second)

    def _codes(self) -> tuple[dict[str, str], dict[str, str]]:
        body = {"product": PRODUCT, "term": TERM, "seats": 2, "count": 2}
        first, second = self._api.call("activation", "POST", "/v1/codes", json=body)["codes"]
        return first, second

    def _enroll(self) -> Step:
        enrolled = self._api.call("device", "POST", "/v1/devices", json={"product": PRODUCT, "region": REGION})
        self.device_id, self.token = enrolled["device_id"], enrolled["token"]
        self.path = f"/v1/devices/{self.device_id}"
        return self._step(f"device {self.device_id} is enrolled")

    def _activate_first(self, code: dict[str, str]) -> Step:
        self._add(code)
        current = self._wait(lambda license_: license_["status"] == "active")
        return self._step(f"code …{code['last_group']} is added and activated at once: {_remaining(current)}")

    def _add_second(self, code: dict[str, str]) -> Step:
        self._add(code)
        current = self._wait(lambda license_: license_.get("reserve", {}).get("status") == "ready")
        words = f"code …{code['last_group']} is added and verified; it waits in reserve and takes over on"
        return self._step(f"{words} {_day(current['reserve']['takes_over_at'])}")

    def _activate_too_early(self) -> Step:
        problem = self._activate_now()
        available_at = problem.get("available_at", "-")
        return self._step(f"Activate now is refused as too early ({problem['code']}); available from {available_at}")

    def _expire(self, code: dict[str, str]) -> Step:
        end = datetime.fromisoformat(self._license()["license"]["ends_at"])
        for service in reversed(SERVICES):
            later = {"set": (end + PAST_THE_END).isoformat()}
            self._api.call(service, "POST", "/v1/sandbox/clock", json=later)
        current = self._wait(lambda license_: _is_active_with(license_, code))
        words = f"a year passes: the license expires; code …{code['last_group']} is rechecked and takes over"
        return self._step(f"{words}: {_remaining(current)}")

    def _activate_again(self, code: dict[str, str]) -> Step:
        problem = self._activate_now()
        return self._step(f"Activate now is refused again ({problem['code']}): code …{code['last_group']} is in use")

    def _renew(self, code: dict[str, str]) -> Step:
        end = self._license()["license"]["ends_at"]
        purchase = {"code_ref": code["code_ref"], "order_id": f"demo-{new_id()}"}
        self._api.call("activation", "POST", "/v1/purchases", json=purchase)
        current = self._wait(lambda license_: license_["license"]["ends_at"] != end)
        return self._step(f"a renewal is bought, with no code to enter: {_remaining(current)}")

    def _add(self, code: dict[str, str]) -> None:
        self._api.call("device", "POST", f"{self.path}/codes", token=self.token, json={"code": code["code"]})

    def _activate_now(self) -> dict[str, Any]:
        """Request Activate now when it must be refused, and return the error response."""
        try:
            self._api.call("device", "POST", f"{self.path}/activate-now", token=self.token)
        except RefusedByService as refused:
            return dict(refused.problem)
        raise CommandFailed(ExitCode.REFUSED, "Activate now was accepted, but it had to be refused")

    def _license(self) -> License:
        return self._api.call("device", "GET", f"{self.path}/license", token=self.token)

    def _wait(self, reached: Callable[[License], bool]) -> License:
        deadline = monotonic() + STEP_SECONDS_MAX
        while not reached(current := self._license()):
            if monotonic() > deadline:
                message = f"the next step did not complete in time; the license is {current}"
                raise CommandFailed(ExitCode.REFUSED, message)
            sleep(POLL_SECONDS)
        return current

    def _step(self, words: str) -> Step:
        """Return the step with the events recorded since the last one."""
        events = list(iter_events(self._api, "device", self.path, after=self._version))
        self._version += len(events)
        return Step(words, tuple(event["type"] for event in events))


def _is_active_with(current: License, code: dict[str, str]) -> bool:
    return current["status"] == "active" and bool(current["license"]["code_ref"] == code["code_ref"])


def _remaining(current: License) -> str:
    return f"the license is active, {current['days_remaining']} days remaining"


def _day(instant: str) -> str:
    return instant[:10]
