"""`GraderType`: one kind of grader, out of a grading function or of a class that prepares one; `@grader` makes it."""

import importlib
import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Generic, Literal, ParamSpec, TypeAlias, TypeVar, get_args, get_origin

from graders.contract import GraderResult, brief, checked_range
from graders.errors import PluginError
from graders.options import Options, annotations_of, options_model, validate_options
from graders.samples.sample import Sample

Score: TypeAlias = float | bool | GraderResult
Form: TypeAlias = Literal["single", "group"]
Need: TypeAlias = Literal["files", "network"]
Isolation: TypeAlias = Literal["grading", "worker"]

P = ParamSpec("P")
R = TypeVar("R")


class GraderType(Generic[P, R]):
    """One kind of grader, made by `@grader`.

    A function becomes its grader type, and calling that grades once, which is how a test calls it. A class stays the
    class that it is, with its grader type in the attribute `grader_type`.

    Attributes:
        name: What a grader's JSON says under `type`.
        range: Lowest and highest reward, unless the prepared function has a `range` of its own.
        libraries: Distributions whose versions decide the number; they enter the signature.
        needs: What it must reach outside its locked process: "files", "network". A built-in type is in no such process; a plugin
            can have it graded only if it needs as much itself.
        isolation: "grading" for a process for each grading, "worker" for one for many; None leaves it to the evaluator.
        prepares: Whether it is a class, which may prepare something that takes long.
        options: The pydantic model of its options.
        form: `single`, or `group` when it scores the samples of one prompt together.
        is_async: Whether it calls judges, services or other graders through a `Context`.
        summary: First line of its docstring.
        reference: `module:qualified name`, where a worker process finds it.
    """

    def __init__(
        self,
        name: str,
        target: Callable[..., Any],
        *,
        range: tuple[float, float] = (0.0, 1.0),  # noqa: A002  # the published word for it
        libraries: Iterable[str] = (),
        needs: Iterable[Need] = (),
        isolation: Isolation | None = None,
    ) -> None:
        if not (inspect.isroutine(target) or inspect.isclass(target)):
            twice = ": it is decorated twice" if isinstance(target, GraderType) else ""
            raise PluginError(f"grader {name!r}: decorate a function or a class, not {brief(target)}{twice}")
        if isinstance(libraries, str):
            raise PluginError(
                f"grader {name!r}: libraries is a list of distributions, not the text {libraries!r}"
            )
        try:
            self.range = checked_range(range)
        except ValueError as error:
            raise PluginError(f"grader {name!r}: {error}") from error
        self.name = name
        self.libraries = tuple(libraries)
        self.needs = _checked_needs(name, needs)
        self.isolation = _checked_isolation(name, isolation, self.needs)
        self.prepares = inspect.isclass(target)
        self.reference = f"{target.__module__}:{target.__qualname__}"
        self.summary = (inspect.getdoc(target) or "").partition("\n")[0]
        self.__doc__ = target.__doc__
        self.__name__ = name
        self._target: Any = target
        grading, positional, options = _parameters(name, target)
        self.is_async = inspect.iscoroutinefunction(grading)
        hints = annotations_of(name, grading)
        _check_shape(name, grading, positional, hints)
        self.form: Form = "group" if _is_sequence(hints.get(positional[0].name)) else "single"
        self.options = options_model(name, target, options)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Grade once, in this process, with the options as keyword arguments.

        Raises:
            InvalidOptions: When an option is wrong.
            GradingError: When the grading fails; only the evaluator makes results of failures.
        """
        result: R = self.prepare(validate_options(self.options, kwargs))(*args)
        return result

    def prepare(self, options: Options) -> Callable[..., Any]:
        """The grading function with its options put in; a class is made once and called for every sample."""
        target: Callable[..., Callable[..., Any]] = self._target
        return (
            target(**options.arguments())
            if inspect.isclass(self._target)
            else partial(target, **options.arguments())
        )

    def __repr__(self) -> str:
        return f"<grader type {self.name!r} from {self.reference}>"

    def __reduce__(self) -> tuple[Callable[[str], "GraderType[..., Any]"], tuple[str]]:
        return find_type, (self.reference,)


def find_type(reference: str) -> GraderType[..., Any]:
    """Import a grader type by its `module:qualified name`.

    Raises:
        PluginError: When it cannot be imported or is not a grader type.
    """
    module, _, name = reference.partition(":")
    if not module or not name:
        raise PluginError(f"{reference!r} is no reference to a grader type: write 'module:name'")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # importing runs a stranger's module, which may raise anything
        raise PluginError(f"cannot import {reference!r}: {type(error).__name__}: {error}") from error
    return type_of(found)


def type_of(decorated: object) -> GraderType[..., Any]:
    """The grader type of a decorated function or class.

    Raises:
        PluginError: When it is not decorated.
    """
    # of the class itself: a subclass inherits the attribute, and is not what was decorated
    found = vars(decorated).get("grader_type") if inspect.isclass(decorated) else decorated
    if not isinstance(found, GraderType):
        raise PluginError(f'{brief(decorated)} is no grader type; decorate it with @grader("name")')
    return found


def _checked_needs(name: str, needs: Iterable[Need]) -> frozenset[Need]:
    known: tuple[Need, ...] = get_args(Need)
    if isinstance(needs, str):
        raise PluginError(f"grader {name!r}: needs is a set of words, not the text {needs!r}")
    listed = list(needs)
    for need in listed:
        if need not in known:
            raise PluginError(
                f"grader {name!r}: there is no need {brief(need)}; what a grader may need is "
                f"{' and '.join(map(repr, known))}"
            )
    return frozenset(listed)


def _checked_isolation(name: str, isolation: Isolation | None, needs: frozenset[Need]) -> Isolation | None:
    known: tuple[Isolation, ...] = get_args(Isolation)
    if isolation is not None and isolation not in known:
        raise PluginError(
            f"grader {name!r}: isolation is {' or '.join(map(repr, known))}, not {brief(isolation)}"
        )
    if isolation == "grading" and "files" in needs:
        raise PluginError(
            f"grader {name!r}: isolation='grading' cannot hold with needs={{'files'}}: a grading could change files "
            "that the next one reads; leave one of the two out"
        )
    return isolation


def _parameters(
    name: str, target: Callable[..., Any]
) -> tuple[Callable[..., Any], list[inspect.Parameter], list[inspect.Parameter]]:
    """The function that grades, its positional parameters, and the parameters that are options."""
    grading: Any = target
    if inspect.isclass(target):
        grading = next((vars(base)["__call__"] for base in target.__mro__ if "__call__" in vars(base)), None)
        if not inspect.isfunction(grading):
            raise PluginError(
                f"grader {name!r}: the class has no method `__call__(self, sample, item)`, which grades"
            )
    try:
        parameters = list(inspect.signature(grading).parameters.values())
        made_with = list(inspect.signature(target).parameters.values())
    except (ValueError, TypeError) as error:
        raise PluginError(f"grader {name!r}: its parameters cannot be read: {error}") from error
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [parameter for parameter in parameters if parameter.kind in kinds]
    options = [parameter for parameter in parameters if parameter.kind not in kinds]
    if not inspect.isclass(target):
        return grading, positional, options
    if options:
        raise PluginError(
            f"grader {name!r}: the option {options[0].name!r} belongs to the class's constructor, not to `__call__`"
        )
    return grading, positional[1:], made_with


def _check_shape(
    name: str, grading: Callable[..., Any], positional: list[inspect.Parameter], hints: dict[str, Any]
) -> None:
    """Refuse a grading function that cannot be called as one."""
    if inspect.isgeneratorfunction(grading) or inspect.isasyncgenfunction(grading):
        raise PluginError(f"grader {name!r}: a grading function returns its score; this one yields")
    is_async = inspect.iscoroutinefunction(grading)
    expected = ["sample", "item", "context"] if is_async else ["sample", "item"]
    shape = f"`{'async def' if is_async else 'def'} grade({', '.join(expected)}, *, options…)`"
    found = [parameter.name for parameter in positional]
    if len(found) != len(expected):
        other = "without the context it is `def`" if is_async else "only an `async def` has a context"
        raise PluginError(
            f"grader {name!r}: a grading function is {shape}; this one takes ({', '.join(found)}); "
            f"options stand after the '*', and {other}"
        )
    if "item" in found[:1] or "sample" in found[1:] or hints.get(found[1]) is Sample:
        raise PluginError(
            f"grader {name!r}: a grading function is {shape}, in this order; this one takes ({', '.join(found)})"
        )


def _is_sequence(annotation: object) -> bool:
    """Whether a parameter is annotated as a sequence, of samples that is."""
    kind = get_origin(annotation) or annotation
    return inspect.isclass(kind) and issubclass(kind, Sequence)
