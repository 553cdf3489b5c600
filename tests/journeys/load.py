"""Drives lives of devices through both ways in, HTTP and Kafka, while anything may be killed under them.

It behaves as good clients do: it repeats a request under the same key, or a message under the same id, until
it knows. It notes what was acknowledged, for the checker, and nothing else.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from time import monotonic
from typing import Any, Literal
from uuid import UUID

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.cli.system import System
from shared.ledger.code_generator import new_code
from shared.ledger.identity import new_id
from shared.rules.codes import Code, read_code
from shared.settings.certificates import authorities_for
from tests.journeys.checker import Acknowledged, ServiceName
from tests.journeys.logs import COMMANDS, PURCHASES, order_headers

ATTEMPT_SECONDS = 12.0
AVOID_SECONDS = 5.0
SEND_SECONDS = 8.0
KNOCK_SECONDS = 0.5
PAUSE_SECONDS = 0.2
PATIENCE_SECONDS = 120.0
WAIT_SECONDS = 5
WAITERS = 0.2
"""Share of the devices that let the server tell them of a change; the others look again and again."""
LOOK_SECONDS_MIN, LOOK_SECONDS_MAX = 0.05, 0.5
ISSUED_AT_ONCE_MAX = 500
AT_ONCE_MAX = 48
REPEATED_SENDS = 0.1
"""Share of the messages that are sent twice although the first one was acknowledged."""

Kind = Literal["plain", "early", "blocked", "purchased", "family", "contested"]
Channel = Literal["http", "kafka"]
MEMBERS: Mapping[Kind, int] = {"plain": 1, "early": 1, "blocked": 1, "purchased": 1, "family": 3, "contested": 3}
"""How many devices share their codes."""
WEIGHTS: Mapping[Kind, int] = {"plain": 8, "early": 2, "blocked": 2, "purchased": 2, "family": 2, "contested": 2}

type Shown = Mapping[str, Any]


class StillWaiting(AssertionError):
    """Something did not come in time."""


class Http:
    """Both services' doors, all their workers in turn, by a client that repeats until it has an answer."""

    def __init__(self, system: System, attempt_seconds: float) -> None:
        self._workers = system.workers
        self._turns = count()
        self._avoided: dict[str, float] = {}
        self._operator = system.credentials.operator_key
        limits = httpx.Limits(max_connections=200, keepalive_expiry=2.0)
        self._client = httpx.AsyncClient(
            timeout=attempt_seconds, trust_env=False, verify=authorities_for(), limits=limits
        )
        self.repeated = 0

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(
        self,
        service: ServiceName,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        credential: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Return the answer, however often it has to be asked. Raises `StillWaiting`."""
        deadline = monotonic() + PATIENCE_SECONDS
        sent = {"Authorization": f"Bearer {credential or self._operator}", **(headers or {})}
        while monotonic() < deadline:
            url = self._url(service)
            try:
                answer = await self._client.request(method, url + path, json=body, headers=sent)
            except httpx.TransportError:
                self._avoided[url] = monotonic() + AVOID_SECONDS
            else:
                if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    return answer
                # 502: what stands between lost the worker in the middle of an answer
                assert answer.status_code in {502, 503}, f"{answer.status_code} {answer.text}"
            self.repeated += 1
            await asyncio.sleep(PAUSE_SECONDS)
        raise StillWaiting(f"{method} {path} of {service} has no answer after {PATIENCE_SECONDS:.0f} seconds")

    def _url(self, service: ServiceName) -> str:
        """Return the next worker's address; one that did not answer is left alone for a while, if there is another."""
        urls = [worker.url for name, worker in sorted(self._workers.items()) if name.startswith(f"{service}.")]
        well = [url for url in urls if self._avoided.get(url, 0.0) < monotonic()] or urls
        return well[next(self._turns) % len(well)]


class Sender:
    """Writes messages to a topic, each until Kafka has acknowledged it, always under the same id."""

    def __init__(self, system: System, chance: random.Random) -> None:
        self._bootstrap_servers = system.stack.kafka.bootstrap
        self._chance = chance
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()
        self.repeated = 0

    async def send(
        self, topic: str, type_name: str, *, key: str, message_id: UUID, at: datetime, body: Mapping[str, Any]
    ) -> None:
        """Send an order. Raises `StillWaiting`."""
        headers = order_headers(type_name, message_id=str(message_id), source="/fleet", at=at)
        value = json.dumps(body).encode()
        deadline = monotonic() + PATIENCE_SECONDS
        copies = 2 if self._chance.random() < REPEATED_SENDS else 1
        while copies:
            if monotonic() > deadline:
                raise StillWaiting(f"Kafka does not take {type_name} after {PATIENCE_SECONDS:.0f} seconds")
            producer = None
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    producer = await self._ready()
                    await producer.send_and_wait(topic, value=value, key=key.encode(), headers=headers)
                copies -= 1
            except (KafkaError, TimeoutError, OSError):
                self.repeated += 1
                await self._drop(producer)
                await asyncio.sleep(PAUSE_SECONDS)

    async def close(self) -> None:
        """Close the connection."""
        await self._drop(self._producer)

    async def _ready(self) -> AIOKafkaProducer:
        async with self._lock:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap_servers, acks="all", request_timeout_ms=int(SEND_SECONDS * 1000)
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    # all others wait here: one of them at a time knocks at a door that is shut
                    await asyncio.sleep(KNOCK_SECONDS)
                    raise
                self._producer = producer
            return self._producer

    async def _drop(self, producer: AIOKafkaProducer | None) -> None:
        if producer is None or producer is not self._producer:
            return
        self._producer = None
        with suppress(KafkaError, TimeoutError):
            await asyncio.wait_for(producer.stop(), SEND_SECONDS)


@dataclass(slots=True, kw_only=True)
class Life:
    """One device's life. `first` is activated at once, `second` waits in reserve and takes over."""

    kind: Kind
    first: Code
    second: Code
    channel: Channel
    device_id: str = ""
    token: str | None = None
    version: int = 0
    wait_seconds: int = 0
    ends_at: datetime | None = None
    ended_as: str = ""


@dataclass(slots=True)
class Load:
    """All lives of one run, in waves: within a wave time stands still until all of it is ready to expire."""

    system: System
    seed: int
    wave_lives: int
    attempt_seconds: float = ATTEMPT_SECONDS
    acknowledged: list[Acknowledged] = field(default_factory=list)
    ended: list[Life] = field(default_factory=list)
    waves: int = 0
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE_MAX))
    at: datetime | None = None
    http: Http = field(init=False)
    sender: Sender = field(init=False)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.http = Http(self.system, self.attempt_seconds)
        self.sender = Sender(self.system, self.chance)

    async def close(self) -> None:
        """Close all connections."""
        await self.http.close()
        await self.sender.close()

    # --- the vendor, the shop, and time --------------------------------------------------

    async def now(self) -> datetime:
        """Return the device service's time."""
        answer = await self.http.ask("device", "GET", "/v1/sandbox/clock")
        return datetime.fromisoformat(answer.json()["now"])

    async def move_to(self, target: datetime) -> None:
        """Move both clocks, the activation service's first: no answer is dated before its question."""
        for service in ("activation", "device"):
            answer = await self.http.ask(service, "POST", "/v1/sandbox/clock", body={"set": target.isoformat()})
            # moved already, by a request whose answer was lost
            assert answer.is_success or answer.json()["code"] == "clock_backwards", answer.text

    async def issue(self, count: int, *, term: str, seats: int = 1) -> list[Code]:
        """Return `count` new codes."""
        codes: list[Code] = []
        while len(codes) < count:
            asked = min(ISSUED_AT_ONCE_MAX, count - len(codes))
            answer = await self.http.ask(
                "activation",
                "POST",
                "/v1/codes",
                body={"product": "antivirus", "term": term, "seats": seats, "count": asked},
                headers={"Idempotency-Key": str(new_id())},
            )
            assert answer.status_code == httpx.codes.CREATED, answer.text
            for issued in answer.json()["codes"]:
                self._promise("activation", "CodeIssued", code_ref=issued["code_ref"])
                # a repeated request gets the references alone
                codes += [read_code(issued["code"])] if "code" in issued else []
        return codes

    async def operate(self, path: str, body: Mapping[str, Any], **fields: str) -> None:
        """Take an operator's or a shop's action, and note what was recorded of it."""
        headers = {"Idempotency-Key": str(new_id())}
        answer = await self.http.ask("activation", "POST", path, body=body, headers=headers)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        for type_name in answer.json()["recorded"]:
            self._promise("activation", type_name, **fields)

    async def sell_renewal(self, life: Life) -> None:
        """Sell a renewal of the life's first code."""
        order_id = str(new_id())
        body = {"code_ref": life.first.ref, "order_id": order_id, "settled": True}
        if self.chance.random() < 0.5:
            await self.operate("/v1/purchases", body, code_ref=life.first.ref, order_id=order_id)
            return
        await self._command(PURCHASES, "RecordPurchase", "LicenseRenewed", life.first.ref, body, order_id=order_id)

    # --- the owner of a device -------------------------------------------------------------

    async def enroll(self, life: Life) -> None:
        """Make the device known."""
        body = {"product": "antivirus", "region": "DE"}
        if life.channel == "http":
            answer = await self.http.ask("device", "POST", "/v1/devices", body=body)
            assert answer.status_code == httpx.codes.CREATED, answer.text
            life.device_id, life.token = answer.json()["device_id"], answer.json()["token"]
            self._promise("device", "DeviceEnrolled", device_id=life.device_id)
            return
        life.device_id = str(new_id())
        order = {"device_id": life.device_id, **body}
        await self._command(COMMANDS, "EnrollDevice", "DeviceEnrolled", life.device_id, order)

    async def add(self, life: Life, code: Code) -> None:
        """Add a code."""
        if life.channel == "http":
            answer = await self._press(life, "codes", {"code": code.reveal()})
            self._note(answer, life, code_ref=code.ref)
            return
        body = {"device_id": life.device_id, "code_ref": code.ref, "last_group": code.last_group}
        await self._command(COMMANDS, "AddCode", "CodeAdded", life.device_id, body, code_ref=code.ref)

    async def activate_now(self, life: Life) -> None:
        """Press Activate now."""
        if life.channel == "http":
            self._note(await self._press(life, "activate-now", None), life)
            return
        type_name = "ActivateNow" if life.kind != "early" else "ActivationRefused"
        await self._command(COMMANDS, "Activate", type_name, life.device_id, {"device_id": life.device_id})

    async def _press(self, life: Life, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        return await self.http.ask(
            "device",
            "POST",
            f"/v1/devices/{life.device_id}/{path}",
            body=body,
            credential=life.token,
            headers={"Idempotency-Key": str(new_id())},
        )

    def _note(self, answer: httpx.Response, life: Life, **fields: str) -> None:
        said = answer.json()
        if answer.status_code == httpx.codes.CONFLICT:
            self._promise("device", "ActivationRefused", device_id=life.device_id, reason=said["code"])
            return
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        for type_name in said["recorded"]:
            # an order may find the expiry due, and records it before its own event
            more = {} if type_name == "LicenseExpired" else fields
            self._promise("device", type_name, device_id=life.device_id, **more)

    async def _command(
        self, topic: str, order: str, type_name: str, key: str, body: Mapping[str, Any], **fields: str
    ) -> None:
        message_id = new_id()
        at = self.at or await self.now()
        await self.sender.send(topic, order, key=key, message_id=message_id, at=at, body=body)
        ledger: ServiceName = "device" if topic == COMMANDS else "activation"
        self.acknowledged.append(
            Acknowledged(ledger=ledger, type_name=type_name, fields=fields, causation_id=message_id)
        )

    def _promise(self, ledger: ServiceName, type_name: str, **fields: str) -> None:
        self.acknowledged.append(Acknowledged(ledger=ledger, type_name=type_name, fields=fields))

    async def sees(self, life: Life, what: str, wanted: Callable[[Shown], object]) -> Shown:
        """Look at the Licensing window until it shows what is wanted. Raises `StillWaiting` with what it shows."""
        shown: Shown = {}
        deadline, etag, pause_seconds = monotonic() + PATIENCE_SECONDS, "", LOOK_SECONDS_MIN
        path, prefer = f"/v1/devices/{life.device_id}/license", f"wait={life.wait_seconds}"
        while monotonic() < deadline:
            headers = {"If-None-Match": etag, "Prefer": prefer}
            answer = await self.http.ask("device", "GET", path, credential=life.token, headers=headers)
            # before the order to enroll has arrived there is no such device
            if answer.status_code == httpx.codes.OK:
                shown, etag = answer.json(), answer.headers["ETag"]
                life.version = int(etag.strip('"').partition("-")[0])
                if wanted(shown):
                    return shown
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(1.5 * pause_seconds, LOOK_SECONDS_MAX)
        raise StillWaiting(f"{life.kind} device {life.device_id} waits to see {what}; it sees {shown}")

    # --- lives ------------------------------------------------------------------------------

    async def run_wave(self) -> None:
        """Live one wave of lives from the first moment to the end."""
        self.at = await self.now()
        lives = await self._new_lives()
        await self._all(self._until_ready, lives)
        ends = [life.ends_at for life in lives if life.ends_at]
        await self.move_to(max(ends) + timedelta(minutes=1))
        await self._all(self._after_expiry, lives)
        self.waves += 1

    async def _all(self, live: Callable[[Life], Awaitable[None]], lives: Sequence[Life]) -> None:
        """Let everybody live; only so many stand at the doors at the same time."""

        async def in_turn(life: Life) -> None:
            async with self.turns:
                await live(life)

        async with asyncio.TaskGroup() as tasks:
            for life in lives:
                tasks.create_task(in_turn(life))

    async def _new_lives(self) -> list[Life]:
        kinds: list[Kind] = []
        names = list(WEIGHTS)
        while sum(MEMBERS[kind] for kind in kinds) < self.wave_lives:
            kinds += self.chance.choices(names, list(WEIGHTS.values()))
        groups = await asyncio.gather(*(self._group(kind) for kind in kinds))
        return [life for group in groups for life in group]

    async def _group(self, kind: Kind) -> list[Life]:
        members = MEMBERS[kind]
        seats = self.chance.randint(1, members - 1) if kind == "contested" else members
        [first] = await self.issue(1, term="P1M", seats=members)
        [second] = await self.issue(1, term="P1Y", seats=seats)
        channels: list[Channel] = ["http", "kafka"]
        return [
            Life(
                kind=kind,
                first=first,
                second=second,
                channel=self.chance.choice(channels),
                wait_seconds=WAIT_SECONDS if self.chance.random() < WAITERS else 0,
            )
            for _ in range(members)
        ]

    async def _until_ready(self, life: Life) -> None:
        await self.enroll(life)
        await self.add(life, life.first)
        shown = await self.sees(life, "its first code active", _runs_on(life.first))
        life.ends_at = _ends_at(shown)
        await self.add(life, life.second)
        await self.sees(life, "its second code ready", _reserve_is(life.second, "ready"))
        match life.kind:
            case "early":
                await self.activate_now(life)
                await self.sees(life, "that it is too early", _was_refused("not_expired"))
            case "blocked":
                await self.operate(f"/v1/codes/{life.second.ref}/block", {"note": "stolen"}, code_ref=life.second.ref)
            case "purchased":
                await self.sell_renewal(life)
                ends_at = life.ends_at
                await self.sees(life, "its license renewed", lambda shown: _ends_at(shown) > ends_at)
            case "plain" | "family" | "contested":
                pass

    async def _after_expiry(self, life: Life) -> None:
        second = life.second
        match life.kind:
            case "plain" | "early" | "family":
                await self.sees(life, "its second code active", _runs_on(second))
                life.ended_as = "switched"
            case "purchased":
                await self.sees(life, "its license in force", _runs_on(life.first))
                life.ended_as = "renewed"
            case "blocked":
                await self.sees(life, "its reserve refused", _reserve_is(second, "refused"))
                await self.operate(f"/v1/codes/{second.ref}/unblock", {"note": "found"}, code_ref=second.ref)
                await self.activate_now(life)
                await self.sees(life, "its second code active", _runs_on(second))
                life.ended_as = "switched by hand"
            case "contested":
                await self._contend(life)
        self.ended.append(life)

    async def _contend(self, life: Life) -> None:
        runs, refused = _runs_on(life.second), _reserve_is(life.second, "refused")
        shown = await self.sees(life, "who got the seat", lambda shown: runs(shown) or refused(shown))
        if runs(shown):
            life.ended_as = "switched"
            return
        enough = life.version + 2
        await self.activate_now(life)
        await self.sees(life, "a second refusal", lambda shown: life.version >= enough and refused(shown))
        life.ended_as = "refused"


@dataclass(slots=True)
class Canary:
    """A device that adds codes that nobody issued: their rejection has gone through everything there is."""

    load: Load
    life: Life

    @classmethod
    async def enrolled(cls, load: Load) -> "Canary":
        """Return a new canary."""
        life = Life(kind="plain", first=new_code(), second=new_code(), channel="http")
        await load.enroll(life)
        return cls(load, life)

    async def sing(self) -> None:
        """Return when a rejection came back through both services."""
        code = new_code()
        enough = self.life.version + 2
        await self.load.add(self.life, code)
        rejected = _was_refused("unknown_code")
        await self.load.sees(
            self.life, "its code rejected", lambda shown: self.life.version >= enough and rejected(shown)
        )


def _runs_on(code: Code) -> Callable[[Shown], bool]:
    return lambda shown: shown["status"] == "active" and shown["license"]["code_ref"] == code.ref


def _reserve_is(code: Code, status: str) -> Callable[[Shown], bool]:
    wanted = (code.ref, status)
    return lambda shown: "reserve" in shown and (shown["reserve"]["code_ref"], shown["reserve"]["status"]) == wanted


def _was_refused(reason: str) -> Callable[[Shown], bool]:
    return lambda shown: (shown.get("last_refusal") or {}).get("reason") == reason


def _ends_at(shown: Shown) -> datetime:
    return datetime.fromisoformat(shown["license"]["ends_at"])
