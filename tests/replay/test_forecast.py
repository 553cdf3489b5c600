"""What the forecast says of a day, against what that day brings when nobody does anything more."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.activation.api.forecast import CONTENDERS, PAGE
from services.activation.decider import BlockCode, RecordPurchase
from services.activation.forecast import FORECAST, Switchover, simulate_switches
from services.activation.forecast.rushes import RIVALS_MAX
from services.device import decider as device
from services.device.outlook import CodeTerms, Demand, Outlook, outlook_of, switch_at
from shared.calendar import instant
from shared.ledger.database import Pool
from shared.rules.chance import CHANCE
from shared.rules.policy import POLICY
from tests.at_the_door import OPERATOR, Client, told
from tests.replay.kept import code_doors, event_of, keep_codes, life_of
from tests.replay.world import BEGIN, CODES, DAY, HOUR, World, random_world

NOW = BEGIN + 20 * DAY
UNTIL = BEGIN + 300 * DAY
FOR_RENEWALS = ("no_prior_license", "already_used_for_renewal")

pytestmark = pytest.mark.timeout(120)


def own(number: int) -> str:
    """Return the code of a device's first license."""
    return f"{number:032x}"


SHARED: Sequence[dict[str, Any]] = (
    {"seats": 2, "term": "P2M"},
    {"seats": 3},
    {"seats": 1},
    {"seats": 4, "version_min": "2"},
    {"seats": 5, "term": "P10D"},
    {"seats": 2, "activate_by": BEGIN + 40 * DAY},
    {"seats": 3, "kind": "renewal"},
)


def fleet(seed: int, *, size: int = 24) -> World:
    """Return devices with a license each, some with a reserve that others count on too; the future is left open."""
    world = World(seed=seed, travel=timedelta(0), slowness=timedelta(0))
    chance = random.Random(seed)
    for code_ref, terms in zip(CODES, SHARED, strict=False):
        world.issue(BEGIN, code_ref, **terms)
    for number in range(size):
        name = f"device-{number:02}"
        world.issue(BEGIN, own(number + 100), term=chance.choice(("P1M", "P35D", "P2M")))
        world.enroll(BEGIN + HOUR, name, product_version=chance.choice(("1.9", "2.1")))
        world.add(BEGIN + chance.randrange(2, 200) * HOUR, name, own(number + 100))
        if chance.random() < 0.85:
            world.add(BEGIN + 10 * DAY, name, chance.choice(CODES[: len(SHARED)]))
        if chance.random() < 0.2:
            bought = {"order_id": "announced", "settled": False, "purchased_at": BEGIN + 19 * DAY}
            world.on_code(BEGIN + 19 * DAY, RecordPurchase, own(number + 100), **bought)
        if chance.random() < 0.15:
            world.on_code(BEGIN + 19 * DAY, BlockCode, own(number + 100), note="stolen")
    world.on_code(BEGIN + 19 * DAY, BlockCode, CODES[1], note="stolen")
    world.run(NOW)
    return world


def moved_fleet() -> World:
    """Return two devices with a reserve for Germany: one is found in France, the other in France and back again."""
    world = World(travel=timedelta(0), slowness=timedelta(0))
    for number, name in enumerate(("leaves", "returns")):
        world.issue(BEGIN, own(number + 100), term="P1M")
        world.issue(BEGIN, CODES[number], regions=("DE",))
        world.enroll(BEGIN + HOUR, name)
        world.add(BEGIN + 2 * HOUR, name, own(number + 100))
        world.add(BEGIN + 3 * HOUR, name, CODES[number])
        world.on_device(BEGIN + DAY, device.CorrectRegion, name, region="FR")
    world.on_device(BEGIN + 2 * DAY, device.CorrectRegion, "returns", region="DE")
    world.run(NOW)
    return world


def what_came(world: World, device_id: str) -> dict[str, Any] | None:
    """Return the first answer to the attempt that an end or a wait started after `NOW`."""
    for entry in life_of(world.device_log, device_id):
        event = event_of(entry)
        if entry.recorded_at <= NOW or getattr(event, "trigger", None) not in ("automatic", "retry"):
            continue
        if entry.type_name == "LicenseActivated":
            return {"outcome": "switches", "ends_at": instant(event.ends_at), "reserve_ref": event.code_ref}
        if entry.type_name == "ActivationRefused":
            return {"outcome": "fails", "reason": event.reason, "reserve_ref": event.code_ref}
    return None


