"""Who takes part in a journey: a vendor with its shop, the owner of a device, and the time that passes.

They do what people do, by HTTP, and know no rule.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

import httpx

from services.cli.names import ServiceName
from services.cli.system import System
from shared.settings.certificates import authorities_for
from tests.journeys.waiting import PATIENCE_SECONDS, until

PRODUCT = "antivirus"
REGION = "DE"
REQUEST_SECONDS = 20.0

type Shown = Mapping[str, Any]
"""What the API shows of a device's license."""


def client(system: System, service: ServiceName, credential: str | None = None) -> httpx.Client:
    """Return an HTTP client of the service's first worker that shows `credential`."""
    headers = {"Authorization": f"Bearer {credential}"} if credential else {}
    url = system.worker(service).url
    return httpx.Client(
        base_url=url, headers=headers, timeout=REQUEST_SECONDS, trust_env=False, verify=authorities_for(url)
    )


def moment(text: str) -> datetime:
    """Return a time of the API."""
    return datetime.fromisoformat(text)


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """A code as the vendor got it: `text` is the whole code, which is on paper only."""

    ref: str
    last_group: str
    text: str = field(repr=False)


class Vendor:
    """Issues codes, blocks them, sells renewals. Remembers every whole code, for the test that looks for leaks."""

    def __init__(self, system: System) -> None:
        self.http = client(system, "activation", system.credentials.operator_key)
        self.issued: list[IssuedCode] = []

    def issue(self, term: str = "P1Y", **terms: Any) -> IssuedCode:
        """Return a new code with these terms."""
        return self.issue_many(1, term, **terms)[0]

    def issue_many(self, count: int, term: str = "P1Y", **terms: Any) -> list[IssuedCode]:
        """Return new codes with these terms."""
        body = {"product": PRODUCT, "term": term, "count": count, **terms}
        answer = expect(201, self.http.post("/v1/codes", json=body))
        codes = [IssuedCode(entry["code_ref"], entry["last_group"], entry["code"]) for entry in answer["codes"]]
        self.issued += codes
        return codes

    def block(self, code: IssuedCode) -> None:
        """Allow no new activation."""
        expect(202, self.http.post(f"/v1/codes/{code.ref}/block", json={"note": "stolen"}))

    def unblock(self, code: IssuedCode) -> None:
        """Allow activations again."""
        expect(202, self.http.post(f"/v1/codes/{code.ref}/unblock", json={"note": "found"}))

    def renews_itself(self, code: IssuedCode, auto_renews: bool) -> None:
        """Tell whether the subscription renews itself."""
        expect(202, self.http.put(f"/v1/codes/{code.ref}/auto-renewal", json={"auto_renews": auto_renews}))

    def takes_seat(self, code: IssuedCode, device_id: str, *, keep_reserve: bool = False) -> None:
        """Take a lost device's seat away."""
        params = {"note": "lost", "keep_reserve": str(keep_reserve).lower()}
        expect(202, self.http.delete(f"/v1/codes/{code.ref}/devices/{device_id}", params=params))

    def refund(self, code: IssuedCode, order_id: str, **refund: Any) -> httpx.Response:
        """Report that a purchase was paid back."""
        body = {"code_ref": code.ref, "note": "paid back", **refund}
        return self.http.post(f"/v1/purchases/{order_id}/refund", json=body)

    def cancel(self, code: IssuedCode, order_id: str) -> httpx.Response:
        """Report that an announced purchase came to nothing."""
        return self.http.post(f"/v1/purchases/{order_id}/cancellation", json={"code_ref": code.ref})

    def sell_renewal(self, code: IssuedCode, order_id: str, **purchase: Any) -> list[str]:
        """Report a purchase and return what was recorded of it."""
        body = {"code_ref": code.ref, "order_id": order_id, **purchase}
        answer = expect(202, self.http.post("/v1/purchases", json=body))
        return list(answer["recorded"])

    def code(self, code: IssuedCode) -> dict[str, Any]:
        """Return what the vendor sees of a code."""
        return expect(200, self.http.get(f"/v1/codes/{code.ref}"))

    def holders(self, code: IssuedCode) -> list[str]:
        """Return the devices that hold a seat."""
        return list(expect(200, self.http.get(f"/v1/codes/{code.ref}/devices"))["devices"])

    def history(self, code: IssuedCode) -> list[dict[str, Any]]:
        """Return the code's events, oldest first."""
        return list(expect(200, self.http.get(f"/v1/codes/{code.ref}/history"))["events"])


