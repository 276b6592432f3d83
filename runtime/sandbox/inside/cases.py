"""The cases of a test source: a function `check`, functions and classes as pytest or unittest know them, or all of it."""

import ast
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

Names = dict[str, Any]


class SourceCase(NamedTuple):
    """One case of a test source: how results call it (empty for the only one), and what runs it, raising on failure."""

    name: str
    run: Callable[[], object]


def shape_of(source: str, entry_point: str | None) -> Literal["check", "cases", "whole"]:
    """How a source tests: by a function `check`, by cases with names, or by being run from top to bottom."""
    body = ast.parse(source).body
    if entry_point and any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in body):
        return "check"
    return "cases" if any(map(_is_case, body)) else "whole"


def check_case(names: Names, entry_point: str) -> SourceCase:
    """The one case of a source with a function `check`, which is called with the entry point."""

    def run() -> None:
        if entry_point not in names:
            raise NameError(f"the code defines no {entry_point!r}", name=entry_point)
        names["check"](names[entry_point])

    return SourceCase("", run)


def named_cases(source: str, names: Names, *, obeys_marks: bool = True) -> Iterator[SourceCase]:
    """The test functions, and the test methods of classes, of a source that has been run.

    Args:
        source: The source.
        names: What it defined.
        obeys_marks: Whether cases are left out that are marked to be skipped, or expected to fail.
    """
    is_left_out = _is_left_out if obeys_marks else lambda _: False
    if is_left_out(names):
        return
    for node in filter(_is_case, ast.parse(source).body):
        name: str = node.name  # type: ignore[attr-defined]  # a function or a class
        found = names.get(name)
        if is_left_out(getattr(found, "__dict__", {})):
            continue
        if isinstance(found, type):
            yield from _of_class(name, found, is_left_out)
        elif callable(found):
            yield from _spread(name, found, lambda found=found: found)  # type: ignore[misc]  # bound now


def _is_case(node: ast.stmt) -> bool:
    if isinstance(node, ast.ClassDef):
        return node.name.startswith("Test") or any("TestCase" in ast.unparse(base) for base in node.bases)
    return isinstance(node, ast.FunctionDef) and node.name.startswith("test")


def _of_class(name: str, kind: Any, is_left_out: Callable[[Any], bool]) -> Iterator[SourceCase]:
    methods = [found for found in dir(kind) if found.startswith("test") and callable(getattr(kind, found))]
    methods.sort(key=lambda found: _line(getattr(kind, found)))
    methods = [found for found in methods if not is_left_out(getattr(getattr(kind, found), "__dict__", {}))]
    for method in methods:
        title = f"{name}::{method}"
        if hasattr(kind, "debug") and hasattr(kind, "setUpClass"):
            yield SourceCase(title, lambda method=method: _unittest(kind, method))  # type: ignore[misc]  # bound now
        else:
            yield from _spread(title, getattr(kind, method), lambda method=method: _bound(kind, method))  # type: ignore[misc]


def _is_left_out(names: Any) -> bool:
    """Whether a module, class or function with these attributes is marked so that its outcome does not count."""
    if names.get("__unittest_skip__") or names.get("__unittest_expecting_failure__"):
        return True
    marks = names.get("pytestmark", ())
    return any(map(_leaves_out, marks if isinstance(marks, (list, tuple)) else [marks]))


def _leaves_out(mark: Any) -> bool:
    """Whether a mark of pytest's is `skip` or `xfail`, or a `skipif` whose condition holds; one in a text is not read."""
    name = getattr(mark, "name", "")
    given = (*getattr(mark, "args", ()), *filter(None, [getattr(mark, "kwargs", {}).get("condition")]))
    holds = any(value and not isinstance(value, str) for value in given)
    return name == "skip" or (name == "skipif" and holds) or (name == "xfail" and (holds or not given))


def _line(function: Any) -> int:
    code = getattr(function, "__code__", None)
    return code.co_firstlineno if code else 0


def _unittest(kind: Any, method: str) -> None:
    kind.setUpClass()
    kind(method).debug()  # sets up, runs, tears down, and lets errors out
    kind.tearDownClass()


def _bound(kind: Any, method: str) -> Any:
    instance = kind()
    set_up = getattr(instance, "setup_method", None)
    if set_up is not None:
        set_up(*[getattr(instance, method)][: len(inspect.signature(set_up).parameters)])
    return getattr(instance, method)


def _spread(name: str, function: Any, make: Callable[[], Any]) -> Iterator[SourceCase]:
    """A test function once for each set of arguments that pytest's `parametrize` gives it."""
    marks = [m for m in getattr(function, "pytestmark", ()) if getattr(m, "name", "") == "parametrize"]
    if not marks:
        yield SourceCase(name, lambda: make()())  # noqa: PLW0108  # a fresh instance for each run
        return
    for number, chosen in enumerate(itertools.product(*map(_argument_sets, reversed(marks)))):
        arguments = {key: value for part in chosen for key, value in part.items()}
        yield SourceCase(f"{name}[{number}]", lambda arguments=arguments: make()(**arguments))  # type: ignore[misc]


def _argument_sets(mark: Any) -> list[dict[str, Any]]:
    given = {**dict(zip(("argnames", "argvalues"), mark.args, strict=False)), **mark.kwargs}
    names = given["argnames"]
    names = (
        [part.strip() for part in names.split(",") if part.strip()] if isinstance(names, str) else list(names)
    )
    sets = []
    for value in given["argvalues"]:
        if type(value).__name__ == "ParameterSet":  # pytest.param(…)
            values = value.values
        else:
            values = [value] if len(names) == 1 else value
        sets.append(dict(zip(names, values, strict=True)))
    return sets
