"""A grader is a type bound to options: its signature names what decides its rewards, its results keep its promises."""

import math
import subprocess
import sys
from typing import Any

import pytest

from graders import (
    Failure,
    FailureKind,
    Grader,
    GraderResult,
    GradingError,
    Item,
    PluginError,
    Registry,
    Sample,
    Template,
    grader,
)

INSTALLED = Registry.installed()
CHECK: dict[str, Any] = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.a}}",
    "operation": "eq",
}


@grader("free", range=(-math.inf, math.inf))
def free(sample: Sample, item: Item) -> float:
    """Reward without bounds."""
    return 0.0


@grader("scale", range=(1, 5))
def scale(
    sample: Sample,
    item: Item,
    *,
    words: frozenset[str] = frozenset(),
    nested: dict[str, tuple[int, ...]] | None = None,
) -> float:
    """Reward from 1 to 5."""
    return 1.0


@grader("own", range=(0, 1), libraries=["pytest"])
class Own:
    """Decide the range and the libraries when the options are known."""

    def __init__(self, *, high: float, pair: bool = True) -> None:
        self.range: Any = (0, high) if pair else high
        self.libraries = ("numpy", "no-such-distribution")

    def __call__(self, sample: Sample, item: Item) -> float:
        """Reward nothing."""
        return 0.0


REGISTRY = INSTALLED.including(free, scale, Own)


def load(**config: Any) -> Grader:
    return REGISTRY.load(config)


def test_a_grader_without_a_name_gets_one_made_of_its_signature() -> None:
    first, second = REGISTRY.load(CHECK), REGISTRY.load(dict(reversed(CHECK.items())))
    assert first.info.name == second.info.name
    assert first.info.name.startswith("grader-")
    assert len(first.info.name) == len("grader-") + 12
    assert first.config == {**CHECK, "name": first.info.name}
    assert REGISTRY.load({**CHECK, "name": None}).info.name == first.info.name
    assert REGISTRY.load({**CHECK, "name": "mine"}).info.name == "mine"


def test_equal_options_make_equal_signatures_and_other_options_others() -> None:
    signature = REGISTRY.load(CHECK).info.signature
    kind, version, digest = signature.split(":")
    assert (kind, version) == ("string_check", REGISTRY["string_check"].version)
    assert len(digest) == 16
    assert REGISTRY.load({**CHECK, "name": "x", "pass_threshold": 0.7}).info.signature == signature
    assert REGISTRY.load({**CHECK, "operation": "ne"}).info.signature != signature


def test_a_default_signs_as_if_it_were_written_out() -> None:
    written = {"type": "pattern_match", "input": "{{sample.output_text}}", "pattern": "a", "match": "search"}
    assert load(**written).info.signature == load(**{**written, "ignore_case": False}).info.signature


def test_the_signature_covers_graders_inside() -> None:
    outer = {"type": "best_of", "graders": {"a": CHECK}}
    other = {"type": "best_of", "graders": {"a": {**CHECK, "operation": "ne"}}}
    named = {"type": "best_of", "graders": {"a": {**CHECK, "name": "x"}}}
    assert load(**outer).info.signature == load(**named).info.signature
    assert load(**outer).info.signature != load(**other).info.signature


SIGN_A_SET = """
from tests.graders.test_bound_grader import load
print(load(type="scale", words=["a", "b", "c", "d", "e", "f"], nested={"b": [1, 2], "a": []}).info.signature)
"""


def test_a_signature_is_the_same_in_every_process() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", SIGN_A_SET],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    here = load(
        type="scale", words=["f", "e", "d", "c", "b", "a"], nested={"a": [], "b": [1, 2]}
    ).info.signature
    assert printed == {f"{here}\n"}


def test_a_prepared_class_may_have_a_range_and_libraries_of_its_own() -> None:
    info = load(type="own", high=3).info
    assert info.range == (0.0, 3.0)
    assert ",no-such-distribution=missing:" in info.signature
    assert "numpy=" in info.signature


@pytest.mark.parametrize("options", [{"high": -1}, {"high": 3, "pair": False}])
def test_a_range_that_is_none_is_the_plugins_error(options: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match="grader type 'own', attribute 'range': a range is two numbers"):
        load(type="own", **options)


@pytest.mark.parametrize(
    ("config", "threshold"),
    [
        (CHECK, 0.5),
        ({**CHECK, "pass_threshold": 1}, 1.0),
        ({"type": "scale"}, 3.0),
        ({"type": "free"}, None),
        ({"type": "free", "pass_threshold": -2}, -2.0),
    ],
)
def test_the_threshold_is_the_authors_or_the_middle_of_the_range(
    config: dict[str, Any], threshold: float | None
) -> None:
    assert REGISTRY.load(config).pass_threshold == threshold


