"""`score_model`: a model reads the sample and gives it a number."""

from typing import Annotated

from graders.context import Context
from graders.contract import GraderResult, Item
from graders.kinds.judging import (
    STEPS,
    answer_schema,
    asked,
    bounds,
    explained,
    judged,
    number_of,
    number_within,
    paid,
)
from graders.kinds.messages import Messages, SamplingParams, render, templates_of
from graders.kinds.shown import of_sample
from graders.options import Also
from graders.plugin import grader
from graders.samples.sample import Sample


@grader("score_model")
class ScoreModel:
    """Reward inside `range` (0 to 1 unless it says otherwise): the number that a model answers to the messages in `input`.

    The model writes its `steps` and then its `result`; a result outside the range is clamped to it, and reported as the
    metric `unclamped`. One that is outside by more than the width of the range, or that is not a finite number, leaves the
    sample ungraded. `image_tag`, which published files have, is ignored: no code runs here. Source: the OpenAI graders guide; the limit of what is clamped is ours.
    """

    def __init__(
        self,
        *,
        model: str,
        input: Messages,  # noqa: A002  # the published name
        range: tuple[float, float] | None = None,  # noqa: A002  # the published name
        sampling_params: Annotated[SamplingParams | None, Also("sampling_parameters")] = None,
        image_tag: str | None = None,
    ) -> None:
        del image_tag
        self.range = bounds(range)
        self._schema = answer_schema(steps=STEPS, result=number_within(self.range))
        self._model, self._messages = model, input
        self._sampling = sampling_params.given() if sampling_params else {}

    async def __call__(self, sample: Sample, item: Item, context: Context) -> GraderResult:
        """Grade one sample."""
        verdict = await asked(
            context,
            of_sample=lambda: of_sample(templates_of(self._messages), sample, item, str),
            model=self._model,
            messages=render(self._messages, sample, item),
            schema=self._schema,
            sampling=self._sampling,
            name="float_score_classification",
        )
        with paid([verdict]):
            number = number_of(verdict.output, "result", self.range)
        low, high = self.range
        reward = min(max(number, low), high)
        if reward == number:
            return judged(reward, [verdict])
        steps = explained(verdict.output.get("steps"))
        return judged(
            reward,
            [verdict],
            reasons=f"{number:g} was clamped to the range {low:g} to {high:g}. {steps}",
            metrics={"unclamped": number},
        )
