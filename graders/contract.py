"""What a grading is made of: the `Item`, the `Failure` and the `GraderResult`.

A *grader* turns one model sample and its dataset item into a reward. A measurement that failed is never a low reward:
it is *ungraded*, and says why. `GraderResult` enforces that in its constructor, so no other code can break it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal, Self, SupportsFloat, TypeAlias, TypeGuard

CausedBy = Literal["model", "grader", "infrastructure"]

UNBOUNDED = (-math.inf, math.inf)


Item: TypeAlias = Mapping[str, Any]
"""One dataset row: the author's own columns, `messages` and `tools` included. Read-only."""


class FailureKind(StrEnum):
    """Everything that can go wrong in a grading; each value is the error flag of the published API."""

    FORMULA_PARSE = "formula_parse_error"
    SAMPLE_PARSE = "sample_parse_error"
    TRUNCATED_OBSERVATION = "truncated_observation_error"
    UNRESPONSIVE_REWARD = "unresponsive_reward_error"
    INVALID_VARIABLE = "invalid_variable_error"
    OTHER = "other_error"
    PYTHON_GRADER_SERVER = "python_grader_server_error"
    PYTHON_GRADER_RUNTIME = "python_grader_runtime_error"
    MODEL_GRADER_SERVER = "model_grader_server_error"
    MODEL_GRADER_REFUSAL = "model_grader_refusal_error"
    MODEL_GRADER_PARSE = "model_grader_parse_error"
    MODEL_GRADER_EXCEEDED_MAX_TOKENS = "model_grader_exceeded_max_tokens_error"
    ENDPOINT_GRADER_INTERNAL = "endpoint_grader_internal_error"
    ENDPOINT_GRADER_SERVER = "endpoint_grader_server_error"
    ENDPOINT_GRADER_SAFETY_CHECK = "endpoint_grader_safety_check_error"


class FailureType(StrEnum):
    """What `Failure.details["type"]` says where the framework knows it; an exception's name or a plugin's own word else.

    `docs/failures.md` explains each.
    """

    BROKEN_TESTS = "broken_tests"
    BUDGET_SPENT = "budget_spent"
    CONTENT_FILTER = "content_filter"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    COSTLY_SCHEMA = "costly_schema"
    DEADLINE = "deadline"
    EMBEDDER_UNAVAILABLE = "embedder_unavailable"
    EMPTY_ANSWER = "empty_answer"
    EXIT = "exit"
    HTTP_UNAVAILABLE = "http_unavailable"
    INVALID_SCHEMA = "invalid_schema"
    JUDGE_STORE_UNAVAILABLE = "judge_store_unavailable"
    JUDGE_UNAVAILABLE = "judge_unavailable"
    KILLED = "killed"
    LENGTH = "length"
    MACHINE_BUSY = "machine_busy"
    MALFORMED_EMBEDDING = "malformed_embedding"
    MALFORMED_RESPONSE = "malformed_response"
    MEMORY_LIMIT = "memory_limit"
    NO_ANSWER = "no_answer"
    NOT_ALLOWED = "not_allowed"
    NOT_ASKED = "not_asked"
    NOT_PLAIN = "not_plain"
    ORDER_DEPENDENT_VERDICT = "order_dependent_verdict"
    OUTPUT_LIMIT = "output_limit"
    PROTOCOL = "protocol"
    RAISED = "raised"
    REFUSAL = "refusal"
    SANDBOX_DIED = "sandbox_died"
    SANDBOX_UNAVAILABLE = "sandbox_unavailable"
    SCHEMA_NOT_CHECKED = "schema_not_checked"
    SCRIPTED = "scripted"
    SIGNAL = "signal"
    STATUS = "status"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    UNFINISHED_REASONING = "unfinished_reasoning"
    UNPARSEABLE_VERDICT = "unparseable_verdict"
    UNREADABLE_ROW = "unreadable_row"
    WORKER_EXITED = "worker_exited"
    WORKER_START = "worker_start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a grading has no reward, or (caused by the model) why it has the lowest one.

    Attributes:
        kind: What went wrong.
        caused_by: `model` (its output cannot be graded: lowest reward), `grader` or `infrastructure` (ungraded).
        message: One line for a person.
        details: Plain data for a program: `type` (see `FailureType`), `traceback`, `variable`, …
        retryable: Whether the same grading may succeed when it is repeated.
    """

    kind: FailureKind
    caused_by: CausedBy
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class GraderInfo:
    """Which grader made a result.

    Attributes:
        name: The author's name for it.
        type: Its grader type.
        signature: Type, versions and options digest: two equal signatures give equal rewards.
        range: Lowest and highest reward it may give.
    """

    name: str
    type: str
    signature: str
    range: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class GraderResult:
    """One reward, or the reason why the sample has no reward.

    A plugin returns `GraderResult(0.5, explanation="…")`; the framework adds `grader`, `passed` and `execution_time`.

    Attributes:
        reward: A finite number inside the grader's range; None exactly when the result is ungraded.
        sub_rewards: Named parts of the reward; None where a part is ungraded.
        passed: Whether the reward reaches the pass threshold; None when ungraded or when there is no threshold.
        explanation: One line for a person.
        failure: What went wrong. A reward beside it means: caused by the model, or `substituted`.
        metrics: Finite numbers worth plotting beside the reward.
        metadata: Plain data for a program that is not a number: the `steps` of a judge, the `label` that it chose.
        usage: Judge tokens by the model that answered.
        execution_time: Seconds.
        parts: The results of the graders inside this grader, by key.
        substituted: The reward is the grader's `invalid_grade`, since the grading failed.
        grader: What made it; None only until the framework has completed it.

    Raises:
        ValueError: When the reward breaks the rules above.
    """

    reward: float | None
    sub_rewards: Mapping[str, float | None] = field(default_factory=dict)
    passed: bool | None = None
    explanation: str | None = None
    failure: Failure | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    execution_time: float = 0.0
    parts: Mapping[str, "GraderResult"] = field(default_factory=dict)
    substituted: bool = False
    grader: GraderInfo | None = None

    def __post_init__(self) -> None:
        failure = self.failure
        if self.substituted and failure is None:
            raise ValueError("a substituted reward needs the failure that it stands for")
        if self.reward is None:
            if failure is None:
                raise ValueError("a result without a reward is ungraded and must say why: give it a failure")
            if failure.caused_by == "model" or self.substituted:
                raise ValueError("a failure caused by the model, or substituted, is graded: give it a reward")
            if self.passed is not None:
                raise ValueError("an ungraded result has neither passed nor failed")
            return
        if failure is not None and failure.caused_by != "model" and not self.substituted:
            raise ValueError(f"a failure caused by the {failure.caused_by} is ungraded: its reward is None")
        reward = checked_number(self.reward)
        if self.grader is not None:
            low, high = self.grader.range
            if not low <= reward <= high:
                raise ValueError(
                    f"the reward {reward:g} is outside the range {low:g} to {high:g} that {self.grader.type!r} declares"
                )
        object.__setattr__(self, "reward", reward)
        if self.metrics or self.sub_rewards:
            _check_named(self.metrics, "metric")
            _check_named(self.sub_rewards, "sub-reward")

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing to it but its reward, as with most results: writers and senders have a fast path."""
        if self.failure is not None or self.explanation is not None:
            return False
        return not (self.sub_rewards or self.metrics or self.metadata or self.usage or self.parts)

    @property
    def graded(self) -> bool:
        """Whether there is a reward."""
        return self.reward is not None

    def failures(self) -> Iterator[Failure]:
        """This result's failure and those of its parts."""
        if self.failure is not None:
            yield self.failure
        for part in self.parts.values():
            yield from part.failures()

    def completed(self, grader: GraderInfo, *, passed: bool | None, execution_time: float) -> "GraderResult":
        """The same result with what the framework adds, checked again; `replace` takes twice as long.

        Args:
            grader: What made it.
            passed: Whether the reward reaches the pass threshold.
            execution_time: Seconds.
        """
        return GraderResult(
            self.reward,
            self.sub_rewards,
            passed,
            self.explanation,
            self.failure,
            self.metrics,
            self.metadata,
            self.usage,
            execution_time,
            self.parts,
            self.substituted,
            grader,
        )

    def replace(self, **changes: Any) -> Self:
        """The same result with some attributes changed, checked again."""
        return replace(self, **changes)


