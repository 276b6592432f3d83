"""The `Grader`: one grader type bound to its options, ready to grade."""

import builtins
import hashlib
import inspect
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from pydantic import AliasChoices, BaseModel, GetCoreSchemaHandler, SecretStr, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema, to_jsonable_python

from graders.contract import (
    Failure,
    FailureKind,
    GraderInfo,
    GraderResult,
    Item,
    checked_number,
    checked_range,
)
from graders.errors import ConfigurationError, GradingError, InvalidOptions, PluginError, Problem
from graders.grader_type import GraderType
from graders.options import Options, carry
from graders.template import Template
from graders.votes import Votes

T = TypeVar("T")

MASK = "**********"
"""What is shown in place of a secret."""


@dataclass(frozen=True, eq=False)
class Grader:
    """A grader: its type, its options, and what it is called.

    Made by `Registry.load` from JSON. An option annotated `Grader` (or `dict[str, Grader]`) is a grader inside a
    grader, which runs through `context.grade`.

    Attributes:
        type: Its grader type.
        config: Its JSON as the author wrote it, with the name filled in; what others may see of it is `echo`.
        options: Its validated options.
        info: Name, type, signature and range: what its results say of it.
        pass_threshold: The lowest reward that passes; None when the range has no middle to take instead.
        built_in: Whether the type is one of ours, which are bounded and may run inside the caller's process.
        function: The prepared grading function: `(sample, item)`, with `context` third when it is async.
        is_async: Whether it calls judges, services or other graders through a `Context`.
        votes: How often it is asked; None for once.
        invalid_grade: The reward of a sample whose grading fails by the model's or the grader's doing; None keeps the
            lowest reward for the model's failures and leaves the sample ungraded after the grader's.
    """

    type: GraderType[..., Any]
    config: Mapping[str, Any] = field(repr=False)
    options: Options
    info: GraderInfo
    pass_threshold: float | None
    built_in: bool
    function: Any
    is_async: bool
    votes: Votes | None = None
    invalid_grade: float | None = None

    @classmethod
    def bind(
        cls,
        grader_type: GraderType[..., Any],
        options: Options,
        *,
        config: Mapping[str, Any],
        versions: Callable[[Iterable[str]], str],
        pass_threshold: float | None = None,
        votes: Votes | None = None,
        invalid_grade: float | None = None,
        built_in: bool = False,
    ) -> "Grader":
        """Prepare a type's grading function with validated options.

        A prepared class may have `range` and `libraries` of its own, where its options decide them. One of ours may have
        another grading function, `grading`, which its options ask for.

        Args:
            grader_type: The type.
            options: Its options.
            config: The JSON that they came from.
            versions: Gives the versions of the type and of the libraries that decide its numbers.
            pass_threshold: The lowest reward that passes; without one, the middle of a finite range.
            votes: How often it is asked; None for once.
            invalid_grade: The reward of a sample whose grading fails by the model's or the grader's doing.
            built_in: Whether the type is one of ours.

        Raises:
            InvalidOptions: If `invalid_grade` is outside the range.
            PluginError: If the range of a prepared class is not a valid range.
        """
        function = grader_type.prepare(options)
        try:
            low, high = checked_range(getattr(function, "range", grader_type.range))
        except ValueError as error:
            raise PluginError(f"grader type {grader_type.name!r}, attribute 'range': {error}") from error
        if invalid_grade is not None and not low <= invalid_grade <= high:
            message = (
                f"expected a reward that this grader can give, {low:g} to {high:g}, got {invalid_grade:g}"
            )
            raise InvalidOptions([Problem(("invalid_grade",), message)])
        libraries = getattr(function, "libraries", grader_type.libraries)
        signature = _signature(grader_type.name, options, votes, invalid_grade, versions(libraries))
        name = config.get("name") or f"grader-{hashlib.sha256(signature.encode()).hexdigest()[:12]}"
        if pass_threshold is None and math.isfinite(low) and math.isfinite(high):
            pass_threshold = (low + high) / 2
        info = GraderInfo(name, grader_type.name, signature, (low, high))
        config = {**config, "name": name}
        is_async = grader_type.is_async
        if built_in and hasattr(function, "grading"):
            function = function.grading
            is_async = inspect.iscoroutinefunction(type(function).__call__)
        return cls(
            grader_type,
            config,
            options,
            info,
            pass_threshold,
            built_in,
            function,
            is_async,
            votes,
            invalid_grade,
        )

    def prepared_anew(self) -> Any:
        """A grading function with the same options that remembers nothing of what `function` has graded."""
        function = self.type.prepare(self.options)
        return getattr(function, "grading", function) if self.built_in else function

    @cached_property
    def echo(self) -> Mapping[str, Any]:
        """Its JSON as others may see it: options that are `SecretStr` are masked, also those of graders inside it."""
        shown: Mapping[str, Any] = _masked(self.config, self.options)
        return shown

    @cached_property
    def is_plain(self) -> bool:
        """Whether its own templates are chains of direct look-ups; a JSONPath may take long over a large sample."""
        return all(template.is_plain for _, template in self.templates())

    @cached_property
    def has_batch(self) -> bool:
        """Whether it grades many rows at once: one of our types with a `grade_batch`, asked once, surely quick."""
        if self.votes is not None or not self.built_in or not self.is_plain:
            return False
        return getattr(self.function, "grade_batch", None) is not None

    def complete(self, returned: object, *, execution_time: float = 0.0) -> GraderResult:
        """Make what a grading function returned into a result: the one place where that happens.

        A returned failure by the model's or the grader's doing gets `invalid_grade`, where the grader has one. A type
        whose prepared function has a true attribute `covers_infrastructure`, as `multi` has, gets it for every failure.

        Raises:
            GradingError: Of kind `python_grader_runtime_error`, when it is no finite number or outside the range.
        """
        try:
            if isinstance(returned, GraderResult):
                covered = getattr(self.function, "covers_infrastructure", False)
                if not returned.substituted and self._substitutes(returned.failure, everything=covered):
                    returned = returned.replace(reward=self.invalid_grade, substituted=True)
                return returned.completed(
                    self.info, passed=self.passes(returned.reward), execution_time=execution_time
                )
            reward = checked_number(returned)
            return GraderResult(
                reward, passed=self.passes(reward), execution_time=execution_time, grader=self.info
            )
        except ValueError as error:
            raise GradingError(
                f"{self.info.type}: {error}", kind=FailureKind.PYTHON_GRADER_RUNTIME
            ) from error

    def complete_each(self, scores: Iterable[object], *, execution_time: float = 0.0) -> list[GraderResult]:
        """Make results of the scores of a group: one that is no reward is the failure of its own sample alone."""
        results = []
        for score in scores:
            try:
                results.append(self.complete(score, execution_time=execution_time))
            except GradingError as error:
                results.append(self.failed(error, execution_time=execution_time))
        return results

    def failed(self, error: GradingError, *, execution_time: float = 0.0) -> GraderResult:
        """The result of a grading that failed.

        Where the model or the grader caused it, the reward is `invalid_grade`, if the grader has one. Otherwise it is the
        lowest reward for a failure that the model caused, and every other failure leaves the sample ungraded.
        """
        failure = error.failure
        low = self.info.range[0]
        substituted = self._substitutes(failure)
        reward = self.invalid_grade if substituted else None
        if failure.caused_by == "model" and not substituted:
            if math.isfinite(low):
                reward = low
            else:
                message = (
                    f"{failure.message} (and {self.info.type!r} declares no lowest reward to give for it)"
                )
                failure = GradingError(message, kind=failure.kind, details=failure.details).failure
        return GraderResult(
            reward,
            passed=self.passes(reward),
            explanation=failure.message,
            failure=failure,
            usage=error.usage,
            execution_time=execution_time,
            substituted=substituted,
            grader=self.info,
        )

    def _substitutes(self, failure: Failure | None, *, everything: bool = False) -> bool:
        """Whether `invalid_grade` is the reward after a failure: never for one of infrastructure, unless for everything."""
        if failure is None or self.invalid_grade is None:
            return False
        return everything or failure.caused_by != "infrastructure"

    def passes(self, reward: float | None) -> bool | None:
        """Whether a reward reaches the threshold; None when either is missing."""
        return None if reward is None or self.pass_threshold is None else reward >= self.pass_threshold

    def check_item(self, item: Item) -> Iterator[Problem]:
        """What this grader cannot grade with in a row, found without a sample: a reference that is not a number, wrong tests.

        Asks the method `check_item(item)` of a prepared built-in type, where it has one. Graders inside are not asked, and a
        variable that the row lacks is no problem here.

        Returns:
            Problems with paths from this grader's JSON.
        """
        check = getattr(self.function, "check_item", None) if self.built_in else None
        return iter(()) if check is None else iter(check(item))

    def inner(self) -> Iterator[tuple[tuple[str | int, ...], "Grader"]]:
        """The graders directly inside this one, each with its path."""
        return self.find(Grader)

    def templates(self) -> Iterator[tuple[tuple[str | int, ...], Template]]:
        """The templates among this grader's own options, each with its path."""
        return self.find(Template)

    def find(self, wanted: builtins.type[T]) -> Iterator[tuple[tuple[str | int, ...], T]]:
        """Everything of one type among this grader's own options, each with its path."""
        return _find(self.options, wanted)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def load(value: object, info: ValidationInfo) -> Grader:
            if isinstance(value, Grader):
                return value
            if info.context is None:
                raise PydanticCustomError(
                    "grader_problems", "a grader inside a grader needs a registry to load it"
                )
            try:
                loaded: Grader = info.context.load(value)
            except ConfigurationError as error:
                raise carry(error) from None
            return loaded

        return core_schema.with_info_plain_validator_function(
            load,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda grader: grader.info.signature
            ),
            metadata={
                "pydantic_js_functions": [
                    lambda schema, handler: {"type": "object", "title": "grader", "required": ["type"]},
                ]
            },
        )


