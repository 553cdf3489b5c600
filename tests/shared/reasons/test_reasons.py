"""Each word for a refusal, notice, problem or parked message is explained once and means the same everywhere."""

import ast
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from shared.doors.answers import problem_for_reason
from shared.doors.app import new_app
from shared.doors.problems import TITLES
from shared.ledger.command_handler import Outcome
from shared.messages import EVENT_TYPES, CodeRejected, Hold, Notice, PurchaseRefused, Reason
from shared.reasons import CATALOGUE, Explained, detail_of
from shared.reasons.checked import CHECKED, words_of_check
from shared.reasons.page import page
from tests.rules.rulebook import RULES
from tests.shared.golden.files import SCHEMAS
from tests.shared.golden.schemas import schema_of
from tests.test_house import FILES, HOUSE

REASONS, NOTICES = get_args(Reason), get_args(Notice)
ENTRIES: tuple[Explained, ...] = (*CATALOGUE.reasons, *CATALOGUE.notices, *CATALOGUE.problems, *CATALOGUE.parking)
WORDS = {entry.word for entry in ENTRIES}
REQUEST = UUID(int=1)


def test_what_a_check_looks_at_is_said_of_every_reason_and_is_no_refusal() -> None:
    """R-19."""
    assert set(CHECKED) == {*REASONS, *get_args(Hold)}
    assert words_of_check("activate_by_passed", passed=True) == "the activate-by date"
    assert words_of_check("activate_by_passed", passed=False) == "activate by passed"
    assert words_of_check("of_a_newer_release", passed=True) == "of a newer release"


CODE_ARGUMENT = {
    "Problem": 1,
    "problem_body": 1,
    "problem_response": 1,
    "refusal": 1,
    "Refused": 0,
    "ClockRefused": 0,
    "NotRedriven": 0,
    "NotSigned": 0,
    "Parked": 1,
    "park": 1,
}
"""The functions that take such a word, and as which argument."""


def test_each_reason_and_each_notice_is_explained_once_in_the_order_of_the_messages() -> None:
    """R-19."""
    assert [entry.word for entry in CATALOGUE.reasons] == list(REASONS)
    assert [entry.word for entry in CATALOGUE.notices] == list(NOTICES)


def test_every_word_in_use_is_explained_and_no_other() -> None:
    """R-19, R-122."""
    given = {word for path in FILES if path.parts[0] in ("shared", "services") for word in _words_in(path)}
    given |= {code for code, _ in TITLES.values()}
    assert given - WORDS == set(), "add these to shared/reasons/problems.py or parking.py"
    others = {entry.word for entry in (*CATALOGUE.problems, *CATALOGUE.parking)}
    assert others - given == {"http_error"}, "nothing uses these any more"


def test_no_word_is_explained_twice_in_one_chapter() -> None:
    for chapter in (CATALOGUE.reasons, CATALOGUE.notices, CATALOGUE.problems, CATALOGUE.parking):
        words = [entry.word for entry in chapter]
        assert len(set(words)) == len(words) > 0


def test_a_reason_is_never_a_problem_with_another_meaning() -> None:
    """R-19: one word, one meaning."""
    assert {entry.word for entry in CATALOGUE.problems} & set(REASONS) == set()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{type(entry).__name__}-{entry.word}")
def test_an_explanation_names_existing_rules_and_uses_one_sentence_for_each_part(entry: Explained) -> None:
    assert set(entry.rules) <= set(RULES)
    for sentence in (entry.meaning, entry.what_to_do, entry.what_follows or ""):
        assert ". " not in sentence
        assert "_" not in sentence


def test_every_reason_and_every_notice_names_its_rules() -> None:
    """R-19."""
    assert [entry.word for entry in (*CATALOGUE.reasons, *CATALOGUE.notices) if not entry.rules] == []


