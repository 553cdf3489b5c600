"""The activation service's HTTP API on a real ledger: what requests cause, and for whom a code exists."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.activation.api import Doors, answer_to, routes
from services.activation.decider import DECIDER, Verify
from services.activation.outbox import SANDBOX_OUTBOX
from services.activation.store import CodeStore
from shared.doors.command_queue import CommandQueue
from shared.keys.crypto_shredding import Sealing
from shared.ledger.clock import Clock
from shared.ledger.command_handler import CommandHandler, CommandMessage, Outcome
from shared.ledger.database import Pool, transaction
from shared.ledger.events import append
from shared.ledger.identity import new_id
from shared.ledger.outbox import Cause
from shared.messages.regions import FORM, INSTEAD
from shared.rules.codes import read_code
from tests.at_the_door import OPERATOR, OPERATOR_KEY_HASH, Client, Headers, served, told
from tests.scenarios import A, not_bought, renewed
from tests.shared.moments import NO_MOMENTS

PAID = {"product": "antivirus", "term": "P1Y"}
NOTE = {"note": "stolen"}


@pytest.fixture
async def door(activation_pool: Pool) -> AsyncIterator[Client]:
    """The doors on a ledger as good as new."""
    queue = CommandQueue(CommandHandler(DECIDER, CodeStore(), SANDBOX_OUTBOX), pool=activation_pool)
    doors = Doors(
        queue=queue,
        pool=activation_pool,
        clock=Clock(sandbox=True),
        sealing=Sealing(activation_pool),
        operator_key_hash=OPERATOR_KEY_HASH,
    )
    async with served(routes(doors), queue.run, {}) as client:
        yield client


async def issued(door: Client, headers: Headers = OPERATOR, **terms: Any) -> dict[str, Any]:
    """Return one new code."""
    body = told(201, await door.post("/v1/codes", json={**PAID, **terms}, headers=headers))
    code: dict[str, Any] = body["codes"][0]
    return code


async def a_vendor(door: Client, vendor: str) -> Headers:
    """Return the credential of a vendor that the operator let in."""
    key = told(201, await door.post(f"/v1/vendors/{vendor}/keys", headers=OPERATOR))["key"]
    return {"Authorization": f"Bearer {key}"}


async def events(door: Client, code_ref: str) -> list[dict[str, Any]]:
    """Return the life of a code, as the operator sees it."""
    body = told(200, await door.get(f"/v1/codes/{code_ref}/history", headers=OPERATOR))
    return list(body["events"])


async def test_every_term_of_a_code_is_what_was_asked_for(door: Client) -> None:
    """R-13, R-28, R-30, R-45, R-65, R-79."""
    terms: dict[str, Any] = {
        "kind": "renewal",
        "seats": 3,
        "regions": ["DE", "FR"],
        "activate_by": "2030-01-01T00:00:00.000Z",
        "edition": "plus",
        "features": ["vpn", "backup"],
        "version_min": "21.3",
        "version_max": "22",
        "grace_days": 7,
        "short_term": "P3M",
    }
    code = await issued(door, **terms)
    shown = told(200, await door.get(f"/v1/codes/{code['code_ref']}", headers=OPERATOR))
    assert {name: shown[name] for name in terms} == terms
    assert (shown["vendor"], shown["last_group"]) == ("default", code["code"][-5:])


async def test_a_subscription_renews_itself_until_it_is_told_not_to(door: Client) -> None:
    """R-27."""
    code_ref = (await issued(door, kind="subscription", auto_renews=True))["code_ref"]
    path = f"/v1/codes/{code_ref}/auto-renewal"
    answer = told(202, await door.put(path, json={"auto_renews": False}, headers=OPERATOR))
    assert answer["recorded"] == ["AutoRenewalChanged"]
    again = told(202, await door.put(path, json={"auto_renews": False}, headers=OPERATOR))
    assert again["recorded"] == []


async def test_only_a_subscription_renews_itself(door: Client) -> None:
    """R-27."""
    code_ref = (await issued(door))["code_ref"]
    response = await door.put(f"/v1/codes/{code_ref}/auto-renewal", json={"auto_renews": True}, headers=OPERATOR)
    assert told(409, response)["code"] == "not_a_subscription"
    refused = await door.post("/v1/codes", json={**PAID, "auto_renews": True, "count": 3}, headers=OPERATOR)
    assert told(409, refused)["code"] == "not_a_subscription"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"version_min": "21.3.0.0.1"}, "version_min"),
        ({"features": ["VPN"]}, "features.0"),
        ({"grace_days": 366}, "grace_days"),
        ({"short_term": "P0D"}, "short_term"),
        ({"customer": {"subject": "a/b"}}, "customer.subject"),
        ({"activate_by": "9999-12-31T23:59:59-23:00"}, "activate_by"),
        ({"vendor": "Big Vendor"}, "vendor"),
        ({"seats": "3"}, "seats"),
        ({"seats": 3.0}, "seats"),
        ({"count": True}, "count"),
        ({"auto_renews": "yes"}, "auto_renews"),
        ({"auto_renews": 0}, "auto_renews"),
        ({"features": [1]}, "features.0"),
        ({"customer": {"subject": 7}}, "customer.subject"),
        *(({"activate_by": moment}, "activate_by") for moment in NO_MOMENTS),
        ({"activate_by": "2020-01-01T00:00:00Z"}, "activate_by"),
    ],
)
async def test_terms_that_cannot_be_are_named(body: dict[str, Any], field: str, door: Client) -> None:
    """R-134."""
    problem = told(422, await door.post("/v1/codes", json={**PAID, **body}, headers=OPERATOR))
    assert [wrong["field"] for wrong in problem["fields"]] == [field]


@pytest.mark.parametrize(("region", "hint"), [*INSTEAD.items(), ("ZZ", FORM), ("gb", "write GB")])
async def test_a_code_is_valid_in_countries_and_its_vendor_is_told_which_if_one_is_none(
    region: str, hint: str, door: Client, activation_pool: Pool
) -> None:
    """R-137."""
    body = {**PAID, "regions": ["DE", region]}
    problem = told(422, await door.post("/v1/codes", json=body, headers=OPERATOR))
    assert problem["fields"] == [{"field": "regions.1", "problem": "not_a_country", "hint": hint}]
    assert await activation_pool.fetchval("select count(*) from event") == 0


async def test_a_time_to_activate_that_is_over_by_now_does_not_hide_what_was_issued(door: Client) -> None:
    """R-09, R-134: the repeated request gets its answer, however late it is."""
    keyed = {**OPERATOR, "Idempotency-Key": "order-1"}
    soon = (Clock(sandbox=True).now() + timedelta(seconds=1)).isoformat()
    first = await issued(door, keyed, activate_by=soon)
    await asyncio.sleep(1.1)
    assert await issued(door, keyed, activate_by=soon) == first
    refused = await door.post("/v1/codes", json={**PAID, "activate_by": soon}, headers=OPERATOR)
    assert told(422, refused)["code"] == "date_out_of_range"


@pytest.mark.parametrize("moment", NO_MOMENTS)
async def test_a_time_of_another_form_or_beyond_utc_is_refused(moment: Any, door: Client) -> None:
    """R-134: in a body and in a query."""
    code_ref = (await issued(door))["code_ref"]
    body = {"code_ref": code_ref, "order_id": "1", "purchased_at": moment}
    answers = [
        (await door.post("/v1/purchases", json=body, headers=OPERATOR), "purchased_at"),
        (await door.get(f"/v1/codes/{code_ref}", params={"at": moment}, headers=OPERATOR), "at"),
        (await door.get("/v1/forecast", params={"until": moment}, headers=OPERATOR), "until"),
    ]
    for answer, field in answers:
        assert [wrong["field"] for wrong in told(422, answer)["fields"]] == [field]


async def test_a_guessed_code_that_was_never_issued_exists_for_nobody(door: Client, activation_pool: Pool) -> None:
    """R-107, R-108: guesses at it are recorded, and may be repeated."""
    guess = f"{7:032x}"
    handler = CommandHandler(DECIDER, CodeStore(), SANDBOX_OUTBOX)
    for _ in range(2):
        now = Clock(sandbox=True).now()
        asked = Verify(
            code_ref=guess, at=now, device_id="guesser", request_id=new_id(), product="antivirus", region="DE"
        )
        cause = Cause(at=now, recorded_at=now, correlation_id=new_id())
        async with transaction(activation_pool) as connection:
            decided = await handler.decide(connection, [CommandMessage(asked, cause)])
            await append(connection, decided.events)
    for credential in (OPERATOR, await a_vendor(door, "default")):
        assert told(404, await door.get(f"/v1/codes/{guess}", headers=credential))["code"] == "unknown_code"
    assert [event["type"] for event in await events(door, guess)] == ["CodeRejected"] * 2


# --- idempotency keys ---------------------------------------------------------------------------


async def test_a_vendor_key_under_one_key_is_one(door: Client, activation_pool: Pool) -> None:
    """R-108, R-142: it is told again to the operator, and no table keeps it."""
    keyed = {**OPERATOR, "Idempotency-Key": "1"}
    made, again = [told(201, await door.post("/v1/vendors/acme/keys", headers=keyed)) for _ in range(2)]
    assert again == made
    assert await activation_pool.fetchval("select count(*) from vendor_key") == 1
    assert made["key"] not in await everything_in(activation_pool, "idempotency")
    told(
        200,
        await door.get("/v1/codes", params={"device_id": "d-1"}, headers={"Authorization": f"Bearer {made['key']}"}),
    )
    reused = await door.post("/v1/vendors/globex/keys", headers=keyed)
    assert told(422, reused)["code"] == "idempotency_key_reused"


async def test_a_vendor_key_is_revoked_once_and_the_answer_is_told_again(door: Client) -> None:
    """R-108, R-142."""
    made = told(201, await door.post("/v1/vendors/acme/keys", headers=OPERATOR))
    path, keyed = f"/v1/vendors/acme/keys/{made['key_id']}", {**OPERATOR, "Idempotency-Key": "1"}
    answers = [told(200, await door.delete(path, headers=keyed)) for _ in range(2)]
    assert answers[0] == answers[1]
    assert told(404, await door.delete(path, headers=OPERATOR))["code"] == "unknown_vendor_key"


# --- many codes at once ------------------------------------------------------------------------


async def codes_in(pool: Pool) -> int:
    """Return how many codes the ledger says were issued."""
    count: int = await pool.fetchval("select count(*) from event where type = 'CodeIssued'")
    return count


async def test_a_key_stands_for_the_number_of_codes_too(door: Client, activation_pool: Pool) -> None:
    """R-09, R-140: a reused key issues nothing."""
    keyed = {**OPERATOR, "Idempotency-Key": "order-1"}
    first = told(201, await door.post("/v1/codes", json={**PAID, "count": 2}, headers=keyed))
    for other in ({**PAID, "count": 5}, {**PAID, "count": 2, "seats": 2}, {**PAID, "count": 1}):
        response = await door.post("/v1/codes", json=other, headers=keyed)
        assert told(422, response)["code"] == "idempotency_key_reused"
    assert (len(first["codes"]), await codes_in(activation_pool)) == (2, 2)


async def test_codes_of_a_lost_answer_are_told_again(door: Client, activation_pool: Pool) -> None:
    """R-09, R-140: whoever repeats the request gets the same codes, and gets no more of them."""
    keyed = {**OPERATOR, "Idempotency-Key": "order-1"}
    answers = [await door.post("/v1/codes", json={**PAID, "count": 3}, headers=keyed) for _ in range(2)]
    assert [told(201, answer) for answer in answers] == [answers[0].json()] * 2
    assert ["idempotent-replay" in answer.headers for answer in answers] == [False, True]
    assert await codes_in(activation_pool) == 3


async def test_two_requests_at_once_under_one_key_get_the_same_codes(door: Client, activation_pool: Pool) -> None:
    """R-09, R-140: each code belongs to its reference, whichever request was decided."""
    keyed = {**OPERATOR, "Idempotency-Key": "order-1"}
    requests = [door.post("/v1/codes", json={**PAID, "count": 2}, headers=keyed) for _ in range(6)]
    answers = [told(201, answer) for answer in await asyncio.gather(*requests)]
    assert answers == [answers[0]] * 6
    assert all(read_code(code["code"]).ref == code["code_ref"] for code in answers[0]["codes"])
    assert await codes_in(activation_pool) == 2


async def test_codes_are_told_again_only_to_the_credential_that_issued_them(door: Client) -> None:
    """R-112, R-140: not even to another key of the same vendor, which learns what was issued."""
    one, other = [{**await a_vendor(door, "acme"), "Idempotency-Key": "1"} for _ in range(2)]
    issued_code = await issued(door, one)
    response = await door.post("/v1/codes", json=PAID, headers=other)
    assert told(409, response)["code"] == "sealed_for_another_key"
    assert response.json()["codes"] == [{name: issued_code[name] for name in ("code_ref", "last_group")}]


async def test_no_table_keeps_a_whole_code(door: Client, activation_pool: Pool) -> None:
    """R-112, R-140: with or without an Idempotency-Key."""
    codes = [await issued(door, headers) for headers in (OPERATOR, {**OPERATOR, "Idempotency-Key": "order-1"})]
    kept = "".join([await everything_in(activation_pool, table) for table in await tables(activation_pool)])
    assert all(code["code_ref"] in kept for code in codes)
    for code in codes:
        for written in (code["code"], code["code"].replace("-", "")):
            assert written not in kept
            assert written.encode().hex() not in kept


async def tables(pool: Pool) -> list[str]:
    """Return the names of all tables of the service."""
    return [
        row["name"] for row in await pool.fetch("select tablename as name from pg_tables where schemaname = 'public'")
    ]


async def everything_in(pool: Pool, table: str) -> str:
    """Return all rows of a table as text, bytes in hexadecimal."""
    return "".join(row["kept"] for row in await pool.fetch(f"select t::text as kept from {table} t"))


async def test_too_many_codes_at_once_are_turned_away_before_any_is_issued(door: Client, activation_pool: Pool) -> None:
    """R-140: every code that was issued was shown, and who was turned away was told so and can try again."""
    requests = [door.post("/v1/codes", json={**PAID, "count": 1_000}, headers=OPERATOR) for _ in range(8)]
    answers = await asyncio.gather(*requests)
    shown = [code["code"] for answer in answers if answer.status_code == 201 for code in answer.json()["codes"]]
    turned_away = [answer for answer in answers if answer.status_code != 201]
    assert {(told(503, answer)["code"], answer.headers["retry-after"]) for answer in turned_away} <= {("too_busy", "1")}
    assert await codes_in(activation_pool) == len(set(shown)) == 1_000 * (8 - len(turned_away)) > 0


# --- purchases -------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["refund", "cancellation"])
async def test_what_was_never_bought_is_neither_refunded_nor_cancelled(what: str, door: Client) -> None:
    """R-95, R-96, R-123: the refusal is in the code's history."""
    code_ref = (await issued(door))["code_ref"]
    response = await door.post(f"/v1/purchases/order/7/{what}", json={"code_ref": code_ref, **NOTE}, headers=OPERATOR)
    assert told(409, response)["code"] == "unknown_order"
    last = (await events(door, code_ref))[-1]
    assert (last["type"], last["data"]["order_id"], last["data"]["what"]) == ("PurchaseRefused", "order/7", what)


