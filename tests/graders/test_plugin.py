"""`@grader` makes a grader type of each documented form, and refuses every other when the plugin is imported.

This module postpones its annotations, as many plugins do: they are resolved all the same.
"""

from __future__ import annotations

import functools
import math
import pickle
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import (
    Context,
    Grader,
    GraderResult,
    GraderType,
    InvalidOptions,
    Item,
    PluginError,
    Registry,
    Sample,
    Template,
    grader,
)
from graders.grader_type import find_type, type_of
from graders.testing import FakeContext
from tests.strategies import json_values

if TYPE_CHECKING:
    from decimal import Decimal


@grader("keyword", libraries=["numpy"])
def keyword(sample: Sample, item: Item, *, words: list[str], bonus: float = 0.0) -> float:
    """Reward the share of `words` that the sample mentions.

    Sources: none.
    """
    return sum(word in sample.output_text for word in words) / len(words) + bonus


@grader("patient", range=(-1, 1))
async def patient(sample: Sample, item: Item, context: Context, *, inner: Grader) -> GraderResult:
    return await context.grade(inner, sample, item)


@grader("group")
def group(samples: Sequence[Sample], item: Item) -> list[float]:
    return [1.0 for _ in samples]


@grader("prefix")
class Prefix:
    """Reward a sample that starts with a prefix."""

    made = 0

    def __init__(self, *, prefix: Template) -> None:
        Prefix.made += 1
        self._prefix = prefix

    def __call__(self, sample: Sample, item: Item) -> bool:
        return sample.output_text.startswith(self._prefix(sample, item))


@grader("ranked")
class Ranked:
    """Rank a group after asking its context."""

    async def __call__(self, samples: list[Sample], item: Item, context: Context) -> list[float]:
        return [float(n) for n, _ in enumerate(samples)]


class Undecorated(Prefix):
    """A subclass of what is decorated is not."""


def test_a_function_becomes_its_grader_type_and_grades_when_it_is_called() -> None:
    assert isinstance(keyword, GraderType)
    assert keyword(Sample("a red cat"), {}, words=["red", "blue"]) == 0.5
    assert keyword(Sample("a red cat"), {}, words=["red"], bonus=0.25) == 1.25


def test_a_grader_type_describes_itself() -> None:
    assert (keyword.name, keyword.__name__) == ("keyword", "keyword")
    assert keyword.range == (0.0, 1.0)
    assert keyword.libraries == ("numpy",)
    assert keyword.summary == "Reward the share of `words` that the sample mentions."
    assert (keyword.__doc__ or "").rstrip().endswith("Sources: none.")
    assert keyword.reference == f"{__name__}:keyword"
    assert repr(keyword) == f"<grader type 'keyword' from {__name__}:keyword>"
    assert patient.summary == ""
    assert patient.range == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("decorated", "form", "is_async", "options"),
    [
        (keyword, "single", False, ["words", "bonus"]),
        (patient, "single", True, ["inner"]),
        (group, "group", False, []),
        (Prefix, "single", False, ["prefix"]),
        (Ranked, "group", True, []),
    ],
)
def test_the_forms_are_told_apart_by_the_language(
    decorated: object, form: str, is_async: bool, options: list[str]
) -> None:
    found = type_of(decorated)
    assert (found.form, found.is_async) == (form, is_async)
    assert [field.alias for field in found.options.model_fields.values()] == options


async def test_an_async_type_gives_an_awaitable_when_it_is_called() -> None:
    inner = Registry().including(group).load({"type": "group"})
    result = await patient(Sample(), {}, FakeContext(), inner=inner)
    assert result.reward == 1.0


def test_a_group_type_scores_its_samples_together() -> None:
    assert group([Sample("a"), Sample("b")], {}) == [1.0, 1.0]


def test_a_class_stays_the_class_that_it_is() -> None:
    assert isinstance(Prefix, type)
    assert Prefix(prefix=Template("{{item.p}}"))(Sample("abc"), {"p": "ab"})


def test_a_class_is_made_once_and_called_for_every_sample() -> None:
    loaded = Registry().including(Prefix).load({"type": "prefix", "prefix": "{{item.p}}"})
    before = Prefix.made
    assert [loaded.function(Sample(text), {"p": "a"}) for text in ("ab", "b")] == [True, False]
    assert Prefix.made == before


def test_a_wrong_option_is_refused_in_a_direct_call_too() -> None:
    with pytest.raises(InvalidOptions, match="wrods: no such field; did you mean 'words'"):
        keyword(Sample(), {}, wrods=["a"])  # type: ignore[call-arg]  # what is tested
    with pytest.raises(InvalidOptions, match=r"words.0: expected a text, got 1"):
        keyword(Sample(), {}, words=[1])  # type: ignore[list-item]  # what is tested


@given(json_values())
def test_no_option_makes_a_direct_call_fail_in_another_way(words: Any) -> None:
    try:
        keyword(Sample("a"), {}, words=words)
    except InvalidOptions:
        return
    except ZeroDivisionError:
        assert words == []


