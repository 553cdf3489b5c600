"""The client of the device service's API, on behalf of an operator. Short timeouts: a page must not wait for it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from services.activation.console.operators import Operator
from shared.doors.preconditions import read_etags, read_version
from shared.keys.operators import operator_token
from shared.keys.signing import KeyRing
from shared.ledger.clock import machine_now
from shared.settings.certificates import authorities_for

logger = logging.getLogger(__name__)

SECONDS_MAX = 3.0
SERVER_ERROR = 500

type JsonObject = dict[str, Any]


class DeviceUnavailable(Exception):
    """The device service does not respond, or does not trust this console's tokens."""


class DeviceRefused(Exception):
    """The device service answered with a problem document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(problem.get("code"))
        self.status = status
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail", ""))
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceClient:
    """The device service's API. `keys` sign the operator tokens; without keys no request is sent."""

    client: httpx.AsyncClient
    keys: KeyRing | None
    now: Callable[[], datetime] = machine_now

    async def request(self, operator: Operator, path: str, method: str = "GET", **options: Any) -> JsonObject:
        """Return the JSON answer, with the `version` from its ETag. Raises `DeviceRefused` or `DeviceUnavailable`."""
        if self.keys is None:
            raise DeviceUnavailable
        token = operator_token(self.keys, operator.name, audience="device", now=self.now())
        try:
            answer = await self.client.request(
                method, path, headers={"Authorization": f"Bearer {token}"}, timeout=SECONDS_MAX, **options
            )
            body: JsonObject = answer.json()
        except (httpx.HTTPError, ValueError):
            raise DeviceUnavailable from None
        if answer.status_code in (401, 403):
            logger.warning("the device service does not know this console: is its PERENNIAL_CONSOLE_KEYS_FILE right?")
        if answer.status_code >= SERVER_ERROR or answer.status_code in (401, 403):
            raise DeviceUnavailable
        if answer.is_error:
            raise DeviceRefused(answer.status_code, body)
        return body if "ETag" not in answer.headers else {"version": _version(answer.headers["ETag"]), **body}


def _version(etag: str) -> int | None:
    """Return the version with which the ETag starts; a proxy on the way may have made the ETag weak."""
    return next((read_version(tag.text.partition("-")[0]) for tag in read_etags(etag) or ()), None)


def device_client(url: str) -> httpx.AsyncClient:
    """Return an HTTP client for the device service at `url`: an internal address, so no proxy is used."""
    limits = httpx.Limits(max_connections=20)
    return httpx.AsyncClient(base_url=url, trust_env=False, verify=authorities_for(url), limits=limits)
