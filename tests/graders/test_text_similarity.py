"""`text_similarity`: two rendered texts by a published metric; the metrics have tests of their own."""

from typing import Any

import pytest

from graders import InvalidOptions, Registry, Sample

INSTALLED = Registry.installed()
SIMILARITY: dict[str, Any] = {
    "type": "text_similarity",
    "input": "{{sample.output_text}}",
    "reference": "{{item.a}}",
    "evaluation_metric": "fuzzy_match",
}


def test_the_published_example_has_the_published_score() -> None:
    found = INSTALLED.load(SIMILARITY)
    score = found.function(Sample("fuzzy wuzzy had no hair"), {"a": "fuzzy wuzzy was a bear"})
    assert score == 0.7555555555555555


@pytest.mark.parametrize(
    "metric",
    [
        "fuzzy_match",
        "bleu",
        "gleu",
        "meteor",
        "rouge_1",
        "rouge_2",
        "rouge_3",
        "rouge_4",
        "rouge_5",
        "rouge_l",
    ],
)
def test_every_published_metric_scores_from_0_to_1(metric: str) -> None:
    found = INSTALLED.load({**SIMILARITY, "evaluation_metric": metric})
    text = "the quick brown fox jumps over it"
    assert found.function(Sample(text), {"a": text}) == pytest.approx(1.0, abs=0.01)
    assert found.function(Sample(text), {"a": "0"}) < 0.5


def test_the_signature_names_the_library_that_decides_the_number() -> None:
    assert "rapidfuzz=" in INSTALLED.load(SIMILARITY).info.signature
    assert "=" not in INSTALLED.load({**SIMILARITY, "evaluation_metric": "gleu"}).info.signature


def test_long_texts_are_not_graded_in_the_callers_process() -> None:
    found = INSTALLED.load({**SIMILARITY, "evaluation_metric": "bleu"})
    limit = next(
        n for n in range(1, 10**6, 1000) if not found.function.is_bounded(Sample("x" * n), {"a": "x"})
    )
    assert found.function.is_bounded(Sample("x"), {"a": "x"})
    assert not found.function.is_bounded(Sample("x"), {"a": "x" * limit})


def test_cosine_says_what_it_lacks() -> None:
    with pytest.raises(
        InvalidOptions,
        match=r"^evaluation_metric: 'cosine' needs an embedding model, .*; choose one of fuzzy_match, ",
    ):
        INSTALLED.load({**SIMILARITY, "evaluation_metric": "cosine"})


def test_an_unknown_metric_lists_the_known_ones() -> None:
    with pytest.raises(InvalidOptions, match=r"evaluation_metric: expected 'fuzzy_match', .* got 'rouge'"):
        INSTALLED.load({**SIMILARITY, "evaluation_metric": "rouge"})
