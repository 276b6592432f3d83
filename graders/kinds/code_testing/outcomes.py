"""What comes of a test, and how it is told: a hidden test keeps its inputs and what it expects to itself."""

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graders.contract import FailureKind, FailureType
from graders.errors import CodeFailureReason, GradingError
from graders.kinds.code_testing.forms import Test

MAX_TEXT = 500

WHAT_HAPPENED: Mapping[CodeFailureReason, str] = {
    FailureType.TIMEOUT: "gave no answer in time",
    FailureType.MEMORY_LIMIT: "used more memory than it may",
    FailureType.OUTPUT_LIMIT: "wrote more than it may",
    FailureType.EXIT: "ended its process",
    FailureType.SIGNAL: "crashed its process",
    FailureType.PROTOCOL: "its process answered what is no answer",
}


@dataclass(frozen=True, slots=True)
class CodeTestOutcome:
    """What came of one test, or of one case of a test source.

    Attributes:
        name: The test's name, and the case's after it.
        passed: Whether it passed.
        weight: What it counts for.
        why: Why it failed, for a person; what a hidden test tells is not in it.
        crash: How the code crashed, if it did: an exception's name, or what happened to its process.
    """

    name: str
    passed: bool
    weight: float
    why: str = ""
    crash: str = ""


class Failed(Exception):
    """A test has failed by the code's doing.

    Attributes:
        why: Why, in words that tell nothing of the test.
        told: More of it, which a hidden test keeps to itself.
        crash: How the code crashed, if it did.
    """

    def __init__(self, why: str, *, told: str = "", crash: str = "") -> None:
        super().__init__(why, told, crash)
        self.why, self.told, self.crash = why, told, crash

    def outcome(self, test: Test, name: str, weight: float) -> CodeTestOutcome:
        """What it means for a test, or a case of it."""
        why = f"{self.why}: {self.told}" if self.told and not test.hidden else self.why
        return CodeTestOutcome(name, passed=False, weight=weight, why=why[:MAX_TEXT], crash=self.crash)


def died(reason: CodeFailureReason, why: str | None = None) -> Failed:
    """The failure of a test whose code ended its process, or had it ended."""
    return Failed(why or WHAT_HAPPENED[reason], crash=reason)


def raised(what: str, told: Mapping[Any, Any]) -> Failed:
    """The failure of a test whose code raised an exception, as its process tells of it."""
    kind, line = str(told.get("type")), told.get("line")
    where = f" (line {line})" if isinstance(line, int) and line else ""
    text = f"{kind[:100]}: {str(told.get('message'))[:MAX_TEXT]}{where}"
    return Failed(what, told=text, crash=exception_name(kind))


def exception_name(name: str) -> str:
    """The name of a built-in exception; the code may have named its own after what a hidden test gave it."""
    kind = vars(builtins).get(name)
    return name if isinstance(kind, type) and issubclass(kind, BaseException) else "Exception"


def broken(test: Test, why: str) -> GradingError:
    """The failure of a grading whose tests are to blame."""
    return GradingError(
        f"the test {test.name!r} itself is broken: {why[:MAX_TEXT]}",
        kind=FailureKind.PYTHON_GRADER_RUNTIME,
        details={"type": FailureType.BROKEN_TESTS, "test": test.name},
    )
