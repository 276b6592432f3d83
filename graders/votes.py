"""`votes`: any grader may be asked several times, and its rewards combined.

::

    {"type": "score_model", …, "votes": 5}
    {"type": "label_model", …, "votes": {"count": 3, "combine": "majority"}}
"""

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from graders.contract import GraderResult, brief
from graders.errors import GradingError
from graders.usage import summed

if TYPE_CHECKING:
    from graders.bound_grader import Grader

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

    def combined(self, grader: "Grader", votes: Sequence[GraderResult]) -> GraderResult:
        """The result of one sample out of its votes.

        A vote that failed as a measurement leaves the sample ungraded: what the other votes say is another measurement
        than the one that was asked for. For the same reason one vote that got the grader's `invalid_grade` gives it to the
        sample. What is said beside the reward (explanation, parts, metadata) is that of the vote
        nearest to it; `metrics` gains `votes`, `vote_spread` (highest less lowest) and `vote_std` (of the population).
        """
        usage = summed(vote.usage for vote in votes)
        seconds = sum(vote.execution_time for vote in votes)
        ungraded = next((vote for vote in votes if vote.reward is None), None)
        if ungraded is not None:
            return ungraded.replace(usage=usage, execution_time=seconds)
        invalid = next((vote for vote in votes if vote.substituted), None)
        if grader.invalid_grade is not None and invalid is not None:
            return invalid.replace(usage=usage, execution_time=seconds)
        rewards = [vote.reward for vote in votes if vote.reward is not None]
        # a substituted reward is no measurement: one such vote marks the whole, whatever else went wrong
        spoilt = max(votes, key=lambda vote: (vote.substituted, vote.failure is not None))
        try:
            reward = _COMBINE[self.combine](rewards)
            nearest = min(votes, key=lambda vote: abs((vote.reward or 0.0) - reward))
            spread = {"vote_spread": max(rewards) - min(rewards), "vote_std": statistics.pstdev(rewards)}
            return nearest.replace(
                reward=reward,
                passed=grader.passes(reward),
                sub_rewards=self._sub_rewards(votes),
                failure=spoilt.failure,
                substituted=spoilt.substituted,
                metrics={**nearest.metrics, "votes": float(len(votes)), **spread},
                usage=usage,
                execution_time=seconds,
            )
        except (OverflowError, ValueError) as error:  # numbers near the largest that there is
            failed = GradingError(f"the votes cannot be combined: {error}")
            return grader.failed(failed, execution_time=seconds).replace(usage=usage)

    def _sub_rewards(self, votes: Sequence[GraderResult]) -> dict[str, float | None]:
        """Each sub-reward combined as the rewards are; None where a vote has none."""
        combined: dict[str, float | None] = {}
        for name in votes[0].sub_rewards:
            of_one = [vote.sub_rewards.get(name) for vote in votes]
            known = [value for value in of_one if value is not None]
            combined[name] = _COMBINE[self.combine](known) if len(known) == len(votes) else None
        return combined


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
