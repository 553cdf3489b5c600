"""Distributed tracing: follows a request through both services, to every event that it caused.

`traceparent` (W3C) always goes from the request into its events, and through both logs into every event that follows.
If an OpenTelemetry endpoint is set, each step also becomes a span, whose id is passed on instead; without one,
OpenTelemetry is not even imported. No rule may come in here.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.watching.metrics import HTTP_REQUESTS

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""The environment variables of OpenTelemetry itself."""

QUIET = ("/livez", "/readyz", "/metrics")
"""Polled by machines every few seconds: not part of any trace."""

TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_current: ContextVar[str | None] = ContextVar("traceparent", default=None)
_open_spans: ContextVar[list[Any] | None] = ContextVar("open_spans", default=None)
_tracer: Any = None


def traceparent() -> str | None:
    """Return the trace context of the current request, or None if it is not traced."""
    return _current.get()


def read_traceparent(text: str | None) -> str | None:
    """Return the trace context, or None if it is malformed: it says nothing about the event."""
    return text if text and TRACEPARENT.fullmatch(text) else None


def trace_id_of(text: str | None) -> str | None:
    """Return the trace id in a traceparent."""
    return text.split("-")[1] if text else None


def start_traces(*, service: str, worker: str) -> None:
    """Export spans if an OpenTelemetry endpoint is set; OpenTelemetry's other variables are respected too."""
    global _tracer  # noqa: PLW0603 - one exporter per process, as in OpenTelemetry itself
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create({"service.name": f"perennial-{service}", "service.instance.id": worker})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = provider.get_tracer("perennial")


def _started(name: str, kind: str, parent: str | None, **attributes: str) -> Any:
    # an empty context, not the current one: the parent is explicit, or there is none
    from opentelemetry.context import Context  # noqa: PLC0415
    from opentelemetry.trace import SpanKind  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier = {"traceparent": parent} if parent else {}
    context = TraceContextTextMapPropagator().extract(carrier, Context())
    return _tracer.start_span(name, context=context, kind=SpanKind[kind], attributes=attributes)


def _traceparent_of(span: Any) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


@contextmanager
def spans_end_here() -> Iterator[None]:
    """End the spans that `continue_trace` starts inside this block at its end: when a batch is committed or fails."""
    if _tracer is None:
        yield
        return
    spans: list[Any] = []
    token = _open_spans.set(spans)
    try:
        yield
    finally:
        _open_spans.reset(token)
        for span in spans:
            span.end()


class Traced(Protocol):
    """What a span needs to know of a message."""

    @property
    def event_id(self) -> str:
        """Its CloudEvents id."""

    @property
    def type_name(self) -> str:
        """Its event type."""

    @property
    def subject(self) -> str:
        """The stream it belongs to."""

    @property
    def correlation_id(self) -> UUID | None:
        """Its correlation id."""

    @property
    def traceparent(self) -> str | None:
        """Its trace context."""


def continue_trace(message: Traced) -> str | None:
    """Return the trace context for whatever follows from a message, starting a span if spans are exported."""
    spans = _open_spans.get()
    if _tracer is None or spans is None:
        return message.traceparent
    span = _started(
        f"handle {message.type_name}",
        "CONSUMER",
        message.traceparent,
        **{
            "messaging.system": "kafka",
            "cloudevents.event_id": message.event_id,
            "cloudevents.event_type": message.type_name,
            "cloudevents.event_subject": message.subject,
            "perennial.correlation_id": str(message.correlation_id or ""),
        },
    )
    spans.append(span)
    return _traceparent_of(span)


class Traces:
    """Middleware that reads a request's trace context, counts the request, and starts a span if spans are exported."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in QUIET:
            return await self.app(scope, receive, send)
        parent = read_traceparent(_header(scope, b"traceparent"))
        span = _started(f"{scope['method']} {scope['path']}", "SERVER", parent) if _tracer else None
        token = _current.set(_traceparent_of(span) if span else parent)
        try:
            return await self.app(scope, receive, _counting(scope["method"], send, span))
        finally:
            _current.reset(token)
            if span:
                span.end()


def _header(scope: Scope, name: bytes) -> str | None:
    value: bytes | None = dict(scope["headers"]).get(name)
    return value.decode("latin-1") if value else None


def _counting(method: str, send: Send, span: Any) -> Send:
    async def counting(message: Message) -> None:
        if message["type"] == "http.response.start":
            HTTP_REQUESTS.labels(method, str(message["status"])).inc()
            if span:
                span.set_attribute("http.response.status_code", message["status"])
        await send(message)

    return counting
