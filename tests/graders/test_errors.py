"""Errors form the documented tree, say where, and survive pickling."""

import ast
import copy
import pickle
from collections.abc import Iterator

import pytest

import graders.errors
from graders import (
    ConfigurationError,
    Failure,
    FailureKind,
    FailureType,
    FormulaError,
    GraderError,
    GradingError,
    InvalidOptions,
    PluginError,
    Problem,
    TemplateError,
    UnknownGraderType,
)
from graders.errors import CodeFailure, UnknownImage
from tests.conftest import ROOT

SOURCES = {
    file: file.read_text("utf-8")
    for ring in ("graders", "runtime", "service")
    for file in (ROOT / ring).rglob("*.py")
}

FAILURE = Failure(
    kind=FailureKind.MODEL_GRADER_SERVER,
    caused_by="infrastructure",
    message="the judge is down",
    details={"status": 503},
    retryable=True,
)
PAID = GradingError.of(FAILURE)
PAID.usage = {"judge": {"total_tokens": 12}}
EVERY = [
    GraderError("a"),
    ConfigurationError("a"),
    UnknownGraderType("a"),
    UnknownImage("a"),
    InvalidOptions([Problem(("graders", "a", 0), "b"), Problem((), "c")]),
    FormulaError("a"),
    TemplateError("a"),
    PluginError("a"),
    GradingError("a", kind=FailureKind.SAMPLE_PARSE, caused_by="model", details={"x": 1}, retryable=True),
    GradingError.of(FAILURE),
    PAID,
    CodeFailure("a", reason=FailureType.TIMEOUT, caused_by="model", details={"x": 1}, retryable=True),
]


@pytest.mark.parametrize("error", EVERY, ids=repr)
def test_every_error_survives_pickling_with_all_that_it_carries(error: GraderError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301  # our own bytes
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_every_public_error_was_pickled_above() -> None:
    defined = {
        found
        for found in vars(graders.errors).values()
        if isinstance(found, type) and issubclass(found, GraderError) and not found.__name__.startswith("_")
    }
    assert defined == set(map(type, EVERY))


@pytest.mark.parametrize(
    ("error", "parents"),
    [
        (ConfigurationError, (GraderError, ValueError)),
        (UnknownGraderType, (ConfigurationError, LookupError)),
        (UnknownImage, (ConfigurationError, LookupError)),
        (InvalidOptions, (ConfigurationError,)),
        (FormulaError, (ConfigurationError,)),
        (TemplateError, (ConfigurationError,)),
        (PluginError, (GraderError, ImportError)),
        (GradingError, (GraderError, RuntimeError)),
    ],
)
def test_the_tree_is_the_documented_one(error: type[Exception], parents: tuple[type[Exception], ...]) -> None:
    assert all(issubclass(error, parent) for parent in parents)
    drawn = next(
        line for line in (graders.errors.__doc__ or "").splitlines() if f" {error.__name__} " in line
    )
    builtin = parents[-1].__name__
    assert (f"({builtin})" in drawn) == (parents[-1].__module__ == "builtins")


def test_a_grading_error_is_no_configuration_error() -> None:
    assert not issubclass(GradingError, ConfigurationError)
    assert not issubclass(PluginError, ValueError)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ((), "wrong"),
        (("input",), "input: wrong"),
        (("graders", "a", "words", 1), "graders.a.words.1: wrong"),
        (("graders", ""), "graders.'': wrong"),
    ],
)
def test_a_problem_says_where(path: tuple[str | int, ...], shown: str) -> None:
    assert str(Problem(path, "wrong")) == shown


def test_a_problem_moves_outwards() -> None:
    assert Problem(("input",), "wrong").under("graders", "a").where == "graders.a.input"


def test_invalid_options_shows_every_problem() -> None:
    error = InvalidOptions(Problem((name,), "this field is required") for name in ("a", "b"))
    assert str(error) == "a: this field is required; b: this field is required"
    assert [problem.where for problem in error.problems] == ["a", "b"]


@pytest.mark.parametrize(
    ("error", "where"), [(FormulaError("f"), ""), (TemplateError("f"), ""), (UnknownGraderType("f"), "type")]
)
def test_located_errors_have_one_problem(
    error: FormulaError | TemplateError | UnknownGraderType, where: str
) -> None:
    assert [(problem.where, problem.message) for problem in error.problems] == [(where, "f")]


def test_a_grading_error_is_the_graders_fault_unless_it_says_otherwise() -> None:
    assert GradingError("a").failure == Failure(kind=FailureKind.OTHER, caused_by="grader", message="a")


def test_a_known_failure_is_carried_as_it_is() -> None:
    error = GradingError.of(FAILURE)
    assert error.failure == FAILURE
    assert str(error) == "the judge is down"


def _types(source: str) -> Iterator[ast.expr]:
    """What stands for `type` in the details of failures: in `details={…}` as an argument or an assignment."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword):
            name, value = node.arg, node.value
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
        else:
            continue
        if name == "details" and isinstance(value, ast.Dict):
            for key, said in zip(value.keys, value.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "type":
                    yield said


def test_no_failure_says_its_type_in_a_text_of_its_own() -> None:
    found = {
        f"{file.relative_to(ROOT)}:{value.lineno}": value
        for file, source in SOURCES.items()
        if "details" in source and "type" in source  # most files have neither, and parsing takes long
        for value in _types(source)
    }
    assert len(found) > 20
    assert [
        where
        for where, value in found.items()
        if any(isinstance(part, ast.Constant) for part in (value, *ast.iter_child_nodes(value)))
    ] == []


def test_every_type_of_failure_is_one_that_something_fails_with() -> None:
    text = "".join(SOURCES.values())
    unused = {member for member in FailureType if f"FailureType.{member.name}" not in text}
    assert not unused
    assert all(member.value == member.name.lower() for member in FailureType)