class OwnedDevice:
    """A device, and what its owner sees and presses."""

    def __init__(self, system: System, device_id: str, credential: str) -> None:
        self.device_id = device_id
        self.token = credential
        self.path = f"/v1/devices/{device_id}"
        self.http = client(system, "device", credential)

    @classmethod
    def enrolled(cls, system: System, *, product: str = PRODUCT, region: str = REGION, **more: Any) -> Self:
        """Return a new device."""
        with client(system, "device") as nobody:
            answer = expect(201, nobody.post("/v1/devices", json={"product": product, "region": region, **more}))
        return cls(system, answer["device_id"], answer["token"])

    def with_product(self, system: System, product: str) -> Self:
        """Return a further product on the device, which has a license of its own."""
        answer = expect(201, self.http.post(f"{self.path}/products", json={"product": product}))
        return type(self)(system, answer["device_id"], self.token)

    def add(
        self, code: IssuedCode | str, *, replace: bool = False, headers: Mapping[str, str] | None = None, **said: Any
    ) -> httpx.Response:
        """Type a code and press Add; `said` is what else the user said of it."""
        text = code if isinstance(code, str) else code.text
        body = {"code": text, "replace": replace, **said}
        return self.http.post(f"{self.path}/codes", json=body, headers=headers)

    def remove_license(self) -> httpx.Response:
        """Give the license back."""
        return self.http.delete(f"{self.path}/license")

    def check_now(self, sequence: int, nonce: str = "asked-just-now", **more: Any) -> dict[str, Any]:
        """Ask what is true now and return the answer, with its signed statement."""
        body = {"sequence": sequence, "nonce": nonce, **more}
        return expect(200, self.http.post(f"{self.path}/contact", json=body))

    def remove_reserve(self, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Take the new code back."""
        return self.http.delete(f"{self.path}/codes/reserve", headers=headers)

    def press_activate_now(self, **body: str) -> httpx.Response:
        """Press Activate now; without `body` as a page that names no code."""
        return self.http.post(f"{self.path}/activate-now", json=body or None)

    def license(self) -> dict[str, Any]:
        """Return what the Licensing window shows."""
        return expect(200, self.http.get(f"{self.path}/license"))

    def history(self) -> list[dict[str, Any]]:
        """Return the device's events, oldest first."""
        return list(expect(200, self.http.get(f"{self.path}/history", params={"limit": 500}))["events"])

    def event_names(self) -> list[str]:
        """Return the names of the device's events, oldest first."""
        return [event["type"] for event in self.history()]

    def sees(self, wanted: Callable[[Shown], object], *, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Look at the window until it shows what is `wanted`, and return it."""
        return until(self.license, wanted, seconds=seconds)

    def activates(self, code: IssuedCode) -> dict[str, Any]:
        """Add a code on a device without a license and return the window once it is the license."""
        expect(202, self.add(code))
        return self.sees(runs_on(code))

    def keeps_in_reserve(self, code: IssuedCode, *, replace: bool = False) -> dict[str, Any]:
        """Add a code on a licensed device and return the window once it is verified."""
        expect(202, self.add(code, replace=replace))
        return self.sees(reserve_is(code, "ready"))


class Time:
    """The sandbox's time, the same for both services."""

    def __init__(self, system: System) -> None:
        key = system.credentials.operator_key
        # the activation service first: an answer is never dated before its question
        self._clocks = [client(system, "activation", key), client(system, "device", key)]

    def now(self) -> datetime:
        """Return the device service's time."""
        return self._of(self._clocks[1])

    def earliest(self) -> datetime:
        """Return the time of the service that is behind: their clocks are set one after the other."""
        return min(map(self._of, self._clocks))

    def latest(self) -> datetime:
        """Return the time of the service that is ahead."""
        return max(map(self._of, self._clocks))

    def _of(self, clock: httpx.Client) -> datetime:
        return moment(expect(200, clock.get("/v1/sandbox/clock"))["now"])

    def moves_to(self, when: datetime) -> None:
        """Let time pass until `when`."""
        for clock in self._clocks:
            expect(200, clock.post("/v1/sandbox/clock", json={"set": when.isoformat()}))

    def passes(self, **duration: float) -> None:
        """Let `duration`, as `timedelta` takes it, pass."""
        self.moves_to(self.now() + timedelta(**duration))

    def reaches_the_end_of(self, shown: Shown) -> datetime:
        """Let time pass until the license shown is over, and return its end."""
        ends_at = end_of_license(shown)
        self.moves_to(ends_at + timedelta(minutes=1))
        return ends_at


def expect(status: int, response: httpx.Response) -> dict[str, Any]:
    """Return the JSON of a response that must have `status`."""
    assert response.status_code == status, f"{response.status_code} {response.text}"
    answer: dict[str, Any] = response.json()
    return answer


def end_of_license(shown: Shown) -> datetime:
    """Return the end of the license shown."""
    return moment(shown["license"]["ends_at"])


def runs_on(code: IssuedCode) -> Callable[[Shown], bool]:
    """Return whether a window shows that the code is the license in force."""
    return lambda shown: shown["status"] == "active" and shown["license"]["code_ref"] == code.ref


def reserve_is(code: IssuedCode, status: str) -> Callable[[Shown], bool]:
    """Return whether a window shows the code in reserve with `status`."""

    def is_so(shown: Shown) -> bool:
        reserve = shown.get("reserve") or {}
        return (reserve.get("code_ref"), reserve.get("status")) == (code.ref, status)

    return is_so


def was_refused(reason: str) -> Callable[[Shown], bool]:
    """Return whether a window shows `reason` as the last refusal."""
    return lambda shown: (shown.get("last_refusal") or {}).get("reason") == reason
