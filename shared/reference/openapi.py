"""The routes of one service as an OpenAPI document: what the code tells, with examples and all problems."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from shared.doors.problems import problem_body
from shared.reasons import CATALOGUE
from shared.reference.described import ENTRY, WHO, Described, Routes

PROBLEM_JSON = "application/problem+json"
BEARER = "bearer"
CREDENTIAL = "authorization"
PARAMETERS: Mapping[str, Any] = {
    "device_id": "0198a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
    "code_ref": "0123456789abcdef0123456789abcdef",
    "request_id": "0198a1b2-0000-7000-8000-000000000001",
    "order_id": "order-2026/77",
    "vendor": "acme",
    "key_id": "0198a1b2-0000-7000-8000-000000000009",
    "subject": "customer-4711",
    "word": "seats_exhausted",
    "parked_id": "device.commands:3:17",
    "name": "license_view",
    "event_id": "0198a1b2-0000-7000-8000-00000000000e",
    "until": "2027-06-30T00:00:00Z",
}
"""An example of each parameter that a request must have, and of some that it may."""
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong (RFC 9457). `code` is stable and explained under the address in `type`.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
    },
}

type Document = dict[str, Any]


def openapi_of(app: FastAPI, routes: Routes) -> Document:
    """Return the document of `app`. A route that nobody described stands in it as FastAPI sees it."""
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {BEARER: {"type": "http", "scheme": "bearer"}}
    for name, operation in operations_of(document):
        _explain(operation)
        if described := routes.get(name):
            _describe(operation, described)
    return document


def operations_of(document: Document) -> Iterator[tuple[str, Document]]:
    """Give each operation by method and path."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def _explain(operation: Document) -> None:
    """Take the summary from the first sentence of what the code says, not from a function's name."""
    first, _, more = operation.pop("description", operation["summary"]).partition("\n\n")
    operation["summary"] = " ".join(first.split())
    if more:
        operation["description"] = " ".join(more.split())


def _describe(operation: Document, described: Described) -> None:
    parameters = operation.get("parameters", [])
    given = {parameter["name"].lower() for parameter in parameters}
    _add_problems(operation, described, given)
    for parameter in parameters:
        if parameter["name"] in PARAMETERS:
            parameter["example"] = PARAMETERS[parameter["name"]]
    # the credential is not a header like others: it has its own place in the document
    operation["parameters"] = [each for each in parameters if each["name"].lower() != CREDENTIAL]
    operation["x-who"] = WHO[described.who]
    operation["security"] = [] if described.who == "anybody" else [{BEARER: []}]
    if described.body is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = described.body
    _add_answer(operation, described)


def _add_answer(operation: Document, described: Described) -> None:
    responses = operation["responses"]
    status = str(described.status) if described.status else next(each for each in responses if each.startswith("2"))
    content = responses.setdefault(status, {"description": "Done"}).setdefault("content", {})
    as_it_is = content.pop("application/json", {})
    content[described.media_type] = {**as_it_is, "example": described.answer}
    responses[status]["description"] = SUCCESS.get(status, "Done")


SUCCESS = {
    "200": "Done",
    "201": "Made",
    "202": "Taken: what follows of it stands in the history",
    "207": "Done in part: each result stands by its own",
}


# --- problems -----------------------------------------------------------------------------------


def _add_problems(operation: Document, described: Described, given: set[str]) -> None:
    responses = operation["responses"]
    validated = responses.pop("422", None) is not None
    found: dict[int, list[str]] = {}
    for some in (ENTRY[described.who], _general(operation, given, validated), described.problems):
        for status, codes in some.items():
            found.setdefault(status, []).extend(codes)
    for status, told in sorted(found.items()):
        codes = tuple(dict.fromkeys(told))
        responses[str(status)] = {
            "description": ", ".join(f"`{code}`" for code in codes),
            "content": {
                PROBLEM_JSON: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {code: {"value": _example(status, code)} for code in codes},
                }
            },
        }


def _general(operation: Document, given: set[str], validated: bool) -> Mapping[int, tuple[str, ...]]:
    """Return the problems that follow from what a request is made of."""
    body = "requestBody" in operation
    found: dict[int, tuple[str, ...]] = {}
    if body or "if-match" in given:
        found[400] = (*(("malformed_json",) if body else ()), *(("malformed_etag",) if "if-match" in given else ()))
    if "if-match" in given:
        found[412] = ("precondition_failed",)
    if body:
        found |= {413: ("body_too_large",), 415: ("unsupported_media_type",)}
    if validated or body:
        found[422] = ("invalid_fields",)
    if "idempotency-key" in given:
        found[422] = (*found.get(422, ()), "idempotency_key_reused")
    return found


def _example(status: int, code: str) -> Document:
    return problem_body(status, code, CATALOGUE.about(code)[0].meaning)
