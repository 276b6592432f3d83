"""A collector of OpenTelemetry on a real socket: takes spans over OTLP/HTTP, as `http/protobuf`.

::

    with Collector() as collector:
        …  # send to collector.url, and end the sender
    assert [span.name for span in collector.spans()]
"""

import gzip
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self, TypeAlias

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

Value: TypeAlias = str | int | float | bool

KINDS = {1: "internal", 2: "server", 3: "client"}


@dataclass(frozen=True, slots=True)
class Received:
    """A span as it came.

    Attributes:
        name: Its name.
        kind: `internal`, `server` or `client`.
        trace: Of which trace, 32 hexadecimal digits.
        id: 16 of them.
        parent: The span that it is a part of; empty for none.
        attributes: What it says.
        failed: Whether its status is an error.
        message: What its status says besides.
        events: How many there were.
    """

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    attributes: Mapping[str, Value]
    failed: bool
    message: str
    events: int


class Collector:
    """Takes spans while its context lasts.

    Attributes:
        url: Its address, as `OTEL_EXPORTER_OTLP_ENDPOINT` has it.
        bodies: What was sent, unpacked.
        paths: Where to.
    """

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.paths.append(self.path)
                collector.bodies.append(body)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def resource(self) -> dict[str, Value]:
        """What the sender says of itself."""
        request = ExportTraceServiceRequest.FromString(self.bodies[0])
        return {each.key: _value(each.value) for each in request.resource_spans[0].resource.attributes}

    def spans(self) -> list[Received]:
        """Every span that came, in the order of their ends."""
        return [
            Received(
                span.name,
                KINDS[span.kind],
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                {each.key: _value(each.value) for each in span.attributes},
                span.status.code == 2,
                span.status.message,
                len(span.events),
            )
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def _value(value: AnyValue) -> Value:
    found: Value = getattr(value, value.WhichOneof("value") or "string_value")
    return found
