"""Judge tokens are summed by model, and over all models."""

from graders.usage import TOKENS, all_models, summed


def test_tokens_are_summed_by_model() -> None:
    assert summed([{"a": {"x": 1}}, {"b": {"x": 2}}, {"a": {"x": 3, "y": 4}}]) == {
        "a": {"x": 4, "y": 4},
        "b": {"x": 2},
    }
    assert summed([]) == {}


def test_the_tokens_of_all_models_have_every_count_of_the_api() -> None:
    usage = {"a": {"prompt_tokens": 1, "total_tokens": 1}, "b": {"prompt_tokens": 2, "other": 9}}
    assert all_models(usage) == dict(zip(TOKENS, (3, 0, 1, 0), strict=True))
