"""The device service's HTTP API on a real ledger: what requests cause, and who has access to which device."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import PyJWS

from services.device.api import LARGER_BODIES, Doors, Throttle, Watch, routes
from services.device.api import contact as check_now
from services.device.decider import DECIDER, POLICY, Device, EnrollDevice, RecordVerdict
from services.device.outbox import SANDBOX_OUTBOX
from services.device.projection import LicenseView
from services.device.store import DeviceStore
from shared.calendar import instant
from shared.doors.command_queue import CommandQueue
from shared.keys.crypto_shredding import Sealing
from shared.keys.operators import OperatorTokens, operator_token
from shared.keys.signing import KeyRing
from shared.ledger.clock import Clock, machine_now
from shared.ledger.code_generator import new_code
from shared.ledger.command_handler import CommandHandler, CommandMessage
from shared.ledger.database import Pool, transaction
from shared.ledger.events import append
from shared.ledger.identity import new_id
from shared.ledger.outbox import Cause
from shared.messages import CodeVerified, LicenseActivated
from shared.messages.regions import FORM, INSTEAD
from shared.rules.codes import Code
from shared.rules.policy import Policy
from tests.at_the_door import OPERATOR, OPERATOR_KEY_HASH, Client, Headers, served, told
from tests.shared.moments import NO_MOMENTS

ANTIVIRUS = {"product": "antivirus", "region": "DE"}
ENROLLMENTS_PER_MINUTE = 20
NONCE = "asked-just-now"


@dataclass(frozen=True, slots=True)
class Stand:
    """The doors of one ledger, and the activation service's voice."""

    http: Client
    pool: Pool
    handler: CommandHandler[Any, Any]
    signing_keys: KeyRing | None
    clock: Clock = field(default_factory=lambda: Clock(sandbox=True))

    @property
    def keys(self) -> KeyRing:
        """What the service signs with."""
        assert self.signing_keys is not None
        return self.signing_keys

    async def says(self, verdict: Any) -> None:
        """Record a verdict, as the consumer does."""
        now = self.clock.now()
        command = RecordVerdict(device_id=verdict.device_id, verdict=verdict, at=now)
        cause = Cause(at=now, recorded_at=now, correlation_id=new_id())
        async with transaction(self.pool) as connection:
            decided = await self.handler.decide(connection, [CommandMessage(command, cause)])
            await append(connection, decided.events)

    async def shows(self, device_id: str) -> None:
        """Bring the view up to the ledger, as the projection does."""
        row = await self.pool.fetchrow("select version, state from device where device_id = $1", device_id)
        assert row is not None
        view = LicenseView(device=Device.from_json(row["state"]), changed_at=self.clock.now())
        await self.pool.execute(
            "insert into license_view (device_id, version, view) values ($1, $2, $3)",
            device_id,
            row["version"],
            view.to_json(),
        )

    async def events(self, device_id: str) -> list[dict[str, Any]]:
        """Return the device's events, as the operator sees them."""
        body = told(200, await self.http.get(f"/v1/devices/{device_id}/history", headers=OPERATOR))
        return list(body["events"])


@dataclass(frozen=True, slots=True)
class Owner:
    """A device and its token."""

    device_id: str
    headers: Headers
    answer: dict[str, Any]

    @property
    def path(self) -> str:
        """Where the device's routes begin."""
        return f"/v1/devices/{self.device_id}"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    """The service's keys."""
    return KeyRing.load_or_create(tmp_path_factory.mktemp("keys") / "device.pem")


@pytest.fixture(autouse=True)
def no_view_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing keeps the view here but the tests that need it."""
    monkeypatch.setattr(check_now, "CATCH_UP_SECONDS_MAX", 0.0)


@pytest.fixture
async def stand(device_pool: Pool, keys: KeyRing) -> AsyncIterator[Stand]:
    """The doors on a ledger as good as new."""
    async with device_service(device_pool, keys) as stand:
        yield stand


@asynccontextmanager
async def device_service(device_pool: Pool, keys: KeyRing | None, policy: Policy = POLICY) -> AsyncIterator[Stand]:
    """Yield the doors of a service with these keys and this policy."""
    handler = CommandHandler(DECIDER, DeviceStore(), SANDBOX_OUTBOX)
    queue = CommandQueue(handler, pool=device_pool)
    clock = Clock(sandbox=True)
    doors = Doors(
        queue=queue,
        pool=device_pool,
        clock=clock,
        watch=Watch(),
        heard_until=clock.now,
        sealing=Sealing(device_pool),
        enrollments=Throttle(per_minute=ENROLLMENTS_PER_MINUTE),
        keys=keys,
        issuer=SANDBOX_OUTBOX.source,
        operator_key_hash=OPERATOR_KEY_HASH,
        operator_tokens=OperatorTokens(keys=keys.public, audience="device") if keys else None,
        policy=policy,
    )
    async with served(routes(doors), queue.run, LARGER_BODIES) as client:
        yield Stand(client, device_pool, handler, keys)


async def enrolled(stand: Stand, **more: Any) -> Owner:
    """Return a new device."""
    answer = told(201, await stand.http.post("/v1/devices", json={**ANTIVIRUS, **more}))
    return Owner(answer["device_id"], {"Authorization": f"Bearer {answer['token']}"}, answer)


async def licensed(stand: Stand, owner: Owner, **terms: Any) -> Code:
    """Give the device a license and return its code."""
    code = new_code()
    told(202, await stand.http.post(f"{owner.path}/codes", json={"code": code.reveal()}, headers=owner.headers))
    (*_, added) = await stand.events(owner.device_id)
    now = stand.clock.now()
    activated = LicenseActivated(
        device_id=owner.device_id,
        code_ref=code.ref,
        request_id=UUID(added["data"]["request_id"]),
        last_group=code.last_group,
        trigger="immediate",
        activated_at=now,
        started_at=now,
        ends_at=now + timedelta(days=365),
        **terms,
    )
    await stand.says(activated)
    return code


async def names_of(stand: Stand, owner: Owner) -> list[str]:
    """Return the names of the device's events, oldest first."""
    return [event["type"] for event in await stand.events(owner.device_id)]


async def last_event(stand: Stand, owner: Owner) -> tuple[str, dict[str, Any]]:
    """Return the name and the body of the device's last event."""
    (*_, event) = await stand.events(owner.device_id)
    return event["type"], event["data"]


# --- enrollment ------------------------------------------------------------------------------


