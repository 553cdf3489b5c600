"""Lets an operator follow one story through both services: JSON logs that name it, and traces.

`traceparent` (W3C) travels from the request into the event, through both logs, into every event that follows: always,
and unchanged. Only when an OpenTelemetry endpoint is set does each step also become a span, whose id then travels on;
without one nothing of OpenTelemetry is even imported. No rule may come in here.
"""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, override

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.kafka.cloudevents import Envelope, Headers, read_traceparent
from shared.ledger.identity import uuid_or_none
from shared.watching.measures import HTTP_REQUESTS

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""The environment variables of OpenTelemetry itself."""

QUIET = ("/livez", "/readyz", "/metrics")
"""Asked by machines every few seconds: no step of any story."""

SERVER_ERROR = 500

_current: ContextVar[str | None] = ContextVar("traceparent", default=None)
_open_spans: ContextVar[list[Any] | None] = ContextVar("open_spans", default=None)
_tracer: Any = None


def traceparent() -> str | None:
    """Return where the running request stands in its trace, or None when nobody traces it."""
    return _current.get()


# --- logs --------------------------------------------------------------------------------------


class JsonLines(logging.Formatter):
    """One JSON object per line; `extra` fields of a record become fields of the object."""

    def __init__(self, **always: str) -> None:
        super().__init__()
        self._always = always

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._always,
        }
        for name in ("correlation_id", "trace_id"):
            if value := getattr(record, name, None) or (trace_id_of(_current.get()) if name == "trace_id" else None):
                line[name] = str(value)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def trace_id_of(text: str | None) -> str | None:
    """Return the trace id in a traceparent."""
    return text.split("-")[1] if text else None


def named_in(headers: Headers) -> dict[str, Any]:
    """Return the `extra` that names a message's story in a log line, as far as its headers can be read."""
    texts = {name: (value or b"").decode("utf-8", "replace") for name, value in headers}
    correlation_id = uuid_or_none(texts.get("ce_correlationid", ""))
    return {"correlation_id": correlation_id, "trace_id": trace_id_of(read_traceparent(texts.get("traceparent")))}


def start_logs(*, level: str, form: Literal["text", "json"], service: str, worker: str) -> None:
    """Log to stderr, as text for people or as JSON lines for machines."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(JsonLines(service=service, worker=worker) if form == "json" else plain)
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("aiokafka").setLevel(logging.WARNING)


# --- traces ------------------------------------------------------------------------------------


def start_traces(*, service: str, worker: str) -> None:
    """Export spans if an OpenTelemetry endpoint is set; what else OpenTelemetry's variables say is heeded too."""
    global _tracer  # noqa: PLW0603 - one exporter per process, as OpenTelemetry has it
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
    # an empty context, not the current one: what is the parent is said, or there is none
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
    """End what `follow` begins inside when this ends: with the commit, or the failure, of a batch."""
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


def follow(envelope: Envelope) -> str | None:
    """Return the trace context for what follows from a message."""
    spans = _open_spans.get()
    if _tracer is None or spans is None:
        return envelope.traceparent
    span = _started(
        f"handle {envelope.type_name}",
        "CONSUMER",
        envelope.traceparent,
        **{
            "messaging.system": "kafka",
            "cloudevents.event_id": envelope.event_id,
            "cloudevents.event_type": envelope.type_name,
            "cloudevents.event_subject": envelope.subject,
            "perennial.correlation_id": str(envelope.correlation_id or ""),
        },
    )
    spans.append(span)
    return _traceparent_of(span)


class Traces:
    """Takes the trace context of a request in, counts the request, and makes it a span if spans are exported."""

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
