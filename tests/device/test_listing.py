"""Lists of devices and the fleet at a glance, on a real ledger: who is told what, in which order, at what cost."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.device.api import listing, overview
from services.device.decider import Expire
from shared.calendar import instant
from shared.keys.signing import KeyRing
from shared.ledger.code_generator import new_code
from shared.ledger.command_handler import CommandMessage
from shared.ledger.database import Pool, transaction
from shared.ledger.events import append
from shared.ledger.identity import new_id
from shared.ledger.outbox import Cause
from shared.messages import CodeBlocked, CodeRejected, LicenseActivated, LicenseRenewed, Reason
from tests.at_the_door import OPERATOR, told
from tests.device.test_doors import Owner, Stand, device_service, enrolled


@pytest.fixture
async def stand(device_pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """The doors on a ledger as good as new."""
    keys = KeyRing.load_or_create(tmp_path_factory.getbasetemp() / "listing-keys" / "device.pem")
    async with device_service(device_pool, keys) as stand:
        yield stand


async def added(stand: Stand, owner: Owner) -> tuple[str, UUID]:
    """Let the owner add a code and return its reference and the request that awaits a verdict."""
    code = new_code()
    path = f"{owner.path}/codes"
    told(202, await stand.http.post(path, headers=owner.headers, json={"code": code.reveal()}))
    asked = (await stand.events(owner.device_id))[-1]["data"]
    return asked["code_ref"], UUID(asked["request_id"])


async def licensed(stand: Stand, until: datetime, **more: Any) -> Owner:
    """Return a device whose license ends then."""
    owner = await enrolled(stand, **more)
    code_ref, request_id = await added(stand, owner)
    now = stand.clock.now()
    begun = min(now, until) - timedelta(days=1)
    await stand.says(
        LicenseActivated(
            device_id=owner.device_id,
            code_ref=code_ref,
            last_group="7QX2M",
            request_id=request_id,
            trigger="immediate",
            activated_at=begun,
            started_at=begun,
            ends_at=until,
        )
    )
    return owner


async def lists(stand: Stand, **asked: Any) -> list[str]:
    """Return the ids on all pages of a list."""
    found: list[str] = []
    after = ""
    while True:
        params = {"limit": 2, "after": after, **asked}
        page = told(200, await stand.http.get("/v1/devices", params=params, headers=OPERATOR))
        found += [entry["device_id"] for entry in page["devices"]]
        if page["next"] is None:
            return found
        after = page["next"]


async def test_devices_are_listed_by_status_product_and_end_page_by_page(stand: Stand) -> None:
    """R-40: those in force in the order of their ends, all others in the order of their ids."""
    now = stand.clock.now()
    ends = [now + timedelta(days=days) for days in (30, 10, 20)]
    in_force = [await licensed(stand, end) for end in ends]
    empty = sorted([(await enrolled(stand, product=name)).device_id for name in ("antivirus", "vpn", "vpn")])
    by_end = [in_force[1].device_id, in_force[2].device_id, in_force[0].device_id]
    assert await lists(stand, status="active") == by_end
    assert await lists(stand, expiring_before=instant(ends[2])) == by_end[:1]
    assert await lists(stand, status="unlicensed") == empty
    assert await lists(stand) == sorted([*by_end, *empty])
    vpn = await lists(stand, product="vpn")
    assert (len(vpn), set(vpn) < set(empty)) == (2, True)
    assert await lists(stand, vendor="nobody") == []


async def test_a_list_of_rare_devices_goes_on_after_a_page_that_is_not_full(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "CHUNK_ROWS", 1)
    monkeypatch.setattr(listing, "LOOKED_AT_MAX", 2)
    for product in ("antivirus", "antivirus", "antivirus"):
        await enrolled(stand, product=product)
    page = told(200, await stand.http.get("/v1/devices", params={"vendor": "rare"}, headers=OPERATOR))
    assert (page["devices"], page["next"] is None) == ([], False)
    assert await lists(stand, vendor="rare") == []
    assert len(await lists(stand, vendor="default")) == 3


async def test_only_the_operator_sees_other_peoples_devices(stand: Stand) -> None:
    """R-109."""
    owner = await enrolled(stand)
    for path in ("/v1/devices", "/v1/overview", "/v1/refusals"):
        told(403, await stand.http.get(path, headers=owner.headers))


async def test_a_cursor_that_nobody_gave_out_is_no_error(stand: Stand) -> None:
    """R-134."""
    await licensed(stand, stand.clock.now() + timedelta(days=1))
    for path in ("/v1/devices", "/v1/renewals"):
        name = new_id() if "renewals" in path else "d"
        for number in ("0", "9" * 18):
            params = {"status": "active"} if path == "/v1/devices" else {}
            told(200, await stand.http.get(path, params={**params, "after": f"{number}.{name}"}, headers=OPERATOR))


async def ends(stand: Stand, owner: Owner) -> None:
    """Let the timer record that the license is over."""
    now = stand.clock.now()
    cause = Cause(at=now, recorded_at=now, correlation_id=new_id())
    async with transaction(stand.pool) as connection:
        decided = await stand.handler.decide(
            connection, [CommandMessage(Expire(device_id=owner.device_id, at=now), cause)]
        )
        await append(connection, decided.events)


async def test_the_overview_counts_what_the_lists_list(stand: Stand) -> None:
    """R-40, R-105: a license over is told apart as grace, expired or blocked."""
    now = stand.clock.now()
    soon = await licensed(stand, now + timedelta(days=3))
    await licensed(stand, now + timedelta(days=300))
    past, blocked = await licensed(stand, now - timedelta(minutes=1)), await licensed(stand, now + timedelta(days=9))
    await enrolled(stand)
    ref = (await stand.events(blocked.device_id))[-1]["data"]["code_ref"]
    await stand.says(CodeBlocked(device_id=blocked.device_id, code_ref=ref, stops_at=now, note="stolen"))
    for owner in (past, blocked):
        await ends(stand, owner)
    answer = told(200, await stand.http.get("/v1/overview", headers=OPERATOR))
    assert answer["statuses"] == {"unlicensed": 1, "active": 2, "over": 2, "grace": 0, "expired": 1, "blocked": 1}
    for name, count in answer["statuses"].items():
        assert len(await lists(stand, status=name)) == count, name
    assert [(day["day"], day["count"]) for day in answer["ending"] if day["count"]] == [
        ((now + timedelta(days=3)).date().isoformat(), 1)
    ]
    assert await lists(stand, expiring_before=instant(now + timedelta(days=14))) == [soon.device_id]
    assert [event["type"] for event in answer["latest"][:2]] == ["LicenseExpired", "LicenseExpired"]


async def test_more_licenses_that_are_over_than_can_be_asked_are_not_told_apart(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "TOLD_APART_MAX", 0)
    await ends(stand, await licensed(stand, stand.clock.now() - timedelta(minutes=1)))
    statuses = told(200, await stand.http.get("/v1/overview", headers=OPERATOR))["statuses"]
    assert (statuses["over"], statuses["expired"]) == (1, None)


async def test_refusals_and_renewals_are_counted_and_listed_latest_first(stand: Stand) -> None:
    """R-19, R-99."""
    now = stand.clock.now()
    reasons: tuple[Reason, ...] = ("unknown_code", "code_blocked")
    for reason in reasons:
        owner = await enrolled(stand)
        code_ref, request_id = await added(stand, owner)
        await stand.says(
            CodeRejected(device_id=owner.device_id, code_ref=code_ref, request_id=request_id, reason=reason)
        )
    holder = await licensed(stand, now + timedelta(days=3))
    ref = (await stand.events(holder.device_id))[-1]["data"]["code_ref"]
    await stand.says(
        LicenseRenewed(
            device_id=holder.device_id,
            code_ref=ref,
            order_id="order-1",
            purchased_at=now,
            previous_ends_at=now + timedelta(days=3),
            ends_at=now + timedelta(days=30),
        )
    )
    answer = told(200, await stand.http.get("/v1/overview", headers=OPERATOR))
    assert {one["reason"]: one["count"] for one in answer["refusals"]} == {"unknown_code": 1, "code_blocked": 1}
    assert answer["freshness"]["renewals"] == 1
    assert 0 <= answer["freshness"]["median_seconds"] <= answer["freshness"]["longest_seconds"]
    assert [one["reason"] for one in await happened(stand, "refusals")] == ["code_blocked", "unknown_code"]
    assert [one["reason"] for one in await happened(stand, "refusals", reason="unknown_code")] == ["unknown_code"]
    assert await happened(stand, "refusals", before=instant(now)) == []
    (renewal,) = await happened(stand, "renewals")
    assert (renewal["device_id"], renewal["order_id"]) == (holder.device_id, "order-1")


async def happened(stand: Stand, what: str, **asked: Any) -> list[dict[str, Any]]:
    """Return all pages of what happened, one at a time."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        params = {"limit": 1, "after": after, **asked}
        page = told(200, await stand.http.get(f"/v1/{what}", params=params, headers=OPERATOR))
        found += page["events"]
        if page["next"] is None:
            return found
        after = page["next"]


AT, ID = datetime(2026, 3, 1, tzinfo=UTC), "0198a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
PLANS: dict[str, tuple[Any, ...]] = {
    "device_by_end": (listing.BY_END, AT, "d", AT, 500),
    "device_over": (listing.PAST, "d", 500),
    "device_unlicensed": (listing.UNLICENSED, "d", 500),
    "device_pkey": (listing.ALL, "d", 500),
    "event_refused": (overview.REFUSALS, AT, ID, AT, 500),
    "event_renewed": (overview.RENEWALS, AT, ID, AT, 500),
}


@pytest.mark.parametrize("index", PLANS)
async def test_each_list_walks_along_its_own_index_and_sorts_nothing(index: str, device_pool: Pool) -> None:
    query, *parameters = PLANS[index]
    async with device_pool.acquire() as connection, connection.transaction():
        # an empty table is read as a whole, whatever its indexes are
        await connection.execute(
            "set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off"
        )
        plan = "\n".join(row[0] for row in await connection.fetch(f"explain {query}", *parameters))
    assert f"using {index}" in plan
    assert "Sort" not in plan
