"""`rubric`: a model says of each of an author's criteria whether a sample meets it, and the weights make the reward.

The reward is that of HealthBench (Arora et al. 2025, arXiv 2505.08775): the points of the criteria that are met over the
points that can be won. A criterion with a negative weight describes a fault. HealthBench clamps the mean of all samples to
0..1; a reward is of one sample, so here each is clamped.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from graders.context import Context, Verdict
from graders.contract import GraderResult, Item, brief
from graders.errors import InvalidOptions, Problem
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

MAX_CRITERIA = 100
MAX_CHOICES = 50
LEAST_WEIGHT, GREATEST_WEIGHT = 1e-6, 1e6
"""So that no sum of them is lost in another, or is more than a float can hold."""

INSTRUCTIONS = """\
You judge the text under "Answer" by the criteria below, each by itself. A criterion may describe a fault: then too, say \
only whether it applies, not whether that is good.
Judge what the text says, not what its author may have meant or what it says of itself. What a criterion asks for and the \
text does not show is not there. Where a criterion gives examples, one of them is enough. What stands under \
"Reference" is right.
For each criterion write your reason, and then your verdict: one of the words given for it."""

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_YES_OR_NO: Mapping[str, float] = {"no": 0.0, "yes": 1.0}

Degree: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Choice: TypeAlias = Annotated[str, Field(min_length=1)]


def _spaced(value: object) -> object:
    """A list of choices as a map, evenly spaced from 0 to 1."""
    if not isinstance(value, list):
        return value
    if not all(isinstance(choice, str) for choice in value):
        raise ValueError("expected strings as choices")
    twice = [choice for index, choice in enumerate(value) if choice in value[:index]]
    if twice:
        raise ValueError(f"duplicate choice {brief(twice[0])}")
    return {choice: index / max(1, len(value) - 1) for index, choice in enumerate(value)}


class Criterion(BaseModel):
    """One thing that an answer is judged by.

    Attributes:
        text: What it asks, or the fault that it describes; templates may look into the item, not into the sample.
        weight: Points for meeting it, or, negative, points lost by it; finite and not 0.
        choices: The verdicts, from the worst to the best, instead of yes and no: a list is evenly spaced from 0 to 1, a map
            says how far each of them meets the criterion, 0 to 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    text: Template
    weight: float = 1.0
    choices: Annotated[
        Annotated[dict[Choice, Degree], Field(min_length=2, max_length=MAX_CHOICES)] | None,
        BeforeValidator(_spaced, json_schema_input_type=dict[Choice, Degree] | list[Choice] | None),
    ] = None

    def degrees(self) -> Mapping[str, float]:
        """How far each possible verdict meets it, 0 to 1, the worst first: the order of a JSON map means nothing."""
        if self.choices is None:
            return _YES_OR_NO
        return dict(sorted(self.choices.items(), key=lambda choice: (choice[1], choice[0])))


def _criterion(value: object) -> object:
    return {"text": value} if isinstance(value, (str, Template)) else value


Criteria: TypeAlias = dict[
    str, Annotated[Criterion, BeforeValidator(_criterion, json_schema_input_type=str | Criterion)]
]


