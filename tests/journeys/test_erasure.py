"""A customer is forgotten through the real doors, and the history in which the customer stood stays whole."""

from services.cli.system import System
from shared.calendar import instant
from shared.ledger.hash_chain import GENESIS, chained_hash
from shared.ledger.slices import slice_of
from tests.journeys.logs import ACTIVATION_EVENTS, query, read_topic
from tests.journeys.people import OwnedDevice, Vendor, expect, runs_on

ADA = {"subject": "customer-7", "name": "Ada Lovelace", "contact": "ada@example.org"}
CHAIN = "select * from event where slice = $1 order by position"


def test_a_customer_is_erased_and_neither_the_chain_nor_the_license_notices(system: System, vendor: Vendor) -> None:
    """R-112, R-115, R-127."""
    code = vendor.issue(customer=ADA)
    device = OwnedDevice.enrolled(system, name="Ada's notebook")
    device.activates(code)
    assert vendor.code(code)["customer"] == ADA
    before = vendor.history(code)
    erased = expect(200, vendor.http.post(f"/v1/customers/{ADA['subject']}/erase"))
    assert (erased["keys_destroyed"], erased["codes"]) == (1, [code.ref])
    assert "customer" not in vendor.code(code)
    after = vendor.history(code)
    assert after[:-1] == before
    assert after[-1]["type"] == "CustomerErased"
    assert runs_on(code)(device.license())
    _chain_is_whole(system, code.ref)


def test_nobodys_name_travels(system: System) -> None:
    """R-112, R-115: not in the clear, and not as the customer's own id."""
    told = b"".join(record.value or b"" for record in read_topic(system, ACTIVATION_EVENTS))
    assert b"sealed_customer" in told
    for word in ("Ada", "ada@example.org", ADA["subject"]):
        assert word.encode() not in told
    keys = query(
        system, "activation", "select key, destroyed_at from subject_key where subject = $1", "default/customer-7"
    )
    assert [(row["key"], row["destroyed_at"] is not None) for row in keys] == [(None, True)]


def _chain_is_whole(system: System, code_ref: str) -> None:
    last = GENESIS
    for row in query(system, "activation", CHAIN, slice_of(code_ref)):
        assert row["prev_hash"] == last
        last = chained_hash(
            last,
            event_id=str(row["event_id"]),
            type_name=row["type"],
            stream_id=row["stream_id"],
            occurred_at=instant(row["occurred_at"]),
            data=row["data"],
        )
        assert row["hash"] == last