async def test_a_device_describes_itself_and_its_name_is_sealed(stand: Stand) -> None:
    """R-45, R-108, R-115."""
    owner = await enrolled(stand, product_version="21.3", vendor="acme", name="Ada's notebook")
    name, data = await last_event(stand, owner)
    assert name == "DeviceEnrolled"
    assert (data["product_version"], data["vendor"]) == ("21.3", "acme")
    assert "Ada" not in str(data)
    assert await Sealing(stand.pool).open(data["sealed_name"]) == "Ada's notebook"


async def test_a_devices_name_can_be_erased(stand: Stand) -> None:
    """R-115: the event stays, but is unreadable."""
    owner = await enrolled(stand, name="Ada's notebook")
    before = await stand.events(owner.device_id)
    told(200, await stand.http.delete(f"{owner.path}/name", headers=owner.headers))
    assert await stand.events(owner.device_id) == before
    assert await Sealing(stand.pool).open(before[0]["data"]["sealed_name"]) is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"product_version": "one"}, "product_version"),
        ({"public_key": "short"}, "public_key"),
        ({"name": "a\nb"}, "name"),
        ({"part_of": "another"}, "part_of"),
        ({"vendor": ""}, "vendor"),
    ],
)
async def test_an_invalid_field_of_a_device_is_named(body: dict[str, str], field: str, stand: Stand) -> None:
    problem = told(422, await stand.http.post("/v1/devices", json={**ANTIVIRUS, **body}))
    assert [wrong["field"] for wrong in problem["fields"]] == [field]


async def test_an_address_that_enrolls_too_many_devices_must_wait_but_the_operator_need_not(stand: Stand) -> None:
    for _ in range(ENROLLMENTS_PER_MINUTE):
        await enrolled(stand)
    refused = await stand.http.post("/v1/devices", json=ANTIVIRUS)
    assert told(429, refused)["code"] == "too_many_enrollments"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    told(201, await stand.http.post("/v1/devices", json=ANTIVIRUS, headers=OPERATOR))


async def test_an_add_on_product_has_a_stream_of_its_own_and_the_same_token(stand: Stand) -> None:
    """R-42, R-109."""
    owner = await enrolled(stand)
    made = told(201, await stand.http.post(f"{owner.path}/products", json={"product": "vpn"}, headers=owner.headers))
    add_on = Owner(made["device_id"], owner.headers, made)
    name, data = await last_event(stand, add_on)
    assert (name, data["part_of"], data["region"]) == ("DeviceEnrolled", owner.device_id, "DE")
    shown = told(200, await stand.http.get(f"{owner.path}/license", headers=owner.headers))
    assert [entry["device_id"] for entry in shown["add_ons"]] == [add_on.device_id]
    told(200, await stand.http.get(f"{add_on.path}/license", headers=add_on.headers))
    code = new_code().reveal()
    told(202, await stand.http.post(f"{add_on.path}/codes", json={"code": code}, headers=add_on.headers))
    assert [event["type"] for event in await stand.events(owner.device_id)] == ["DeviceEnrolled"]


async def test_another_devices_token_gives_no_access_to_an_add_on(stand: Stand) -> None:
    """R-42, R-109: not even that of a device whose id begins alike."""
    owner, stranger = await enrolled(stand), await enrolled(stand)
    made = told(201, await stand.http.post(f"{owner.path}/products", json={"product": "vpn"}, headers=owner.headers))
    for path in (owner.path, f"/v1/devices/{made['device_id']}", f"{owner.path}.vpn", f"{owner.path}x"):
        refused = await stand.http.get(f"{path}/license", headers=stranger.headers)
        assert told(403, refused)["code"] == "not_your_device"
    refused = await stand.http.post(f"{owner.path}/products", json={"product": "vpn"}, headers=stranger.headers)
    assert told(403, refused)["code"] == "not_your_device"


async def test_a_reinstalled_device_gets_a_new_token_and_keeps_its_license(stand: Stand) -> None:
    """R-83."""
    owner = await enrolled(stand)
    made = told(201, await stand.http.post(f"{owner.path}/products", json={"product": "vpn"}, headers=owner.headers))
    await contact(stand, owner, sequence=9)
    before = await stand.events(owner.device_id)
    told(403, await stand.http.post(f"{owner.path}/token", headers=owner.headers))
    token = told(200, await stand.http.post(f"{owner.path}/token", headers=OPERATOR))["token"]
    again = Owner(owner.device_id, {"Authorization": f"Bearer {token}"}, {})
    for path in (owner.path, f"/v1/devices/{made['device_id']}"):
        assert told(401, await stand.http.get(f"{path}/license", headers=owner.headers))["code"] == "credential_unknown"
        told(200, await stand.http.get(f"{path}/license", headers=again.headers))
    # it counts its contacts from the start again, and is no clone of itself
    told(200, await contact(stand, again, sequence=0))
    assert await stand.events(owner.device_id) == before


async def test_a_new_token_ends_the_suspicion_of_a_clone_on_the_device_and_its_add_ons(stand: Stand) -> None:
    """R-42, R-138: they share the token, and all count from the start again."""
    owner = await enrolled(stand)
    made = told(201, await stand.http.post(f"{owner.path}/products", json={"product": "vpn"}, headers=owner.headers))
    both = [owner, Owner(made["device_id"], owner.headers, made)]
    for each in both:
        told(200, await contact(stand, each, sequence=9))
        told(200, await contact(stand, each, sequence=3))
        assert await names_of(stand, each) == ["DeviceEnrolled", "CloneSuspected"]
    token = told(200, await stand.http.post(f"{owner.path}/token", headers=OPERATOR))["token"]
    for each in both:
        name, data = await last_event(stand, each)
        assert (name, data["cause"]) == ("CloneSuspicionEnded", "new_token")
        again = Owner(each.device_id, {"Authorization": f"Bearer {token}"}, {})
        told(200, await contact(stand, again, sequence=0))
        assert (await names_of(stand, each))[-1] == "CloneSuspicionEnded"


async def test_a_device_that_nobody_enrolled_gets_no_new_token(stand: Stand) -> None:
    """R-83."""
    assert told(404, await stand.http.post("/v1/devices/nobody/token", headers=OPERATOR))["code"] == "unknown_device"


@pytest.mark.parametrize(
    ("region", "hint"), [*INSTEAD.items(), ("ZZ", FORM), ("de", "write DE"), ("uk", INSTEAD["UK"])]
)
async def test_a_device_is_enrolled_in_a_country_and_told_which_if_it_names_another(
    region: str, hint: str, stand: Stand
) -> None:
    """R-137."""
    problem = told(422, await stand.http.post("/v1/devices", json={**ANTIVIRUS, "region": region}))
    assert problem["fields"] == [{"field": "region", "problem": "not_a_country", "hint": hint}]
    assert await stand.pool.fetchval("select count(*) from event") == 0