async def pages(client: Client, *, limit: int, until: datetime = UNTIL) -> list[dict[str, Any]]:
    switches: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        asked: dict[str, str | int] = {"until": instant(until), "limit": limit, "after": after}
        page = told(200, await client.get("/v1/forecast", params=asked, headers=OPERATOR))
        switches += page["switches"]
        after = page["next"]
    return switches


@pytest.fixture
async def doors(activation_pool: Pool) -> AsyncIterator[Client]:
    async with code_doors(activation_pool, NOW) as client:
        yield client


@pytest.mark.parametrize("seed", range(1, 13))
async def test_what_is_foreseen_is_what_comes(doors: Client, activation_pool: Pool, seed: int) -> None:
    """R-31, R-44, R-47, R-70, R-71, R-87, R-105, R-141: time, outcome, reason and end, seats of others included."""
    world = fleet(seed)
    await keep_codes(world, activation_pool)
    foreseen = {switch["device_id"]: switch for switch in await pages(doors, limit=500)}
    before = dict(world.devices)
    world.run(UNTIL)
    came = {name: what for name in world.devices if (what := what_came(world, name))}
    assert foreseen.keys() == came.keys()
    for name, what in came.items():
        assert foreseen[name]["switch_at"] == instant(before[name].license.over_at)  # type: ignore[union-attr]
        if "contested" in foreseen[name]:
            assert what["outcome"] == "switches" or what["reason"] == "seats_exhausted"
        else:
            assert {field: foreseen[name].get(field) for field in what} == what
    for rivals, seats in contests(foreseen).items():
        assert sum(came[name]["outcome"] == "switches" for name in rivals) == seats
    assert {"switches", "fails"} <= {switch["outcome"] for switch in foreseen.values()}


def contests(foreseen: Mapping[str, dict[str, Any]]) -> dict[frozenset[str], int]:
    """Return the seats for which chance decides, by the devices that want them. All of them say the same."""
    found: dict[frozenset[str], int] = {}
    for name, switch in foreseen.items():
        if contested := switch.get("contested"):
            everybody = frozenset({name, *switch["rivals"]})
            assert len(everybody) == contested["devices"]
            assert found.setdefault(everybody, contested["seats"]) == contested["seats"]
    return found


def ties(*ends: timedelta, terms: Mapping[str, Any], seats: int = 1, **installed: str) -> World:
    """Return devices, numbered from 1, that all wait with a code of these terms; their licenses end after `ends`."""
    world = World(travel=timedelta(0), slowness=timedelta(0))
    world.issue(BEGIN, CODES[2], seats=seats, **terms)
    for number, end in enumerate(ends, start=1):
        world.issue(BEGIN, own(number), term="P1M")
        world.enroll(BEGIN, f"device-{number:02}", **installed)
        world.add(BEGIN + end, f"device-{number:02}", own(number))
        world.add(BEGIN + DAY, f"device-{number:02}", CODES[2])
    world.run(NOW - 2 * DAY)
    return world


async def outcomes(doors: Client) -> list[tuple[str, Any]]:
    return [(switch["outcome"], switch.get("contested")) for switch in await pages(doors, limit=500)]


async def test_who_ends_with_others_hears_that_only_some_of_them_will_get_a_seat(
    doors: Client, activation_pool: Pool
) -> None:
    """R-85, R-141: and whoever comes later, that none is left for it."""
    await keep_codes(ties(HOUR, HOUR, 2 * HOUR, terms={"term": "P1Y"}), activation_pool)
    first, second, third = await pages(doors, limit=500)
    for one, other in ((first, second), (second, first)):
        assert (one["outcome"], one["contested"]) == ("contested", {"seats": 1, "devices": 2})
        assert (one["reason"], one["change"]) == ("seats_exhausted", "one more seat")
        assert one["rivals"] == [other["device_id"]]
        assert "ends_at" not in one
    assert (third["outcome"], third["rivals"]) == ("fails", ["device-01", "device-02"])
    # a page that ends between them says the same
    assert await pages(doors, limit=1) == [first, second, third]