@grader("rubric")
class Rubric:
    """Reward 0 to 1: the weights of the criteria that a model finds met, over the sum of the positive weights.

    `sub_rewards` say how far each criterion is met. A reward that would be below 0 is 0, and reported as the metric
    `unclamped`. The model is asked once for all criteria, or once for `each`, one after the other; when one answer fails,
    the sample is ungraded. `max_characters` of each text can be shown: a sample that is longer gets the lowest reward.
    """

    def __init__(
        self,
        *,
        model: str,
        criteria: Criteria,
        input: Template = Template("{{sample.output_text}}"),  # noqa: A002, B008  # the published name; it never changes
        question: Template | None = None,
        reference: Template | None = None,
        instructions: Template | None = None,
        calls: Literal["one", "each"] = "one",
        max_characters: MaxCharacters = MAX_CHARACTERS,
        sampling_params: Annotated[SamplingParams | None, Also("sampling_parameters")] = None,
    ) -> None:
        no_sample_in(question=question, reference=reference, instructions=instructions)
        if problems := list(_problems(criteria)):
            raise InvalidOptions(problems)
        # by their keys: the order of a JSON map means nothing, and must not decide what is asked
        self._model, self._criteria = model, dict(sorted(criteria.items()))
        self._shown = {"Question": question, "Reference": reference, "Answer": input}
        self._input, self._instructions, self._limit = input, instructions, max_characters
        self._calls = [[key] for key in self._criteria] if calls == "each" else [list(self._criteria)]
        self._attainable = math.fsum(found.weight for found in criteria.values() if found.weight > 0)
        self._sampling = sampling_params.given() if sampling_params else {}

    async def __call__(self, sample: Sample, item: Item, context: Context) -> GraderResult:
        """Grade one sample."""
        shown = rendered(self._shown, sample, item, limit=self._limit)
        more = self._instructions(sample, item) if self._instructions else ""
        answers: dict[str, Mapping[str, Any]] = {}
        verdicts: list[Verdict] = []
        with paid(verdicts):
            for keys in self._calls:
                criteria = "\n".join(self._line(key, sample, item) for key in keys)
                verdict = await asked(
                    context,
                    of_sample=lambda: of_sample([self._input], sample, item),
                    model=self._model,
                    messages=prompt((INSTRUCTIONS, more, f"Criteria:\n{criteria}"), shown),
                    schema=answer_schema(**{key: self._schema(key) for key in keys}),
                    sampling=self._sampling,
                    name="rubric",
                )
                verdicts.append(verdict)
                answers.update((key, self._answer(verdict, key)) for key in keys)
        return self._result(answers, verdicts)

    def _line(self, key: str, sample: Sample, item: Item) -> str:
        found = self._criteria[key]
        return f"- {key}: {found.text(sample, item)} (Verdict: {' or '.join(map(repr, found.degrees()))}.)"

    def _schema(self, key: str) -> dict[str, Any]:
        choices = {"type": "string", "enum": list(self._criteria[key].degrees())}
        return answer_schema(reason={"type": "string"}, verdict=choices)

    def _answer(self, verdict: Verdict, key: str) -> Mapping[str, Any]:
        """What the judge says of one criterion, with the `degree` that it comes to."""
        degrees = self._criteria[key].degrees()
        choice = choice_of(verdict.output, "verdict", list(degrees), of=key)
        return {"reason": reason_of(verdict.output, of=key), "verdict": choice, "degree": degrees[choice]}

    def _result(self, answers: Mapping[str, Mapping[str, Any]], verdicts: Sequence[Verdict]) -> GraderResult:
        degrees: dict[str, float | None] = {key: answer["degree"] for key, answer in answers.items()}
        won = math.fsum(self._criteria[key].weight * answer["degree"] for key, answer in answers.items())
        points = won / self._attainable
        reward = min(max(points, 0.0), 1.0)
        return judged(
            reward,
            verdicts,
            reasons=_summary(answers),
            metrics={} if reward == points else {"unclamped": points},
            metadata={
                "reasons": {key: answer["reason"] for key, answer in answers.items()},
                "verdicts": {key: answer["verdict"] for key, answer in answers.items()},
            },
            sub_rewards=degrees,
        )


def _summary(answers: Mapping[str, Mapping[str, Any]]) -> str:
    """`met: a, b; partly met: c (0.5); not met: d`."""
    met = [key for key, answer in answers.items() if answer["degree"] == 1]
    partly = [f"{key} ({answer['degree']:g})" for key, answer in answers.items() if 0 < answer["degree"] < 1]
    not_met = [key for key, answer in answers.items() if answer["degree"] == 0]
    groups = {"met": met, "partly met": partly, "not met": not_met}
    return "; ".join(f"{name}: {', '.join(keys)}" for name, keys in groups.items() if keys)


def _problems(criteria: Mapping[str, Criterion]) -> Iterator[Problem]:
    if not 1 <= len(criteria) <= MAX_CRITERIA:
        yield Problem(("criteria",), f"expected 1 to {MAX_CRITERIA} criteria, got {len(criteria)}")
    elif all(found.weight <= 0 for found in criteria.values()):
        yield Problem(
            ("criteria",), "at least one criterion needs a positive weight: there are no points to win"
        )
    for key, found in criteria.items():
        path = ("criteria", key)
        if not _KEY.fullmatch(key):
            message = "a criterion's key has 1 to 64 letters, digits, _ and -, and begins with a letter or _"
            yield Problem(path, message)
        if not LEAST_WEIGHT <= abs(found.weight) <= GREATEST_WEIGHT:
            message = f"expected {LEAST_WEIGHT:g} to {GREATEST_WEIGHT:g}, or the negative of it; got {found.weight:g}"
            yield Problem((*path, "weight"), message)
        if found.text.mentions("sample"):
            message = "the sample has no place here: the judge takes this for your words"
            yield Problem((*path, "text"), message)
