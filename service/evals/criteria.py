"""Testing criteria: graders that say whether an item passes."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graders import (
    ConfigurationError,
    FailureKind,
    Grader,
    GraderResult,
    GradingError,
    PluginError,
    Problem,
    Sample,
)
from graders.lint.lint import all_graders
from graders.options import no_such_field
from graders.result_data import BESIDE_SCORE, result_data
from runtime import Evaluator
from service.errors import ApiError
from service.evals.sources import EvalRow

FIELD = "testing_criteria"


MIDDLE = 0.5
"""The least score that passes where a criterion names none and its scores have no middle: that of 0 to 1, as most have."""


@dataclass(frozen=True, slots=True)
class TestingCriterion:
    """A grader, and what its results are counted under.

    Attributes:
        id: Its name and a UUID.
        grader: What grades.
        reads_sample: Whether it names the sample, so that a row without one cannot be graded.
    """

    id: str
    grader: Grader
    reads_sample: bool

    @property
    def compares(self) -> bool:
        """Whether it scores the samples of one item together."""
        return self.grader.type.form == "group"

    async def grade(self, evaluator: Evaluator, rows: Sequence[EvalRow], client: str) -> list[GraderResult]:
        """Grade rows with equal items; a row is ungraded if the grader needs its sample and it is missing.

        A grader that compares samples gets only the samples that exist.
        """
        failures = [self._failure(row) for row in rows]
        samples = [
            row.sample or Sample() for row, failure in zip(rows, failures, strict=True) if failure is None
        ]
        graded = iter(await evaluator.grade_group(self.grader, samples, rows[0].item, client=client))
        return [next(graded) if failure is None else self.grader.failed(failure) for failure in failures]

    def _failure(self, row: EvalRow) -> GradingError | None:
        if row.failure is not None:
            return row.failure
        if row.sample is None and self.reads_sample:
            return GradingError(
                "the row has no sample, which this criterion reads", kind=FailureKind.INVALID_VARIABLE
            )
        return None


async def accept(
    evaluator: Evaluator, given: Sequence[Mapping[str, Any]], item_schema: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Check the criteria of a request; gives what the store keeps of each: its `id`, `grader` and `shown`.

    Args:
        evaluator: Loads them.
        given: As they were sent.
        item_schema: The schema of the rows. Where it allows no property that it does not name, neither may a template.

    Raises:
        ApiError: 400, naming every field that is wrong: `testing_criteria.1.operation: …`.
        PluginError: When a plugin cannot be used.
    """
    if not given:
        raise refused([Problem((), "at least one criterion is needed: nothing would be measured")])
    accepted, problems = [], []
    for position, criterion in enumerate(given):
        config = {
            name: value for name, value in criterion.items() if name != "id"
        }  # of an echo that is sent again
        try:
            grader = await evaluator.prepare(config)
            if grader.pass_threshold is None:
                grader = await evaluator.prepare({**config, "pass_threshold": MIDDLE})
        except ConfigurationError as error:
            problems += [problem.under(position) for problem in error.problems]
            continue
        if lacking := _lacks_threshold(grader):
            problems.append(Problem((position, "pass_threshold"), lacking))
            continue
        problems += [problem.under(position) for problem in _not_in_rows(grader, item_schema)]
        name = f"{grader.info.name}-{uuid.uuid4()}"
        echo = {**grader.echo, "id": name}
        accepted.append({"id": name, "grader": dict(grader.config), "shown": echo})
    if problems:
        raise refused(problems)
    return accepted


async def load(evaluator: Evaluator, stored: Sequence[Mapping[str, Any]]) -> list[TestingCriterion]:
    """The criteria that the store keeps, ready to grade.

    Raises:
        ConfigurationError: When one is wrong by now, for example because its type is not installed any more.
        PluginError: When a plugin cannot be used.
    """
    loaded = []
    for kept in stored:
        grader = await evaluator.prepare(kept["grader"])
        loaded.append(TestingCriterion(kept["id"], grader, _reads_sample(grader, if_unknown=False)))
    return loaded


async def any_reads_sample(evaluator: Evaluator, stored: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of the criteria that the store keeps reads the sample; true where one cannot be loaded any more."""
    try:
        loaded = await load(evaluator, stored)
        return any(_reads_sample(criterion.grader, if_unknown=True) for criterion in loaded)
    except (ConfigurationError, PluginError):
        return True


def verdict(criterion: TestingCriterion, result: GraderResult) -> dict[str, Any]:
    """One result of an output item: what is ungraded has no score, and has neither passed nor failed."""
    details = {name: value for name, value in result_data(result, BESIDE_SCORE).items() if value}
    return {
        "name": criterion.id,
        "type": criterion.grader.info.type,
        "score": result.reward,
        "passed": result.passed,
        "sample": {**result.metadata, **details} or None,
    }


def refused(problems: Sequence[Problem]) -> ApiError:
    """The answer to criteria that are wrong."""
    found = [problem.under(FIELD) for problem in problems]
    return ApiError(400, "; ".join(map(str, found)), param=found[0].where, code="invalid_grader")


def _lacks_threshold(grader: Grader) -> str | None:
    if grader.info.type == "text_similarity" and grader.config.get("pass_threshold") is None:
        return "this field is required for text_similarity: the least similarity that passes"
    return None


def _not_in_rows(grader: Grader, item_schema: Mapping[str, Any]) -> Iterator[Problem]:
    """The variables that no row can have: the schema of the rows does not name them and allows no other properties."""
    properties = item_schema.get("properties", {})
    is_closed = item_schema.get("additionalProperties") is False and not item_schema.get("patternProperties")
    if not is_closed or not isinstance(properties, Mapping):
        return
    for path, inner in all_graders(grader):
        for where, template in inner.templates():
            for reference in template.references:
                name = reference.steps[0] if reference.namespace == "item" and reference.steps else None
                if isinstance(name, str) and name not in properties:
                    no_field = no_such_field(name, properties, "item_schema has")
                    yield Problem((*path, *where), f"{{{{{reference.text}}}}}: {no_field}")


def _reads_sample(grader: Grader, *, if_unknown: bool) -> bool:
    """Whether a grader reads the sample.

    Args:
        grader: The grader.
        if_unknown: The answer for plugins and endpoints, which get the sample without naming it.
    """
    if not grader.built_in:
        return if_unknown
    inner = [found for _, found in grader.inner()]
    templates = [template for _, template in grader.templates()]
    if not inner and not templates:
        return bool(getattr(grader.function, "reads_sample", if_unknown))
    return any(template.mentions("sample") for template in templates) or any(
        _reads_sample(part, if_unknown=if_unknown) for part in inner
    )
