"""What a client sees of a failure that nobody foresaw, wherever it happens."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from prometheus_client import CollectorRegistry

from shared.doors.app import new_app
from shared.doors.limits import SECURITY_HEADERS
from shared.watching import traces
from shared.watching.metrics import HTTP_REQUESTS
from tests.at_the_door import told

SECRET = "what the error says"
ROUTER = APIRouter()


@ROUTER.get("/fails")
async def fails() -> None:
    """Fail."""
    raise RuntimeError(SECRET)


@ROUTER.get("/fails-by-an-unknown-group")
async def fails_by_a_group() -> None:
    """Fail as a group of tasks does."""
    raise ExceptionGroup(SECRET, [ValueError(SECRET)])


@ROUTER.get("/fails-later")
async def fails_later() -> StreamingResponse:
    """Fail in the middle of the answer."""

    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError(SECRET)

    return StreamingResponse(half())


@ROUTER.get("/works")
async def works() -> dict[str, str]:
    """Work."""
    return {}


def client() -> httpx.AsyncClient:
    """Return a client that would raise whatever error leaves the app: a server ends the connection then."""
    app = new_app(title="tests", version="0", registry=CollectorRegistry(), checks=())
    app.include_router(ROUTER)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door")


def assert_a_problem(response: httpx.Response) -> None:
    assert told(500, response)["code"] == "unexpected"
    assert response.headers["content-type"] == "application/problem+json"
    for name, value in SECURITY_HEADERS:
        assert response.headers.get_list(name.decode()) == [value.decode()]
    assert SECRET not in response.text


@pytest.mark.parametrize("path", ["/fails", "/fails-by-an-unknown-group"])
async def test_an_unexpected_failure_is_a_problem_with_its_headers(path: str) -> None:
    async with client() as http:
        for _ in range(2):
            assert_a_problem(await http.get(path))
        told(200, await http.get("/works"))


async def test_a_failure_of_the_middleware_is_a_problem_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_: str | None) -> str | None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(traces, "read_traceparent", breaks)
    async with client() as http:
        assert_a_problem(await http.get("/works"))


async def test_a_failure_in_the_middle_of_an_answer_ends_the_connection() -> None:
    """Half an answer must not look like a whole one."""
    async with client() as http:
        with pytest.raises(RuntimeError):
            await http.get("/fails-later")


async def test_a_failure_is_counted() -> None:
    before = failures_counted()
    async with client() as http:
        await http.get("/fails")
    assert failures_counted() == before + 1


def failures_counted() -> float:
    samples = [sample for metric in HTTP_REQUESTS.collect() for sample in metric.samples]
    return sum(sample.value for sample in samples if sample.name.endswith("_total") and "500" in sample.labels.values())


@pytest.mark.parametrize("length", ["9" * 19, "9" * 5_000, "-1", "1e3", "²"])
async def test_a_length_that_is_no_number_of_bytes_is_refused(length: str) -> None:
    async with client() as http:
        headers = {b"content-length": length.encode(), b"content-type": b"application/json"}
        response = await http.post("/works", headers=headers)
    assert told(413, response)["code"] == "body_too_large"
