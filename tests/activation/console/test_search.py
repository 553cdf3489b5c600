"""One field finds devices, codes and orders, and a whole code never appears in URLs or pages."""

from collections.abc import Callable

import httpx
import pytest

from services.activation.console.queries import CODES_MAX
from services.activation.forecast import Switchover
from shared.ledger.code_generator import new_code
from tests.activation.console.harness import Browser, Harness
from tests.at_the_door import OPERATOR, told


async def search(browser: Browser, asked: str) -> httpx.Response:
    """Return the answer to what a person types."""
    page = await browser.get("/console")
    return await browser.send_form("/console/search", page, asked=asked)


@pytest.mark.parametrize(
    "typed",
    [
        str,
        str.lower,
        lambda code: code.replace("-", " "),
        lambda code: f" {code.replace('-', '')} ",
        lambda code: code.replace("0", "o").replace("1", "l"),
    ],
)
async def test_a_whole_code_is_read_however_people_type_it_and_only_its_reference_is_used(
    typed: Callable[[str], str], harness: Harness
) -> None:
    """R-05, R-112."""
    code = await harness.issue()
    async with await harness.operator() as browser:
        found = await search(browser, typed(code["code"]))
        assert (found.status_code, found.headers["location"]) == (303, f"/console/codes/{code['code_ref']}")
        page = await browser.get(found.headers["location"])
        assert code["code"] not in page.text
        assert page.status_code == 200


async def test_an_unknown_or_malformed_code_is_reported_but_not_shown(harness: Harness) -> None:
    """R-06, R-112."""
    unknown = new_code().reveal()
    mistyped = unknown[:-1] + ("A" if unknown[-1] != "A" else "B")
    async with await harness.operator() as browser:
        nobody, wrong = await search(browser, unknown), await search(browser, mistyped)
    assert (nobody.status_code, wrong.status_code) == (404, 404)
    assert "was never issued" in nobody.text
    assert "is not one" in wrong.text
    for page in (nobody, wrong):
        assert unknown[:17] not in page.text


async def test_the_last_group_finds_one_code_or_a_list_of_them_page_by_page(harness: Harness) -> None:
    code = await harness.issue()
    async with await harness.operator() as browser:
        one = await search(browser, f"•••••-{code['last_group'].lower()}")
        assert one.headers["location"] == f"/console/codes/{code['code_ref']}"
        await harness.pool.execute(TWINS, code["code_ref"], CODES_MAX)
        many = await search(browser, code["last_group"])
        assert many.headers["location"] == f"/console/codes?last_group={code['last_group']}"
        first = await browser.get(many.headers["location"])
        more = first.text.partition('href="/console/codes?')[2].partition('"')[0].replace("&amp;", "&")
        second = await browser.get(f"/console/codes?{more}")
    assert first.text.count("<tr>") == CODES_MAX + 1
    assert second.text.count("<tr>") == 2


TWINS = """
insert into code select lpad(to_hex(number), 32, '0'), slice, version,
    jsonb_set(state, '{code_ref}', to_jsonb(lpad(to_hex(number), 32, '0'))), last_group, seats, seats_taken
from code, generate_series(1, $2) as number where code_ref = $1
"""


@pytest.mark.parametrize("order_id", ["A-17", 'with "quotes" and \\ and / and ü', "a b"])
async def test_an_order_leads_to_its_code(order_id: str, harness: Harness) -> None:
    """R-95."""
    code = await harness.issue()
    await harness.activated(code["code_ref"], "device-1")
    async with await harness.operator() as browser:
        bought = {"code_ref": code["code_ref"], "order_id": order_id}
        told(202, await browser.post("/v1/purchases", json=bought, headers=OPERATOR))
        found = await search(browser, order_id)
        assert found.headers["location"] == f"/console/codes/{code['code_ref']}"
        assert (await search(browser, order_id[:-1])).status_code == 404


async def test_a_device_is_found_here_or_at_the_device_service(harness: Harness) -> None:
    await harness.foresees(Switchover(device_id="known-here", product="antivirus", region="DE"))
    async with await harness.operator() as browser:
        here = await search(browser, "known-here")
        assert here.headers["location"] == "/console/devices/known-here"
        away = await search(browser, "never-had-a-code")
        assert "the device service is not responding" in away.text
        harness.devices.answers = lambda request: httpx.Response(
            200 if request.url.path == "/v1/devices/there/license" else 404, json={"code": "unknown_device"}
        )
        there, nowhere = await search(browser, "there"), await search(browser, "nowhere")
    assert there.headers["location"] == "/console/devices/there"
    assert nowhere.status_code == 404
    assert "No device, code or order matches." in nowhere.text


async def test_an_empty_search_and_html_find_nothing(harness: Harness) -> None:
    async with await harness.operator() as browser:
        assert "Nothing was entered" in (await search(browser, "  ")).text
        page = await search(browser, "<script>alert(1)</script>")
    assert page.status_code == 404
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;" in page.text
