"""`@grader`: a grading function, or a class that prepares one, becomes a grader type.

::

    @grader("keyword")
    def keyword(sample: Sample, item: Item, *, words: list[str]) -> float:
        return sum(word in sample.output_text for word in words) / len(words)

Three forms, told apart by the language:

* a function `(sample, item, *, options…)`; as `async def`, with `context` third, it may call judges, services and other graders;
* a class whose keyword-only constructor takes the options and prepares something once, and whose `__call__` is such a
  function without options;
* either of these with `Sequence[Sample]` in the first place: it scores a group, the samples of one prompt, together, and
  gives one score for each.

Keyword-only parameters are the grader's options: their types and defaults are its JSON schema.

A plugin runs in a locked process. One that must read files or use the network says so, `@grader("name", needs={"network"})`,
and runs where the operator allows it. One that executes its samples asks for a process for each grading,
`@grader("name", isolation="grading")`, so that no sample can change how another one is graded.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from graders.context import Context
from graders.contract import Item, brief
from graders.errors import PluginError
from graders.grader_type import GraderType, Isolation, Need, Score
from graders.samples.sample import Sample

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound=Score)
Scores = TypeVar("Scores", bound=Sequence[Score])

_NAME = re.compile(r"[\w.-]+")


class _Decorator:
    """What `grader(…)` returns; its overloads tell a type checker what each form becomes."""

    def __init__(self, name: str, **declared: Any) -> None:
        self._name, self._declared = name, declared

    @overload
    def __call__(self, target: type[T]) -> type[T]: ...  # type: ignore[overload-overlap]  # a class is callable too
    @overload
    def __call__(
        self, target: Callable[Concatenate[Sample, Item, Context, P], Awaitable[S]]
    ) -> GraderType[Concatenate[Sample, Item, Context, P], Awaitable[S]]: ...
    @overload
    def __call__(
        self, target: Callable[Concatenate[Sample, Item, P], S]
    ) -> GraderType[Concatenate[Sample, Item, P], S]: ...
    @overload
    def __call__(
        self, target: Callable[Concatenate[Sequence[Sample], Item, Context, P], Awaitable[Scores]]
    ) -> GraderType[Concatenate[Sequence[Sample], Item, Context, P], Awaitable[Scores]]: ...
    @overload
    def __call__(
        self, target: Callable[Concatenate[Sequence[Sample], Item, P], Scores]
    ) -> GraderType[Concatenate[Sequence[Sample], Item, P], Scores]: ...
    def __call__(self, target: Any) -> Any:
        if inspect.isclass(target) and "grader_type" in vars(target):
            raise PluginError(f"grader {self._name!r}: the class {target.__name__} is decorated twice")
        made: GraderType[..., Any] = GraderType(self._name, target, **self._declared)
        if not inspect.isclass(target):
            return made
        target.grader_type = made  # type: ignore[attr-defined]  # how a class carries its type
        return target


def grader(
    name: str,
    *,
    range: tuple[float, float] = (0.0, 1.0),  # noqa: A002  # the published word for it
    libraries: Iterable[str] = (),
    needs: Iterable[Need] = (),
    isolation: Isolation | None = None,
) -> _Decorator:
    """Make a grading function, or a class that prepares one, a grader type.

    Args:
        name: What a grader's JSON says under `type`: letters, digits and `_`, `-`, `.`.
        range: Lowest and highest reward; a score outside is a failure of the grader, not a reward.
        libraries: Distributions whose versions decide the number.
        needs: What it must reach outside its locked process, which the operator then has to allow: "files", "network".
        isolation: "grading": each grading has a process of its own, which a grader needs whose samples can run code in
            it, as with `eval`. "worker": many gradings share one. Without it, gradings share a process where the source
            uses only what is known to be harmless, and otherwise have one each.

    Raises:
        PluginError: When the function has the wrong shape; the message shows the right one.
    """
    if type(name) is not str or not _NAME.fullmatch(name):  # `@grader` without a name gets the function
        raise PluginError(
            f'a grader type has a name of letters, digits, _ - and ., as @grader("name"); got {brief(name)}'
        )
    return _Decorator(name, range=range, libraries=libraries, needs=needs, isolation=isolation)
