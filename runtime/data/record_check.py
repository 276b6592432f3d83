"""Whether a line of a results file is what a run writes: a file may be cut, mixed up or changed between two runs."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from graders import Failure, FailureKind, GraderInfo, GraderResult

_Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)] | bool
_Count: TypeAlias = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Failure(_Strict):
    kind: str
    caused_by: Literal["model", "grader", "infrastructure"]
    message: str
    details: dict[str, Any]
    retryable: bool

    def failure(self) -> Failure:
        """The failure, where its kind is one."""
        return Failure(
            kind=FailureKind(self.kind),
            caused_by=self.caused_by,
            message=self.message,
            details=self.details,
            retryable=self.retryable,
        )


class _Record(_Strict):
    row: _Count
    line: _Count
    draw: _Count = 0
    key: str
    reward: Annotated[float, Field(allow_inf_nan=False)] | None
    passed: bool | None
    sub_rewards: dict[str, _Number | None]
    failure: _Failure | None
    substituted: bool
    explanation: str | None
    metrics: dict[str, _Number]
    metadata: dict[str, Any]
    usage: dict[str, dict[str, _Count]]
    signature: str


def is_believable(record: Mapping[str, Any], signature: str, reward_range: tuple[float, float]) -> bool:
    """Whether a record has the fields of a result, of the right types, and a result that a grader can have given.

    Args:
        record: What stands in a line.
        signature: That of the grader which is to have given it.
        reward_range: The lowest and the highest reward of that grader.
    """
    try:
        found = _Record.model_validate(record)
        GraderResult(
            found.reward,
            sub_rewards=found.sub_rewards,
            passed=found.passed,
            failure=None if found.failure is None else found.failure.failure(),
            metrics=found.metrics,
            substituted=found.substituted,
            grader=GraderInfo("", "", found.signature, reward_range),
        )
    except ValueError:  # pydantic's own are some, too
        return False
    return found.signature == signature
