"""Runs thousands of lives at once: prepared (not timed), then added and verified (A), then switched (B)."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import batched
from uuid import UUID

from tests.benchmarks.flow import Flow, Stuck, drained, events_by_type, look
from tests.benchmarks.orders import TOPIC, Message, Sender, order
from tests.benchmarks.stand import Stand
from tests.benchmarks.storage import wal_bytes
from tests.benchmarks.usage import Meter, Used, roots

CODES_PER_REQUEST = 1_000
EVENTS_PER_LIFE = 6
"""Added, expired, and both verdicts in both ledgers. The seat freed by a switch is recorded too, but not counted."""
PAST_ALL_ENDS = "P1YT1H"

type Progress = Callable[[int], None]
"""Called with the number of completed lives."""


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """A code as commands refer to it."""

    ref: str
    last_group: str


@dataclass(frozen=True, slots=True)
class Life:
    """A device, the code of its first license, and the code that is to take over."""

    device_id: str
    first: IssuedCode
    second: IssuedCode

    def enroll(self) -> Message:
        """Return the command that enrolls the device."""
        return order(self.device_id, "EnrollDevice", product="antivirus", region="DE")

    def add(self, code: IssuedCode) -> Message:
        """Return the command that adds a code."""
        return order(self.device_id, "AddCode", code_ref=code.ref, last_group=code.last_group)


@dataclass(frozen=True, slots=True)
class Phase:
    """The resources that a phase used, and the events it recorded, by ledger and type."""

    lives: int
    used: Used
    wal_bytes: int
    events: dict[str, int]


async def issue(stand: Stand, count: int, *, term: str) -> list[dict[str, str]]:
    """Return new codes with one seat; each has `code_ref`, `last_group` and the whole `code`."""
    codes: list[dict[str, str]] = []
    while len(codes) < count:
        wanted = {"product": "antivirus", "term": term, "count": min(CODES_PER_REQUEST, count - len(codes))}
        answer = await stand.client.post(stand.url("activation", "/v1/codes"), json=wanted, headers=stand.operator)
        codes += answer.raise_for_status().json()["codes"]
    return codes


async def prepare(stand: Stand, sender: Sender, count: int, *, seed: int, progress: Progress) -> list[Life]:
    """Return lives whose devices have their first license active."""
    chance = random.Random(seed)
    codes = [IssuedCode(each["code_ref"], each["last_group"]) for each in await issue(stand, 2 * count, term="P1Y")]
    lives = [
        Life(str(UUID(int=chance.getrandbits(128), version=4)), first, second)
        for first, second in batched(codes, 2, strict=True)
    ]
    start = await look(stand)
    await sender.send(TOPIC, [message for life in lives for message in (life.enroll(), life.add(life.first))])
    # enrolled, added, activated
    await _drained(stand, start, events_per_life=3, lives=count, progress=progress)
    return lives


async def add(stand: Stand, sender: Sender, lives: Sequence[Life], *, progress: Progress) -> Phase:
    """Phase A: add a second code to every device. Ends when all are verified, published and shown."""

    async def go() -> None:
        await sender.send(TOPIC, [life.add(life.second) for life in lives])

    return await _phase(stand, lives, go, progress, happens=("device CodeVerified", "activation CodeVerified"))


async def switch(stand: Stand, lives: Sequence[Life], *, progress: Progress) -> Phase:
    """Phase B: let all first licenses expire at once. Ends when all switches are recorded, published and shown."""

    async def go() -> None:
        await stand.advance_clocks(PAST_ALL_ENDS)

    switched = ("device LicenseExpired", "device LicenseActivated", "activation LicenseActivated")
    return await _phase(stand, lives, go, progress, happens=switched)


async def _phase(
    stand: Stand,
    lives: Sequence[Life],
    go: Callable[[], Awaitable[None]],
    progress: Progress,
    *,
    happens: Sequence[str],
) -> Phase:
    counts, start = await events_by_type(stand), await look(stand)
    wal_before, meter = await wal_bytes(stand.ledgers["device"]), Meter(roots(stand.system))
    await go()
    await _drained(stand, start, events_per_life=2, lives=len(lives), progress=progress)
    used, wal = meter.read(), await wal_bytes(stand.ledgers["device"]) - wal_before
    events = dict(await events_by_type(stand) - counts)
    if any(events.get(name) != len(lives) for name in happens):
        raise Stuck(f"not all of {len(lives)} lives were completed: {events}")
    return Phase(len(lives), used, wal, events)


async def _drained(stand: Stand, start: Flow, *, events_per_life: int, lives: int, progress: Progress) -> None:
    def watch(flow: Flow) -> None:
        progress(min(lives, (flow.shown - start.shown) // events_per_life))

    awaited = start.device_recorded + events_per_life * lives
    await drained(stand, device_events_min=awaited, watch=watch)
