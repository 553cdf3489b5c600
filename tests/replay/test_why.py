"""Why: each explanation against the rules looked at again on states that are folded from the whole log."""

import io
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console
from rich.text import Text

from services.activation import decider as activation
from services.cli import why as rendering
from services.device import decider as device
from services.device.explanation import Answer, Explanation, Told, explain
from shared.calendar import instant
from shared.ledger.database import Pool
from shared.ledger.events import NewEvent
from shared.messages import ActivationRefused, CodeRejected, Finding, RemovalRefused
from shared.rules.policy import POLICY
from shared.rules.term import end_of
from tests.at_the_door import OPERATOR, Client, told
from tests.replay.kept import code_doors, device_doors, event_of, keep_codes, keep_devices, life_of
from tests.replay.world import BEGIN, CODES, DAY, HOUR, World, random_world

NOW = BEGIN + 60 * DAY
D, OTHER = "device-1", "device-2"
TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)?")
SPELLED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SEEDS = (1, 3, 4, 8)

pytestmark = pytest.mark.timeout(120)


def entry(event: NewEvent) -> Told:
    return Told(
        event=event_of(event),
        event_id=event.event_id,
        causation_id=event.causation_id,
        version=event.version,
        slice=event.slice_number,
        position=event.version,
        occurred_at=event.occurred_at,
    )


def about(explanation: Explanation, subject: str) -> Answer:
    return next(answer for answer in explanation.answers if answer.about == subject)


def refusals(world: World) -> Iterator[tuple[list[Told], Told]]:
    """Give each refusal on a device with the device's life up to it."""
    for name in world.devices:
        life = [entry(one) for one in life_of(world.device_log, name)]
        for number, one in enumerate(life, 1):
            if isinstance(one.event, CodeRejected | ActivationRefused | RemovalRefused):
                yield life[:number], one


@pytest.mark.parametrize("seed", SEEDS)
def test_every_refusal_is_explained_by_the_rule_that_refused(seed: int) -> None:
    """R-19, R-54, R-123: the first rule that is broken gives the very reason, and says what would have changed it."""
    seen = set()
    for life, refused in refusals(random_world(seed)):
        answer = about(explain(life, refused.occurred_at), "refusal")
        broken = next(rule for rule in answer.rules if not rule.passed)
        assert broken.reason == refused.event.reason
        assert broken.change
        assert answer.change
        assert answer.evidence[-1].event_id == refused.event_id
        seen.add(refused.event.reason)
    assert len(seen) > 5


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_activation_service_looked_at_is_what_its_whole_log_gives(seed: int) -> None:
    """R-54: the findings in the device's log are those of the rules on the codes as they were."""
    world = random_world(seed)
    asked = {entry.event_id: entry for entry in world.device_log}
    count = 0
    for said in world.code_log:
        verdict = event_of(said)
        if not isinstance(verdict, CodeRejected | ActivationRefused) or said.causation_id is None:
            continue
        question = next(
            command
            for command in activation.commands_for(event_of(asked[said.causation_id]), said.occurred_at)
            if isinstance(command, activation.Question)
        )
        codes: dict[str, activation.Code] = {}
        for before in world.code_log:
            if before is said:
                break
            codes[before.stream_id] = activation.evolve(
                codes.get(before.stream_id, activation.Code()), event_of(before)
            )
        case = activation.case_of(question, codes, POLICY)
        looked = activation.looked_at(activation.checks_for(question), case)
        assert verdict.findings == tuple(
            Finding(rule=one.rule, reason=one.reason, passed=one.passed, change=one.change or "") for one in looked
        )
        count += 1
    assert count > 10


