"""Calls the HTTP APIs of both services, as any client would."""

from typing import Any

import httpx

from services.cli.connections import Connections
from services.cli.failures import CommandFailed, ExitCode, RefusedByService
from services.cli.names import ServiceName
from shared.settings.certificates import authorities_for

TIMEOUT_SECONDS = 35.0  # longer than the longest long poll


class ApiClient:
    """A client of both services' HTTP APIs. A context manager, because it keeps connections open."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        # loopback and internal addresses: never use a proxy
        self._client = httpx.Client(
            timeout=TIMEOUT_SECONDS, trust_env=False, verify=authorities_for(*connections.urls.values())
        )

    def __enter__(self) -> "ApiClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def url(self, service: ServiceName, path: str) -> str:
        """Return the URL of `path` on the service."""
        return self._connections.urls[service] + path

    def call(
        self,
        service: ServiceName,
        method: str,
        path: str,
        *,
        token: str | None = None,
        idempotency_key: str | None = None,
        **request: Any,
    ) -> dict[str, Any]:
        """Send a request, with `token` or else as the operator, and return the JSON response.

        Raises `RefusedByService` for an error response and `httpx.TransportError` when the service is unreachable.
        """
        headers = {"Authorization": f"Bearer {token or self._connections.key()}"}
        headers |= {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        response = self._client.request(method, self.url(service, path), headers=headers, **request)
        if response.is_error:
            raise RefusedByService(_problem(response))
        try:
            body: dict[str, Any] = response.json()
        except ValueError:
            message = (
                f"not_the_service: {response.url.host} did not answer with JSON; check the URL of the {service} service"
            )
            raise CommandFailed(ExitCode.UNREACHABLE, message) from None
        return body


def window_link(api: ApiClient, device_id: str, *, token: str | None = None) -> dict[str, str]:
    """Return a link to a device's Licensing window (`url`) and when it expires (`expires_at`, RFC 3339)."""
    link = api.call("device", "POST", f"/v1/devices/{device_id}/licensing-link", token=token)
    return {"url": api.url("device", link["path"]), "expires_at": link["expires_at"]}


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        body: dict[str, Any] = response.json()
    except ValueError:
        return {"code": "http_error", "detail": f"HTTP status {response.status_code} from {response.url.host}"}
    return body