def test_events_know_the_words_of_the_catalogue_and_no_other() -> None:
    """R-19: in the current schemas, and in the pinned ones."""
    today = [schema_of(event) for event in EVENT_TYPES.values()]
    assert set().union(*(_enumerated(schema, "reason") for schema in today)) == set(REASONS)
    assert set().union(*(_enumerated(schema, "notices") for schema in today)) == set(NOTICES)
    pinned = [json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")]
    assert pinned
    assert set().union(*(_enumerated(schema, "reason") for schema in pinned)) <= set(REASONS)
    assert set().union(*(_enumerated(schema, "notices") for schema in pinned)) <= set(NOTICES)


def test_the_page_of_the_documentation_is_the_catalogue() -> None:
    """R-19: `python -m shared.reasons > docs/reasons.md` regenerates it."""
    assert (HOUSE / "docs" / "reasons.md").read_text() == page()


def test_documents_use_only_words_of_the_catalogue() -> None:
    """R-19: what a document writes as `code: word` or "reason `word`" is in the catalogue."""
    documents = [path for path in FILES if path.suffix == ".md"]
    named = {
        (str(path), word)
        for path in documents
        for word in re.findall(r'(?:reason|code)"?:? *["`]([a-z]+_[a-z_]+)["`]', (HOUSE / path).read_text())
    }
    assert documents
    assert {(path, word) for path, word in named if word not in WORDS | {"code_ref"}} == set()


@pytest.mark.parametrize("reason", REASONS)
def test_a_refusal_says_what_the_catalogue_says(reason: Reason) -> None:
    """R-19."""
    answer = problem_for_reason(reason)
    [entry] = [entry for entry in CATALOGUE.reasons if entry.word == reason]
    assert answer.body["code"] == reason
    assert answer.body["detail"] == f"{entry.meaning} {entry.what_to_do}"
    assert answer.status == (429 if reason == "throttled" else 409)


# --- through the door -----------------------------------------------------------------------------


@pytest.fixture
async def anybody() -> AsyncIterator[httpx.AsyncClient]:
    """A client without credentials."""
    app = new_app(title="any service", version="1", registry=CollectorRegistry(), checks=())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


async def test_anybody_can_read_the_reasons_and_keep_them_for_an_hour(anybody: httpx.AsyncClient) -> None:
    """R-19."""
    answer = await anybody.get("/reasons")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.json() == CATALOGUE.model_dump(mode="json", exclude_none=True)
    again = await anybody.get("/reasons", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("word", sorted(WORDS))
async def test_the_type_of_a_problem_leads_to_its_explanation(word: str, anybody: httpx.AsyncClient) -> None:
    """R-19."""
    answer = await anybody.get(f"/problems/{word}")
    assert answer.status_code == 200
    known = [entry.model_dump(mode="json", exclude_none=True) for entry in ENTRIES if entry.word == word]
    assert answer.json() == known


@pytest.mark.parametrize(("word", "status"), [("no_such_word", 404), ("X", 422), ("a" * 65, 422)])
async def test_an_unknown_word_is_refused(word: str, status: int, anybody: httpx.AsyncClient) -> None:
    assert (await anybody.get(f"/problems/{word}")).status_code == status


async def test_the_api_describes_the_same_words(anybody: httpx.AsyncClient) -> None:
    """R-19."""
    schemas = (await anybody.get("/openapi.json")).json()["components"]["schemas"]
    assert schemas["ExplainedReason"]["properties"]["word"]["enum"] == list(REASONS)
    assert schemas["ExplainedNotice"]["properties"]["word"]["enum"] == list(NOTICES)


def test_both_services_refuse_in_these_words() -> None:
    """R-19."""
    from services.activation import api as activation  # noqa: PLC0415 - a service that cannot start fails this alone
    from services.device.api import doors as device  # noqa: PLC0415

    purchase = PurchaseRefused(code_ref="a" * 32, order_id="order-1", reason="unknown_order")
    rejected = CodeRejected(device_id="d", code_ref="a" * 32, request_id=REQUEST, reason="reserve_exists")
    for answer, event in ((activation.answer_to, purchase), (device.answer_to, rejected)):
        body = answer(Outcome([event]), {}).body
        assert (body["code"], body["detail"]) == (event.reason, detail_of(event.reason))


# --- reading ------------------------------------------------------------------------------------------


def _words_in(path: Path) -> Iterator[str]:
    """Return the words that a module passes to these functions."""
    if path.suffix != ".py":
        return
    for node in ast.walk(ast.parse((HOUSE / path).read_text())):
        if isinstance(node, ast.Call):
            place = CODE_ARGUMENT.get(_name(node.func), len(node.args))
            match node.args[place : place + 1]:
                case [ast.Constant(value=str(word))]:
                    yield word


def _name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _enumerated(schema: dict[str, Any], field: str) -> set[str]:
    """Return the words that a field of an event may contain; none if the set is open."""
    found = schema["properties"].get(field, {})
    return set(found.get("enum", ())) | set(found.get("items", {}).get("enum", ()))
