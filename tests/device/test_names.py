"""Devices with the names that people gave them and their last contact, on a real ledger."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.device.api import names
from shared.calendar import instant
from shared.keys.signing import KeyRing
from shared.ledger.database import Pool
from tests.at_the_door import OPERATOR, told
from tests.device.test_doors import Stand, device_service, enrolled

PATH = "/v1/devices/named"


@pytest.fixture
async def stand(device_pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """The doors on a ledger as good as new."""
    keys = KeyRing.load_or_create(tmp_path_factory.getbasetemp() / "names-keys" / "device.pem")
    async with device_service(device_pool, keys) as stand:
        yield stand


async def found(stand: Stand, **asked: Any) -> list[dict[str, Any]]:
    """Return the devices on all pages."""
    devices: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = told(200, await stand.http.get(PATH, params={"after": after, **asked}, headers=OPERATOR))
        devices += page["devices"]
        after = page["next"]
    return devices


async def test_a_device_is_found_by_a_part_of_its_name_and_not_once_that_is_erased(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-115."""
    ada, other, _ = [await enrolled(stand, name=name) for name in ("Ada's Notebook", "ADA’s desk", "Bob's phone")]
    await enrolled(stand)
    monkeypatch.setattr(names, "CHUNK_ROWS", 1)
    for limit in (1, 100):
        assert {each["device_id"] for each in await found(stand, name="ada", limit=limit)} == {
            ada.device_id,
            other.device_id,
        }
    (one,) = await found(stand, name="notebook")
    assert one == {
        "device_id": ada.device_id,
        "name": "Ada's Notebook",
        "product": "antivirus",
        "region": "DE",
        "last_contact_at": None,
    }
    told(200, await stand.http.delete(f"{ada.path}/name", headers=ada.headers))
    assert await found(stand, name="notebook") == []
    (erased,) = await found(stand, device_id=ada.device_id)
    assert erased["name"] is None


async def test_devices_are_told_with_their_last_contact(stand: Stand) -> None:
    """R-101."""
    ada, bob = [await enrolled(stand, name=name) for name in ("Ada's notebook", "Bob's phone")]
    body = {"sequence": 1, "nonce": "a-nonce-of-mine"}
    before = stand.clock.now()
    told(200, await stand.http.post(f"{ada.path}/contact", headers=ada.headers, json=body))
    devices = {each["device_id"]: each for each in await found(stand, device_id=[ada.device_id, bob.device_id, "none"])}
    assert set(devices) == {ada.device_id, bob.device_id}
    assert devices[bob.device_id]["last_contact_at"] is None
    assert devices[ada.device_id]["last_contact_at"] >= instant(before)


async def test_names_that_this_service_did_not_seal_hide_no_others(stand: Stand) -> None:
    """R-115."""
    ada, bob = [await enrolled(stand, name=name) for name in ("Ada's notebook", "Bob's phone")]
    await stand.pool.execute("update subject_key set key = $2 where subject = $1", bob.device_id, bytes(32))
    told_of = {each["device_id"]: each["name"] for each in await found(stand, device_id=[ada.device_id, bob.device_id])}
    assert told_of == {ada.device_id: "Ada's notebook", bob.device_id: None}


@pytest.mark.parametrize("asked", [{}, {"device_id": "pc-1", "name": "ada"}, {"name": ""}, {"device_id": "pc 1"}])
async def test_ids_or_a_name_are_asked_for(stand: Stand, asked: dict[str, str]) -> None:
    assert told(422, await stand.http.get(PATH, params=asked, headers=OPERATOR))["code"] == "invalid_fields"


async def test_only_the_operator_is_told_names(stand: Stand) -> None:
    """R-109."""
    owner = await enrolled(stand, name="Ada's notebook")
    answer = await stand.http.get(PATH, params={"device_id": owner.device_id}, headers=owner.headers)
    assert told(403, answer)["code"] == "not_the_operator"
