"""`votes`: any grader may be asked several times, and its rewards combined.

::

    {"type": "score_model", …, "votes": 5}
    {"type": "label_model", …, "votes": {"count": 3, "combine": "majority"}}
"""

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from graders.contract import brief

Combine: TypeAlias = Literal["median", "mean", "majority"]

MAX_VOTES = 64


@dataclass(frozen=True, slots=True)
class Votes:
    """How often a grader is asked, and what becomes of its rewards.

    Attributes:
        count: Gradings of each sample, 2 to 64.
        combine: `median` (between the middle two where their number is even), `mean`, or `majority`: the most frequent
            reward; of several, the one nearest to the median, and of those the lower.
    """

    count: int
    combine: Combine = "median"

    @classmethod
    def read(cls, value: object) -> "Votes | None":
        """Votes as a grader's JSON says them: a number, or a map; None for no or one vote.

        Raises:
            ValueError: When it is neither.
        """
        count: object = value
        combine: Combine = "median"
        if isinstance(value, Mapping):
            if extra := [str(key) for key in value if key not in ("count", "combine")]:
                raise ValueError(f"no such field {extra[0]!r}; votes have a count and combine")
            count, combine = value.get("count"), value.get("combine", "median")
        if combine not in get_args(Combine):
            raise ValueError(f"combine is one of {', '.join(get_args(Combine))}; got {brief(combine)}")
        if count is None and value is None:
            return None
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_VOTES:
            example = '{"count": 3, "combine": "majority"}'
            raise ValueError(f"expected 1 to {MAX_VOTES}, or a map such as {example}; got {brief(count)}")
        return cls(count, combine) if count > 1 else None

    def combined(self, numbers: Sequence[float]) -> float:
        """One number out of those of the votes, by `combine`.

        Raises:
            OverflowError: When they are so large that they have no mean.
        """
        return _COMBINE[self.combine](numbers)


def mean(numbers: Sequence[float]) -> float:
    """The mean, never below the least of the numbers nor above the greatest, as rounding makes `statistics.fmean`."""
    return min(max(statistics.fmean(numbers), min(numbers)), max(numbers))


def _majority(rewards: Sequence[float]) -> float:
    counts = Counter(rewards)
    most, middle = max(counts.values()), statistics.median(rewards)
    return min((r for r, n in counts.items() if n == most), key=lambda r: (abs(r - middle), r))


_COMBINE: Mapping[Combine, Callable[[Sequence[float]], float]] = {
    "median": statistics.median,
    "mean": mean,
    "majority": _majority,
}