async def corrected(stand: Stand, owner: Owner, region: str, headers: Headers = OPERATOR) -> httpx.Response:
    body = {"region": region, "note": "said UK at first"}
    return await stand.http.put(f"{owner.path}/region", json=body, headers=headers)


async def test_an_operator_corrects_the_region_of_a_device_and_of_all_its_products_together(stand: Stand) -> None:
    """R-42, R-137: whichever of them is named, and those that are added later."""
    owner, other = await enrolled(stand), await enrolled(stand)
    made = told(201, await stand.http.post(f"{owner.path}/products", json={"product": "vpn"}, headers=owner.headers))
    add_on = Owner(made["device_id"], owner.headers, made)
    for named, region in ((owner, "GB"), (add_on, "IE")):
        answer = told(202, await corrected(stand, named, region))
        assert answer == {"device_id": named.device_id, "region": region, "recorded": ["RegionCorrected"] * 2}
        for each in (owner, add_on):
            name, data = await last_event(stand, each)
            assert (name, data["region"], data["note"]) == ("RegionCorrected", region, "said UK at first")
    assert told(202, await corrected(stand, owner, "IE"))["recorded"] == []
    assert await names_of(stand, other) == ["DeviceEnrolled"]
    made = told(201, await stand.http.post(f"{owner.path}/products", json={"product": "safe"}, headers=owner.headers))
    _, data = await last_event(stand, Owner(made["device_id"], owner.headers, made))
    assert data["region"] == "IE"


async def test_a_repeated_correction_is_answered_again_and_has_one_effect(stand: Stand) -> None:
    """R-09, R-137."""
    owner = await enrolled(stand)
    keyed = {**OPERATOR, "Idempotency-Key": "correction-1"}
    first = told(202, await corrected(stand, owner, "GB", keyed))
    told(202, await corrected(stand, owner, "FR"))
    assert told(202, await corrected(stand, owner, "GB", keyed)) == first
    assert (await last_event(stand, owner))[1]["region"] == "FR"


async def test_only_an_operator_corrects_a_region_and_only_to_a_country(stand: Stand) -> None:
    """R-109, R-137: a device that chose its own region could use every code."""
    owner = await enrolled(stand)
    assert told(403, await corrected(stand, owner, "GB", owner.headers))["code"] == "not_the_operator"
    problem = told(422, await corrected(stand, owner, "UK"))
    assert problem["fields"] == [{"field": "region", "problem": "not_a_country", "hint": INSTEAD["UK"]}]
    assert told(404, await corrected(stand, Owner("nobody", {}, {}), "GB"))["code"] == "unknown_device"
    assert await names_of(stand, owner) == ["DeviceEnrolled"]


@pytest.mark.parametrize("region", ["Germany", "D", "", "D1", 49, None])
async def test_what_no_country_could_be_is_refused_by_its_form(region: Any, stand: Stand) -> None:
    """R-134, R-137."""
    problem = told(422, await stand.http.post("/v1/devices", json={**ANTIVIRUS, "region": region}))
    assert [wrong["field"] for wrong in problem["fields"]] == ["region"]


async def test_a_device_of_an_earlier_release_whose_region_is_no_country_takes_add_ons(stand: Stand) -> None:
    """R-42, R-137."""
    owner = await enrolled(stand)
    await stand.pool.execute("update device set state = jsonb_set(state, '{region}', '\"UK\"')")
    made = told(201, await stand.http.post(f"{owner.path}/products", json={"product": "vpn"}, headers=owner.headers))
    _, data = await last_event(stand, Owner(made["device_id"], owner.headers, made))
    assert data["region"] == "UK"


# --- orders ----------------------------------------------------------------------------------


async def test_the_users_choices_for_a_code_go_with_it(stand: Stand) -> None:
    """R-26, R-30."""
    owner, code, prior = await enrolled(stand), new_code(), new_code()
    body = {
        "code": code.reveal(),
        "when": "now",
        "prior_code": prior.reveal().lower(),
        "accepts_short_term": True,
        "replace": True,
    }
    told(202, await stand.http.post(f"{owner.path}/codes", json=body, headers=owner.headers))
    name, data = await last_event(stand, owner)
    assert name == "CodeAdded"
    assert (data["code_ref"], data["prior_ref"], data["accepts_short_term"]) == (code.ref, prior.ref, True)


async def test_a_malformed_prior_code_is_named_and_nothing_is_added(stand: Stand) -> None:
    """R-06, R-30, R-112."""
    owner = await enrolled(stand)
    body = {"code": new_code().reveal(), "prior_code": new_code().reveal()[:-1]}
    response = await stand.http.post(f"{owner.path}/codes", json=body, headers=owner.headers)
    problem = told(400, response)
    assert (problem["code"], problem["field"]) == ("malformed", "prior_code")
    assert body["prior_code"][:5] not in response.text
    assert [event["type"] for event in await stand.events(owner.device_id)] == ["DeviceEnrolled"]


async def test_two_adds_with_different_choices_are_two(stand: Stand) -> None:
    """R-09."""
    owner, code = await enrolled(stand), new_code().reveal()
    keyed = {**owner.headers, "Idempotency-Key": "1"}
    told(202, await stand.http.post(f"{owner.path}/codes", json={"code": code}, headers=keyed))
    body = {"code": code, "prior_code": new_code().reveal()}
    problem = told(422, await stand.http.post(f"{owner.path}/codes", json=body, headers=keyed))
    assert problem["code"] == "idempotency_key_reused"


async def test_another_version_is_reported_once(stand: Stand) -> None:
    """R-48."""
    owner, body = await enrolled(stand), {"product": "antivirus", "product_version": "22.0"}
    first = told(202, await stand.http.put(f"{owner.path}/installation", json=body, headers=owner.headers))
    again = told(202, await stand.http.put(f"{owner.path}/installation", json=body, headers=owner.headers))
    assert (first["recorded"], again["recorded"]) == (["InstallationChanged"], [])


async def test_a_license_is_given_back_and_there_is_none_to_give_back_twice(stand: Stand) -> None:
    """R-25, R-84."""
    owner = await enrolled(stand)
    code = await licensed(stand, owner)
    answer = told(202, await stand.http.delete(f"{owner.path}/license", headers=owner.headers))
    assert answer["recorded"] == ["LicenseRemoved"]
    assert (await last_event(stand, owner))[1]["code_ref"] == code.ref
    assert told(409, await stand.http.delete(f"{owner.path}/license", headers=owner.headers))["code"] == "no_license"
    assert (await last_event(stand, owner))[0] == "RemovalRefused"


