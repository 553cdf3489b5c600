"""Asks the device service, at its own doors, on behalf of an operator. Short deadlines: a page must not wait for it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from services.activation.console.logins import Operator
from shared.keys.operators import operator_token
from shared.keys.signing import KeyRing
from shared.ledger.clock import machine_now

logger = logging.getLogger(__name__)

SECONDS_MAX = 3.0
SERVER_ERROR = 500

type Said = dict[str, Any]


class DeviceAway(Exception):
    """The device service does not answer, or believes nobody here."""


class DeviceRefused(Exception):
    """The device service answered with a problem."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(problem.get("code"))
        self.status = status
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail", ""))
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDoors:
    """The device service's doors. `keys` sign what proves who asks; without them nothing is asked."""

    client: httpx.AsyncClient
    keys: KeyRing | None
    now: Callable[[], datetime] = machine_now

    async def ask(self, operator: Operator, path: str, method: str = "GET", **request: Any) -> Said:
        """Return the JSON answer, with the `version` of its ETag. Raises `DeviceRefused` or `DeviceAway`."""
        if self.keys is None:
            raise DeviceAway
        token = operator_token(self.keys, operator.name, audience="device", now=self.now())
        try:
            answer = await self.client.request(
                method, path, headers={"Authorization": f"Bearer {token}"}, timeout=SECONDS_MAX, **request
            )
            body: Said = answer.json()
        except (httpx.HTTPError, ValueError):
            raise DeviceAway from None
        if answer.status_code in (401, 403):
            logger.warning("the device service does not know this console: is its PERENNIAL_CONSOLE_KEYS_FILE right?")
        if answer.status_code >= SERVER_ERROR or answer.status_code in (401, 403):
            raise DeviceAway
        if answer.is_error:
            raise DeviceRefused(answer.status_code, body)
        return body if "ETag" not in answer.headers else {"version": _version(answer.headers["ETag"]), **body}


def _version(etag: str) -> int:
    return int(etag.strip('"').partition("-")[0])


def device_client(url: str) -> httpx.AsyncClient:
    """Return the client of the device service at `url`: an inner address, no proxy stands between."""
    return httpx.AsyncClient(base_url=url, trust_env=False, limits=httpx.Limits(max_connections=20))
