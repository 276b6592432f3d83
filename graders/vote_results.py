"""The result of a sample whose grader is asked several times, out of its votes."""

import statistics
from collections.abc import Sequence

from graders.bound_grader import Grader
from graders.contract import GraderResult
from graders.errors import GradingError
from graders.usage import summed
from graders.votes import Votes


def combine_votes(grader: Grader, asked: Votes, votes: Sequence[GraderResult]) -> GraderResult:
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
        reward = asked.combined(rewards)
        nearest = min(votes, key=lambda vote: abs((vote.reward or 0.0) - reward))
        spread = {"vote_spread": max(rewards) - min(rewards), "vote_std": statistics.pstdev(rewards)}
        return nearest.replace(
            reward=reward,
            passed=grader.passes(reward),
            sub_rewards=_sub_rewards(asked, votes),
            failure=spoilt.failure,
            substituted=spoilt.substituted,
            metrics={**nearest.metrics, "votes": float(len(votes)), **spread},
            usage=usage,
            execution_time=seconds,
        )
    except (OverflowError, ValueError) as error:  # numbers near the largest float
        failed = GradingError(f"the votes cannot be combined: {error}")
        return grader.failed(failed, execution_time=seconds).replace(usage=usage)


def _sub_rewards(asked: Votes, votes: Sequence[GraderResult]) -> dict[str, float | None]:
    """Each sub-reward combined as the rewards are; None where a vote has none."""
    combined: dict[str, float | None] = {}
    for name in votes[0].sub_rewards:
        of_one = [vote.sub_rewards.get(name) for vote in votes]
        known = [value for value in of_one if value is not None]
        combined[name] = asked.combined(known) if len(known) == len(votes) else None
    return combined
