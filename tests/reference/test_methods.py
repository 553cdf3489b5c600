"""Each address answers HEAD as GET, names all its methods, and is no other address with a slash more (RFC 9110)."""

import re
from collections import defaultdict

from shared.reference.asyncapi import Document
from shared.reference.openapi import PARAMETERS, PROBLEM_JSON, operations_of
from tests.reference.served import Reader

PUBLIC = (
    "/livez",
    "/readyz",
    "/version",
    "/metrics",
    "/reasons",
    "/problems/unknown_code",
    "/openapi.json",
    "/docs/api",
)


def methods_of(openapi: Document) -> dict[str, set[str]]:
    """Return the methods of each documented address, with examples for its parameters."""
    found = defaultdict[str, set[str]](set)
    for name, _ in operations_of(openapi):
        method, path = name.split()
        found[re.sub(r"\{(\w+)\}", lambda parameter: PARAMETERS[parameter[1]], path)].add(method)
    return found


def test_every_address_names_all_its_methods(client: Reader, openapi: Document) -> None:
    """RFC 9110, 10.2.1: and HEAD with them where GET is one."""
    addresses = methods_of(openapi)
    assert len(addresses) > 20
    assert max(map(len, addresses.values())) > 1
    for path, methods in addresses.items():
        answer = client.asks("PATCH", path)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed"), path
        allowed = methods | ({"HEAD"} if "GET" in methods else set())
        assert answer.headers["allow"] == ", ".join(sorted(allowed)), path


def test_head_is_answered_as_get_without_the_body(client: Reader) -> None:
    """RFC 9110, 9.3.2."""
    for path in PUBLIC:
        got, head = client.get(path), client.asks("HEAD", path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert {**head.headers, "content-length": ""} == {**got.headers, "content-length": ""}
        if path != "/metrics":
            assert head.headers["content-length"] == str(len(got.content))


def test_head_is_refused_where_get_is(client: Reader, openapi: Document) -> None:
    for path, methods in methods_of(openapi).items():
        got, head = client.get(path), client.asks("HEAD", path)
        assert head.status_code == got.status_code, path
        assert head.headers.get("allow") == got.headers.get("allow")
        assert (head.status_code == 405) == ("GET" not in methods), path


def test_a_slash_more_is_another_address(client: Reader, openapi: Document) -> None:
    """No redirect: it would lead to whatever host the request named."""
    for path in methods_of(openapi):
        answer = client.asks("GET", f"{path}/")
        assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM_JSON), path
        assert "location" not in answer.headers
