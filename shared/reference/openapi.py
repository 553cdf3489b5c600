"""The routes of one service as an OpenAPI document: generated from the code, with examples and all problems."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from shared.doors.problems import problem_body
from shared.reasons import CATALOGUE
from shared.reference.route_docs import ACCESS_PROBLEMS, ACCESS_TEXTS, RouteDocs, Routes

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
    "event": "CodeVerified",
    "version": "1",
    "event_id": "0198a1b2-0000-7000-8000-00000000000e",
    "until": "2027-06-30T00:00:00Z",
}
"""Examples of every required parameter, and of some optional ones."""
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong (RFC 9457). `code` is stable; the address in `type` explains it.",
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
    """Return the document of `app`. A route without documentation appears as FastAPI generates it."""
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {BEARER: {"type": "http", "scheme": "bearer"}}
    for name, operation in operations_of(document):
        _set_summary(operation)
        if docs := routes.get(name):
            _document(operation, docs)
    return document


def operations_of(document: Document) -> Iterator[tuple[str, Document]]:
    """Yield each operation with its method and path."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def _set_summary(operation: Document) -> None:
    """Take the summary from the first paragraph of the docstring, not from the function's name."""
    first, _, more = operation.pop("description", operation["summary"]).partition("\n\n")
    operation["summary"] = " ".join(first.split())
    if more:
        operation["description"] = " ".join(more.split())


def _document(operation: Document, docs: RouteDocs) -> None:
    parameters = operation.get("parameters", [])
    given = {parameter["name"].lower() for parameter in parameters}
    _add_problems(operation, docs, given)
    for parameter in parameters:
        if parameter["name"] in PARAMETERS:
            parameter["example"] = PARAMETERS[parameter["name"]]
    # the credential is documented under `security`, not as a header
    operation["parameters"] = [each for each in parameters if each["name"].lower() != CREDENTIAL]
    operation["x-who"] = ACCESS_TEXTS[docs.who]
    operation["security"] = [] if docs.who == "anybody" else [{BEARER: []}]
    if docs.body is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = docs.body
    _add_answer(operation, docs)


def _add_answer(operation: Document, docs: RouteDocs) -> None:
    responses = operation["responses"]
    status = str(docs.status) if docs.status else next(each for each in responses if each.startswith("2"))
    content = responses.setdefault(status, {"description": "Done"}).setdefault("content", {})
    generated = content.pop("application/json", {})
    content[docs.media_type] = {**generated, "example": docs.answer}
    responses[status]["description"] = SUCCESS.get(status, "Done")


SUCCESS = {
    "200": "Done",
    "201": "Created",
    "202": "Accepted: the history shows what follows",
    "207": "Partly done: each result is its own",
}


# --- problems -----------------------------------------------------------------------------------


def _add_problems(operation: Document, docs: RouteDocs, given: set[str]) -> None:
    responses = operation["responses"]
    validated = responses.pop("422", None) is not None
    found: dict[int, list[str]] = {}
    for some in (ACCESS_PROBLEMS[docs.who], _general(operation, given, validated), docs.problems):
        for status, codes in some.items():
            found.setdefault(status, []).extend(codes)
    for status, given_codes in sorted(found.items()):
        codes = tuple(dict.fromkeys(given_codes))
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
    """Return the problems that follow from the parts of a request."""
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