async def test_an_activation_that_was_made_offline_is_reported(stand: Stand) -> None:
    """R-77."""
    owner, code = await enrolled(stand), new_code()
    at = stand.clock.now() - timedelta(days=3)
    body = {"code": code.reveal(), "activated_at": at.isoformat()}
    told(202, await stand.http.post(f"{owner.path}/offline-activations", json=body, headers=owner.headers))
    name, data = await last_event(stand, owner)
    assert (name, data["code_ref"]) == ("OfflineActivationReported", code.ref)
    assert datetime.fromisoformat(data["activated_at"]) == at


async def test_a_time_beyond_the_calendar_is_invalid(stand: Stand) -> None:
    """R-77."""
    owner = await enrolled(stand)
    body = {"code": new_code().reveal(), "activated_at": "9999-12-31T23:59:59-23:00"}
    problem = told(422, await stand.http.post(f"{owner.path}/offline-activations", json=body, headers=owner.headers))
    assert [wrong["field"] for wrong in problem["fields"]] == ["activated_at"]


@pytest.mark.parametrize("etag", ['"never-sent"', '"9' + "9" * 5_000 + '-1"', '"²"'])
async def test_an_etag_that_was_never_sent_fails(etag: str, stand: Stand) -> None:
    """RFC 9110, 13.1.1: it is an ETag, but of nothing that is there."""
    owner = await enrolled(stand)
    headers = {name.encode(): value.encode() for name, value in {**owner.headers, "If-Match": etag}.items()}
    response = await stand.http.delete(f"{owner.path}/codes/reserve", headers=headers)
    assert told(412, response)["code"] == "precondition_failed"


async def test_what_is_no_etag_is_malformed(stand: Stand) -> None:
    owner = await enrolled(stand)
    response = await stand.http.delete(f"{owner.path}/codes/reserve", headers={**owner.headers, "If-Match": "garbage"})
    assert told(400, response)["code"] == "malformed_etag"


# --- idempotency keys ------------------------------------------------------------------------


async def test_a_condition_is_part_of_what_a_key_stands_for(stand: Stand) -> None:
    """R-142."""
    owner, body = await enrolled(stand), {"code": new_code().reveal()}
    keyed = {**owner.headers, "Idempotency-Key": "1"}
    told(202, await stand.http.post(f"{owner.path}/codes", json=body, headers={**keyed, "If-Match": '"1-0"'}))
    again = await stand.http.post(f"{owner.path}/codes", json=body, headers={**keyed, "If-Match": '"1-0"'})
    assert (told(202, again)["recorded"], again.headers["idempotent-replay"]) == (["CodeAdded"], "true")
    other = await stand.http.post(f"{owner.path}/codes", json=body, headers={**keyed, "If-Match": '"2-0"'})
    assert told(422, other)["code"] == "idempotency_key_reused"


async def test_a_failed_condition_is_not_kept_under_the_key(stand: Stand) -> None:
    """R-142: with a condition that holds, the same key does what was asked."""
    owner, body = await enrolled(stand), {"code": new_code().reveal()}
    keyed = {**owner.headers, "Idempotency-Key": "1"}
    failed = await stand.http.post(f"{owner.path}/codes", json=body, headers={**keyed, "If-Match": '"7-0"'})
    assert told(412, failed)["code"] == "precondition_failed"
    told(202, await stand.http.post(f"{owner.path}/codes", json=body, headers={**keyed, "If-Match": '"7-0", "1-0"'}))


async def test_what_was_refused_for_now_is_decided_again_under_the_same_key(stand: Stand) -> None:
    """R-61, R-142."""
    owner, code = await enrolled(stand), new_code()
    keyed = {**owner.headers, "Idempotency-Key": "1"}
    assert told(409, await stand.http.delete(f"{owner.path}/license", headers=keyed))["code"] == "no_license"
    code = await licensed(stand, owner)
    answer = told(202, await stand.http.delete(f"{owner.path}/license", headers=keyed))
    assert (answer["recorded"], (await last_event(stand, owner))[1]["code_ref"]) == (["LicenseRemoved"], code.ref)


@pytest.mark.parametrize("sent", ['"k-1"', "k-1 ", "k-1\t", '\t"k-1" '])
async def test_one_key_is_written_in_several_ways(sent: str, stand: Stand) -> None:
    """R-142: blanks around it, or the quotation marks of structured headers."""
    owner, body = await enrolled(stand), {"code": new_code().reveal()}
    for key, is_repeated in (("k-1", False), (sent, True)):
        headers = {**owner.headers, "Idempotency-Key": key}
        answer = await stand.http.post(f"{owner.path}/codes", json=body, headers=headers)
        assert (answer.status_code, "idempotent-replay" in answer.headers) == (202, is_repeated)


@pytest.mark.parametrize("credential", [{}, OPERATOR], ids=["anybody", "the operator"])
async def test_an_enrollment_under_one_key_is_one_device_with_one_token(credential: Headers, stand: Stand) -> None:
    """R-142: the answer that was lost is told again to whoever knows the key."""
    keyed = {**credential, "Idempotency-Key": str(new_id())}
    answers = [await stand.http.post("/v1/devices", json=ANTIVIRUS, headers=keyed) for _ in range(2)]
    first, again = (told(201, answer) for answer in answers)
    assert (again, answers[1].headers["idempotent-replay"]) == (first, "true")
    owner = Owner(first["device_id"], {"Authorization": f"Bearer {first['token']}"}, first)
    told(200, await stand.http.get(f"{owner.path}/license", headers=owner.headers))
    other = await stand.http.post("/v1/devices", json={**ANTIVIRUS, "region": "FR"}, headers=keyed)
    assert told(422, other)["code"] == "idempotency_key_reused"
    kept = await stand.pool.fetch("select answer::text from idempotency")
    assert not [row for row in kept if first["token"] in row["answer"]]


async def test_a_key_that_can_be_guessed_opens_nobodys_token(stand: Stand) -> None:
    """R-109, R-142."""
    answer = await stand.http.post("/v1/devices", json=ANTIVIRUS, headers={"Idempotency-Key": "device-1"})
    assert told(422, answer)["fields"] == [{"field": "idempotency-key", "problem": "guessable"}]
    told(201, await stand.http.post("/v1/devices", json=ANTIVIRUS, headers={**OPERATOR, "Idempotency-Key": "device-1"}))


async def test_a_product_under_one_key_is_one_product(stand: Stand) -> None:
    """R-42, R-142."""
    owner = await enrolled(stand)
    keyed, body = {**owner.headers, "Idempotency-Key": "1"}, {"product": "password-safe"}
    answers = [told(201, await stand.http.post(f"{owner.path}/products", json=body, headers=keyed)) for _ in range(2)]
    assert answers[0] == answers[1]
    assert await stand.pool.fetchval("select count(*) from device") == 2