@pytest.mark.parametrize("seed", SEEDS)
def test_the_status_and_the_button_explained_are_those_that_are_shown(seed: int) -> None:
    """R-55, R-125: at any time."""
    world = random_world(seed)
    for name in world.devices:
        whole = [entry(one) for one in life_of(world.device_log, name)]
        for days in range(2, 160, 9):
            at = BEGIN + days * DAY
            life = [one for one in whole if one.occurred_at <= at]
            state = device.Device()
            for one in life:
                state = device.evolve(state, one.event)
            explained, allowed = explain(life, at), device.may_activate_now(state, at)
            assert explained.status == device.status(state, at)
            broken = [rule.reason for rule in about(explained, "activate_now").rules if not rule.passed]
            assert broken[:1] == ([] if allowed.reason is None else [allowed.reason])


# --- through the doors of both services ------------------------------------------------------------------


@dataclass
class Both:
    """Both services' doors, with a world behind them."""

    devices: Client
    codes: Client

    async def why(self, device_id: str = D, **asked: str) -> dict[str, Any]:
        answer = await self.devices.get(f"/v1/devices/{device_id}/why", params=asked, headers=OPERATOR)
        return told(200, answer)

    async def further(self, answer: dict[str, Any], number: int = 0) -> dict[str, Any]:
        return told(200, await self.codes.get(answer["further"][number]["path"], headers=OPERATOR))


def story() -> World:
    """Two devices and what was refused to them.

    The second code is shared: started on the other device on day 1, in reserve on the first, blocked on day 20.
    """
    world = World(travel=timedelta(0), slowness=timedelta(0))
    world.issue(BEGIN, CODES[0])
    world.issue(BEGIN, CODES[1], seats=2, term="P3M")
    for name in (D, OTHER, "device-3"):
        world.enroll(BEGIN, name)
    world.add(BEGIN + HOUR, D, CODES[0])
    world.add(BEGIN + DAY, OTHER, CODES[1])
    world.add(BEGIN + 2 * DAY, D, CODES[1])
    world.on_code(BEGIN + 20 * DAY, activation.BlockCode, CODES[1], note="reported as stolen")
    return world


@pytest.fixture
async def world() -> World:
    return story()


@pytest.fixture
async def both(device_pool: Pool, activation_pool: Pool, world: World) -> AsyncIterator[Both]:
    world.run(NOW)
    await keep_devices(world, device_pool)
    await keep_codes(world, activation_pool)
    async with device_doors(device_pool, NOW) as devices, code_doors(activation_pool, NOW) as codes:
        yield Both(devices, codes)


def answer_about(said: dict[str, Any], subject: str) -> dict[str, Any]:
    return next(answer for answer in said["answers"] if answer["about"] == subject)


def event_id(log: list[NewEvent], type_name: str, stream_id: str, number: int = -1) -> str:
    return str([one for one in log if (one.type_name, one.stream_id) == (type_name, stream_id)][number].event_id)


async def test_a_refused_switch_is_explained_with_the_block_behind_it(both: Both, world: World) -> None:
    """R-46: good at the add, blocked before the end."""
    said = await both.why()
    assert said["status"] == "expired"
    assert "refused: the vendor has blocked the code." in said["verdict"]
    switch = answer_about(said, "switch")
    broken = [rule for rule in switch["rules"] if not rule["passed"]]
    assert [(rule["reason"], "R-46" in rule["rule"]) for rule in broken] == [("code_blocked", True)]
    assert switch["change"] == "the code unblocked by its vendor"
    assert {evidence["type"] for evidence in switch["evidence"]} >= {"CodeAdded", "LicenseExpired", "ActivationRefused"}
    code_side = await both.further(switch)
    (block,) = code_side["evidence"]
    assert block["events"][0]["event_id"] == event_id(world.code_log, "CodeBlocked", CODES[1])
    assert block["events"][0]["data"]["note"] == "reported as stolen"


async def test_a_reserve_that_waits_is_explained_as_of_a_day(both: Both) -> None:
    """R-10, R-125."""
    said = await both.why(at=instant(BEGIN + 5 * DAY))
    assert said["status"] == "active"
    assert answer_about(said, "switch")["sentence"].startswith(f"The code …{CODES[1][:5]} waits in reserve")


