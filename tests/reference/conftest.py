"""Both services' documents, made once for all tests of this folder."""

import pytest
from fastapi.testclient import TestClient

from shared.reference.asyncapi import Document
from tests.reference.served import APPS


@pytest.fixture(scope="session", params=APPS)
def service(request: pytest.FixtureRequest) -> str:
    """One service after the other."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def client(service: str) -> TestClient:
    """A browser at the service's door."""
    return TestClient(APPS[service]())


@pytest.fixture(scope="session")
def openapi(client: TestClient) -> Document:
    """The document of its routes."""
    document: Document = client.get("/openapi.json").json()
    return document


@pytest.fixture(scope="session")
def asyncapi(client: TestClient) -> Document:
    """The document of its messages."""
    document: Document = client.get("/asyncapi.json").json()
    return document
