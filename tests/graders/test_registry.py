"""A registry is a value: it says which types there are, and makes graders of their JSON or says what is wrong."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, Field

from graders import (
    ConfigurationError,
    GraderError,
    InvalidOptions,
    Item,
    PluginError,
    Registry,
    Sample,
    UnknownGraderType,
    grader,
)
from graders.registry import Entry
from tests.strategies import json_values

INSTALLED = Registry.installed()
CHECK: dict[str, Any] = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.a}}",
    "operation": "eq",
}


NUMBERED: dict[Any, Any] = {5: "x"}


@grader("mine")
def mine(sample: Sample, item: Item) -> float:
    """Reward everything."""
    return 1.0


@grader("picky")
class Picky:
    """A grader whose constructor refuses."""

    def __init__(self, *, how: str) -> None:
        if how == "value":
            raise ValueError("an odd number of words is wanted")
        if how == "plugin":
            raise PluginError("a table is missing")
        if how == "bug":
            raise ZeroDivisionError("division by zero")

    def __call__(self, sample: Sample, item: Item) -> float:
        """Reward everything."""
        return 1.0


def _refuse(value: int) -> int:
    raise ZeroDivisionError("division by zero")


@grader("validated")
def validated(sample: Sample, item: Item, *, count: Annotated[int, AfterValidator(_refuse)] = 0) -> float:
    """Validate with a bug."""
    return 1.0


@grader("constrained")
def constrained(sample: Sample, item: Item, *, count: Annotated[int, Field(min_length=1)] = 0) -> float:
    """Declare what no integer can fulfil."""
    return 1.0


def problems(config: object, registry: Registry = INSTALLED) -> dict[str, str]:
    with pytest.raises(InvalidOptions) as caught:
        registry.load(config)
    return {problem.where: problem.message for problem in caught.value.problems}


def test_the_installed_types_are_ours_and_those_of_plugins() -> None:
    assert {"multi", "numeric_check", "pattern_match", "string_check", "text_similarity"} <= set(INSTALLED)
    assert {"keyword", "starts_with", "longest", "best_of", "countdown"} <= set(INSTALLED)
    assert list(INSTALLED) == sorted(INSTALLED)
    assert len(INSTALLED) == len(list(INSTALLED))


def test_an_entry_says_where_it_comes_from() -> None:
    entry = INSTALLED["keyword"]
    assert (entry.name, entry.distribution, entry.version) == ("keyword", "hostile-graders", "1.2.3")
    assert entry.origin == "hostile-graders 1.2.3"
    assert not entry.built_in
    assert INSTALLED["string_check"].built_in


def test_a_registry_that_includes_a_type_leaves_the_other_as_it_was() -> None:
    more = INSTALLED.including(mine, Picky)
    assert "mine" not in INSTALLED
    assert more["mine"].type is mine
    assert (more["mine"].origin, more["mine"].built_in) == (f"{__name__}:mine", False)
    assert more.load({"type": "mine"}).info.signature.startswith("mine:0:")


def test_two_distributions_that_bring_one_name_are_both_named() -> None:
    entries = [Entry("same", "a:b", "dist-a", "1.0"), Entry("same", "c:d", "dist-c", "2.0")]
    with pytest.raises(
        PluginError,
        match=r"'same' comes from dist-a 1\.0 and from dist-c 2\.0; uninstall or rename one of them",
    ):
        Registry(entries)


def test_a_type_cannot_take_the_name_of_a_built_in_one() -> None:
    @grader("multi")
    def multi(sample: Sample, item: Item) -> float:
        return 0.0

    with pytest.raises(PluginError, match=r"'multi' comes from rft-graders .* and from tests"):
        INSTALLED.including(multi)


@pytest.mark.parametrize(
    ("point", "reference"),
    [
        (EntryPoint("keyword", "package.module:keyword", "graders"), "package.module:keyword"),
        (EntryPoint("keyword", "package:keyword [extra]", "graders"), "package:keyword"),
        (EntryPoint("keyword", "no reference at all", "graders"), "no reference at all"),
    ],
)
def test_an_entry_point_outside_a_distribution_has_no_version(point: EntryPoint, reference: str) -> None:
    entry = Entry.of(point)
    assert (entry.reference, entry.origin, entry.version) == (reference, reference, "0")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            Entry("gone", "no_such_package:gone", "dist", "1.0"),
            "grader type 'gone' of dist 1.0: cannot import 'no_such_package:gone': ModuleNotFoundError",
        ),
        (Entry("gone", "graders:Gone", "dist", "1.0"), "cannot import 'graders:Gone': AttributeError"),
        (
            Entry("broken", "hostile_graders.unimportable:x", "dist", "1.0"),
            "grader type 'broken' of dist 1.0: .*ImportError: libmissing.so is not there",
        ),
        (Entry("plain", "graders:Sample", "dist", "1.0"), "is no grader type; decorate it"),
        (
            Entry("other", "graders.kinds.string_check:StringCheck", "dist", "1.0"),
            r"dist 1.0 publishes .* as 'other', but it is @grader\('string_check'\); make the two names equal",
        ),
        (Entry("bare", "package.module", "dist", "1.0"), "write 'module:name'"),
    ],
)
def test_a_plugin_that_cannot_be_used_says_whose_it_is_and_why(entry: Entry, message: str) -> None:
    registry = Registry([entry])
    with pytest.raises(PluginError, match=message):
        registry.load({"type": entry.name})


def test_a_broken_plugin_does_not_keep_others_from_loading() -> None:
    registry = Registry([*INSTALLED.values(), Entry("gone", "no_such_package:gone", "dist", "1.0")])
    assert registry.load(CHECK).info.type == "string_check"


def test_a_loaded_grader_is_loaded_as_it_is() -> None:
    loaded = INSTALLED.load(CHECK)
    assert INSTALLED.load(loaded) is loaded


@pytest.mark.parametrize(
    ("config", "where", "message"),
    [
        (None, "", 'a grader is a JSON object with a "type", got null'),
        ([], "", 'a grader is a JSON object with a "type", got a list'),
        ("string_check", "", "got str 'string_check'"),
        ({}, "type", "this field is required; installed types: "),
        ({"type": None}, "type", "this field is required; installed types: "),
        ({**CHECK, "name": ""}, "name", "expected a text that is not empty, got ''"),
        ({**CHECK, "name": 5}, "name", "expected a text that is not empty, got 5"),
        ({**CHECK, "pass_threshold": "1"}, "pass_threshold", "expected a finite number, got '1'"),
        ({**CHECK, "pass_threshold": True}, "pass_threshold", "expected a finite number, got True"),
        ({**CHECK, "pass_threshold": [1]}, "pass_threshold", "expected a finite number, got [1]"),
        ({**CHECK, "pass_threshold": float("nan")}, "pass_threshold", "expected a finite number, got nan"),
        ({**CHECK, "pass_threshold": 10**400}, "pass_threshold", "expected a finite number, got 1000"),
        ({**CHECK, "pass_threshold": 10**5000}, "pass_threshold", "expected a finite number, got <int>"),
        (
            {**CHECK, "refrence": "x"},
            "refrence",
            "no such field; did you mean 'reference'? the fields are reference, ",
        ),
        (
            {**CHECK, "pass_treshold": 1},
            "pass_treshold",
            "did you mean 'pass_threshold'? the fields are pass_threshold, ",
        ),
        ({**CHECK, "id": 5}, "id", "expected a text, got 5"),
        ({**CHECK, "description": ["x"]}, "description", "expected a text, got ['x']"),
        ({**CHECK, **NUMBERED}, "5", "Keys should be strings, got 5"),
    ],
)
def test_a_wrong_grader_says_where_and_what_was_expected(
    config: Mapping[str, Any] | None, where: str, message: str
) -> None:
    assert message in problems(config)[where]


def test_labels_of_published_criteria_change_nothing() -> None:
    labelled = {**CHECK, "id": "c-1", "description": "Whether it is equal."}
    assert (
        Registry.installed().load(labelled).info.signature == Registry.installed().load(CHECK).info.signature
    )
    assert Registry.installed().load(labelled).config["description"] == "Whether it is equal."
    assert Registry.installed().load({**CHECK, "id": None, "description": None}).config["id"] is None


@grader("described")
def described(sample: Sample, item: Item, *, description: list[str]) -> float:
    """Reward the number of words of an option that is called like a label."""
    return float(len(description))


def test_an_option_of_a_type_comes_before_a_label_of_its_name() -> None:
    registry = Registry.installed().including(described)
    assert registry.load({"type": "described", "description": ["a"]}).options.arguments() == {
        "description": ["a"]
    }
    with pytest.raises(InvalidOptions, match="description: "):
        registry.load({"type": "described", "description": "a"})


def test_every_wrong_field_is_told_at_once() -> None:
    wrong = {"type": "string_check", "name": 5, "pass_threshold": "x", "input": "{{", "operation": "EQ"}
    assert set(problems(wrong)) == {"name", "pass_threshold", "input", "reference", "operation"}


def test_a_problem_inside_a_grader_inside_has_the_whole_path() -> None:
    config = {
        "type": "best_of",
        "graders": {"a": {"type": "best_of", "graders": {"b": {**CHECK, "operation": "x"}}}},
    }
    assert list(problems(config)) == ["graders.a.graders.b.operation"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("string_chek", "unknown grader type 'string_chek'; did you mean 'string_check'? installed types: "),
        ("zzz", "unknown grader type 'zzz'; installed types: "),
        ("", "unknown grader type ''; installed types: "),
        (5, "unknown grader type 5; installed types: "),
        ([[]], "unknown grader type [[]]; installed types: "),
        ("x" * 10_000, "unknown grader type 'xxx"),
    ],
)
def test_an_unknown_type_names_the_nearest(name: object, message: str) -> None:
    with pytest.raises(UnknownGraderType) as caught:
        INSTALLED.load({"type": name})
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 1000
    assert [problem.where for problem in caught.value.problems] == ["type"]


def test_a_constructor_refuses_its_options_with_a_value_error() -> None:
    registry = Registry().including(Picky)
    assert problems({"type": "picky", "how": "value"}, registry) == {"": "an odd number of words is wanted"}
    assert registry.load({"type": "picky", "how": "not at all"}).info.type == "picky"


def test_a_constructor_that_has_a_bug_is_a_plugin_error() -> None:
    registry = Registry().including(Picky)
    with pytest.raises(
        PluginError,
        match=r"grader type 'picky' of .*:Picky cannot be made with these options: ZeroDivisionError: ",
    ):
        registry.load({"type": "picky", "how": "bug"})
    with pytest.raises(PluginError, match=r"^a table is missing$"):
        registry.load({"type": "picky", "how": "plugin"})


@pytest.mark.parametrize(("found", "error"), [(validated, "ZeroDivisionError"), (constrained, "TypeError")])
def test_a_validator_that_has_a_bug_is_a_plugin_error(found: object, error: str) -> None:
    registry = Registry().including(found)
    with pytest.raises(PluginError, match=f"cannot be made with these options: {error}"):
        registry.load({"type": registry[next(iter(registry))].name, "count": 1})


def nested(levels: int) -> dict[str, Any]:
    config = CHECK
    for _ in range(levels):
        config = {"type": "best_of", "graders": {"x": config}}
    return config


def test_graders_nest_a_few_levels() -> None:
    assert INSTALLED.load(nested(20)).info.type == "best_of"
    for levels in (40, 400, 40_000):
        assert problems(nested(levels)) == {"": "a grader is nested at most 64 levels deep"}


def test_deep_json_anywhere_is_refused() -> None:
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    assert problems({**CHECK, "input": value}) == {"": "a grader is nested at most 64 levels deep"}
    with pytest.raises(InvalidOptions, match="nested at most"):
        INSTALLED.load({"type": value})


ENDPOINT = {"type": "endpoint", "url": "https://example.com/x"}


def test_a_restricted_registry_loads_what_needs_no_more_at_any_depth() -> None:
    inside = {"type": "multi", "graders": {"a": CHECK, "b": ENDPOINT}, "calculate_output": "a + b"}
    restricted = INSTALLED.restricted(frozenset())
    assert restricted.load(CHECK).info.type == "string_check"
    for config, path in ((ENDPOINT, "type"), (inside, "graders.b.type")):
        with pytest.raises(InvalidOptions, match="'endpoint' needs network") as caught:
            restricted.load(config)
        assert [problem.where for problem in caught.value.problems] == [path]
        for registry in (INSTALLED, INSTALLED.restricted(frozenset({"network", "files"}))):
            assert registry.load(config).info.type == config["type"]


def test_a_restricted_registry_stays_so_with_more_types() -> None:
    made = 0

    @grader("secretive", needs={"files"})
    class Secretive:
        """Count how often it is made."""

        def __init__(self) -> None:
            nonlocal made
            made += 1

        def __call__(self, sample: Sample, item: Item) -> float:
            return 1.0

    with pytest.raises(InvalidOptions, match="'secretive' needs files"):
        INSTALLED.restricted(frozenset({"network"})).including(Secretive).load({"type": "secretive"})
    assert made == 0
    assert INSTALLED.including(Secretive).load({"type": "secretive"}).type.needs == {"files"}


FIELDS = [
    "type", "name", "pass_threshold", "input", "reference", "operation", "evaluation_metric", "pattern", "groups", "match",
    "graders", "calculate_output", "invalid_grade", "words", "answer", "tolerance", "extract",
]  # fmt: skip
TYPES = [
    "string_check",
    "text_similarity",
    "pattern_match",
    "multi",
    "keyword",
    "best_of",
    "numeric_check",
    "countdown",
]
PLAUSIBLE = st.sampled_from(
    [
        "{{sample.output_text}}",
        "{{item.a}}",
        "eq",
        "a",
        "fuzzy_match",
        "(a)",
        {"a": CHECK},
        {"a": "x"},
        {"1": "x"},
        ["a"],
    ]
)


@given(
    json_values()
    | st.dictionaries(st.sampled_from(FIELDS), json_values(6) | PLAUSIBLE)
    | st.tuples(
        st.sampled_from(TYPES), st.dictionaries(st.sampled_from(FIELDS), json_values(6) | PLAUSIBLE)
    ).map(lambda pair: {**pair[1], "type": pair[0]})
    | st.sampled_from(FIELDS).flatmap(lambda field: json_values(6).map(lambda value: {**CHECK, field: value}))
)
def test_no_json_makes_loading_fail_with_another_error(config: Any) -> None:
    try:
        loaded = INSTALLED.load(config)
    except GraderError as error:
        assert not isinstance(error, PluginError), error  # noqa: PT017  # either outcome is right
        return
    assert loaded.info.type == config["type"]


def test_a_note_stands_behind_the_message_about_an_unknown_type_inside_others_too() -> None:
    noted = Registry.installed(note="restart it")
    inside = {"type": "multi", "graders": {"a": {"type": "zzz"}}, "calculate_output": "a"}
    for registry in (noted, noted.including(), noted.restricted(frozenset())):
        for config in ({"type": "zzz"}, inside):
            with pytest.raises(
                ConfigurationError, match=r"unknown grader type 'zzz'; installed.*; restart it$"
            ):
                registry.load(config)