async def test_every_time_that_is_told_has_one_spelling(both: Both) -> None:
    """R-144."""
    paths = [f"/v1/devices/{D}/{what}" for what in ("why", "license", "license?at=2027-01-01T00:00Z")]
    answers = [await both.devices.get(path, headers=OPERATOR) for path in paths]
    answers.append(await both.codes.get(f"/v1/codes/{CODES[1]}", headers=OPERATOR))
    times = [time for answer in answers for time in TIME.findall(answer.text)]
    assert len(times) > 20
    assert [time for time in times if not SPELLED.fullmatch(time)] == []


async def test_a_greyed_button_is_explained_with_the_time_from_which_it_works(both: Both, world: World) -> None:
    """R-55, R-56."""
    ends_at = world.devices[D].license.ends_at  # type: ignore[union-attr]
    said = await both.why(at=instant(BEGIN + 5 * DAY))
    button = answer_about(said, "activate_now")
    assert "not available" in button["sentence"]
    broken = [rule for rule in button["rules"] if not rule["passed"]]
    assert [rule["reason"] for rule in broken] == ["not_expired"]
    assert ends_at.strftime("%Y-%m-%dT%H:%M") in button["change"]


async def test_an_unlicensed_device_is_explained(both: Both) -> None:
    said = await both.why("device-3")
    assert (said["status"], said["verdict"]) == ("unlicensed", "There is no license: no code was ever added.")
    assert answer_about(said, "license")["change"] == "a code added"


class TestDates:
    @pytest.fixture
    async def world(self) -> World:
        """The shared code takes over on the first device: its term began on the other one."""
        world = World(travel=timedelta(0), slowness=timedelta(0))
        world.issue(BEGIN, CODES[0])
        world.issue(BEGIN, CODES[1], seats=2, term="P3M")
        for name, code_ref, days in ((D, CODES[0], 0), (OTHER, CODES[1], 1), (D, CODES[1], 2)):
            if days < 2:
                world.enroll(BEGIN, name)
            world.add(BEGIN + HOUR + days * DAY, name, code_ref)
        return world

    async def test_a_date_is_explained_by_the_first_activation_on_another_device(
        self, both: Both, world: World
    ) -> None:
        """R-66, R-67: why does it end then? Because it began there."""
        said = await both.why()
        term = answer_about(said, "term")
        assert "on another device" in term["sentence"]
        code_side = await both.further(term)
        assert f"on device {OTHER}" in code_side["verdict"]
        first = code_side["evidence"][0]["events"][0]
        assert first["event_id"] == event_id(world.code_log, "LicenseActivated", CODES[1], 0)
        assert first["data"]["device_id"] == OTHER


class TestPurchases:
    @pytest.fixture
    async def world(self) -> World:
        """The license is renewed before its end on one device, and on the other one after it."""
        world = World(travel=timedelta(0), slowness=timedelta(0))
        for name, code_ref, days in ((D, CODES[0], 10), (OTHER, CODES[1], 45)):
            world.issue(BEGIN, code_ref)
            world.enroll(BEGIN, name)
            world.add(BEGIN + HOUR, name, code_ref)
            bought = {"order_id": "1", "purchased_at": BEGIN + days * DAY, "settled": True, "term": "P1M"}
            world.on_code(BEGIN + days * DAY, activation.RecordPurchase, code_ref, **bought)
        return world

    @pytest.mark.parametrize(
        ("device_id", "counts_from"),
        [
            (D, f"the old end, {instant(end_of(BEGIN + HOUR, 'P1M'))}"),
            (OTHER, f"its purchase, {instant(BEGIN + 45 * DAY)}, because that was after the license had ended"),
        ],
    )
    async def test_both_explanations_say_from_where_a_renewal_counts(
        self, both: Both, device_id: str, counts_from: str
    ) -> None:
        """R-92, R-130, R-144."""
        term = answer_about(await both.why(device_id), "term")
        assert f"Purchases moved its end once since. The last renewal counts from {counts_from}." in term["sentence"]
        code = CODES[0] if device_id == D else CODES[1]
        said = told(200, await both.codes.get(f"/v1/codes/{code}/why", headers=OPERATOR))
        assert f"Its last renewal counts from {counts_from}." in said["verdict"]
        assert term["evidence"][0]["occurred_at"] == instant(BEGIN + HOUR)


