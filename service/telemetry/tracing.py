"""Spans for OpenTelemetry: where they are sent, and the one of each request.

Nothing is sent unless the extra `otel` is installed and somebody says where to: the environment, by
`OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, or a program around this service that has set a
tracer provider. The SDK reads its other variables itself. The provider that is made here is nobody else's: libraries that
trace too, and might quote a prompt, do not find it.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graders.installation import install_command
from runtime.telemetry.outcomes import OTHER
from runtime.telemetry.tracing import Attributes, Kind, Span
from service.http.paths import OPEN_PATHS, route_of
from service.telemetry.request_metrics import METHODS

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

logger = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"
"""The one that is spoken."""
NAME = "rft-graders"


class Closing(Protocol):
    """What sends spans, until it is told to end."""

    def shutdown(self) -> None:
        """Send what is left."""
        ...


class Tracing:
    """The spans of one service; none until it is open.

    Attributes:
        tracer: Takes them; None when nobody traces.
    """

    def __init__(self) -> None:
        self.tracer: OpenTelemetry | None = None
        self._own: Closing | None = None

    def open(self, environment: Mapping[str, str] | None = None) -> None:
        """Find out whether anybody traces, and where spans go.

        Args:
            environment: Variables; None for those of this process.
        """
        environment = os.environ if environment is None else environment
        if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
            return
        provider = _provider_of_others() or self._provider(environment)
        if provider is not None:
            self.tracer = OpenTelemetry(provider.get_tracer(NAME, version(NAME)))

    async def aclose(self) -> None:
        """Send what has not been sent; a collector that does not answer is waited for as long as the SDK's timeout says."""
        self.tracer, own, self._own = None, self._own, None
        if own is not None:
            await asyncio.to_thread(own.shutdown)

    def _provider(self, environment: Mapping[str, str]) -> "TracerProvider | None":
        named = next((name for name in ENDPOINTS if environment.get(name)), None)
        if named is None or environment.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
            return None
        protocol = next((environment[name] for name in PROTOCOLS if environment.get(name)), PROTOCOL)
        if protocol != PROTOCOL:
            logger.warning("nothing is traced: %s is spoken to %s, not %s", PROTOCOL, named, protocol[:40])
            return None
        try:
            provider = _exporting(environment)
        except ImportError:
            command = install_command("otel")
            logger.warning(
                "nothing is traced: %s is set and OpenTelemetry is not installed: %s", named, command
            )
            return None
        self._own = provider
        return provider


def opened_tracing() -> Tracing:
    """The spans of a process that the service has started elsewhere, sent to where that process's environment says."""
    tracing = Tracing()
    tracing.open()
    return tracing


