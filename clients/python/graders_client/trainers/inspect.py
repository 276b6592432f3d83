"""Inspect 0.3: `Task(…, scorer=grader_scorer(client))`; an ungraded sample is `Score.unscored`, which no metric counts."""

from __future__ import annotations

from typing import Any

from graders_client.graded import Failure
from graders_client.rewarder import Rewarder


def grader_scorer(rewarder: Rewarder) -> Any:
    """A scorer with mean and standard error.

    Args:
        rewarder: Grades the output; the item has `target`, `input` and the sample's metadata.
    """
    from inspect_ai.scorer import Score, mean, scorer, stderr  # noqa: PLC0415

    @scorer(metrics=[mean(), stderr()], name="graders")  # type: ignore[untyped-decorator, unused-ignore]
    def graders() -> Any:
        async def score(state: Any, target: Any) -> Any:
            item = {**(state.metadata or {}), "target": target.text, "input": state.input_text}
            answer = state.output.completion
            graded = await rewarder.agrade_one(answer, item)
            failure = graded.failure
            explanation = None if failure is None else failure.message
            metadata = {"sub_rewards": dict(graded.sub_rewards), "metrics": dict(graded.metrics)}
            if graded.reward is None:
                return Score.unscored(
                    reason=_reason(graded.reason), answer=answer, explanation=explanation, metadata=metadata
                )
            return Score(value=graded.reward, answer=answer, explanation=explanation, metadata=metadata)

        return score

    return graders()


def _reason(failure: Failure) -> str:
    """Inspect's word: a judge failed, or the scorer could not run."""
    return "grader_failed" if failure.kind.startswith("model_grader_") else "scoring_failed"