class TestSeats:
    @pytest.fixture
    async def world(self) -> World:
        """One seat: a third device gave it back, the other one has it."""
        world = World(travel=timedelta(0), slowness=timedelta(0))
        world.issue(BEGIN, CODES[3], term="P1Y")
        for days, name in enumerate(("device-3", OTHER, D)):
            world.enroll(BEGIN, name)
            world.add(BEGIN + HOUR + days * DAY, name, CODES[3])
        world.on_device(BEGIN + 2 * HOUR, device.RemoveLicense, "device-3")
        return world

    async def test_seats_that_ran_out_are_explained_by_who_has_them(self, both: Both, world: World) -> None:
        """R-47: to those entitled to see it, the operator."""
        said = await both.why()
        assert said["status"] == "unlicensed"
        refusal = answer_about(said, "refusal")
        assert refusal["change"].startswith("one more seat")
        code_side = await both.further(refusal)
        holders = next(entry for entry in code_side["evidence"] if "seats" in entry["what"])
        assert [(one["data"]["device_id"], one["event_id"]) for one in holders["events"]] == [
            (OTHER, event_id(world.code_log, "LicenseActivated", CODES[3]))
        ]

    async def test_the_owner_sees_no_other_device(self, both: Both, device_pool: Pool) -> None:
        """R-109: other devices stand in the activation service's answer alone, which is for operators."""
        said = await both.why()
        assert OTHER not in str(said)
        path = answer_about(said, "refusal")["further"][0]["path"]
        response = await both.codes.get(path, headers={"Authorization": "Bearer a-devices-token"})
        assert told(403, response)["code"] == "not_the_operator"

    async def test_an_event_of_another_code_is_not_explained_here(self, both: Both) -> None:
        asked = {"event_id": str(UUID(int=1))}
        answer = await both.codes.get(f"/v1/codes/{CODES[3]}/why", params=asked, headers=OPERATOR)
        assert told(404, answer)["code"] == "no_such_event"

    async def test_a_code_is_explained_as_it_is(self, both: Both) -> None:
        said = told(200, await both.codes.get(f"/v1/codes/{CODES[3]}/why", headers=OPERATOR))
        assert said["verdict"].endswith("on device device-3.")


WIDE = 140
"""So wide a terminal wraps no cell of the rules."""

# --- in a terminal ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("terminal", "width"), [(True, 72), (True, 140), (False, 80)])
async def test_an_explanation_fits_its_terminal_and_colours_nothing_else(
    both: Both, terminal: bool, width: int
) -> None:
    said = await both.why()
    for answer in said["answers"]:
        answer["activation"] = [await both.further(answer, number) for number in range(len(answer["further"]))]
    shown = io.StringIO()
    rendering.print_why(said, Console(file=shown, force_terminal=terminal, width=width, highlight=False))
    plain = [Text.from_ansi(line).plain for line in shown.getvalue().splitlines()]
    assert "\x1b" in shown.getvalue() or not terminal
    assert "\x1b" not in shown.getvalue() or terminal
    assert not terminal or max(map(len, plain)) <= width
    assert any("R-46" in line for line in plain)
    whole = " ".join(" ".join(plain).split())
    assert "failed R-13, R-45, R-46 code blocked" in whole
    assert "activate by passed" not in whole
    assert width < WIDE or "passed R-45, R-79 the activate-by date" in whole