def test_a_purchase_is_accepted_though_the_refund_that_came_before_it_exceeds_it() -> None:
    """R-132: the refusal behind it is the refund's."""
    refused = not_bought(A, "refund_exceeds_purchase", what="refund")
    assert answer_to(Outcome([renewed(A), refused]), {}).status == 202
    assert answer_to(Outcome([refused]), {}).status == 409


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/purchases", {"order_id": "1"}),
        ("POST", "/v1/purchases/1/refund", NOTE),
        ("POST", "/v1/purchases/1/cancellation", {}),
    ],
)
async def test_a_purchase_for_a_code_that_was_never_issued_is_refused(
    method: str, path: str, body: dict[str, Any], door: Client
) -> None:
    """R-90, R-96."""
    response = await door.request(method, path, json={"code_ref": f"{7:032x}", **body}, headers=OPERATOR)
    assert told(404, response)["code"] == "unknown_code"


async def test_a_refund_says_why(door: Client) -> None:
    """R-96."""
    body = {"code_ref": f"{7:032x}"}
    problem = told(422, await door.post("/v1/purchases/1/refund", json=body, headers=OPERATOR))
    assert [wrong["field"] for wrong in problem["fields"]] == ["note"]


async def test_a_code_that_does_not_exist_is_not_blocked(door: Client) -> None:
    """R-46."""
    for order in ("block", "unblock"):
        response = await door.post(f"/v1/codes/{7:032x}/{order}", json=NOTE, headers=OPERATOR)
        assert told(404, response)["code"] == "unknown_code"