@pytest.mark.parametrize(
    ("seats", "said"),
    [(1, {"seats": 1, "devices": 3}), (2, {"seats": 2, "devices": 3}), (3, None)],
)
async def test_only_where_seats_are_short_does_chance_decide(
    seats: int, said: dict[str, int] | None, doors: Client, activation_pool: Pool
) -> None:
    """R-141."""
    await keep_codes(ties(HOUR, HOUR, HOUR, terms={"term": "P1Y"}, seats=seats), activation_pool)
    assert await outcomes(doors) == [("contested" if said else "switches", said)] * 3


@pytest.mark.parametrize("apart", [timedelta(milliseconds=1), CHANCE])
async def test_who_ends_a_moment_later_may_come_first(apart: timedelta, doors: Client, activation_pool: Pool) -> None:
    """R-141: a timer looks once a second, and Kafka takes its time; pages say the same as the whole."""
    await keep_codes(ties(HOUR, HOUR + apart, terms={"term": "P1Y"}), activation_pool)
    assert await outcomes(doors) == [("contested", {"seats": 1, "devices": 2})] * 2
    assert await pages(doors, limit=1) == await pages(doors, limit=500)


async def test_who_ends_later_than_that_comes_later(doors: Client, activation_pool: Pool) -> None:
    """R-85, R-141."""
    apart = CHANCE + timedelta(milliseconds=1)
    await keep_codes(ties(HOUR, HOUR + apart, terms={"term": "P1Y"}), activation_pool)
    assert [outcome for outcome, _ in await outcomes(doors)] == ["switches", "fails"]


async def test_who_fails_anyway_contests_no_seat(doors: Client, activation_pool: Pool) -> None:
    """R-48, R-141."""
    world = ties(HOUR, HOUR, terms={"term": "P1Y", "version_min": "2"}, product_version="2.0")
    older = {"product": "security", "product_version": "1.0"}
    world.on_device(NOW - DAY, device.ReportInstallation, "device-01", **older)
    world.run(NOW)
    await keep_codes(world, activation_pool)
    assert [outcome for outcome, _ in await outcomes(doors)] == ["fails", "switches"]


async def test_a_corrected_region_is_foreseen_as_it_comes(doors: Client, activation_pool: Pool) -> None:
    """R-137."""
    world = moved_fleet()
    await keep_codes(world, activation_pool)
    foreseen = {switch["device_id"]: switch for switch in await pages(doors, limit=500)}
    world.run(UNTIL)
    for name, outcome in (("leaves", "fails"), ("returns", "switches")):
        came = what_came(world, name)
        assert came is not None
        assert came["outcome"] == outcome
        assert {field: foreseen[name].get(field) for field in came} == came


@pytest.mark.parametrize("seed", range(1, 31))
def test_where_the_forecast_says_that_a_switch_fails_the_window_does_not_say_that_all_is_well(seed: int) -> None:
    """R-141: except for discounted renewals, whose prior licenses the device service does not know."""
    world = fleet(seed)
    foreseen = simulate_switches([row_in(world, name) for name in world.devices], world.codes, POLICY, now=NOW)
    warned = {name for name, state in world.devices.items() if outlook_in(world, name) or was_refused(state)}
    failing = {name for name, one in foreseen.items() if one.reason and one.reason not in FOR_RENEWALS}
    assert failing <= warned
    well = {name for name, one in foreseen.items() if one.outcome == "switches"}
    assert len(well - warned) > len(well & warned)


def row_in(world: World, name: str) -> Switchover:
    """Return what the forecast knows of a device."""
    row = FORECAST.initial
    for entry in life_of(world.device_log, name):
        row = FORECAST.fold(row, event_of(entry), occurred_at=entry.occurred_at, recorded_at=entry.recorded_at)
    return row