def checked_number(value: object) -> float:
    """A finite float out of what a grading function returned: a bool counts 0 or 1.

    Raises:
        ValueError: For anything else, naming what it was.
    """
    if type(value) is float:
        number = value
    elif isinstance(value, (bool, int, float)) or _is_numpy_number(value):
        try:
            number = float(value)
        except OverflowError:
            raise ValueError("a reward is a finite number, not an integer too large for a float") from None
    else:
        raise ValueError(f"a reward is a number, not {_described(value)}")
    if not math.isfinite(number):
        raise ValueError(f"a reward is a finite number, not {number}")
    return number


def _check_named(numbers: Mapping[str, object], what: str) -> None:
    for name, number in numbers.items():
        if (type(number) is float and math.isfinite(number)) or (number is None and what == "sub-reward"):
            continue
        try:
            checked_number(number)
        except ValueError as error:
            raise ValueError(f"{what} {name!r}: {str(error).replace('a reward', 'it')}") from None


def checked_range(value: object) -> tuple[float, float]:
    """The lowest and the highest reward of a grader, which may be infinite.

    Raises:
        ValueError: When it is not two numbers, the lower one first.
    """
    try:
        low, high = map(float, value)  # type: ignore[call-overload]  # whatever a stranger declared
    except (TypeError, ValueError, OverflowError):
        low = high = math.nan
    if not low < high:
        raise ValueError(f"a range is two numbers, the lowest and the highest reward; got {brief(value)}")
    return low, high


def brief(value: object, limit: int = 60) -> str:
    """A value as a message shows it: its `repr`, short, and never an error of its own."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  # nested too deeply, an integer of 4,301 digits, or a stranger's __repr__
        text = f"<{type(value).__name__}>"
    return text if len(text) <= limit else f"{text[: limit - 2]}…{text[-1]}"


def _is_numpy_number(value: object) -> TypeGuard[SupportsFloat]:
    """Whether `value` is one real number of numpy's, without importing numpy."""
    return (
        type(value).__module__ == "numpy"
        and getattr(value, "shape", None) == ()
        and getattr(getattr(value, "dtype", None), "kind", "") in ("b", "i", "u", "f")
    )


def _described(value: object) -> str:
    return "None" if value is None else f"{type(value).__name__} {brief(value, 80)}"
