"""`label_model`: a model reads the sample and chooses a label."""

from typing import Annotated

from pydantic import Field

from graders.context import Context
from graders.contract import GraderResult, Item, brief
from graders.errors import InvalidOptions, Problem
from graders.kinds.judging import STEPS, answer_schema, asked, choice_of, explained, judged, paid
from graders.kinds.messages import Messages, SamplingParams, render, templates_of
from graders.kinds.shown import of_sample
from graders.options import Also
from graders.plugin import grader
from graders.samples.sample import Sample

Labels = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


@grader("label_model")
class LabelModel:
    """Reward 1 when a model answers the messages in `input` with one of `passing_labels`, 0 with another of `labels`.

    Any other answer leaves the sample ungraded. `image_tag` is ignored. Source: the OpenAI graders guide.
    """

    def __init__(
        self,
        *,
        model: str,
        input: Messages,  # noqa: A002  # the published name
        labels: Labels,
        passing_labels: Labels,
        sampling_params: Annotated[SamplingParams | None, Also("sampling_parameters")] = None,
        image_tag: str | None = None,
    ) -> None:
        del image_tag
        if twice := [label for index, label in enumerate(labels) if label in labels[:index]]:
            raise InvalidOptions([Problem(("labels",), f"duplicate label {twice[0]!r}")])
        if strange := [label for label in passing_labels if label not in labels]:
            known = ", ".join(map(repr, labels))
            message = f"a passing label is one of the labels {known}; got {brief(strange[0])}"
            raise InvalidOptions([Problem(("passing_labels",), message)])
        self._model, self._messages, self._labels = model, input, labels
        self._passing = frozenset(passing_labels)
        self._schema = answer_schema(steps=STEPS, result={"type": "string", "enum": labels})
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
            name="label_classification",
        )
        with paid([verdict]):
            label = choice_of(verdict.output, "result", self._labels)
        steps = explained(verdict.output.get("steps"))
        return judged(
            float(label in self._passing),
            [verdict],
            reasons=f"{label}: {steps}" if steps else label,
            metadata={"label": label},
        )
