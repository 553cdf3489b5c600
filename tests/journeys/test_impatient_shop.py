"""A shop that asks for many codes at once, gives up too soon, and asks again."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from services.cli.system import System
from shared.ledger.identity import new_id
from tests.journeys.logs import query
from tests.journeys.people import PRODUCT, client

ORDERS = 4
CODES = 1_000
PATIENCE_SECONDS = 0.3
GIVE_UP_SECONDS = 120.0


def ordered(system: System, key: str) -> set[str]:
    """Ask under one key until the codes come, each time with a little more patience."""
    tries, deadline = 0, time.monotonic() + GIVE_UP_SECONDS
    body, headers = {"product": PRODUCT, "term": "P1Y", "count": CODES, "edition": key}, {"Idempotency-Key": key}
    with client(system, "activation", system.credentials.operator_key) as shop:
        while time.monotonic() < deadline:
            tries += 1
            try:
                answer = shop.post("/v1/codes", json=body, headers=headers, timeout=PATIENCE_SECONDS * tries)
            except httpx.TimeoutException:
                continue
            if answer.status_code == httpx.codes.CREATED:
                return {entry["code"] for entry in answer.json()["codes"]}
            assert (answer.status_code, answer.json()["code"]) == (503, "too_busy"), answer.text
            time.sleep(float(answer.headers["Retry-After"]))
    raise AssertionError(f"no codes within {GIVE_UP_SECONDS:.0f} seconds")


def test_an_impatient_shop_gets_every_code_it_ordered_and_no_other_is_issued(system: System) -> None:
    """R-09, R-140: four orders of a thousand codes, twice what may wait, each repeated under its own key."""
    keys = [f"shop-{new_id().hex[-12:]}" for _ in range(ORDERS)]
    with ThreadPoolExecutor(ORDERS) as orders:
        codes = list(orders.map(lambda key: ordered(system, key), keys))
    assert [len(each) for each in codes] == [CODES] * ORDERS
    assert len(set.union(*codes)) == ORDERS * CODES
    assert query(system, "activation", ISSUED, keys) == [{"edition": key, "issued": CODES} for key in sorted(keys)]


ISSUED = """
select state ->> 'edition' as edition, count(*) as issued from code
where state ->> 'edition' = any($1::text[]) group by 1 order by 1
"""