_WRITTEN_BITS = 14_000
"""Bits of an integer that JSON is written of: Python writes no more than 4,300 digits."""


def _signature(
    name: str, options: Options, votes: Votes | None, invalid_grade: float | None, versions: str
) -> str:
    """`type:versions:digest`; the digest is over the options with their defaults filled in, in any order."""
    plain = _canonical(options.model_dump(by_alias=True))
    fields: dict[str, object] = {} if votes is None else {"votes": asdict(votes)}
    if invalid_grade is not None:
        fields["invalid_grade"] = invalid_grade
    if fields:
        plain = {"options": plain, **fields}
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return f"{name}:{versions}:{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"


def _canonical(value: object) -> object:
    """Plain data that is equal for equal options: a set has another order in every process, and secrets say nothing."""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, dict):
        return {str(key): _canonical(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_canonical(inner) for inner in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(_canonical, value), key=repr)
    if isinstance(value, int) and value.bit_length() > _WRITTEN_BITS:
        return hex(value)
    return to_jsonable_python(value, fallback=repr)


def _masked(plain: Any, option: object) -> Any:
    """Plain data in which everything is masked that became a secret in the options that were made of it."""
    if isinstance(option, SecretStr):
        return MASK
    if isinstance(option, Grader):
        return _masked(plain, option.options)
    if isinstance(plain, Mapping):
        inside = _by_name(option) if isinstance(option, BaseModel) else option
        if isinstance(inside, Mapping):
            return {key: _masked(inner, inside.get(key)) for key, inner in plain.items()}
    if isinstance(plain, (list, tuple)) and isinstance(option, (list, tuple)):
        return [_masked(inner, made) for inner, made in zip(plain, option, strict=False)]
    return plain


def _by_name(model: BaseModel) -> dict[str, object]:
    """The values of a model's fields by every name that they may be given under."""
    found: dict[str, object] = {}
    for name, info in type(model).model_fields.items():
        value, other = getattr(model, name), info.validation_alias
        choices = other.choices if isinstance(other, AliasChoices) else [other]
        found |= {str(key): value for key in (name, info.alias, *choices) if key is not None}
    return found


def _find(
    value: object, wanted: type[T], path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], T]]:
    """Everything of one type among the options, through models, maps and lists."""
    if isinstance(value, wanted):
        yield path, value
    elif isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            yield from _find(getattr(value, name), wanted, (*path, info.alias or name))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _find(inner, wanted, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _find(inner, wanted, (*path, index))