def test_dataclasses_are_classes_that_prepare() -> None:
    @grader("mentions")
    @dataclass(kw_only=True)
    class Mentions:
        word: str
        reward: float = 1.0

        def __call__(self, sample: Sample, item: Item) -> float:
            return self.reward * (self.word in sample.output_text)

    loaded = Registry().including(Mentions).load({"type": "mentions", "word": "a", "reward": 0.5})
    assert loaded.function(Sample("a"), {}) == 0.5


def test_a_decorated_function_may_be_wrapped() -> None:
    def doubled(function: Callable[..., float]) -> Callable[..., float]:
        @functools.wraps(function)
        def wrapper(*arguments: Any, **options: Any) -> float:
            return 2 * function(*arguments, **options)

        return wrapper

    @doubled
    def length(sample: Sample, item: Item, *, unit: float = 1.0) -> float:
        return unit

    found = grader("length", range=(0, 10))(length)
    assert [field.alias for field in found.options.model_fields.values()] == ["unit"]
    assert found(Sample(), {}, unit=3) == 6.0


def no_parameters() -> float:
    return 0.0


def only_sample(sample: Sample) -> float:
    return 0.0


def with_context(sample: Sample, item: Item, context: Context) -> float:
    return 0.0


def positional_option(sample: Sample, item: Item, words: list[str] = []) -> float:  # noqa: B006
    return 0.0


def swapped(item: Item, sample: Sample) -> float:
    return 0.0


def swapped_by_type(row: Item, answer: Sample) -> float:
    return 0.0


async def without_context(sample: Sample, item: Item) -> float:
    return 0.0


def unresolved_option(sample: Sample, item: Item, *, price: Decimal) -> float:
    return 0.0


def unresolved_sample(sample: Smaple, item: Item) -> float:  # type: ignore[name-defined]  # noqa: F821
    return 0.0


def malformed(sample: Sample, item: Item, *, words: "list[") -> float:  # type: ignore[valid-type]  # noqa: F722
    return 0.0


def generator(sample: Sample, item: Item) -> Iterator[float]:
    yield 0.0


async def async_generator(sample: Sample, item: Item, context: Context) -> AsyncIterator[float]:
    yield 0.0


class NotCallable:
    """No `__call__`."""


class CallIsNoMethod:
    __call__ = 5


class StaticCall:
    @staticmethod
    def __call__(sample: Sample, item: Item) -> float:
        return 0.0


class OptionsOnCall:
    def __call__(self, sample: Sample, item: Item, *, words: list[str]) -> float:
        return 0.0


class PositionalOption:
    def __init__(self, words: list[str]) -> None: ...

    def __call__(self, sample: Sample, item: Item) -> float:
        return 0.0


class AsyncWithoutContext:
    async def __call__(self, sample: Sample, item: Item) -> float:
        return 0.0


class Unreadable:
    __signature__ = "none"

    def __call__(self, sample: Sample, item: Item) -> float:
        return 0.0