# --- vendors ---------------------------------------------------------------------------------


def requests_about(code_ref: str) -> list[tuple[str, str, dict[str, Any] | None]]:
    """Return every request that names a code."""
    purchase = {"code_ref": code_ref, "order_id": "1"}
    return [
        ("GET", f"/v1/codes/{code_ref}", None),
        ("GET", f"/v1/codes/{code_ref}/devices", None),
        ("GET", f"/v1/codes/{code_ref}/history", None),
        ("POST", f"/v1/codes/{code_ref}/block", NOTE),
        ("POST", f"/v1/codes/{code_ref}/unblock", NOTE),
        ("PUT", f"/v1/codes/{code_ref}/auto-renewal", {"auto_renews": True}),
        ("DELETE", f"/v1/codes/{code_ref}/devices/somebody", None),
        ("POST", "/v1/purchases", purchase),
        ("POST", "/v1/purchases/1/refund", {"code_ref": code_ref, **NOTE}),
        ("POST", "/v1/purchases/1/cancellation", {"code_ref": code_ref}),
    ]


async def test_another_vendors_code_does_not_exist(door: Client) -> None:
    """R-108: each route answers as for a code that was never issued, and nothing is recorded on the code."""
    ours, theirs = await a_vendor(door, "acme"), await a_vendor(door, "globex")
    code_ref, nobodys = (await issued(door, theirs))["code_ref"], f"{7:032x}"
    for foreign, unknown in zip(requests_about(code_ref), requests_about(nobodys), strict=True):
        answers = [
            await door.request(method, path, json=body, headers=ours) for method, path, body in (foreign, unknown)
        ]
        assert [told(404, answer)["code"] for answer in answers] == ["unknown_code"] * 2
        assert answers[0].text.replace(code_ref, nobodys) == answers[1].text
    assert [event["type"] for event in await events(door, code_ref)] == ["CodeIssued"]