def was_refused(state: device.Device) -> bool:
    """Return whether the window shows a refusal of the code in reserve anyway."""
    return state.reserve is not None and state.reserve.status == "refused"


def outlook_in(world: World, name: str) -> Outlook | None:
    """Return what the window says of a device's reserve, read from the world as the window reads it from its tables."""
    own, at = world.devices[name], switch_at(world.devices[name])
    if own.reserve is None or at is None:
        return None
    others = [state for other, state in world.devices.items() if other != name]
    held = [state for state in others if state.license and state.license.code_ref == own.reserve.code_ref]
    wanted = [state for state in others if state.reserve and state.reserve.code_ref == own.reserve.code_ref]
    times = [when for state in wanted if (when := device.retry_at(state) or device.expires_at(state))]
    demand = Demand(
        seated=len(held),
        earlier=sum(when < at - CHANCE for when in times),
        together=sum(at - CHANCE <= when <= at + CHANCE for when in times),
        first_at=min(times, default=None),
    )
    code = world.codes[own.reserve.code_ref]
    fields = {field: getattr(code, field) for field in CodeTerms.__struct_fields__}
    return outlook_of(own, at, CodeTerms(**fields), demand)


async def test_a_collision_on_the_last_seat_names_who_comes_first(doors: Client, activation_pool: Pool) -> None:
    """R-47, R-85: two devices count on one seat; the one whose license ends first will have it."""
    world = World(travel=timedelta(0), slowness=timedelta(0))
    world.issue(BEGIN, CODES[2], term="P1Y")
    for number, term in ((1, "P2M"), (2, "P1M")):
        world.issue(BEGIN, own(number), term=term)
        world.enroll(BEGIN, f"device-{number}")
        world.add(BEGIN + HOUR, f"device-{number}", own(number))
        world.add(BEGIN + DAY, f"device-{number}", CODES[2])
    world.run(NOW)
    await keep_codes(world, activation_pool)
    first, second = await pages(doors, limit=500)
    assert (first["device_id"], first["outcome"]) == ("device-2", "switches")
    assert (second["device_id"], second["outcome"], second["reason"]) == ("device-1", "fails", "seats_exhausted")
    assert second["rivals"] == ["device-2"]
    assert "one more seat" in second["change"]


async def test_of_many_who_come_first_only_some_are_named(doors: Client, activation_pool: Pool) -> None:
    """R-47, R-85: else each of thousands without a seat would name thousands who have one."""
    seats = RIVALS_MAX + 2
    world = ties(*(HOUR,) * seats, 2 * HOUR, 2 * HOUR, terms={"term": "P1Y"}, seats=seats)
    await keep_codes(world, activation_pool)
    switches = await pages(doors, limit=500)
    assert [switch.get("rivals") for switch in switches[:seats]] == [None] * seats
    first = [f"device-{number:02}" for number in range(1, RIVALS_MAX + 1)]
    assert [switch["rivals"] for switch in switches[seats:]] == [first, first]


async def test_of_many_who_contest_a_seat_only_some_are_named(doors: Client, activation_pool: Pool) -> None:
    """R-141."""
    await keep_codes(ties(*(HOUR,) * (RIVALS_MAX + 3), terms={"term": "P1Y"}), activation_pool)
    for switch in await pages(doors, limit=500):
        assert len({switch["device_id"], *switch["rivals"]}) == RIVALS_MAX + 1


async def test_a_purchase_that_is_announced_holds_the_switch_it_foresees(doors: Client, activation_pool: Pool) -> None:
    """R-70."""
    world = World(travel=timedelta(0), slowness=timedelta(0))
    world.issue(BEGIN, CODES[1])
    world.issue(BEGIN, own(1), term="P21D")
    world.enroll(BEGIN, "device-1")
    world.add(BEGIN + HOUR, "device-1", own(1))
    world.add(BEGIN + DAY, "device-1", CODES[1])
    world.on_code(NOW - HOUR, RecordPurchase, own(1), order_id="1", settled=False, purchased_at=NOW - HOUR)
    world.run(NOW)
    await keep_codes(world, activation_pool)
    (switch,) = await pages(doors, limit=500)
    assert (switch["outcome"], switch["hold"]) == ("switches", "purchase_pending")
    assert switch["held_until"] == instant(NOW - HOUR + 3 * DAY)