async def test_a_new_token_under_one_key_is_one_token(stand: Stand) -> None:
    """R-142: the one that the lost answer told, which is still good."""
    owner, keyed = await enrolled(stand), {**OPERATOR, "Idempotency-Key": "1"}
    lost, again = [told(200, await stand.http.post(f"{owner.path}/token", headers=keyed)) for _ in range(2)]
    assert again == lost
    told(200, await stand.http.get(f"{owner.path}/license", headers={"Authorization": f"Bearer {again['token']}"}))
    another = told(200, await stand.http.post(f"{owner.path}/token", headers=OPERATOR))
    assert another["token"] != lost["token"]
    reused = await stand.http.post(f"{(await enrolled(stand)).path}/token", headers=keyed)
    assert told(422, reused)["code"] == "idempotency_key_reused"


async def test_two_new_tokens_at_once_under_one_key_are_one(stand: Stand) -> None:
    """R-142."""
    owner, keyed = await enrolled(stand), {**OPERATOR, "Idempotency-Key": "1"}
    answers = await asyncio.gather(*(stand.http.post(f"{owner.path}/token", headers=keyed) for _ in range(6)))
    assert len({told(200, answer)["token"] for answer in answers}) == 1


# --- contact ---------------------------------------------------------------------------------


async def contact(stand: Stand, owner: Owner, *, sequence: int, **more: Any) -> httpx.Response:
    """Check now."""
    body = {"sequence": sequence, "nonce": NONCE, **more}
    return await stand.http.post(f"{owner.path}/contact", json=body, headers=owner.headers)


async def test_check_now_returns_a_statement_that_is_signed_and_bound_to_the_request(stand: Stand) -> None:
    """R-101, R-110."""
    owner = await enrolled(stand)
    answer = told(200, await contact(stand, owner, sequence=1))
    statement = stand.keys.public.verify(answer["statement"], kind="perennial-status")
    assert (statement["sub"], statement["nonce"], statement["sequence"]) == (owner.device_id, NONCE, 1)
    assert statement == {name: value for name, value in answer.items() if name != "statement"}


@pytest.mark.parametrize("moment", NO_MOMENTS)
async def test_a_device_time_of_another_form_or_beyond_utc_is_refused(moment: Any, stand: Stand) -> None:
    """R-134: nothing is recorded."""
    owner = await enrolled(stand)
    problem = told(422, await contact(stand, owner, sequence=1, device_time=moment))
    assert [wrong["field"] for wrong in problem["fields"]] == ["device_time"]
    assert [event["type"] for event in await stand.events(owner.device_id)] == ["DeviceEnrolled"]


async def test_a_sequence_is_a_number(stand: Stand) -> None:
    """R-134."""
    owner = await enrolled(stand)
    for sequence in ("1", 1.0, True):
        body = {"sequence": sequence, "nonce": NONCE}
        problem = told(422, await stand.http.post(f"{owner.path}/contact", json=body, headers=owner.headers))
        assert [wrong["field"] for wrong in problem["fields"]] == ["sequence"]


async def test_a_sequence_that_does_not_increase_is_suspected_once_and_nothing_else_is_recorded(stand: Stand) -> None:
    """R-88."""
    owner = await enrolled(stand)
    for sequence in (1, 2, 7):
        told(200, await contact(stand, owner, sequence=sequence))
    assert [event["type"] for event in await stand.events(owner.device_id)] == ["DeviceEnrolled"]
    told(200, await contact(stand, owner, sequence=5, nonce="another-question"))
    name, data = await last_event(stand, owner)
    assert (name, data["received"]) == ("CloneSuspected", 5)


async def test_the_same_request_again_is_a_retry_and_not_a_clone(stand: Stand) -> None:
    """R-09, R-88."""
    owner = await enrolled(stand)
    for _ in range(3):
        told(200, await contact(stand, owner, sequence=4))
    assert [event["type"] for event in await stand.events(owner.device_id)] == ["DeviceEnrolled"]


async def test_a_lost_answer_is_no_clone_and_a_number_of_sound_contacts_ends_a_suspicion(stand: Stand) -> None:
    """R-138."""
    owner, enough = await enrolled(stand), POLICY.clone_sound_contacts
    for sequence in (1, 1, 2, 4, 4):
        told(200, await contact(stand, owner, sequence=sequence, nonce=f"question-{new_id()}"))
    assert await names_of(stand, owner) == ["DeviceEnrolled"]
    told(200, await contact(stand, owner, sequence=4, nonce="one-too-many"))
    for sequence in range(5, 4 + enough):
        told(200, await contact(stand, owner, sequence=sequence))
    assert await names_of(stand, owner) == ["DeviceEnrolled", "CloneSuspected"]
    told(200, await contact(stand, owner, sequence=4 + enough))
    assert await names_of(stand, owner) == ["DeviceEnrolled", "CloneSuspected", "CloneSuspicionEnded"]


async def test_a_clone_in_between_keeps_the_suspicion_alive(stand: Stand) -> None:
    """R-88, R-138: only contacts in a row count."""
    owner, enough = await enrolled(stand), POLICY.clone_sound_contacts
    for sequence in range(10, 10 + 2 * enough):
        told(200, await contact(stand, owner, sequence=sequence))
        told(200, await contact(stand, owner, sequence=sequence - 10, nonce=f"the-copy-asks-{sequence}"))
    assert set(await names_of(stand, owner)) == {"DeviceEnrolled", "CloneSuspected"}


async def test_one_of_two_concurrent_contacts_with_the_same_number_is_suspected(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    """R-88: both read the same last number, and only one may be measured by it."""
    owner = await enrolled(stand)
    asked = [contact(stand, owner, sequence=3, nonce=f"question-{number}") for number in range(8)]
    for response in await asyncio.gather(*asked):
        told(200, response)
    names = [event["type"] for event in await stand.events(owner.device_id)]
    assert names[0] == "DeviceEnrolled"
    assert set(names[1:]) == {"CloneSuspected"}
    assert "unexpected" not in caplog.text
    row = await stand.pool.fetchrow("select sequence from device_contact")
    assert row is not None
    assert row["sequence"] == 3


async def test_a_clock_that_is_off_is_noticed_once(stand: Stand) -> None:
    """R-111."""
    owner = await enrolled(stand)
    late = instant(stand.clock.now() - timedelta(days=40))
    for sequence in (1, 2):
        told(200, await contact(stand, owner, sequence=sequence, device_time=late))
    names = [event["type"] for event in await stand.events(owner.device_id)]
    assert names == ["DeviceEnrolled", "DeviceClockObserved"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"sequence": -1}, "sequence"),
        ({"sequence": 2**53}, "sequence"),
        ({"sequence": 1, "nonce": "short"}, "nonce"),
        ({"sequence": 1, "nonce": "a" * 129}, "nonce"),
        ({"sequence": 1, "device_time": "yesterday"}, "device_time"),
    ],
)
async def test_an_invalid_contact_is_refused(body: dict[str, Any], field: str, stand: Stand) -> None:
    owner = await enrolled(stand)
    problem = told(422, await contact(stand, owner, **body))
    assert [wrong["field"] for wrong in problem["fields"]] == [field]