async def test_a_repeated_probe_reveals_no_more_than_the_first(door: Client) -> None:
    """R-108: not even by the header of a repeated answer."""
    ours, theirs = await a_vendor(door, "acme"), await a_vendor(door, "globex")
    for code_ref in ((await issued(door, theirs))["code_ref"], f"{7:032x}"):
        keyed = {**ours, "Idempotency-Key": code_ref}
        answers = [await door.post(f"/v1/codes/{code_ref}/block", json=NOTE, headers=keyed) for _ in range(2)]
        assert ["idempotent-replay" in answer.headers for answer in answers] == [False, False]


async def test_a_vendor_issues_only_its_own_codes(door: Client) -> None:
    """R-108."""
    acme = await a_vendor(door, "acme")
    code_ref = (await issued(door, acme))["code_ref"]
    assert told(200, await door.get(f"/v1/codes/{code_ref}", headers=acme))["vendor"] == "acme"
    response = await door.post("/v1/codes", json={**PAID, "vendor": "globex"}, headers=acme)
    assert told(403, response)["code"] == "not_your_vendor"
    told(202, await door.post(f"/v1/codes/{code_ref}/block", json=NOTE, headers=acme))


async def test_the_operator_issues_for_any_vendor(door: Client) -> None:
    """R-108."""
    acme, code_ref = await a_vendor(door, "acme"), (await issued(door, vendor="acme"))["code_ref"]
    told(200, await door.get(f"/v1/codes/{code_ref}", headers=acme))


