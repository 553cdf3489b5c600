"""The life of a license as the product's article tells it, played through the real doors in sandbox time.

Every step names the events that it left in the device's history; they are read from there, not supposed.
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
    """One step: what happened in words, and the names of the events recorded."""

    words: str
    events: tuple[str, ...]


class Walkthrough:
    """One device's way through the article, and two codes bought for it."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._version = 0
        self.device_id = ""
        self.token = ""
        self.path = ""

    def play(self) -> Iterator[Step]:
        """Play the article, step by step. Raises `CommandFailed` when a step does not come about in time."""
        first, second = self._codes()
        yield self._enroll()
        yield self._activate_first(first)
        yield self._add_second(second)
        yield self._activate_too_early()
        yield self._expire(second)
        yield self._activate_again(second)
        yield self._renew(second)

    def _codes(self) -> tuple[dict[str, str], dict[str, str]]:
        wanted = {"product": PRODUCT, "term": TERM, "seats": 2, "count": 2}
        first, second = self._api.call("activation", "POST", "/v1/codes", json=wanted)["codes"]
        return first, second

    def _enroll(self) -> Step:
        enrolled = self._api.call("device", "POST", "/v1/devices", json={"product": PRODUCT, "region": REGION})
        self.device_id, self.token = enrolled["device_id"], enrolled["token"]
        self.path = f"/v1/devices/{self.device_id}"
        return self._step(f"device {self.device_id} is enrolled")

    def _activate_first(self, code: dict[str, str]) -> Step:
        self._add(code)
        seen = self._wait(lambda license_: license_["status"] == "active")
        return self._step(f"code …{code['last_group']} is activated at once, {_remaining(seen)}")

    def _add_second(self, code: dict[str, str]) -> Step:
        self._add(code)
        seen = self._wait(lambda license_: license_.get("reserve", {}).get("status") == "ready")
        takes_over = _day(seen["reserve"]["takes_over_at"])
        return self._step(f"new code …{code['last_group']} is verified, waits in reserve, takes over on {takes_over}")

    def _activate_too_early(self) -> Step:
        problem = self._activate_now()
        possible = problem.get("available_at", "-")
        return self._step(f"Activate now, too early: refused, {problem['code']}; possible from {possible}")

    def _expire(self, code: dict[str, str]) -> Step:
        end = datetime.fromisoformat(self._license()["license"]["ends_at"])
        for service in reversed(SERVICES):
            later = {"set": (end + PAST_THE_END).isoformat()}
            self._api.call(service, "POST", "/v1/sandbox/clock", json=later)
        seen = self._wait(lambda license_: _runs_on(license_, code))
        words = f"a year passes: the license expires, code …{code['last_group']} is checked again and takes over"
        return self._step(f"{words}, {_remaining(seen)}")

    def _activate_again(self, code: dict[str, str]) -> Step:
        problem = self._activate_now()
        return self._step(f"Activate now, once more: refused, {problem['code']}; …{code['last_group']} is in use")

    def _renew(self, code: dict[str, str]) -> Step:
        end = self._license()["license"]["ends_at"]
        purchase = {"code_ref": code["code_ref"], "order_id": f"demo-{new_id()}"}
        self._api.call("activation", "POST", "/v1/purchases", json=purchase)
        seen = self._wait(lambda license_: license_["license"]["ends_at"] != end)
        return self._step(f"a renewal is bought, nothing is entered, {_remaining(seen)}")

    def _add(self, code: dict[str, str]) -> None:
        self._api.call("device", "POST", f"{self.path}/codes", token=self.token, json={"code": code["code"]})

    def _activate_now(self) -> dict[str, Any]:
        """Press Activate now where it must be refused, and return the problem."""
        try:
            self._api.call("device", "POST", f"{self.path}/activate-now", token=self.token)
        except RefusedByService as refused:
            return dict(refused.problem)
        raise CommandFailed(ExitCode.REFUSED, "Activate now was taken where it had to be refused")

    def _license(self) -> License:
        return self._api.call("device", "GET", f"{self.path}/license", token=self.token)

    def _wait(self, reached: Callable[[License], bool]) -> License:
        deadline = monotonic() + STEP_SECONDS_MAX
        while not reached(seen := self._license()):
            if monotonic() > deadline:
                raise CommandFailed(ExitCode.REFUSED, f"the next step did not come about; the license is {seen}")
            sleep(POLL_SECONDS)
        return seen

    def _step(self, words: str) -> Step:
        """Return the step with what the device's history has more than after the last one."""
        fresh = list(iter_events(self._api, "device", self.path, after=self._version))
        self._version += len(fresh)
        return Step(words, tuple(event["type"] for event in fresh))


def _runs_on(seen: License, code: dict[str, str]) -> bool:
    return seen["status"] == "active" and bool(seen["license"]["code_ref"] == code["code_ref"])


def _remaining(seen: License) -> str:
    return f"license running, {seen['days_remaining']} days remaining"


def _day(instant: str) -> str:
    return instant[:10]
