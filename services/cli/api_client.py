"""Speaks HTTP to both services, as any client would."""

from typing import Any

import httpx

from services.cli.connections import Connections
from services.cli.failures import RefusedByService
from services.cli.names import ServiceName

TIMEOUT_SECONDS = 35.0  # more than a read may wait for a change


class ApiClient:
    """The doors of both services. A context manager: it keeps its connections open."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        # loopback and inner addresses: no proxy stands between
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)

    def __enter__(self) -> "ApiClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def url(self, service: ServiceName, path: str) -> str:
        """Return the address of `path` at the service."""
        return self._connections.urls[service] + path

    def call(
        self, service: ServiceName, method: str, path: str, *, token: str | None = None, **request: Any
    ) -> dict[str, Any]:
        """Return the JSON answer, asked as the holder of `token` or as the operator.

        Raises `RefusedByService` for a problem and `httpx.TransportError` when nobody answers.
        """
        authorization = {"Authorization": f"Bearer {token or self._connections.key()}"}
        answer = self._client.request(method, self.url(service, path), headers=authorization, **request)
        if answer.is_error:
            raise RefusedByService(_problem(answer))
        body: dict[str, Any] = answer.json()
        return body


def window_link(api: ApiClient, device_id: str, *, token: str | None = None) -> dict[str, str]:
    """Return the address that opens a device's Licensing window, and until when it does (RFC 3339)."""
    link = api.call("device", "POST", f"/v1/devices/{device_id}/licensing-link", token=token)
    return {"url": api.url("device", link["path"]), "expires_at": link["expires_at"]}


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        body: dict[str, Any] = answer.json()
    except ValueError:
        return {"code": "http_error", "detail": f"status {answer.status_code} from {answer.url.host}"}
    return body
