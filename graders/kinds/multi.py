"""`multi`: several graders and a formula over their rewards."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from graders.batch_scores import BatchScores
from graders.bound_grader import Grader
from graders.context import Context
from graders.contract import Failure, GraderResult, Item
from graders.errors import GradingError, InvalidOptions, Problem
from graders.formula import Formula, is_variable, normal_name
from graders.plugin import grader
from graders.samples.sample import Sample
from graders.samples.sample_column import SampleColumn
from graders.usage import summed

if TYPE_CHECKING:
    from graders.formula_columns import ColumnFormula

MAX_GRADERS = 500

_SCHEMA: dict[str, Any] = {
    "minProperties": 1,
    "maxProperties": MAX_GRADERS,
    "propertyNames": {"pattern": r"^[^\d\s+*/^().,-][^\s+*/^().,-]*$"},
    "additionalProperties": {
        "type": "object",
        "required": ["type"],
        "not": {"properties": {"type": {"const": "multi"}}},
    },
}
"""What an editor can know of `graders`."""


@grader("multi", range=(-math.inf, math.inf))
class Multi:
    """Combine the rewards of several graders by a formula.

    The variables of `calculate_output` are the keys of `graders`. The graders run side by side. When one of them is
    ungraded, so is the whole, unless the author gave `invalid_grade`: then that is the reward, marked as substituted,
    whatever caused the failure, infrastructure included. A part that failed by the model's doing counts with its lowest
    reward, or makes the whole `invalid_grade` where the `multi` has one. A part with an `invalid_grade` of its own counts
    with that. Source: the OpenAI graders guide; `invalid_grade` is Microsoft Foundry's.
    """

    covers_infrastructure = True
    """Foundry's `invalid_grade` of `multi` stands for a failed part, whatever made it fail."""

    def __init__(
        self,
        *,
        graders: Annotated[dict[str, Grader], Field(json_schema_extra=_SCHEMA)],
        calculate_output: Formula,
    ) -> None:
        problems = [*_key_problems(graders)]
        if not 1 <= len(graders) <= MAX_GRADERS:
            problems.append(Problem(("graders",), f"expected 1 to {MAX_GRADERS} graders, got {len(graders)}"))
        if problems:
            raise InvalidOptions(problems)
        try:
            calculate_output.check_names(graders)
        except ValueError as error:
            raise InvalidOptions([Problem(("calculate_output",), str(error))]) from None
        self._graders, self._formula = graders, calculate_output
        self.grade_batch = self._grade_batch if all(part.has_batch for part in graders.values()) else None

    async def __call__(self, sample: Sample, item: Item, context: Context) -> GraderResult:
        """Grade with each grader, then compute the formula."""
        return self._combined(await context.grade_all(self._graders, sample, item))

    def _grade_batch(self, samples: SampleColumn, items: Sequence[Item]) -> BatchScores:
        """The rewards of many rows, each part graded in bulk; a row that a part or the formula leaves out is graded alone."""
        import numpy as np  # noqa: PLC0415  # it takes long to import, and validating a grader needs none of it

        scores = {key: part.function.grade_batch(samples, items) for key, part in self._graders.items()}
        columns = {key: np.asarray(score.rewards, dtype=np.float64) for key, score in scores.items()}
        rewards = self._column_formula(
            {normal_name(key): column for key, column in columns.items()}, len(items)
        )
        for column in columns.values():
            rewards[np.isnan(column)] = np.nan
        return BatchScores(rewards, partial(self._returned, scores))

    @cached_property
    def _column_formula(self) -> "ColumnFormula":
        from graders.formula_columns import ColumnFormula  # noqa: PLC0415  # the same

        return ColumnFormula(self._formula)

    def _returned(self, scores: Mapping[str, BatchScores], row: int, seconds: float) -> GraderResult:
        """The result of one row; each part is given an equal share of its seconds."""
        share = seconds / len(scores)
        return self._combined(
            {
                key: self._graders[key].complete(score.returned_for(row, share), execution_time=share)
                for key, score in scores.items()
            }
        )

    def _combined(self, parts: Mapping[str, GraderResult]) -> GraderResult:
        """The result of one row out of those of its parts."""
        failure = _failure(parts)
        reward: float | None = None
        if failure is None or failure.caused_by == "model":
            try:
                reward = self._formula(
                    {normal_name(k): p.reward for k, p in parts.items() if p.reward is not None}
                )
            except GradingError as error:
                failure = error.failure
        return GraderResult(
            reward,
            sub_rewards={key: part.reward for key, part in parts.items()},
            failure=failure,
            explanation=failure.message if failure else None,
            usage=summed(part.usage for part in parts.values()),
            parts=parts,
        )


def _key_problems(graders: Mapping[str, Grader]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for key, inner in graders.items():
        path = ("graders", key)
        if inner.type.name == "multi":
            yield Problem(path, "a multi grader inside a multi grader is not accepted; put its graders here")
        if not is_variable(key):
            yield Problem(
                path,
                "a key is a variable of the formula: letters, digits and _, no digit first, and neither a function's "
                "name nor one of Python's words, such as 'is'",
            )
        other = seen.setdefault(normal_name(key), key)
        if other != key:
            yield Problem(path, f"as a variable this key is the same as {other!r}; rename one of them")


def _failure(parts: Mapping[str, GraderResult]) -> Failure | None:
    """The failure of the whole: of the first ungraded part, else of the first that failed by the model's doing."""
    failed = [
        (key, part.failure)
        for key, part in parts.items()
        if part.failure is not None and not part.substituted
    ]
    if not failed:
        return None
    key, failure = next((pair for pair in failed if pair[1].caused_by != "model"), failed[0])
    return replace(failure, message=f"{key}: {failure.message}")
