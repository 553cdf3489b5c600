"""The API document and the code agree: every route has summary, examples and problems, and no problem is missing."""

import ast
from collections.abc import Iterator
from pathlib import Path

from shared.doors.fields import Body
from shared.reasons import CATALOGUE
from shared.reference.asyncapi import Document
from shared.reference.common_routes import COMMON_ROUTES
from shared.reference.openapi import PROBLEM_JSON, operations_of
from tests.reference.served import APPS, ROUTES, Reader

HOUSE = Path(__file__).parents[2]
OPERATIONS_MIN = 30
NOT_LISTED = {"unexpected", "not_found", "ledger_unavailable", "method_not_allowed", "http_error"}
"""Problems that any address may return, and those named at the top of the page."""


def test_every_route_is_documented_and_nothing_else_is(service: str, openapi: Document) -> None:
    named = {name for name, _ in operations_of(openapi)}
    assert named == {*COMMON_ROUTES, *ROUTES[service]}
    assert len(named) > OPERATIONS_MIN


def test_every_route_has_a_sentence_an_answer_and_an_example_of_each(openapi: Document) -> None:
    for name, operation in operations_of(openapi):
        assert len(operation["summary"].split()) > 2, name
        good = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        assert good, name
        for answer in good:
            assert [("example" in each) for each in answer["content"].values()] == [True], name
        for body in operation.get("requestBody", {}).get("content", {}).values():
            assert body["example"], name
        for parameter in operation.get("parameters", ()):
            assert not parameter["required"] or "example" in parameter, (name, parameter["name"])


def test_every_route_lists_its_problems_in_explained_words(openapi: Document) -> None:
    """R-19."""
    for name, operation in operations_of(openapi):
        problems = {status: answer for status, answer in operation["responses"].items() if not status.startswith("2")}
        if operation["security"]:
            assert {"401", "403"} <= set(problems), name
        for status, answer in problems.items():
            examples = answer["content"][PROBLEM_JSON]["examples"]
            assert examples, (name, status)
            for code, example in examples.items():
                assert CATALOGUE.about(code), (name, code)
                assert example["value"]["status"] == int(status)


def test_each_code_has_the_same_status_everywhere(openapi: Document) -> None:
    statuses: dict[str, set[str]] = {}
    for _, operation in operations_of(openapi):
        for status, answer in operation["responses"].items():
            for code in answer.get("content", {}).get(PROBLEM_JSON, {}).get("examples", {}):
                statuses.setdefault(code, set()).add(status)
    # a parked message that is not redriven is a conflict, whatever it was parked for
    several = {code for code, found in statuses.items() if len(found) > 1}
    assert several <= {"unknown_device", "date_out_of_range"}


def test_an_example_request_has_every_required_field_and_no_unknown_one(openapi: Document) -> None:
    bodies = [operation["requestBody"] for _, operation in operations_of(openapi) if "requestBody" in operation]
    assert len(bodies) > 3
    for body in bodies:
        content = body["content"]["application/json"]
        reference = content["schema"].get("$ref") or content["schema"]["anyOf"][0]["$ref"]
        schema = openapi["components"]["schemas"][reference.rpartition("/")[2]]
        assert set(schema.get("required", ())) <= set(content["example"]) <= set(schema["properties"])


def test_every_changing_door_takes_an_idempotency_key_or_says_that_it_does_not(openapi: Document) -> None:
    """R-142."""
    changing = [each for each in operations_of(openapi) if each[0].split()[0] not in {"GET", "HEAD"}]
    assert len(changing) > 8
    for name, operation in changing:
        takes = "idempotency-key" in {each["name"].lower() for each in operation.get("parameters", ())}
        says = "Takes no Idempotency-Key" in operation.get("description", "")
        assert takes != says, name


def test_every_body_is_strict_and_every_time_is_told_in_one_form(openapi: Document) -> None:
    """R-134."""
    strict = {body.__name__ for body in _subclasses(Body) if body.model_config["strict"]}
    bodies = [operation["requestBody"] for _, operation in operations_of(openapi) if "requestBody" in operation]
    schemas = [body["content"]["application/json"]["schema"] for body in bodies]
    named = {(schema.get("$ref") or schema["anyOf"][0]["$ref"]).rpartition("/")[2] for schema in schemas}
    assert len(named) > 3
    assert named <= strict
    # the only other type for a time takes seconds since 1970 too
    assert [str(file) for file in _doors() if "AwareDatetime" in file.read_text()] == []


def _subclasses(of: type[Body]) -> Iterator[type[Body]]:
    for one in of.__subclasses__():
        yield one
        yield from _subclasses(one)


def test_every_problem_that_the_api_can_return_is_listed_at_some_route() -> None:
    listed = set(NOT_LISTED)
    for make in APPS.values():
        for _, operation in operations_of(make().openapi()):
            for answer in operation["responses"].values():
                listed |= set(answer.get("content", {}).get(PROBLEM_JSON, {}).get("examples", {}))
    raised = {code for file in _doors() for code in _problems_in(file)}
    assert len(raised) > 20
    assert raised - listed == set()


def _doors() -> Iterator[Path]:
    doors = (
        "services/device/api",
        "services/activation/api",
        "services/device/window",
        "shared/operations",
        "shared/doors",
    )
    for folder in doors:
        yield from (HOUSE / folder).rglob("*.py")


def _problems_in(file: Path) -> Iterator[str]:
    """Yield the codes of the problems that a file creates: the second argument, after the status."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"Problem", "problem_response", "refusal"}:
            word = node.args[1] if len(node.args) > 1 else None
            if isinstance(word, ast.Constant):
                yield str(word.value)


def test_the_frameworks_own_pages_that_load_from_other_hosts_are_off(client: Reader) -> None:
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        assert client.get(path).status_code == 404