@pytest.mark.parametrize("device_time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_a_device_clock_at_the_edge_of_the_calendar_is_a_clock_that_is_off(
    device_time: str, stand: Stand
) -> None:
    """R-111."""
    owner = await enrolled(stand)
    told(200, await contact(stand, owner, sequence=1, device_time=device_time))
    assert (await last_event(stand, owner))[0] == "DeviceClockObserved"


# --- deactivation ----------------------------------------------------------------------------


class SigningDevice:
    """What a device keeps: its private key, and the id by which it names it."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.public_key = urlsafe_b64encode(self._private.public_key().public_bytes_raw()).rstrip(b"=").decode()

    def sign(self, told: bytes, *, kind: str = "perennial-deactivation", key_id: str) -> str:
        """Return the document signed, offline."""
        return PyJWS().encode(told, self._private, algorithm="EdDSA", headers={"kid": key_id, "typ": kind})


def deactivation(owner: Owner, code: Code, removed_at: datetime) -> bytes:
    """Return the claims of a device that gives its license back."""
    said = f'{{"device_id": "{owner.device_id}", "code_ref": "{code.ref}", "removed_at": "{instant(removed_at)}"}}'
    return said.encode()


async def hand_in(stand: Stand, owner: Owner, proof: str) -> httpx.Response:
    """Hand in the proof."""
    return await stand.http.post(f"{owner.path}/deactivations", json={"proof": proof}, headers=owner.headers)


async def test_a_license_that_was_given_back_offline_is_proven_by_the_devices_own_key(stand: Stand) -> None:
    """R-114: and the receipt confirms it, signed."""
    device = SigningDevice()
    owner = await enrolled(stand, public_key=device.public_key)
    code, removed_at = await licensed(stand, owner), stand.clock.now()
    proof = device.sign(deactivation(owner, code, removed_at), key_id=owner.answer["key_id"])
    answer = told(202, await hand_in(stand, owner, proof))
    name, data = await last_event(stand, owner)
    assert (name, data["cause"], data["code_ref"]) == ("LicenseRemoved", "deactivated_offline", code.ref)
    receipt = stand.keys.public.verify(answer["receipt"], kind="perennial-receipt")
    assert (receipt["device_id"], receipt["code_ref"]) == (owner.device_id, code.ref)
    assert receipt["removed_at"] == answer["removed_at"]


async def test_a_proof_that_is_sent_again_gives_the_same_receipt_and_removes_no_later_license(stand: Stand) -> None:
    """R-114, R-116."""
    device = SigningDevice()
    owner = await enrolled(stand, public_key=device.public_key)
    code = await licensed(stand, owner)
    proof = device.sign(deactivation(owner, code, stand.clock.now()), key_id=owner.answer["key_id"])
    first = told(202, await hand_in(stand, owner, proof))
    await licensed(stand, owner)
    before = await stand.events(owner.device_id)
    assert told(202, await hand_in(stand, owner, proof))["receipt"] == first["receipt"]
    assert await stand.events(owner.device_id) == before


async def test_the_same_proof_in_another_encoding_is_the_same_proof(stand: Stand) -> None:
    """R-114: the last letter of a signature has bits to spare, so one signature can be written in several ways."""
    device = SigningDevice()
    owner = await enrolled(stand, public_key=device.public_key)
    code = await licensed(stand, owner)
    proof = device.sign(deactivation(owner, code, stand.clock.now()), key_id=owner.answer["key_id"])
    first = told(202, await hand_in(stand, owner, proof))
    await licensed(stand, owner)
    before = await stand.events(owner.device_id)
    other = proof[:-1] + {"A": "B", "Q": "R", "g": "h", "w": "x"}[proof[-1]]
    answer = await hand_in(stand, owner, other)
    assert answer.status_code in (202, 403)
    assert answer.status_code == 403 or answer.json()["received_at"] == first["received_at"]
    assert await stand.events(owner.device_id) == before


async def test_a_proof_about_an_older_license_does_not_remove_a_later_one(stand: Stand) -> None:
    """R-114: the server switched while the device was away."""
    device = SigningDevice()
    owner = await enrolled(stand, public_key=device.public_key)
    old = await licensed(stand, owner)
    told(202, await stand.http.delete(f"{owner.path}/license", headers=owner.headers))
    new = await licensed(stand, owner)
    proof = device.sign(deactivation(owner, old, stand.clock.now()), key_id=owner.answer["key_id"])
    assert told(409, await hand_in(stand, owner, proof))["code"] == "no_license"
    name, data = await last_event(stand, owner)
    assert (name, data["reason"]) == ("RemovalRefused", "no_license")
    told(202, await stand.http.delete(f"{owner.path}/license", headers=owner.headers))
    assert (await last_event(stand, owner))[1]["code_ref"] == new.ref


async def test_a_proof_that_is_not_the_devices_own_removes_nothing(stand: Stand) -> None:
    """R-109, R-114."""
    device, stranger = SigningDevice(), SigningDevice()
    owner = await enrolled(stand, public_key=device.public_key)
    other = await enrolled(stand, public_key=stranger.public_key)
    code = await licensed(stand, owner)
    said, key_id = deactivation(owner, code, stand.clock.now()), owner.answer["key_id"]
    proofs = {
        "bad_signature": stranger.sign(said, key_id=key_id),
        "unknown_key": stranger.sign(said, key_id=other.answer["key_id"]),
        "wrong_kind": device.sign(said, kind="perennial-receipt", key_id=key_id),
        "malformed_signature": "no.signature.at-all",
        "not_your_device": device.sign(deactivation(other, code, stand.clock.now()), key_id=key_id),
    }
    before = await stand.events(owner.device_id)
    for reason, proof in proofs.items():
        assert told(403, await hand_in(stand, owner, proof))["code"] == reason
    problem = told(422, await hand_in(stand, owner, device.sign(b'{"device_id": "x"}', key_id=key_id)))
    assert problem["code"] == "invalid_fields"
    assert await stand.events(owner.device_id) == before


async def test_a_device_without_a_key_proves_nothing(stand: Stand) -> None:
    """R-114."""
    owner = await enrolled(stand)
    assert told(409, await hand_in(stand, owner, "a.b.c"))["code"] == "no_device_key"


# --- documents -------------------------------------------------------------------------------


async def test_the_keys_are_published_without_the_private_one(stand: Stand) -> None:
    """R-113."""
    jwks = told(200, await stand.http.get("/.well-known/jwks.json"))
    assert jwks == stand.keys.public.jwks()
    assert all("d" not in key for key in jwks["keys"])


async def test_a_service_without_keys_signs_nothing_and_says_so(device_pool: Pool) -> None:
    """R-110: an unsigned answer is none, and nothing is recorded for it."""
    async with device_service(device_pool, None) as unsigned:
        owner = await enrolled(unsigned)
        before = await unsigned.events(owner.device_id)
        answers = [
            await contact(unsigned, owner, sequence=1),
            await hand_in(unsigned, owner, "a.b.c"),
            await unsigned.http.get(f"{owner.path}/license/document", headers=owner.headers),
        ]
        assert [told(503, answer)["code"] for answer in answers] == ["no_signing_key"] * 3
        assert await unsigned.events(owner.device_id) == before
        assert told(200, await unsigned.http.get("/.well-known/jwks.json")) == {"keys": []}


async def test_a_device_without_a_license_gets_no_document(stand: Stand) -> None:
    """R-113."""
    owner = await enrolled(stand)
    refused = await stand.http.get(f"{owner.path}/license/document", headers=owner.headers)
    assert told(409, refused)["code"] == "no_license"


async def test_a_document_names_the_device_and_expires(stand: Stand) -> None:
    """R-113: within 30 days, and bound to the request."""
    owner = await enrolled(stand, name="Ada's notebook")
    code = await licensed(stand, owner, edition="plus", features=("vpn",), grace_days=7)
    await stand.shows(owner.device_id)
    path = f"{owner.path}/license/document"
    answer = await stand.http.get(path, params={"nonce": NONCE}, headers=owner.headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/jose")
    document = stand.keys.public.verify(answer.text, kind="perennial-license")
    assert (document["device_id"], document["device_name"], document["nonce"]) == (
        owner.device_id,
        "Ada's notebook",
        NONCE,
    )
    assert (document["product"], document["edition"], document["features"]) == ("antivirus", "plus", ["vpn"])
    assert document["code_ref"] == code.ref
    assert timedelta(seconds=document["exp"] - document["iat"]) == timedelta(days=30)
    works = datetime.fromisoformat(document["works_until"]) - datetime.fromisoformat(document["ends_at"])
    assert works == timedelta(days=7)


async def test_the_hold_of_a_subscription_is_that_of_the_service_s_policy(device_pool: Pool, keys: KeyRing) -> None:
    """R-98, R-135: in the license and in the document."""
    hold = timedelta(days=3)
    async with device_service(device_pool, keys, POLICY.model_copy(update={"auto_renewal_hold": hold})) as stand:
        owner = await enrolled(stand)
        await licensed(stand, owner, kind="subscription", auto_renews=True)
        await stand.shows(owner.device_id)
        shown = told(200, await stand.http.get(f"{owner.path}/license", headers=owner.headers))
        document = await stand.http.get(f"{owner.path}/license/document", headers=owner.headers)
        claims = stand.keys.public.verify(document.text, kind="perennial-license")
    ends_at = datetime.fromisoformat(claims["ends_at"])
    assert [datetime.fromisoformat(said["works_until"]) for said in (shown, claims)] == [ends_at + hold] * 2


async def test_the_document_of_a_device_with_an_erased_name_no_longer_has_it(stand: Stand) -> None:
    """R-115."""
    owner = await enrolled(stand, name="Ada's notebook")
    await licensed(stand, owner)
    await stand.shows(owner.device_id)
    told(200, await stand.http.delete(f"{owner.path}/name", headers=owner.headers))
    answer = await stand.http.get(f"{owner.path}/license/document", headers=owner.headers)
    assert stand.keys.public.verify(answer.text, kind="perennial-license")["device_name"] is None


async def test_a_view_that_is_behind_says_how_old_it_is(stand: Stand) -> None:
    """R-100: a day is stale."""
    owner = await enrolled(stand)
    await stand.shows(owner.device_id)
    fresh = told(200, await stand.http.get(f"{owner.path}/license", headers=owner.headers))
    assert fresh["stale"] is False
    await licensed(stand, owner)
    await stand.pool.execute('update license_view set view = view || \'{"changed_at": "2020-01-01T00:00:00Z"}\'')
    old = told(200, await stand.http.get(f"{owner.path}/license", headers=owner.headers))
    assert (old["as_of"], old["stale"]) == ("2020-01-01T00:00:00.000Z", True)


async def test_a_device_without_a_view_is_shown_as_it_was_when_it_was_enrolled(stand: Stand) -> None:
    """R-100: none of its events was projected, so nothing is claimed about now."""
    owner = await enrolled(stand)
    await licensed(stand, owner)
    shown = told(200, await stand.http.get(f"{owner.path}/license", headers=owner.headers))
    first, *_ = await stand.events(owner.device_id)
    assert (shown["status"], shown["as_of"]) == ("unlicensed", first["recorded_at"])


# --- fleets ----------------------------------------------------------------------------------


async def fleet(stand: Stand, code: Code, device_ids: list[str], key: str, **more: Any) -> httpx.Response:
    """Add one code to many devices."""
    headers = {**OPERATOR, "Idempotency-Key": key}
    body = {"code": code.reveal(), "device_ids": device_ids, **more}
    return await stand.http.post("/v1/fleet/codes", json=body, headers=headers)


async def test_a_fleet_gets_one_code_with_a_result_for_each_device(stand: Stand) -> None:
    """R-89: taken, refused with the device's own reason, or not known; each for itself."""
    free, busy, code = await enrolled(stand), await enrolled(stand), new_code()
    await licensed(stand, busy)
    await keeps_in_reserve(stand, busy)
    ids = [free.device_id, "nobody", busy.device_id, free.device_id]
    answer = told(207, await fleet(stand, code, ids, "1"))
    assert [(entry["device_id"], entry["result"], entry["reason"]) for entry in answer["results"]] == [
        (free.device_id, "accepted", None),
        ("nobody", "unknown_device", "unknown_device"),
        (busy.device_id, "refused", "reserve_exists"),
    ]
    assert answer["counts"] == {"accepted": 1, "refused": 1, "unknown_device": 1, "not_taken": 0}
    assert code.reveal() not in str(answer)
    assert (await last_event(stand, free))[1]["code_ref"] == code.ref
    assert told(200, await fleet(stand, new_code(), [busy.device_id], "2", replace=True))["counts"]["accepted"] == 1


