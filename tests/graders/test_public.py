"""The public names are those that `graders` lists, and the five lines of the design work as written."""

import types
from importlib.resources import files

import pytest

import graders
from graders import Item, Sample, grader


@grader("keyword")
def keyword(sample: Sample, item: Item, *, words: list[str]) -> float:
    """Reward the share of `words` that the sample mentions."""
    return sum(word in sample.output_text for word in words) / len(words)


def test_a_plugin_is_five_lines_and_its_test_is_one() -> None:
    assert keyword(Sample("a red cat"), {}, words=["red", "blue"]) == 0.5


def test_all_is_sorted_and_equals_the_public_names() -> None:
    public = {
        name
        for name, value in vars(graders).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert graders.__all__ == sorted(public)


CLASSES = [found for name in graders.__all__ if isinstance(found := getattr(graders, name), type)]


@pytest.mark.parametrize("found", CLASSES)
def test_every_public_class_says_what_it_is(found: type) -> None:
    lines = (found.__doc__ or "").strip().splitlines()
    assert lines, found
    assert not lines[0].startswith(f"{found.__name__}("), "a dataclass without a docstring gets its signature"


def test_type_checkers_are_told_that_the_package_is_typed() -> None:
    assert files("graders").joinpath("py.typed").is_file()
