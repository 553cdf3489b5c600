"""Answers whatever nobody expected: a problem with its headers, on a connection that stays open. No rule here."""

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.doors.limits import with_security_headers
from shared.doors.problems import problem_response
from shared.watching.traces import read_traceparent, trace_id_of

logger = logging.getLogger(__name__)


class Failures:
    """The middleware that does it. It is outermost, and once more inside those that count and trace answers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        has_started = False

        async def noting(message: Message) -> None:
            nonlocal has_started
            has_started = has_started or message["type"] == "http.response.start"
            await send(message)

        try:
            return await self.app(scope, receive, noting)
        except Exception as error:
            if has_started:
                raise  # the server must end the connection, or half an answer would look like a whole one
            _log(scope, error)
            answer = problem_response(500, "unexpected", "the service failed; it may have carried out the request")
            return await answer(scope, receive, with_security_headers(noting))


def _log(scope: Scope, error: Exception) -> None:
    told = dict(scope["headers"]).get(b"traceparent", b"").decode("latin-1")
    extra = {"trace_id": trace_id_of(read_traceparent(told))}
    logger.error("an HTTP request failed: %s", scope["method"], exc_info=error, extra=extra)