def test_a_reward_passes_when_it_reaches_the_threshold() -> None:
    checked = REGISTRY.load({**CHECK, "pass_threshold": 0.7})
    assert [checked.passes(reward) for reward in (0.69, 0.7, None)] == [False, True, None]
    assert load(type="free").passes(5.0) is None


def test_a_returned_score_becomes_a_complete_result() -> None:
    checked = REGISTRY.load(CHECK)
    result = checked.complete(True, execution_time=0.25)
    assert result == GraderResult(1.0, passed=True, execution_time=0.25, grader=checked.info)


def test_a_returned_result_is_completed_and_cannot_speak_for_the_framework() -> None:
    checked = REGISTRY.load(CHECK)
    returned = GraderResult(0.2, passed=True, explanation="why", metrics={"m": 1.0}, execution_time=99.0)
    assert checked.complete(returned, execution_time=0.5) == GraderResult(
        0.2, passed=False, explanation="why", metrics={"m": 1.0}, execution_time=0.5, grader=checked.info
    )
    failure = Failure(kind=FailureKind.OTHER, caused_by="grader", message="no")
    assert checked.complete(GraderResult(None, failure=failure)).passed is None


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "string_check: a reward is a number, not None"),
        ("1", "string_check: a reward is a number, not str '1'"),
        (math.nan, "string_check: a reward is a finite number, not nan"),
        (2, "string_check: the reward 2 is outside the range 0 to 1 that 'string_check' declares"),
        (GraderResult(-1.0), "string_check: the reward -1 is outside the range 0 to 1"),
    ],
)
def test_a_score_that_is_no_reward_is_the_graders_failure(returned: object, message: str) -> None:
    with pytest.raises(GradingError, match=message) as caught:
        REGISTRY.load(CHECK).complete(returned)
    assert (caught.value.failure.kind, caught.value.failure.caused_by) == (
        FailureKind.PYTHON_GRADER_RUNTIME,
        "grader",
    )


def test_the_models_failure_is_graded_with_the_lowest_reward() -> None:
    error = GradingError("no JSON", kind=FailureKind.SAMPLE_PARSE, caused_by="model")
    result = load(type="scale").failed(error, execution_time=0.5)
    assert (result.reward, result.passed, result.explanation) == (1.0, False, "no JSON")
    assert result.failure == error.failure
    assert result.execution_time == 0.5


def test_any_other_failure_is_ungraded() -> None:
    result = load(type="scale").failed(
        GradingError("the sandbox is down", caused_by="infrastructure", retryable=True)
    )
    assert (result.reward, result.passed) == (None, None)
    assert result.failure is not None
    assert result.failure.retryable


def test_without_a_lowest_reward_the_models_failure_is_ungraded_and_says_so() -> None:
    result = load(type="free").failed(
        GradingError("no JSON", kind=FailureKind.SAMPLE_PARSE, caused_by="model", details={"x": 1})
    )
    assert result.reward is None
    assert result.failure == Failure(
        kind=FailureKind.SAMPLE_PARSE,
        caused_by="grader",
        message="no JSON (and 'free' declares no lowest reward to give for it)",
        details={"x": 1},
    )


def test_templates_and_graders_inside_are_found_with_their_paths() -> None:
    outer = load(type="best_of", graders={"a": CHECK, "b": {"type": "longest"}})
    assert [(path, inner.info.type) for path, inner in outer.inner()] == [
        (("graders", "a"), "string_check"),
        (("graders", "b"), "longest"),
    ]
    assert list(outer.templates()) == []
    match = load(type="pattern_match", input="{{item.a}}", pattern="(a)", groups={"1": "{{item.b}}"})
    assert [(path, found.source) for path, found in match.templates()] == [
        (("input",), "{{item.a}}"),
        (("groups", "1"), "{{item.b}}"),
    ]


def test_lists_and_models_are_looked_through_too() -> None:
    @grader("lists")
    def lists(sample: Sample, item: Item, *, texts: list[Template]) -> float:
        return 0.0

    found = Registry().including(lists).load({"type": "lists", "texts": ["a", "{{item.b}}"]})
    assert [path for path, _ in found.templates()] == [("texts", 0), ("texts", 1)]
    assert [template.source for _, template in found.find(Template)] == ["a", "{{item.b}}"]


def test_a_grader_is_plain_when_its_own_templates_are() -> None:
    rich = {**CHECK, "reference": "{{item.a[*]}}"}
    assert load(**CHECK).is_plain
    assert not load(**rich).is_plain
    assert load(type="multi", graders={"a": rich}, calculate_output="a").is_plain
