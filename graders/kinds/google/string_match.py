"""Google's string match scorer, which needs no context: pure, and in time linear in the text but for many matches."""

import json
from collections.abc import Sequence
from typing import Any

from graders.contract import GraderInfo, GraderResult, Item
from graders.errors import GradingError
from graders.kinds.google.config import ParseConfig, StringMatchScorer
from graders.kinds.google.texts import compiled, last_match, with_references
from graders.pattern import encodable
from graders.samples.sample import Sample

PARSED = "parsed_response"
"""The key of `metadata` under which the part of the response is that counts, where an expression says which that is."""


def clipped(reward: float) -> float:
    """A reward inside [-1, 1], as Google clips it."""
    return min(max(float(reward), -1.0), 1.0)


class StringMatch:
    """Grades by one string match reward; what an expression parsed of the response is in `metadata`.

    Args:
        name: What the reward is called.
        scorer: How it compares.
        parse: What of the response it looks at.
    """

    def __init__(self, name: str, scorer: StringMatchScorer, parse: ParseConfig | None) -> None:
        self.name, self._scorer = name, scorer
        self._pattern = None if parse is None else parse.pattern

    def __call__(self, sample: Sample, item: Item) -> GraderResult:
        """Grade one sample."""
        parsed = last_match(self._pattern, sample.output_text)
        expression, in_json = self._scorer.expression, self._scorer.json_match_expression
        wanted = with_references(expression.expression, item)
        target = parsed if in_json is None else _field(parsed, in_json.key_name)
        is_right = target is not None and matches(expression.match_operation, target, wanted)
        reward = self._scorer.correct_answer_reward if is_right else self._scorer.wrong_answer_reward
        said = {} if self._pattern is None else {PARSED: encodable(parsed)}
        return GraderResult(clipped(reward), metadata=said)

    def is_bounded(self, sample: Sample, item: Item) -> bool:
        """Whether the expressions are known to run in a short time on the text."""
        if self._pattern is not None and not self._pattern.is_quick_on(sample.output_text, every=True):
            return False
        expression = self._scorer.expression
        if expression.match_operation != "REGEX_CONTAINS":
            return True
        return compiled(with_references(expression.expression, item)).is_quick_on(sample.output_text)


class StringMatches:
    """Grades by several string match rewards, of which the weighted mean counts.

    Args:
        parts: Each of them with its weight.
    """

    def __init__(self, parts: Sequence[tuple[StringMatch, float]]) -> None:
        self._parts = parts

    def __call__(self, sample: Sample, item: Item) -> GraderResult:
        """Grade one sample."""
        return mean([(part.name, weight, part(sample, item)) for part, weight in self._parts])

    def is_bounded(self, sample: Sample, item: Item) -> bool:
        """Whether all expressions are known to run in a short time on the text."""
        return all(part.is_bounded(sample, item) for part, _ in self._parts)


def mean(results: Sequence[tuple[str, float, GraderResult]]) -> GraderResult:
    """The weighted mean of rewards; ungraded where one of them is.

    Args:
        results: The name, the weight and the result of each.
    """
    sub_rewards = {name: result.reward for name, _, result in results}
    failure = next((result.failure for _, _, result in results if result.reward is None), None)
    said: dict[str, Any] = {name: dict(result.metadata) for name, _, result in results if result.metadata}
    reward: float | None = None
    if failure is None:
        weights = sum(weight for _, weight, _ in results)
        reward = clipped(sum(weight * (result.reward or 0.0) for _, weight, result in results) / weights)
        failure = next((result.failure for _, _, result in results if result.failure is not None), None)
    return GraderResult(
        reward,
        sub_rewards=sub_rewards,
        failure=failure,
        explanation=failure.message if failure else None,
        metadata={"rewards": said} if said else {},
        parts={name: _named(result, name) for name, _, result in results},
    )


def _named(result: GraderResult, name: str) -> GraderResult:
    info = GraderInfo(name, "google_reward", "", (-1.0, 1.0))
    return result.completed(info, passed=None, execution_time=result.execution_time)


def matches(operation: str, target: str, wanted: str) -> bool:
    """Whether a text matches.

    Raises:
        GradingError: When an expression does not compile.
    """
    if operation == "EXACT_MATCH":
        return target == wanted
    if operation == "PARTIAL_MATCH":
        return wanted in target
    return compiled(wanted).search(target) is not None


def _field(text: str, key: str) -> str | None:
    """A field of a text that is a JSON object, as a string; None if the text or the field is not there."""
    found = Sample(text).output_json
    if not isinstance(found, dict) or key not in found:
        return None
    value = found[key]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def failed(error: GradingError) -> GraderResult:
    """The result of a part that failed; the lowest reward if the model caused it."""
    failure = error.failure
    return GraderResult(-1.0 if failure.caused_by == "model" else None, failure=failure)
