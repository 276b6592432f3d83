"""Metrics of HTTP requests: how many by route and status, and how long they took."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter

from runtime.telemetry.outcomes import OTHER
from service.telemetry.distributions import BoundHistogram, Histogram

NOTED = 65_536
"""So many of one kind are noted at most before they are counted; usually they are counted every second."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


@dataclass(slots=True)
class _Requests:
    """The counters of one combination of labels, and the requests that they have still to count."""

    total: Counter
    seconds: BoundHistogram
    new_seconds: list[float] = field(default_factory=list)

    def note(self, seconds: float) -> None:
        """Note one request."""
        self.new_seconds.append(seconds)
        if len(self.new_seconds) > NOTED:
            self.settle()

    def settle(self) -> None:
        """Count what is noted."""
        self.total.inc(len(self.new_seconds))
        self.seconds.observe(self.new_seconds)
        self.new_seconds = []


class RequestCounters:
    """The counters of one process for the requests that it answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._bound: dict[tuple[str, str, str], _Requests] = {}
        self._answered = Counter(
            "graders_http_requests",
            "Requests, by route and status.",
            ("route", "method", "status"),
            registry=registry,
        )
        self.latency = Histogram(
            "graders_http_request_seconds",
            "How long requests took.",
            ["route", "method"],
            bounds=_SECONDS,
            registry=registry,
        )

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        """Note a request that was answered; the arguments are those of `Metrics.answered`."""
        key = (route, method if method in METHODS else OTHER, str(status))
        bound = self._bound.get(key)
        if bound is None:
            bound = self._bound[key] = _Requests(self._answered.labels(*key), self.latency.labels(*key[:2]))
        bound.note(seconds)

    def settle(self) -> None:
        """Count what is noted."""
        for requests in self._bound.values():
            requests.settle()
