"""A whole code leaves once, on paper: it is in no topic, table, log, metric or error (R-112).

Last of the journeys by its name, so that it looks at everything that they left behind.
"""

import re
from collections.abc import Iterator

import pytest

from services.cli.names import SERVICES
from services.cli.system import System
from shared.rules.codes import ALPHABET
from tests.journeys.logs import TOPICS, query, read_topic
from tests.journeys.people import IssuedCode, OwnedDevice, Time, Vendor, client, expect, runs_on

SYMBOLS_SHOWN = 5


@pytest.fixture(scope="module")
def lived(system: System, vendor: Vendor, time: Time) -> Vendor:
    """The vendor, after one more life in which codes were typed rightly, wrongly, and in the wrong places."""
    device, running, reserve, spare = OwnedDevice.enrolled(system), *vendor.issue_many(3, "P1M")
    shown = device.activates(running)
    device.keeps_in_reserve(reserve)
    last = ALPHABET[(ALPHABET.index(reserve.text[-1]) + 1) % len(ALPHABET)]
    for typed in (reserve.text[:-1] + last, reserve.text + "7", reserve.text.replace("-", "/")):
        expect(400, device.add(typed))
    device.add(spare, headers={"Idempotency-Key": spare.text})
    for path in (f"{device.path}/codes/{spare.text}", f"/v1/devices/{spare.text}/license"):
        device.http.get(path)
    vendor.http.get(f"/v1/codes/{spare.text}")
    vendor.http.post("/v1/purchases", json={"code_ref": spare.text, "order_id": "typed"})
    time.reaches_the_end_of(shown)
    device.sees(runs_on(reserve))
    return vendor


def left_by(system: System) -> Iterator[tuple[str, bytes]]:
    """Yield everything that the journeys left behind, by its place."""
    for topic in TOPICS:
        for record in read_topic(system, topic):
            headers = b"\n".join(name.encode() + b"=" + (value or b"") for name, value in record.headers)
            yield f"topic {topic}", b"\n".join((record.key or b"", headers, record.value or b""))
    for service in SERVICES:
        for table in query(system, service, "select tablename from pg_tables where schemaname = 'public'"):
            for row in query(system, service, f"select * from {table['tablename']}"):
                values = (value if isinstance(value, bytes) else str(value).encode() for value in row.values())
                yield f"table {service}.{table['tablename']}", b"\n".join(values)
        with client(system, service) as nobody:
            yield f"metrics of {service}", nobody.get("/metrics").content
    for log in [*system.folder.rglob("*.log"), *system.folder.rglob("log.txt")]:
        yield f"log {log.relative_to(system.folder)}", log.read_bytes()


def test_no_whole_code_is_left_anywhere(system: System, lived: Vendor) -> None:
    """R-112: written with hyphens or without, in either case; of the last group alone everything may speak."""
    assert len(lived.issued) >= 3
    secret = {re.sub("-", "", code.text)[:-SYMBOLS_SHOWN]: code for code in lived.issued}
    places = set()
    for place, content in left_by(system):
        places.add(place.split()[0])
        found = found_in(content, secret)
        assert not found, f"{place} tells {len(found)} codes that end in {[code.last_group for code in found]}"
    assert places == {"topic", "table", "metrics", "log"}


def found_in(content: bytes, secret: dict[str, IssuedCode]) -> list[IssuedCode]:
    """Return the codes whose secret symbols stand in the content."""
    text = content.decode("latin-1").upper().replace("-", "")
    # one pass finds the stretches that could hold a code, so that each code need not be looked for in everything
    stretches = set(re.findall(r"[0-9A-Z]{15,}", text))
    windows = {run[start : start + 15] for run in stretches for start in range(len(run) - 14)}
    return [code for symbols, code in secret.items() if symbols in windows]


def test_the_search_finds_a_code_that_was_left(lived: Vendor) -> None:
    """The test above can fail."""
    code = lived.issued[0]
    secret = {re.sub("-", "", code.text)[:-SYMBOLS_SHOWN]: code}
    for left in (code.text, code.text.lower(), code.text.replace("-", ""), f'{{"typed":"{code.text}"}}'):
        assert found_in(left.encode(), secret) == [code]
    assert found_in(code.last_group.encode() + code.ref.encode(), secret) == []
