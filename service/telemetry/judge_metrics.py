"""Metrics of judges: verdicts, requests, failures, tokens and money, by model."""

from collections import Counter as Counts
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter

from graders.usage import TOKENS
from runtime.judge.statistics import ModelStatistics
from runtime.telemetry.outcomes import OTHER, known_cause

_NUMBERS = {
    "judgements": "Verdicts that graders asked for.",
    "remembered": "Verdicts that were remembered from earlier.",
    "joined": "Verdicts that were being asked for already.",
    "requests": "Requests that were sent to the judges' servers.",
    "retries": "Requests that were sent again.",
}


@dataclass(slots=True)
class _Counted:
    """What the counters have of a model's statistics."""

    numbers: Counts[str] = field(default_factory=Counts)
    failures: Counts[str] = field(default_factory=Counts)
    tokens: Counts[str] = field(default_factory=Counts)
    money: float = 0.0


class JudgeCounters:
    """The counters of one process for its judges, which are brought to where the statistics of the judges are."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"graders_judge_{name}", text, ("model", *labels), registry=registry)

        self._counted: dict[str, _Counted] = {}
        self._numbers = {name: counter(name, text) for name, text in _NUMBERS.items()}
        self._failures = counter("failures", "Judgements without a verdict.", "cause")
        self._tokens = counter("tokens", "Tokens of the judges' answers.", "kind")
        self._money = counter("money", "What the judges' answers cost, in the unit of their prices.")

    def begin_anew(self) -> None:
        """Expect statistics that begin at zero, those of other judges."""
        self._counted = {}

    def catch_up(self, statistics: Mapping[str, ModelStatistics], label: Callable[[str], str]) -> None:
        """Count what was added since the last call.

        Args:
            statistics: What each model did until now.
            label: Gives the label that a model counts under.
        """
        for name, now in statistics.items():
            model, counted = label(name), self._counted.setdefault(name, _Counted())
            for which, numbers in self._numbers.items():
                number = now.cached if which == "remembered" else getattr(now, which)
                numbers.labels(model).inc(number - counted.numbers[which])
                counted.numbers[which] = number
            for cause, number in now.failures.items():
                self._failures.labels(model, known_cause(cause)).inc(number - counted.failures[cause])
                counted.failures[cause] = number
            for kind, number in now.tokens.items():
                self._tokens.labels(model, kind if kind in TOKENS else OTHER).inc(
                    number - counted.tokens[kind]
                )
                counted.tokens[kind] = number
            self._money.labels(model).inc(now.money - counted.money)
            counted.money = now.money
