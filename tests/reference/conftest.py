"""Both services' documents, made once for all tests of this folder."""

import pytest

from shared.reference.asyncapi import Document
from tests.reference.served import APPS, Reader


@pytest.fixture(scope="session", params=APPS)
def service(request: pytest.FixtureRequest) -> str:
    """One service after the other."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def client(service: str) -> Reader:
    """A browser at the service's door."""
    return Reader(service)


@pytest.fixture(scope="session")
def openapi(client: Reader) -> Document:
    """The document of its routes."""
    document: Document = client.get("/openapi.json").json()
    return document


@pytest.fixture(scope="session")
def asyncapi(client: Reader) -> Document:
    """The document of its messages."""
    document: Document = client.get("/asyncapi.json").json()
    return document