async def keeps_in_reserve(stand: Stand, owner: Owner) -> None:
    """Give the licensed device a verified reserve."""
    code = new_code()
    told(202, await stand.http.post(f"{owner.path}/codes", json={"code": code.reveal()}, headers=owner.headers))
    name, added = await last_event(stand, owner)
    assert name == "CodeAdded"
    verified = CodeVerified(
        device_id=owner.device_id,
        code_ref=code.ref,
        request_id=UUID(added["request_id"]),
        last_group=code.last_group,
        term="P1Y",
        predicted_ends_at=stand.clock.now() + timedelta(days=730),
    )
    await stand.says(verified)


async def test_a_repeated_fleet_request_has_no_second_effect(stand: Stand) -> None:
    """R-09, R-89."""
    owner, code = await enrolled(stand), new_code()
    first = told(200, await fleet(stand, code, [owner.device_id], "1"))
    before = await stand.events(owner.device_id)
    assert told(200, await fleet(stand, code, [owner.device_id], "1")) == first
    assert await stand.events(owner.device_id) == before
    reused = await fleet(stand, code, [owner.device_id, "another"], "1")
    assert told(422, reused)["code"] == "idempotency_key_reused"


async def test_the_results_of_a_fleet_request_are_read_page_by_page(stand: Stand) -> None:
    """R-89."""
    owners, code = [await enrolled(stand) for _ in range(3)], new_code()
    ids = sorted([owner.device_id for owner in owners])
    request_id = told(207, await fleet(stand, code, [*ids, "nobody"], "1"))["request_id"]
    (*_, added) = await stand.events(ids[0])
    now = stand.clock.now()
    activated = LicenseActivated(
        device_id=ids[0],
        code_ref=code.ref,
        request_id=UUID(added["data"]["request_id"]),
        last_group=code.last_group,
        trigger="immediate",
        activated_at=now,
        started_at=now,
        ends_at=now + timedelta(days=365),
    )
    await stand.says(activated)
    path = f"/v1/fleet/requests/{request_id}"
    first = told(200, await stand.http.get(path, params={"limit": 3}, headers=OPERATOR))
    rest = told(200, await stand.http.get(path, params={"limit": 3, "after": first["next"]}, headers=OPERATOR))
    assert (len(first["devices"]), rest["next"]) == (3, None)
    entries = first["devices"] + rest["devices"]
    assert [entry["device_id"] for entry in entries] == sorted([*ids, "nobody"])
    verdicts = {
        entry["device_id"]: (entry["result"], entry["verdict"] and entry["verdict"]["type"]) for entry in entries
    }
    assert verdicts == {
        ids[0]: ("accepted", "LicenseActivated"),
        ids[1]: ("accepted", None),
        ids[2]: ("accepted", None),
        "nobody": ("unknown_device", None),
    }


