"""One story, one trace: from the request through both logs, exported when an endpoint is set."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from services.cli.names import SERVICES
from services.cli.system import System
from shared.local.ports import LOOPBACK
from tests.journeys.logs import ACTIVATION_EVENTS, DEVICE_EVENTS, query, read_topic
from tests.journeys.people import OwnedDevice, Vendor, expect
from tests.journeys.running import running_system
from tests.journeys.waiting import until

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


@dataclass(slots=True)
class Collector:
    """Who is told of spans."""

    port: int = 0
    spans: list[Any] = field(default_factory=list)

    def of_trace(self) -> list[Any]:
        """Return the spans of the test's trace."""
        return [span for span in self.spans if span.trace_id.hex() == TRACE_ID]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Yield a collector that takes OTLP over HTTP."""
    collector = Collector()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    collector.spans += scope.spans
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Door)
    collector.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()


def traced_orders(system: System) -> OwnedDevice:
    """Add a code by a request that stands in a trace, and return the device once it is licensed."""
    vendor, device = Vendor(system), OwnedDevice.enrolled(system)
    code = vendor.issue()
    expect(202, device.add(code, headers={"traceparent": TRACEPARENT}))
    device.sees(lambda shown: shown["status"] == "active")
    return device


def traces(system: System, device: OwnedDevice) -> dict[str, list[str]]:
    """Return the trace contexts of everything that followed, by service, in the order of the ledgers."""
    sql = "select traceparent from event where correlation_id = $1 order by recorded_at, position"
    [correlation_id] = {event["correlation_id"] for event in device.history() if event["type"] == "CodeAdded"}
    return {name: [row["traceparent"] for row in query(system, name, sql, correlation_id)] for name in SERVICES}


def test_the_trace_of_a_request_goes_through_both_logs_unchanged_when_nobody_exports(system: System) -> None:
    """From the request into the event, through both topics, into every event that follows."""
    found = traces(system, traced_orders(system))
    assert all(len(seen) >= 1 and set(seen) == {TRACEPARENT} for seen in found.values())
    for topic in (DEVICE_EVENTS, ACTIVATION_EVENTS):
        assert any(("traceparent", TRACEPARENT.encode()) in record.headers for record in read_topic(system, topic))


def test_a_request_without_a_trace_or_with_a_broken_one_gives_none(system: System) -> None:
    vendor, device = Vendor(system), OwnedDevice.enrolled(system)
    expect(202, device.add(vendor.issue(), headers={"traceparent": "00-nonsense"}))
    device.sees(lambda shown: shown["status"] == "active")
    assert {seen for found in traces(system, device).values() for seen in found} == {None}


@pytest.mark.timeout(120)
def test_each_step_is_a_span_below_the_one_before_when_an_endpoint_is_set(tmp_path: Path) -> None:
    with collecting() as collector:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{LOOPBACK}:{collector.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        with running_system(tmp_path, environment=settings) as system:
            found = traces(system, traced_orders(system))
            spans = until(collector.of_trace, lambda seen: len(seen) >= 3)
    assert all(seen.startswith(f"00-{TRACE_ID}-") for contexts in found.values() for seen in contexts)
    by_id = {span.span_id.hex(): span for span in spans}
    first = next(span for span in spans if span.parent_span_id.hex() == "00f067aa0ba902b7")
    assert first.name.startswith("POST /v1/devices/")
    # what the activation service decided came from the device's event, which came from the request
    handled = next(span for span in spans if span.name == "handle CodeAdded")
    assert by_id[handled.parent_span_id.hex()] is first
    verdict = next(span for span in spans if span.name.startswith("handle ") and span is not handled)
    assert by_id[verdict.parent_span_id.hex()] is handled
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano for span in spans)
