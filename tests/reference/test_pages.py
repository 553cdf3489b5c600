"""The two pages as a browser gets them: complete without scripts, only from this host, and small."""

import re
from html.parser import HTMLParser

import pytest

from shared.reference.asyncapi import Document
from shared.reference.field_texts import FIELDS
from shared.reference.openapi import operations_of
from shared.reference.pages import api_page, messages_page
from shared.reference.rows import Row
from tests.reference.served import APPS, Reader

PAGES = ("/docs/api", "/docs/messages")
BYTES_MAX = 400_000


class Page(HTMLParser):
    """The links, anchors and resources of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.tags: set[str] = set()
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" else []
        self.loads += [given[name] for name in ("src", "href") if name in given and tag in {"script", "link", "img"}]
        self.inline += [name for name in given if name == "style" or name.startswith("on")]


@pytest.fixture(scope="session", params=PAGES)
def page(request: pytest.FixtureRequest, client: Reader) -> Page:
    """One page after the other."""
    return Page(client.get(request.param).text)


def test_a_page_loads_only_from_its_own_host_under_the_strictest_policy(client: Reader, page: Page) -> None:
    assert page.loads
    for address in page.loads:
        assert address.startswith("/docs/assets/")
        assert client.get(address).status_code == 200
    assert page.inline == []
    policy = client.get("/docs/api").headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert re.findall(r"https?:", policy) == []


def test_nothing_on_a_page_sends_anything(page: Page) -> None:
    assert not {"form", "input", "button", "textarea"} & page.tags


def test_every_anchor_is_unique_and_every_link_leads_to_one_or_to_a_route(client: Reader, page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    routes = {link for link in page.links if not link.startswith("#")}
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    for route in routes:
        assert client.get(route).status_code == 200, route


def test_every_route_and_every_message_has_its_place(client: Reader, openapi: Document, asyncapi: Document) -> None:
    api, messages = client.get("/docs/api").text, Page(client.get("/docs/messages").text)
    for name, _ in operations_of(openapi):
        assert f"{name.partition(' ')[2]}</a>" in api
    for topic, channel in asyncapi["channels"].items():
        assert {topic, *(f"{topic}-{name}" for name in channel["messages"])} <= set(messages.ids)


def rows_on(service: str) -> list[Row]:
    """Return every field and parameter on the pages of a service."""
    reader = Reader(service)
    groups, channels = api_page(reader.get("/openapi.json").json()), messages_page(reader.get("/asyncapi.json").json())
    operations = [each for group in groups["groups"].values() for each in group]
    messages = [each for channel in channels["channels"] for each in channel.messages]
    fields = [row for each in (*operations, *messages) for row in each.fields]
    return [*fields, *(row for each in operations for row in each.parameters)]


def test_every_field_has_a_meaning_and_the_field_texts_have_no_others() -> None:
    rows = [row for service in APPS for row in rows_on(service)]
    assert {row.name for row in rows if not row.about} == set()
    assert set(FIELDS) <= {row.name for row in rows}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_small_and_cacheable(client: Reader, path: str) -> None:
    answer = client.get(path)
    assert len(answer.content) < BYTES_MAX
    assert "max-age" in answer.headers["cache-control"]