class OpenTelemetry:
    """Implements `runtime.telemetry.tracing.Tracer` with OpenTelemetry."""

    def __init__(self, tracer: "trace.Tracer") -> None:
        from opentelemetry import trace  # noqa: PLC0415  # an extra
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._tracer, self._api = tracer, trace
        # `tracestate` and `baggage` may say anything, and are neither read nor passed on
        self._propagator = TraceContextTextMapPropagator()
        self._kinds: Mapping[Kind, trace.SpanKind] = {
            "internal": trace.SpanKind.INTERNAL,
            "client": trace.SpanKind.CLIENT,
            "server": trace.SpanKind.SERVER,
        }

    def begin(
        self,
        name: str,
        kind: Kind = "internal",
        attributes: Attributes | None = None,
        *,
        parent: Span | None = None,
        traceparent: str = "",
    ) -> "OpenSpan":
        """Begin a span; see `runtime.telemetry.tracing.Tracer.begin`.

        Args:
            name: One of few.
            kind: Whether it asks another service, or answers one.
            attributes: What is known of it.
            parent: What it is a part of; None for what is current.
            traceparent: What another process says that it is a part of, in place of a parent.
        """
        context = None
        if isinstance(parent, OpenSpan):
            context = self._api.set_span_in_context(parent.span)
        elif traceparent:
            context = self._propagator.extract({"traceparent": traceparent})
        span = self._tracer.start_span(name, context, self._kinds[kind], attributes)
        return OpenSpan(span, self._api.use_span, self._api.Status(self._api.StatusCode.ERROR))

    def traceparent(self) -> str:
        """The W3C header of the current span; see `runtime.telemetry.tracing.Tracer.traceparent`."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get("traceparent", "")


class Use(Protocol):
    """Makes a span current."""

    def __call__(
        self,
        span: "trace.Span",
        *,
        end_on_exit: bool,
        record_exception: bool,
        set_status_on_exception: bool,
    ) -> AbstractContextManager[object]:
        """While it lasts, the span is current."""
        ...


class OpenSpan:
    """Implements `runtime.telemetry.tracing.Span`."""

    def __init__(self, span: "trace.Span", use: Use, failed: "trace.Status") -> None:
        self.span = span
        self._use, self._failed, self._cause = use, failed, ""

    def set(self, attributes: Attributes) -> None:
        """Say more of it."""
        self.span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        """Give it the name that is known by now."""
        self.span.update_name(name)

    def fail(self, cause: str) -> None:
        """Say that it failed, in one word; of several the first counts."""
        if not self._cause:
            self._cause = cause
            self.span.set_attribute("error.type", cause)
            self.span.set_status(self._failed)

    def current(self) -> AbstractContextManager[object]:
        """While this lasts, spans that are begun without a parent belong to it."""
        # what an exception says may quote what was graded
        return self._use(self.span, end_on_exit=False, record_exception=False, set_status_on_exception=False)

    def end(self) -> None:
        """It is done."""
        self.span.end()


class TracingMiddleware:
    """Gives each request a span where somebody traces, but for those of load balancers."""

    def __init__(self, app: ASGIApp, *, tracing: Tracing) -> None:
        self._app, self._tracing = app, tracing

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass a request on; where nobody traces, that takes no coroutine more."""
        tracer = self._tracing.tracer
        if tracer is None or scope["path"] in OPEN_PATHS:
            return self._app(scope, receive, send)
        return self._pass_on(tracer, scope, receive, send)

    async def _pass_on(self, tracer: OpenTelemetry, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and look at what comes back."""
        status = 0

        async def send_watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with _request(tracer, scope) as span, span.current():
            try:
                await self._app(scope, receive, send_watched)
            finally:
                _tell(span, scope, status)


@contextmanager
def _request(tracer: OpenTelemetry, scope: Scope) -> Iterator[OpenSpan]:
    said = {"http.request.method": _method(scope), "url.scheme": scope.get("scheme", "http")}
    given = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
    span = tracer.begin(_method(scope), "server", said, traceparent=given.decode("latin-1"))
    try:
        yield span
    finally:
        span.end()


def _tell(span: OpenSpan, scope: Scope, status: int) -> None:
    """Say what is known of a request when it has been answered; nothing of its address but the route as it is written."""
    route = route_of(scope)
    if route != OTHER:
        span.rename(f"{_method(scope)} {route}")
        span.set({"http.route": route})
    if status:
        span.set({"http.response.status_code": status})
    else:
        span.fail("client_gone")
    if status >= 500:
        span.fail(str(status))


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in METHODS else "_OTHER"


def _provider_of_others() -> "trace.TracerProvider | None":
    """The provider that a program around this service has set, if it has."""
    if "opentelemetry.trace" not in sys.modules:  # nobody can have set one
        return None
    from opentelemetry import trace  # noqa: PLC0415  # an extra

    provider = trace.get_tracer_provider()
    return None if isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider)) else provider


def _exporting(environment: Mapping[str, str]) -> "TracerProvider":
    """A provider that sends spans to where the environment says.

    Raises:
        ImportError: When the extra is not installed.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    said = {"service.version": version(NAME)}
    if "service.name=" not in environment.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        said["service.name"] = environment.get("OTEL_SERVICE_NAME") or NAME
    # it ends with the service, in which it was begun
    provider = TracerProvider(resource=Resource.create(said), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