async def test_two_vendors_may_use_the_same_idempotency_key(door: Client) -> None:
    """R-09, R-108."""
    refs = set()
    for vendor in ("acme", "globex"):
        keyed = {**await a_vendor(door, vendor), "Idempotency-Key": "1"}
        refs |= {(await issued(door, keyed))["code_ref"], (await issued(door, keyed))["code_ref"]}
    assert len(refs) == 2


async def test_a_revoked_key_gives_no_access(door: Client) -> None:
    """R-108."""
    made = told(201, await door.post("/v1/vendors/acme/keys", headers=OPERATOR))
    acme = {"Authorization": f"Bearer {made['key']}"}
    code_ref = (await issued(door, acme))["code_ref"]
    path = f"/v1/vendors/acme/keys/{made['key_id']}"
    told(200, await door.delete(path, headers=OPERATOR))
    assert told(403, await door.get(f"/v1/codes/{code_ref}", headers=acme))["code"] == "not_the_operator"
    assert told(404, await door.delete(path, headers=OPERATOR))["code"] == "unknown_vendor_key"


async def test_a_vendor_cannot_make_keys(door: Client) -> None:
    """R-108."""
    acme = await a_vendor(door, "acme")
    for path in ("/v1/vendors/acme/keys", "/v1/vendors/globex/keys"):
        assert told(403, await door.post(path, headers=acme))["code"] == "not_the_operator"


