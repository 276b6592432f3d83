"""How a result is shown on the service's own routes: an ungraded one has `"reward": null` and its failure.

A batch has thousands of results, most of which say nothing but a reward. Those are written once for each reward and copied.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.responses import Response

from graders import CausedBy, FailureKind, GraderInfo, GraderResult
from graders.pattern import encodable
from graders.result_data import RESPONSE, result_data
from runtime.evaluation.batch_result import BatchResult

Origin: TypeAlias = tuple[str, int]
"""The name of a stored grader, and which version of it."""


class Answer(BaseModel):
    """The answer of a route; its fields are always there."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class ListAnswer(Answer):
    """A page of a list; each one says what it lists in its `data`."""

    object: Literal["list"] = "list"
    data: list[Any]
    first_id: str | None
    last_id: str | None
    has_more: bool

    @classmethod
    def of(cls, data: Sequence[Any], has_more: bool) -> Self:  # noqa: FBT001  # as the store gives it
        """A page.

        Args:
            data: What is on it; each has an `id`.
            has_more: Whether more follows.
        """
        first, last = (data[0].id, data[-1].id) if data else (None, None)
        return cls(data=list(data), first_id=first, last_id=last, has_more=has_more)


class ShownGrader(BaseModel):
    """Which grader made a result."""

    name: str
    type: str
    signature: str = Field(description="Two equal signatures give equal rewards.")
    stored_name: str | None = Field(
        None, description="The name that it was asked by; absent where it had none."
    )
    version: int | None = Field(
        None, description="Which version of that name it is; absent where it had none."
    )


class ShownFailure(BaseModel):
    """Why a grading has no reward, or (caused by the model) why it has the lowest one."""

    kind: FailureKind
    caused_by: CausedBy
    message: str
    details: dict[str, Any]
    retryable: bool = Field(description="Whether the same grading may succeed when it is repeated.")


class GradeResponse(BaseModel):
    """One result; `reward` is null exactly when the sample is ungraded, and `failure` says why."""

    reward: float | None
    passed: bool | None
    sub_rewards: dict[str, float | None]
    metrics: dict[str, float]
    metadata: dict[str, Any]
    explanation: str | None
    failure: ShownFailure | None
    usage: dict[str, dict[str, int]] = Field(description="Judge tokens by the model that answered.")
    execution_time: float = Field(description="Seconds.")
    substituted: bool
    grader: ShownGrader


class ExplainedResponse(GradeResponse):
    """One result, and how it came to be."""

    explanation_tree: dict[str, Any] = Field(
        description="The grading laid open, and the gradings inside it under `inside`."
    )


class RowResponse(GradeResponse):
    """The result of one row of a batch."""

    index: int = Field(description="The row's position, from 0.")
    id: str | int | float | None = Field(description="The row's own name, as it came.")


class Counts(BaseModel):
    """How many rows a batch has, and how many of them have a measured reward."""

    rows: int
    graded: int
    ungraded: int


class BatchResponse(BaseModel):
    """The results of a batch in the order of its rows."""

    object: Literal["batch.grades"]
    grader: ShownGrader
    results: list[RowResponse]
    counts: Counts


class RowWriter:
    """Writes the results of one batch as JSON.

    Args:
        lowest: The reward that ungraded rows are given beside their failure; None leaves it null.
        origin: The name and the version of a stored grader.

    Attributes:
        written: Rows that were written.
        ungraded: Those of them that have no measured reward.
    """

    def __init__(self, lowest: float | None = None, origin: Origin | None = None) -> None:
        self.written = self.ungraded = 0
        self._lowest, self._origin = lowest, origin
        self._bulk: dict[float, bytes] = {}
        self._plain: dict[tuple[float | None, bool | None, float], bytes] = {}

    def row(self, index: int, row_id: str | float | None, result: GraderResult) -> bytes:
        """One row, as a JSON object without a line's end."""
        self.written += 1
        self.ungraded += result.reward is None
        return b'{"index":%d,"id":%b,%b' % (index, _shown_id(row_id), self._rest(result))

    def rows(self, results: BatchResult, ids: Sequence[str | float | None], chunk: slice) -> list[bytes]:
        """Some rows of a batch; of those that were done in bulk, one `GraderResult` is made for each reward."""
        lines = []
        for index, reward in zip(range(len(results))[chunk], results.rewards[chunk].tolist(), strict=True):
            known, row_id = results.known(index), ids[index]
            if known is not None:
                self.ungraded += known.reward is None
                rest = self._rest(known)
            else:
                rest = self._bulk.get(reward) or self._bulk.setdefault(reward, self._rest(results[index]))
            lines.append(b'{"index":%d,"id":%b,%b' % (index, _shown_id(row_id), rest))
        self.written += len(lines)
        return lines

    def counts(self) -> dict[str, int]:
        """The counts of what was written."""
        return {"rows": self.written, "graded": self.written - self.ungraded, "ungraded": self.ungraded}

    def _rest(self, result: GraderResult) -> bytes:
        if not result.is_bare:
            return written(shown(result, self._lowest, self._origin))[1:]
        key = (result.reward, result.passed, result.execution_time)
        rest = self._plain.get(key)
        if rest is None:
            rest = self._plain[key] = written(shown(result, origin=self._origin))[1:]
        return rest


def _shown_id(row_id: str | float | None) -> bytes:
    if row_id is None:
        return b"null"
    return to_json(encodable(row_id) if isinstance(row_id, str) else row_id)


def shown(result: GraderResult, lowest: float | None = None, origin: Origin | None = None) -> dict[str, Any]:
    """A result as plain data.

    Args:
        result: What an evaluator has completed.
        lowest: The reward to show if the sample is ungraded; None shows null.
        origin: The name and the version of a stored grader.

    Raises:
        ValueError: If no evaluator has completed the result.
    """
    if result.grader is None:
        raise ValueError("only a result that an evaluator has completed can be shown")
    said = result_data(result, RESPONSE)
    if result.reward is None:
        said["reward"] = lowest
    return {**said, "grader": shown_grader(result.grader, origin)}


def shown_grader(grader: GraderInfo, origin: Origin | None = None) -> dict[str, str | int]:
    """Which grader it was."""
    said: dict[str, str | int] = {"name": grader.name, "type": grader.type, "signature": grader.signature}
    if origin is not None:
        said["stored_name"], said["version"] = origin
    return said


def written(value: Mapping[str, Any] | BaseModel) -> bytes:
    """JSON of what graders say, whatever they say: no NaN, no lone surrogate, foreign objects as their text."""
    try:
        return to_json(value, inf_nan_mode="null", fallback=_known)
    except ValueError:  # a lone surrogate somewhere
        if isinstance(value, BaseModel):
            value = value.model_dump()
        return to_json(plain(value), inf_nan_mode="null", fallback=_known)


def _known(foreign: object) -> object:
    """What stands for an object that JSON does not know."""
    return dict(foreign) if isinstance(foreign, Mapping) else encodable(str(foreign))


def plain(value: Any) -> Any:
    """What graders say, with all texts such that every encoding takes them."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, Mapping):
        return {encodable(str(key)): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


class JsonAnswer(Response):
    """A JSON text as an answer; its headers are always the same, and are not put together each time."""

    def __init__(self, body: bytes) -> None:
        """An answer, 200.

        Args:
            body: The text.
        """
        self.status_code, self.background, self.body = 200, None, body
        self.raw_headers = [(b"content-length", b"%d" % len(body)), _JSON]


_JSON = (b"content-type", b"application/json")
