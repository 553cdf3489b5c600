"""Checks a service over HTTP: readiness, release, clock, keys, consumers and checkpoints."""

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from services.cli.connections import Connections
from services.cli.doctor.diagnosis import Finding, diagnose_checkpoint, diagnose_consumers
from services.cli.names import ServiceName
from shared.ledger.clock import machine_now
from shared.settings.certificates import authorities_for
from shared.version import VERSION

REQUEST_SECONDS_MAX = 5.0
SKEW_SECONDS_MAX = 2.0


async def check_service(service: ServiceName, connections: Connections) -> list[Finding]:
    """Return the findings of public routes and, with an operator key, of operator routes."""
    part, url = f"{service} service", connections.urls[service]
    try:
        async with httpx.AsyncClient(
            base_url=url, timeout=REQUEST_SECONDS_MAX, trust_env=False, verify=authorities_for(url)
        ) as client:
            ready, version = await client.get("/readyz"), await client.get("/version")
            findings = [_readiness(part, ready), _version(part, version), _skew(part, _date_of(ready))]
            findings += await _keys(part, client) if service == "device" else []
            return findings + await _operations(service, client, connections.operator_key)
    except httpx.TransportError as error:
        found = f"{url} is unreachable: {str(error) or type(error).__name__}"
        setting = f"--{service}-url or PERENNIAL_{service.upper()}_URL"
        return [
            Finding(
                "away", part, found, f"start a worker of the {service} service, or set the right URL with {setting}"
            )
        ]


async def _keys(part: str, client: httpx.AsyncClient) -> list[Finding]:
    response = await client.get("/.well-known/jwks.json")
    keys = response.json()["keys"] if response.is_success else []
    if keys:
        return [Finding("well", part, f"signs with key {keys[0].get('kid', '?')}; public keys: {len(keys)}")]
    found = "no signing key, so there are no license documents and no Licensing window"
    return [Finding("wrong", part, found, "start all its workers with the same PERENNIAL_SIGNING_KEY_FILE")]


async def _operations(service: ServiceName, client: httpx.AsyncClient, operator_key: str | None) -> list[Finding]:
    part = f"{service} operations"
    if operator_key is None:
        found = "consumer lag and checkpoints were not checked, because there is no operator key"
        return [Finding("warning", part, found, "set PERENNIAL_OPERATOR_KEY")]
    key = {"Authorization": f"Bearer {operator_key}"}
    consumers = await client.get("/v1/operations/consumers", headers=key)
    if not consumers.is_success:
        found = f"the state of its consumers could not be read: {_code(consumers)}"
        return [Finding("warning", part, found, "check PERENNIAL_OPERATOR_KEY, and that all workers run this release")]
    response = await client.get("/v1/log/checkpoints", headers=key)
    checkpoint: dict[str, Any] | None = response.json() if response.is_success else None
    return [
        *diagnose_consumers(service, consumers.json()),
        *diagnose_checkpoint(f"{service} checkpoints", checkpoint),
    ]


def _code(response: httpx.Response) -> str:
    try:
        return str(response.json()["code"])
    except (ValueError, KeyError):
        return f"HTTP status {response.status_code}"


def _readiness(part: str, ready: httpx.Response) -> Finding:
    if ready.is_success:
        return Finding("well", part, "ready: all consumers and the relay are making progress")
    detail = ready.json().get("detail", "no reason given") if ready.content else "no reason given"
    return Finding(
        "wrong", part, f"not ready: {detail}", "check the part it names; if that does not help, its worker's log"
    )


def _version(part: str, response: httpx.Response) -> Finding:
    version = response.json().get("version") if response.is_success else None
    if version == VERSION:
        return Finding("well", part, f"release {version}")
    found = f"release {version}, but this command line is release {VERSION}"
    return Finding("warning", part, found, "finish the upgrade that is in progress")


def _date_of(response: httpx.Response) -> datetime | None:
    return parsedate_to_datetime(response.headers["date"]) if "date" in response.headers else None


def _skew(part: str, its_time: datetime | None) -> Finding:
    if its_time is None:
        return Finding("warning", part, "its responses have no Date header", "connect to it directly, not by a proxy")
    seconds = (its_time - machine_now()).total_seconds()
    # the Date header has whole seconds
    if abs(seconds) <= SKEW_SECONDS_MAX + 1:
        return Finding("well", part, "its clock agrees with the clock of this machine")
    found = f"its clock is off by {seconds:+.0f} s from the clock of this machine"
    return Finding("wrong", part, found, "synchronize both clocks with NTP")
