"""`equivalence`: a model says whether two texts say the same, asked in both orders.

A judge prefers one place to another (Zheng et al. 2023, arXiv 2306.05685, section 3.3), and knowing which text is meant to be
right may sway it too. So it sees the two as *first* and *second*, once in each order, and is believed only where it says the
same both times.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from graders.context import Context, Verdict
from graders.contract import FailureType, GraderResult, Item
from graders.errors import GradingError
from graders.kinds.judging import (
    answer_schema,
    asked,
    choice_of,
    judged,
    no_sample_in,
    paid,
    prompt,
    reason_of,
)
from graders.kinds.messages import SamplingParams
from graders.kinds.shown import MAX_CHARACTERS, MaxCharacters, of_sample, rendered
from graders.options import Also
from graders.plugin import grader
from graders.samples.sample import Sample
from graders.template import Template

INSTRUCTIONS = """\
You compare two texts, First and Second. Do they give the same answer?
Say yes when anyone who accepts one must accept the other: the same value, claim or result. Differences of wording, order, \
notation, language and length do not count, nor does an explanation beside the answer.
Say no when they contradict each other, when one answers and the other does not, or when one lacks a part of the answer.
Which of the two is right does not matter, and neither does which of them comes first.
Write your reason, and then yes or no."""

_SCHEMA = answer_schema(reason={"type": "string"}, same={"type": "string", "enum": ["yes", "no"]})
_REWARD_ON_DISAGREEMENT: Mapping[str, float] = {"different": 0.0, "half": 0.5}


@grader("equivalence")
class Equivalence:
    """Reward 1 when a model says that two texts give the same answer, 0 when they do not.

    Texts that are equal but for white space around them are not asked about. Otherwise the model is asked twice, with the
    two texts in both orders, and never told which of them is the sample: exchanging `input` and `reference` gives the same
    two questions, and so the same reward. The metric `agreement` is 1 when the answers agree. When they do not, the sample
    is ungraded; `on_disagreement` may count it as `different` (0) or `half` (0.5) instead. `max_characters` of each text can
    be shown: a sample that is longer gets the lowest reward.
    """

    def __init__(
        self,
        *,
        model: str,
        reference: Template,
        input: Template = Template("{{sample.output_text}}"),  # noqa: A002, B008  # the published name; it never changes
        question: Template | None = None,
        instructions: Template | None = None,
        on_disagreement: Literal["ungraded", "different", "half"] = "ungraded",
        max_characters: MaxCharacters = MAX_CHARACTERS,
        sampling_params: Annotated[SamplingParams | None, Also("sampling_parameters")] = None,
    ) -> None:
        no_sample_in(question=question, instructions=instructions)
        self._model, self._input, self._reference = model, input, reference
        self._question, self._instructions, self._limit = {"Question": question}, instructions, max_characters
        self._on_disagreement = on_disagreement
        self._sampling = sampling_params.given() if sampling_params else {}

    async def __call__(self, sample: Sample, item: Item, context: Context) -> GraderResult:
        """Grade one sample."""
        texts = self._input(sample, item).strip(), self._reference(sample, item).strip()
        if texts[0] == texts[1]:
            return GraderResult(1.0, explanation="the texts are equal", metrics={"agreement": 1.0})
        more = self._instructions(sample, item) if self._instructions else ""
        templates = {**self._question, "input": self._input, "reference": self._reference}
        question = rendered(templates, sample, item, limit=self._limit)
        texts = question.pop("input").strip(), question.pop("reference").strip()
        verdicts: list[Verdict] = []
        same: list[bool] = []
        with paid(verdicts):
            # sorted, so that neither the questions nor their order tell which text is the sample
            for first, second in sorted([texts, texts[::-1]]):
                verdict = await asked(
                    context,
                    of_sample=lambda: of_sample([self._input, self._reference], sample, item),
                    model=self._model,
                    messages=prompt((INSTRUCTIONS, more), {**question, "First": first, "Second": second}),
                    schema=_SCHEMA,
                    sampling=self._sampling,
                    name="equivalence",
                )
                verdicts.append(verdict)
                same.append(choice_of(verdict.output, "same", ("yes", "no")) == "yes")
            return self._result(same, verdicts)

    def _result(self, same: list[bool], verdicts: list[Verdict]) -> GraderResult:
        reasons = [reason_of(verdict.output) for verdict in verdicts]
        agreement = same[0] == same[1]
        reward = float(same[0]) if agreement else _REWARD_ON_DISAGREEMENT.get(self._on_disagreement)
        if reward is None:
            raise GradingError(
                "the judge calls the two texts the same in one order and different in the other",
                caused_by="infrastructure",
                details={"type": FailureType.ORDER_DEPENDENT_VERDICT, "reasons": reasons},
            )
        said = ("the same" if same[0] else "different") if agreement else "the same in one order only"
        return judged(
            reward,
            verdicts,
            reasons=f"{said}: {reasons[0]}",
            metrics={"agreement": float(agreement)},
            metadata={"reasons": reasons},
        )
