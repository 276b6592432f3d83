"""What holds for every text similarity metric."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from typing import get_args

import pytest
from hypothesis import given
from openai.types.graders import TextSimilarityGrader

from graders.kinds.metrics import METRIC_NAMES, Metric, load_metric
from tests.strategies import any_str, text_pairs

METRICS = [load_metric(name) for name in METRIC_NAMES]
every_metric = pytest.mark.parametrize("metric", METRICS, ids=METRIC_NAMES)


def test_the_names_are_those_of_the_grader_api_that_need_no_model() -> None:
    published = set(get_args(TextSimilarityGrader.model_fields["evaluation_metric"].annotation))
    assert set(METRIC_NAMES) == published - {"cosine"}


def test_an_unknown_metric_is_refused_with_the_known_names() -> None:
    with pytest.raises(
        ValueError, match=r"unknown text similarity metric 'rouge_6': known are fuzzy_match, bleu, gl"
    ):
        load_metric("rouge_6")


def test_importing_the_seam_imports_no_metric_library() -> None:
    program = "import graders.kinds.metrics, sys; print(*{'sacrebleu', 'rapidfuzz', 'rouge_score_rs', 'graders.kinds.metrics.wordnet'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_no_metric_imports_nltk() -> None:
    program = (
        "import sys, graders.kinds.metrics as m; [m.load_metric(n).score('cats run', 'dogs ran') for n in m.METRIC_NAMES];"
        "print('nltk' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@every_metric
def test_it_is_found_by_its_name_and_names_installed_libraries(metric: Metric) -> None:
    assert load_metric(metric.name) is metric
    assert all(version(library) for library in metric.libraries)


@every_metric
@given(pair=text_pairs())
def test_a_score_is_a_float_in_the_unit_interval(metric: Metric, pair: tuple[str, str]) -> None:
    score = metric.score(*pair)
    assert type(score) is float
    assert 0.0 <= score <= 1.0


@every_metric
@given(candidate=any_str(), reference=any_str())
def test_no_text_makes_it_raise_or_leave_the_unit_interval(
    metric: Metric, candidate: str, reference: str
) -> None:
    assert 0.0 <= metric.score(candidate, reference) <= 1.0


@every_metric
def test_it_scores_zero_when_a_text_is_empty_even_when_both_are(metric: Metric) -> None:
    assert [metric.score(*pair) for pair in [("", ""), ("", "some words"), ("some words", "")]] == [0.0] * 3


@every_metric
def test_lone_surrogates_do_not_hide_the_words_around_them(metric: Metric) -> None:
    text = "one two three \ud800 four five six"
    assert metric.score(text, text) > 0.99
