"""`string_check`: the published comparison of two texts."""

import math
from collections.abc import Callable, Sequence
from operator import contains, eq, ne
from typing import Literal

import numpy as np

from graders.batch_scores import BatchScores
from graders.contract import GraderResult, Item
from graders.errors import GradingError
from graders.lint.blind_spots import of_contained
from graders.plugin import grader
from graders.samples.reasoning import Thoughts
from graders.samples.sample import Sample
from graders.samples.sample_column import SampleColumn
from graders.samples.thoughts import graded_text
from graders.template import Template


def _contains_ignoring_case(text: str, part: str) -> bool:
    # not lower(), which looks at the neighbours: the end of "ΑΣ" is "ς", and inside a word it is "σ"
    return part.casefold() in text.casefold()


_OPERATIONS: dict[str, Callable[[str, str], bool]] = {
    "eq": eq,
    "ne": ne,
    "neq": ne,
    "like": contains,
    "ilike": _contains_ignoring_case,
}


@grader("string_check")
class StringCheck:
    """Reward 1 when `input` relates to `reference` as `operation` says, otherwise 0.

    `eq` and `ne` (also written `neq`) compare the whole texts; `like` asks whether `input` contains `reference`, `ilike`
    the same without regard to letter case. Nothing is trimmed. With `thoughts` as `skip`, `input` sees the
    model's answer without its reasoning. Source: the OpenAI graders guide; `thoughts` is ours.
    """

    def __init__(
        self,
        *,
        input: Template,  # noqa: A002  # the published name
        reference: Template,
        operation: Literal["eq", "ne", "neq", "like", "ilike"],
        thoughts: Thoughts = "keep",
    ) -> None:
        self._input, self._reference = input, reference
        self._text = graded_text(input, thoughts)
        self._compare, self._is_part = _OPERATIONS[operation], operation in {"like", "ilike"}

    def __call__(self, sample: Sample, item: Item) -> bool | GraderResult:
        """Grade one sample; the explanation says when a reference is in almost every text."""
        text = self._text(sample, item)  # first: a sample that breaks it must not hide behind its reference
        reference = self._reference(sample, item)
        passed = self._compare(text, reference)
        warning = of_contained(reference) if passed and self._is_part else None
        return passed if warning is None else GraderResult(1.0, explanation=warning)

    def grade_batch(self, samples: SampleColumn, items: Sequence[Item]) -> BatchScores:
        """The rewards of many rows, equal to grading each; NaN where a row fails or its explanation says something."""
        try:
            inputs: Sequence[str]
            if self._text is self._input:
                inputs = self._input.render_many(samples, items)
            else:
                inputs = list(map(self._text, samples, items))
            references = self._reference.render_many(samples, items)
        except GradingError:  # of one row: the others keep their rewards
            return BatchScores(
                [self._reward(sample, item) for sample, item in zip(samples, items, strict=True)]
            )
        rewards = np.fromiter(map(self._compare, inputs, references), dtype=np.float64, count=len(items))
        if self._is_part:
            warned = [of_contained(reference) is not None for reference in references]
            rewards[np.array(warned, dtype=bool) & (rewards == 1)] = np.nan
        return BatchScores(rewards)

    def _reward(self, sample: Sample, item: Item) -> float:
        try:
            returned = self(sample, item)
        except GradingError:
            return math.nan
        return math.nan if isinstance(returned, GraderResult) else float(returned)