SYNC = r"a grading function is `def grade\(sample, item, \*, options…\)`"
ASYNC = r"a grading function is `async def grade\(sample, item, context, \*, options…\)`"
RUN_TIME = r"annotations are read at run time, so what they name is imported outside `if TYPE_CHECKING:`"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (no_parameters, rf"{SYNC}; this one takes \(\); options stand after the '\*'"),
        (only_sample, rf"{SYNC}; this one takes \(sample\)"),
        (
            with_context,
            rf"{SYNC}; this one takes \(sample, item, context\).* only an `async def` has a context",
        ),
        (positional_option, rf"{SYNC}; this one takes \(sample, item, words\); options stand after the '\*'"),
        (swapped, rf"{SYNC}, in this order; this one takes \(item, sample\)"),
        (swapped_by_type, rf"{SYNC}, in this order; this one takes \(row, answer\)"),
        (without_context, rf"{ASYNC}; this one takes \(sample, item\).* without the context it is `def`"),
        (AsyncWithoutContext, rf"{ASYNC}; this one takes \(sample, item\)"),
        (unresolved_option, rf"grader 'x': an annotation cannot be resolved: name 'Decimal' .*; {RUN_TIME}"),
        (unresolved_sample, rf"grader 'x': an annotation cannot be resolved: name 'Smaple' .*; {RUN_TIME}"),
        (malformed, "an annotation cannot be resolved: Forward reference must be an expression"),
        (generator, "a grading function returns its score; this one yields"),
        (async_generator, "a grading function returns its score; this one yields"),
        (NotCallable, r"the class has no method `__call__\(self, sample, item\)`, which grades"),
        (CallIsNoMethod, "the class has no method `__call__"),
        (StaticCall, "the class has no method `__call__"),
        (OptionsOnCall, "the option 'words' belongs to the class's constructor, not to `__call__`"),
        (PositionalOption, r"the option 'words' must be keyword-only: put it after a '\*'"),
        (Unreadable, "its parameters cannot be read"),
        (int, "the class has no method `__call__"),
        (len, rf"{SYNC}; this one takes \(obj\)"),
        (functools.partial(keyword), "decorate a function or a class, not functools.partial"),
        (5, "decorate a function or a class, not 5"),
        (None, "decorate a function or a class, not None"),
        (
            keyword,
            "decorate a function or a class, not <grader type 'keyword' from .*>: it is decorated twice",
        ),
        (Prefix, "the class Prefix is decorated twice"),
    ],
)
def test_what_is_no_grader_is_refused_when_the_plugin_is_imported(target: Any, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        grader("x")(target)


@pytest.mark.parametrize("name", ["", "a b", 5, None, keyword, "é\ud800", "a:b"])
def test_a_type_needs_a_name(name: Any) -> None:
    with pytest.raises(PluginError, match=r'letters, digits, _ - and ., as @grader\("name"\); got'):
        grader(name)


def test_a_decorator_without_parentheses_is_told_so() -> None:
    with pytest.raises(PluginError, match=r'as @grader\("name"\); got <function only_sample'):
        grader(only_sample)  # type: ignore[arg-type]  # what is tested


@pytest.mark.parametrize("declared", [(1, 0), (0, 0), (0, math.nan), (0,), 5, None])
def test_a_range_has_a_lowest_and_a_highest_reward(declared: Any) -> None:
    with pytest.raises(PluginError, match="grader 'x': a range is two numbers"):
        grader("x", range=declared)(lambda sample, item: 0.0)


@pytest.mark.parametrize("needs", [{"network"}, ("network", "network"), ["network"]])
def test_what_a_grader_needs_is_a_set_of_known_words(needs: Any) -> None:
    @grader("fetch", needs=needs)
    def fetch(sample: Sample, item: Item) -> float:
        return 0.0

    @grader("load", needs=needs)
    class Load:
        def __call__(self, sample: Sample, item: Item) -> float:
            return 0.0

    assert [*fetch.needs] == [*type_of(Load).needs] == ["network"]
    assert not keyword.needs


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        (
            {"internet"},
            "grader 'x': there is no need 'internet'; what a grader may need is 'files' and 'network'",
        ),
        ([["files"]], r"there is no need \['files'\]; what a grader may need is"),
        ("network", "grader 'x': needs is a set of words, not the text 'network'"),
    ],
)
def test_a_need_that_there_is_not_is_named(needs: Any, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        GraderType("x", no_parameters, needs=needs)


@pytest.mark.parametrize("isolation", ["grading", "worker", None])
def test_a_grader_says_how_its_gradings_are_isolated(isolation: Any) -> None:
    @grader("runs", isolation=isolation)
    class Runs:
        def __call__(self, sample: Sample, item: Item) -> float:
            return 0.0

    assert type_of(Runs).isolation == isolation
    assert (type_of(Runs).prepares, keyword.prepares) == (True, False)
    assert keyword.isolation is None


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"isolation": "batch"}, "grader 'x': isolation is 'grading' or 'worker', not 'batch'"),
        ({"isolation": ["grading"]}, r"isolation is 'grading' or 'worker', not \['grading'\]"),
        (
            {"isolation": "grading", "needs": ["files"]},
            "isolation='grading' cannot hold with needs={'files'}",
        ),
    ],
)
def test_an_isolation_that_there_is_not_or_that_cannot_hold_is_refused(declared: Any, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        GraderType("x", no_parameters, **declared)


def test_libraries_are_a_list() -> None:
    with pytest.raises(PluginError, match="libraries is a list of distributions, not the text 'numpy'"):
        grader("x", libraries="numpy")(lambda sample, item: 0.0)


@given(st.sampled_from([keyword, patient, group, type_of(Prefix), type_of(Ranked)]))
def test_a_grader_type_is_pickled_by_its_reference(found: GraderType[..., Any]) -> None:
    assert found.__reduce__() == (find_type, (found.reference,))


def test_an_installed_type_survives_pickling() -> None:
    found = find_type("graders.kinds.string_check:StringCheck")
    assert pickle.loads(pickle.dumps(found)) is found  # noqa: S301  # our own bytes


@pytest.mark.parametrize("decorated", [Undecorated, Sample, 5, keyword.options, only_sample])
def test_what_is_not_decorated_is_no_grader_type(decorated: object) -> None:
    with pytest.raises(PluginError, match=r'is no grader type; decorate it with @grader\("name"\)'):
        type_of(decorated)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("", "'' is no reference to a grader type: write 'module:name'"),
        ("graders.kinds.string_check", "write 'module:name'"),
        ("no_such_module:x", "cannot import 'no_such_module:x': ModuleNotFoundError"),
        ("graders:no_such_name", "cannot import 'graders:no_such_name': AttributeError"),
        ("graders:Sample.no", "AttributeError"),
        (".relative:x", "TypeError"),
        ("hostile_graders.unimportable:x", "ImportError: libmissing.so is not there"),
        ("graders:Sample", "is no grader type"),
    ],
)
def test_a_type_that_cannot_be_imported_says_why(reference: str, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        find_type(reference)
