"""What the judges did, by model: for a run's summary and for metrics."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields


@dataclass
class ModelStatistics:
    """Of one model, since the process began.

    Attributes:
        judgements: Verdicts that graders asked for.
        cached: Those that were remembered from earlier.
        joined: Those that were being asked already.
        requests: Requests that were sent.
        retries: Those that were sent again.
        failures: Judgements without a verdict, by cause.
        tokens: By kind, of all answers.
        money: What the answers cost.
    """

    judgements: int = 0
    cached: int = 0
    joined: int = 0
    requests: int = 0
    retries: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    money: float = 0.0

    @property
    def hit_rate(self) -> float:
        """Share of the judgements that were remembered, 0 to 1."""
        return self.cached / self.judgements if self.judgements else 0.0

    def paid(self, usage: Mapping[str, int], money: float) -> None:
        """Count what an answer cost."""
        self.tokens.update(usage)
        self.money += money

    def add(self, other: "ModelStatistics") -> None:
        """Count what was done elsewhere."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, Counter):
                mine.update(theirs)
            else:
                setattr(self, each.name, mine + theirs)


def added(several: Iterable[Mapping[str, ModelStatistics]]) -> dict[str, ModelStatistics]:
    """The sums over several processes, by model."""
    sums: dict[str, ModelStatistics] = {}
    for statistics in several:
        for model, done in statistics.items():
            sums.setdefault(model, ModelStatistics()).add(done)
    return sums
