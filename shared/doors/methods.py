"""Which methods an address has: HEAD wherever GET is, and all of them in Allow (RFC 9110, 9.3.2 and 10.2.1).

No rule may come in here.
"""

from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


class Head:
    """The middleware that answers HEAD as GET, without the body. What would go on for long ends at once."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await self.app(scope, receive, send)
        has_ended = False

        async def receive_until_answered() -> Message:
            return {"type": "http.disconnect"} if has_ended else await receive()

        async def send_head(message: Message) -> None:
            nonlocal has_ended
            if message["type"] == "http.response.start":
                has_ended = True
                await send(message)
                await send({"type": "http.response.body", "body": b""})

        return await self.app({**scope, "method": "GET"}, receive_until_answered, send_head)


def allowed_methods(request: Request) -> str:
    """Return the methods that the address of a request has, as the value of Allow."""
    routes = request.app.routes
    found = {
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    }
    return ", ".join(sorted(found | ({"HEAD"} if "GET" in found else set())))
