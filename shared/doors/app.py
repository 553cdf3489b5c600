"""A service's HTTP app: errors as problems, limits, traces, and the routes for machines. No rule may come in here."""

from collections.abc import Callable, Sequence

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from shared.doors import problems
from shared.doors.failures import Failures
from shared.doors.header_fields import HeaderFields
from shared.doors.limits import Limits
from shared.doors.methods import Head
from shared.doors.problems import problem_response
from shared.doors.reasons import reasons_door
from shared.watching.traces import Traces

type Check = Callable[[], str | None]
"""Returns what is wrong, or None."""


def new_app(*, title: str, version: str, registry: CollectorRegistry, checks: Sequence[Check]) -> FastAPI:
    """Return an app with errors as problems, limits, and the routes for machines."""
    # FastAPI's documentation pages load scripts from other hosts
    # and a slash too many is another address: a redirect would lead to whatever host and scheme the request named
    app = FastAPI(title=title, version=version, docs_url=None, redoc_url=None, redirect_slashes=False)
    problems.install(app)
    # the last is the outermost: each sees what those before it raise, and an answer to a failure is counted too
    for middleware in (Head, Limits, Failures, Traces, Failures, HeaderFields):
        app.add_middleware(middleware)
    _add_health(app, version, registry, checks)
    app.include_router(reasons_door())
    return app


def _add_health(app: FastAPI, version: str, registry: CollectorRegistry, checks: Sequence[Check]) -> None:
    @app.get("/livez", tags=["health"])
    async def livez() -> dict[str, str]:
        """The process answers."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["health"])
    async def readyz() -> Response:
        """Every consumer, the relay and the database make progress."""
        wrong = [problem for check in checks if (problem := check())]
        if wrong:
            return problem_response(503, "not_ready", "; ".join(wrong))
        return JSONResponse({"status": "ready"})

    @app.get("/version", tags=["health"])
    async def version_() -> dict[str, str]:
        """The release that runs."""
        return {"version": version}

    @app.get("/metrics", tags=["health"])
    async def metrics() -> Response:
        """Prometheus' text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