async def test_pages_and_single_devices_say_the_same_as_the_whole(doors: Client, activation_pool: Pool) -> None:
    world = fleet(2)
    await keep_codes(world, activation_pool)
    whole = await pages(doors, limit=500)
    assert await pages(doors, limit=3) == whole
    assert [switch["switch_at"] for switch in whole] == sorted(switch["switch_at"] for switch in whole)
    middle = datetime.fromisoformat(whole[len(whole) // 2]["switch_at"])
    early = await pages(doors, limit=2, until=middle)
    assert early == [switch for switch in whole if switch["switch_at"] < instant(middle)]
    for switch in whole:
        one = told(200, await doors.get(f"/v1/forecast/{switch['device_id']}", headers=OPERATOR))
        assert {**one, "as_of": ""} == {**switch, "as_of": ""}


async def test_a_vendor_foresees_its_own_devices_alone(doors: Client, activation_pool: Pool) -> None:
    """R-108."""
    await keep_codes(fleet(2), activation_pool)
    key = told(201, await doors.post("/v1/vendors/acme/keys", headers=OPERATOR))["key"]
    asked = {"until": instant(UNTIL)}
    theirs = {"Authorization": f"Bearer {key}"}
    assert told(200, await doors.get("/v1/forecast", params=asked, headers=theirs))["switches"] == []
    assert told(404, await doors.get("/v1/forecast/device-01", headers=theirs))["code"] == "unknown_device"


async def test_a_forecast_of_no_time_to_come_is_refused(doors: Client) -> None:
    refused: Sequence[tuple[dict[str, str], str]] = (
        ({"until": instant(NOW - DAY)}, "in_the_past"),
        ({"until": "tomorrow"}, "invalid_fields"),
        ({}, "invalid_fields"),
        ({"until": instant(UNTIL), "after": "x"}, "invalid_fields"),
    )
    for asked, code in refused:
        answer = await doors.get("/v1/forecast", params=asked, headers=OPERATOR)
        assert told(422, answer)["code"] == code, asked


def due_by_the_device(state: device.Device) -> datetime | None:
    """Return when the device service's own rules will try the reserve by themselves."""
    reserve, current = state.reserve, state.license
    if reserve is None or reserve.status == "activating":
        return None
    if reserve.status == "retrying":
        return reserve.retry_at
    return current.over_at if current is not None and not current.expired else None


@pytest.mark.parametrize("seed", [1, 3, 4, 8, 9, 12])
def test_the_fold_agrees_with_the_device_after_every_event(seed: int) -> None:
    """R-36, R-118: what the activation service makes of a device's log is what the device service made of it."""
    world = random_world(seed)
    for name in world.devices:
        row, state = Switchover(), device.Device()
        for entry in life_of(world.device_log, name):
            event = event_of(entry)
            row = FORECAST.fold(row, event, occurred_at=entry.occurred_at, recorded_at=entry.recorded_at)
            state = device.evolve(state, event)
            slots = [slot and slot.code_ref for slot in (state.license, state.reserve, state.incoming)]
            assert [slot and slot.code_ref for slot in (row.license, row.reserve, row.incoming)] == slots
            assert row.switch_at == due_by_the_device(state), entry
            assert FORECAST.restore is not None
            assert FORECAST.restore(row.to_json()) == row


async def test_a_page_and_its_rivals_are_found_by_indexes(activation_pool: Pool) -> None:
    await keep_codes(fleet(2), activation_pool)
    async with activation_pool.acquire() as connection, connection.transaction():
        await connection.execute("set local enable_seqscan = off")
        page = await connection.fetch(f"explain {PAGE}", 2**60, 0, "", None, 100)
        rivals = await connection.fetch(f"explain {CONTENDERS}", [CODES[0]], 2**60, 100)
    for plan, index in ((page, "switchover_by_time"), (rivals, "switchover_by_reserve")):
        text = "\n".join(row[0] for row in plan)
        assert index in text
        assert "Seq Scan" not in text
        assert "Sort" not in text
