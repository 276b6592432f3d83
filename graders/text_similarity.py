"""`text_similarity`: how near a text is to a reference, by a published metric."""

from typing import Literal

from graders.contract import Item
from graders.errors import InvalidOptions, Problem
from graders.metrics import METRIC_NAMES, load_metric
from graders.plugin import grader
from graders.sample import Sample
from graders.template import Template

MetricName = Literal[
    "fuzzy_match", "bleu", "gleu", "meteor", "cosine",
    "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l",
]  # fmt: skip


@grader("text_similarity")
class TextSimilarity:
    """Reward from 0 to 1: the similarity of `input` to `reference` by `evaluation_metric`.

    `fuzzy_match` is rapidfuzz's WRatio over its default processing, `bleu` sacrebleu's sentence BLEU with effective order,
    `gleu` and `meteor` NLTK's (METEOR with WordNet 3.0), `rouge_1` to `rouge_5` and `rouge_l` rouge-score's F-measure.
    Sources: the OpenAI graders guide for the names, the libraries for the numbers.
    """

    def __init__(
        self,
        *,
        input: Template,  # noqa: A002  # the published name
        reference: Template,
        evaluation_metric: MetricName,
    ) -> None:
        if evaluation_metric == "cosine":
            message = "'cosine' needs an embedding model, which this version cannot call; choose one of "
            raise InvalidOptions([Problem(("evaluation_metric",), message + ", ".join(METRIC_NAMES))])
        self._input, self._reference = input, reference
        self._metric = load_metric(evaluation_metric)
        self.libraries = self._metric.libraries

    def is_bounded(self, sample: Sample, item: Item) -> bool:
        """Whether both texts are short enough for the metric's worst case to be quick."""
        longest = max(len(self._input(sample, item)), len(self._reference(sample, item)))
        return longest <= self._metric.inline_limit

    def __call__(self, sample: Sample, item: Item) -> float:
        """Grade one sample."""
        return self._metric.score(self._input(sample, item), self._reference(sample, item))