@pytest.mark.parametrize("device_ids", [[], ["a b"], ["d"] * 10_001])
async def test_an_invalid_fleet_request_is_refused(device_ids: list[str], stand: Stand) -> None:
    assert told(422, await fleet(stand, new_code(), device_ids, "1"))["code"] == "invalid_fields"


async def test_only_the_operator_may_send_a_fleet_request(stand: Stand) -> None:
    """R-109."""
    owner = await enrolled(stand)
    body = {"code": new_code().reveal(), "device_ids": [owner.device_id]}
    assert told(403, await stand.http.post("/v1/fleet/codes", json=body, headers=owner.headers))["code"] == (
        "not_the_operator"
    )
    unknown = await stand.http.get(f"/v1/fleet/requests/{new_id()}", headers=OPERATOR)
    assert told(404, unknown)["code"] == "unknown_request"


async def test_the_largest_body_of_a_fleet_is_read_and_no_larger_one(stand: Stand) -> None:
    ids = [f"{number:064d}" for number in range(10_000)]
    answer = told(207, await fleet(stand, new_code(), ids, "1"))
    assert answer["counts"]["unknown_device"] == 10_000
    headers = {**OPERATOR, "Content-Type": "application/json"}
    response = await stand.http.post("/v1/fleet/codes", content=b" " * 1_000_001, headers=headers)
    assert told(413, response)["code"] == "body_too_large"


# --- the console ---------------------------------------------------------------------------------


async def test_a_console_token_gives_the_operators_read_access(stand: Stand) -> None:
    """R-109: and no other credential opens another one's device."""
    device, other = await enrolled(stand), await enrolled(stand)
    token = operator_token(stand.keys, "Ada", audience="device", now=machine_now())
    elsewhere = operator_token(stand.keys, "Ada", audience="activation", now=machine_now())
    for path in (f"{device.path}/license", f"{device.path}/history", f"{device.path}/why", "/v1/events"):
        told(200, await stand.http.get(path, headers={"Authorization": f"Bearer {token}"}))
        for credential in ({"Authorization": f"Bearer {elsewhere}"}, other.headers):
            assert (await stand.http.get(path, headers=credential)).status_code in (401, 403)


async def test_events_are_found_by_their_ids_and_by_their_causes(stand: Stand) -> None:
    stranger, cause, now = await enrolled(stand), str(new_id()), stand.clock.now()
    command = EnrollDevice(device_id="caused", at=now, request_id=new_id(), **ANTIVIRUS)
    why = Cause(at=now, recorded_at=now, correlation_id=new_id(), causation_id=UUID(cause))
    async with transaction(stand.pool) as connection:
        await append(connection, (await stand.handler.decide(connection, [CommandMessage(command, why)])).events)
    history = told(200, await stand.http.get("/v1/devices/caused/history", headers=OPERATOR))["events"]
    by_id = {"event_id": [history[0]["event_id"], str(new_id())]}
    by_cause = {"device_id": ["caused", stranger.device_id], "cause": [cause]}
    for asked in (by_id, by_cause, {**by_id, **by_cause}):
        events = told(200, await stand.http.get("/v1/events", params=asked, headers=OPERATOR))["events"]
        assert [(event["device_id"], event["type"]) for event in events] == [("caused", "DeviceEnrolled")]
    nobodys = {"device_id": [stranger.device_id], "cause": [cause]}
    assert told(200, await stand.http.get("/v1/events", params=nobodys, headers=OPERATOR))["events"] == []
    told(422, await stand.http.get("/v1/events", params={"cause": [cause] * 201}, headers=OPERATOR))
