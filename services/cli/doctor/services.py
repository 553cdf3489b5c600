"""Looks at a service through its doors: ready, which release, its clock, its keys, its consumers, its checkpoints."""

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from services.cli.connections import Connections
from services.cli.doctor.diagnosis import Finding, of_checkpoint, of_consumers
from services.cli.names import ServiceName
from shared.ledger.clock import machine_now
from shared.version import VERSION

ASK_SECONDS = 5.0
SKEW_SECONDS_MAX = 2.0


async def of_door(service: ServiceName, connections: Connections) -> list[Finding]:
    """Return what can be seen from outside, and with the operator key what only an operator sees."""
    part, url = f"{service} door", connections.urls[service]
    try:
        async with httpx.AsyncClient(base_url=url, timeout=ASK_SECONDS, trust_env=False) as client:
            ready, version = await client.get("/readyz"), await client.get("/version")
            found = [_readiness(part, ready), _version(part, version), _skew(part, _date_of(ready))]
            found += await _keys(part, client) if service == "device" else []
            return found + await _inside(service, client, connections.operator_key)
    except httpx.TransportError as error:
        said = str(error) or type(error).__name__
        advice = (
            f"start a {service} worker, or name its address with --{service}-url or PERENNIAL_{service.upper()}_URL"
        )
        return [Finding("away", part, f"{url}: {said}", advice)]


async def _keys(part: str, client: httpx.AsyncClient) -> list[Finding]:
    answer = await client.get("/.well-known/jwks.json")
    keys = answer.json()["keys"] if answer.is_success else []
    if keys:
        return [Finding("well", part, f"it signs with key {keys[0].get('kid', '?')}; {len(keys)} keys are public")]
    found = "it has no signing key: no license document, no Licensing window"
    return [Finding("wrong", part, found, "start all its workers with the same PERENNIAL_SIGNING_KEY_FILE")]


async def _inside(service: ServiceName, client: httpx.AsyncClient, operator_key: str | None) -> list[Finding]:
    part = f"{service} operations"
    if operator_key is None:
        found = "not looked at: how long consumers wait, and the checkpoints"
        return [Finding("warning", part, found, "set PERENNIAL_OPERATOR_KEY")]
    key = {"Authorization": f"Bearer {operator_key}"}
    consumers = await client.get("/v1/operations/consumers", headers=key)
    if not consumers.is_success:
        found = f"it does not tell how its consumers are: {_code(consumers)}"
        return [Finding("warning", part, found, "check PERENNIAL_OPERATOR_KEY, and that all workers have this release")]
    checkpoint = await client.get("/v1/log/checkpoints", headers=key)
    told: dict[str, Any] | None = checkpoint.json() if checkpoint.is_success else None
    return [*of_consumers(service, consumers.json()), *of_checkpoint(f"{service} checkpoints", told)]


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError):
        return f"status {answer.status_code}"


def _readiness(part: str, ready: httpx.Response) -> Finding:
    if ready.is_success:
        return Finding("well", part, "every consumer and the relay make progress")
    detail = ready.json().get("detail", "it does not say why") if ready.content else "it does not say why"
    return Finding("wrong", part, detail, "see what it names; if it stays, that worker's log")


def _version(part: str, answer: httpx.Response) -> Finding:
    found = answer.json().get("version") if answer.is_success else None
    if found == VERSION:
        return Finding("well", part, f"release {found}")
    return Finding(
        "warning", part, f"release {found}, this is {VERSION}", "an upgrade is under way, or was left half done"
    )


def _date_of(answer: httpx.Response) -> datetime | None:
    return parsedate_to_datetime(answer.headers["date"]) if "date" in answer.headers else None


def _skew(part: str, theirs: datetime | None) -> Finding:
    if theirs is None:
        return Finding("warning", part, "it does not tell its time", "ask it directly, without what stands between")
    seconds = (theirs - machine_now()).total_seconds()
    # HTTP tells whole seconds
    if abs(seconds) <= SKEW_SECONDS_MAX + 1:
        return Finding("well", part, "its clock agrees with this machine's")
    return Finding("wrong", part, f"its clock is {seconds:+.0f} s off this machine's", "synchronise both clocks (NTP)")