async def test_a_vendor_key_is_stored_as_a_hash(door: Client, activation_pool: Pool) -> None:
    """R-108."""
    key = (await a_vendor(door, "acme"))["Authorization"].removeprefix("Bearer ")
    row = await activation_pool.fetchrow("select * from vendor_key")
    assert row is not None
    assert key not in str(dict(row))


# --- customers -------------------------------------------------------------------------------

ADA = {"subject": "customer-7", "name": "Ada Lovelace", "contact": "ada@example.org"}


async def test_a_customer_is_sealed_in_the_ledger_and_readable_through_the_api(
    door: Client, activation_pool: Pool
) -> None:
    """R-115."""
    code_ref = (await issued(door, customer=ADA))["code_ref"]
    shown = told(200, await door.get(f"/v1/codes/{code_ref}", headers=OPERATOR))
    assert shown["customer"] == ADA
    for data in await activation_pool.fetch("select data from event"):
        assert b"Ada" not in data["data"]
        assert b"customer-7" not in data["data"]


async def test_erasing_a_customer_destroys_the_key_and_is_recorded_on_each_code(door: Client) -> None:
    """R-115: the events stay as they are, so the chain does."""
    refs = [(await issued(door, customer=ADA))["code_ref"] for _ in range(2)]
    other = (await issued(door, customer={**ADA, "subject": "customer-8"}))["code_ref"]
    before = await events(door, refs[0])
    answer = told(200, await door.post("/v1/customers/customer-7/erase", headers=OPERATOR))
    assert (answer["keys_destroyed"], answer["codes"]) == (1, sorted(refs))
    for code_ref in refs:
        assert "customer" not in told(200, await door.get(f"/v1/codes/{code_ref}", headers=OPERATOR))
        assert (await events(door, code_ref))[-1]["type"] == "CustomerErased"
    assert (await events(door, refs[0]))[: len(before)] == before
    assert told(200, await door.get(f"/v1/codes/{other}", headers=OPERATOR))["customer"]["name"] == ADA["name"]


async def test_erasing_twice_or_nobody_changes_nothing(door: Client) -> None:
    """R-115."""
    code_ref = (await issued(door, customer=ADA))["code_ref"]
    told(200, await door.post("/v1/customers/customer-7/erase", headers=OPERATOR))
    before = await events(door, code_ref)
    for subject in ("customer-7", "nobody"):
        answer = told(200, await door.post(f"/v1/customers/{subject}/erase", headers=OPERATOR))
        assert (answer["keys_destroyed"], answer["codes"]) == (0, [])
    assert await events(door, code_ref) == before


async def test_a_vendor_erases_only_its_own_customers(door: Client) -> None:
    """R-108, R-115: two vendors may know different people by one id."""
    acme, globex = await a_vendor(door, "acme"), await a_vendor(door, "globex")
    code_ref = (await issued(door, globex, customer=ADA))["code_ref"]
    answer = told(200, await door.post("/v1/customers/customer-7/erase?vendor=globex", headers=acme))
    assert (answer["keys_destroyed"], answer["codes"]) == (0, [])
    assert told(200, await door.get(f"/v1/codes/{code_ref}", headers=globex))["customer"] == ADA
    answer = told(200, await door.post("/v1/customers/customer-7/erase", headers=globex))
    assert answer["codes"] == [code_ref]
