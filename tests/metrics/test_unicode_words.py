"""Metrics over words of every script: the published metric over tokens that a reader of the script would count."""

from __future__ import annotations

import pytest
from hypothesis import given
from nltk.translate.gleu_score import sentence_gleu
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU

from graders.kinds.metrics import METRIC_NAMES, load_metric
from graders.kinds.metrics.unicode_words import NAMES, tokens, with_unicode_words
from tests.strategies import any_str, text_pairs


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world!", ["Hello", "world"]),
        ("don't", ["don", "t"]),
        ("我喜欢猫。", ["我", "喜", "欢", "猫"]),
        ("GPT很好 2024年", ["GPT", "很", "好", "2024", "年"]),
        ("ネコがいる", ["ネ", "コ", "が", "い", "る"]),
        ("кошка спит", ["кошка", "спит"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("안녕 하세요", ["안녕", "하세요"]),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", ["\u0645\u06cc\u062e\u0648\u0627\u0647\u0645"]),
        ("e\u0301te\u0301", ["été"]),
        ("Ｆｕｌｌ１２", ["Full12"]),
        ("a_b", ["a", "b"]),
        ("\u0301", []),
        ("\ud800 a\x00b", ["a", "b"]),
        ("", []),
    ],
)
def test_these_are_the_words(text: str, words: list[str]) -> None:
    assert tokens(text, symbols=False) == words


def test_symbols_are_tokens_where_they_count() -> None:
    assert tokens("Hi, 你好!", symbols=True) == ["Hi", ",", "你", "好", "!"]


class Words:
    """The tokenizer that rouge-score takes."""

    def tokenize(self, text: str) -> list[str]:
        return tokens(text.casefold(), symbols=False)


@given(pair=text_pairs())
def test_rouge_is_rouge_score_over_these_words(pair: tuple[str, str]) -> None:
    candidate, reference = pair
    for name, kind in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
        oracle = RougeScorer([kind], tokenizer=Words()).score(target=reference, prediction=candidate)
        score = with_unicode_words(load_metric(name)).score(candidate, reference)
        assert score == pytest.approx(oracle[kind].fmeasure, abs=1e-9)


@given(pair=text_pairs())
def test_bleu_and_gleu_are_those_of_the_libraries_over_these_tokens(pair: tuple[str, str]) -> None:
    candidate, reference = (tokens(text, symbols=True) for text in pair)
    gleu = with_unicode_words(load_metric("gleu")).score(*pair)
    expected = sentence_gleu([reference], candidate) if candidate or reference else 0.0
    assert gleu == pytest.approx(expected, abs=1e-9)
    bleu = with_unicode_words(load_metric("bleu")).score(*pair)
    oracle = BLEU(tokenize="13a", effective_order=True)
    by_hand = oracle.sentence_score(" ".join(candidate), [" ".join(reference)]).score / 100
    assert bleu == pytest.approx(min(by_hand, 1.0), abs=1e-9)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_equal_texts_of_any_script_are_equal(name: str) -> None:
    score = with_unicode_words(load_metric(name)).score
    for text in ("猫在垫子上睡觉。", "Кошка спит на мягком ковре", "ผมชอบแมวมาก", "बिल्ली चटाई पर सो रही है"):
        assert score(text, text) > 0.99
        assert score("completely different words", text) == 0.0


@pytest.mark.parametrize("name", sorted(NAMES))
@given(pair=text_pairs(), other=any_str())
def test_a_score_is_in_the_unit_interval(name: str, pair: tuple[str, str], other: str) -> None:
    metric = with_unicode_words(load_metric(name))
    for candidate, reference in (pair, (other, pair[0]), (other, other)):
        assert 0.0 <= metric.score(candidate, reference) <= 1.0
    assert metric.inline_limit < load_metric(name).inline_limit


def test_metrics_without_words_have_no_others() -> None:
    assert set(METRIC_NAMES) - NAMES == {"fuzzy_match"}
    with pytest.raises(ValueError, match="'fuzzy_match' has no other words"):
        with_unicode_words(load_metric("fuzzy_match"))
