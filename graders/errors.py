"""The errors of rft-graders.

::

    GraderError
    ├── ConfigurationError   (ValueError)    a grader, dataset row or setting is wrong; nothing was graded
    │   ├── UnknownGraderType  (LookupError) no installed grader has this type
    │   ├── UnknownImage       (LookupError) this machine does not have the image that a grader names
    │   ├── InvalidOptions                   one or more fields of a grader's JSON are wrong
    │   ├── FormulaError                     `calculate_output` is not a formula
    │   └── TemplateError                    a `{{…}}` does not parse
    ├── PluginError          (ImportError)   an installed plugin cannot be used
    └── GradingError         (RuntimeError)  one grading failed; raised inside a grader, and turned into a
        │                                    `Failure` by the evaluator, never seen by its caller
        └── CodeFailure                      a process of the sandbox ended, or gave no answer in time

Every one of them survives pickling.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from graders.contract import CausedBy, Failure, FailureKind, FailureType

CodeFailureReason: TypeAlias = Literal[
    FailureType.TIMEOUT,
    FailureType.MEMORY_LIMIT,
    FailureType.OUTPUT_LIMIT,
    FailureType.EXIT,
    FailureType.SIGNAL,
    FailureType.PROTOCOL,
]
"""How a process of the sandbox can fail: it did not answer in time, or used more memory or wrote more than it may, or
ended by itself or by a signal, or answered what is no answer."""


class GraderError(Exception):
    """Any error that rft-graders raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a grader's JSON.

    Attributes:
        path: Keys from the grader's root to the field, for example `("graders", "a", "operation")`.
        message: What was expected and what was found.
    """

    path: tuple[str | int, ...]
    message: str

    @property
    def where(self) -> str:
        """The path with dots; empty for the grader itself."""
        return ".".join(str(step) or "''" for step in self.path)

    def under(self, *prefix: str | int) -> "Problem":
        """The same problem seen from further out."""
        return Problem((*prefix, *self.path), self.message)

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.path else self.message


class ConfigurationError(GraderError, ValueError):
    """Something is wrong with a grader, a row or a setting, found before anything was graded."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, each with the field that it is about."""
        return (Problem((), str(self)),)


class UnknownImage(ConfigurationError, LookupError):
    """This machine does not have the image, the set of packages, that a grader names."""


class UnknownGraderType(ConfigurationError, LookupError):
    """No installed grader has this type."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong: always the field `type`."""
        return (Problem(("type",), str(self)),)


class FormulaError(ConfigurationError):
    """A `calculate_output` is not a formula, or names a variable or function that does not exist."""


class TemplateError(ConfigurationError):
    """A `{{…}}` does not parse, or asks for what a template may not do."""


class InvalidOptions(ConfigurationError):
    """One or more fields of a grader's JSON are wrong.

    Attributes:
        problems: Every one of them, with its path.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._problems = tuple(problems)
        super().__init__("; ".join(map(str, self._problems)))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every one of them."""
        return self._problems

    def __reduce__(self) -> tuple[type["InvalidOptions"], tuple[tuple[Problem, ...]]]:
        return type(self), (self._problems,)


class PluginError(GraderError, ImportError):
    """An installed plugin cannot be used: it does not import, or is not a grader, or takes another's name."""


class GradingError(GraderError, RuntimeError):
    """One grading failed; raised by a grader, caught by the evaluator.

    Attributes:
        failure: What the result will say.
        usage: Judge tokens that were paid for all the same, by model.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: FailureKind = FailureKind.OTHER,
        caused_by: CausedBy = "grader",
        details: Mapping[str, Any] | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.usage: Mapping[str, Mapping[str, int]] = {}
        self.failure = Failure(
            kind=kind, caused_by=caused_by, message=message, details=details or {}, retryable=retryable
        )

    @classmethod
    def of(cls, failure: Failure) -> "GradingError":
        """An error that carries a failure that is already known."""
        return cls(
            failure.message,
            kind=failure.kind,
            caused_by=failure.caused_by,
            details=failure.details,
            retryable=failure.retryable,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return GradingError.of, (self.failure,), {"usage": self.usage}


class CodeFailure(GradingError):
    """A process of the sandbox ended, or gave no answer in time; it is of no use any more.

    Attributes:
        reason: What happened to it.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: CodeFailureReason,
        kind: FailureKind = FailureKind.OTHER,
        caused_by: CausedBy = "grader",
        details: Mapping[str, Any] | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(
            message,
            kind=kind,
            caused_by=caused_by,
            details={**(details or {}), "type": reason},
            retryable=retryable,
        )
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return _code_failure, (self.failure, self.reason)


def _code_failure(failure: Failure, reason: CodeFailureReason) -> CodeFailure:
    """A `CodeFailure` as it was before it was pickled."""
    return CodeFailure(
        failure.message,
        reason=reason,
        kind=failure.kind,
        caused_by=failure.caused_by,
        details=failure.details,
        retryable=failure.retryable,
    )
