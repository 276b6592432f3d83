"""The objects of Google's reward configuration, in camelCase as they travel, or in snake_case as Python's types write them.

Numbers that are missing are 0, since ProtoJSON leaves out what is 0. Source: `google.genai.types` of `google-genai` 3.6.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from graders.errors import InvalidOptions, Problem
from graders.options import carry
from graders.pattern import Pattern

MOST_REWARDS = 16
"""Rewards of one composite; published."""
PLACEHOLDER = "{{references."


def _upper(value: Any) -> Any:
    """Google compares its enum values without case."""
    return value.upper() if isinstance(value, str) else value


def _problem(path: tuple[str | int, ...], message: str) -> Exception:
    return carry(InvalidOptions([Problem(path, message)]))


class Part(BaseModel):
    """Any of these objects."""

    model_config = ConfigDict(
        extra="forbid", alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )


class ParseConfig(Part):
    """The part of a text that is compared: all of it, or the last match of an expression."""

    parse_type: Annotated[
        Literal["RESPONSE_PARSE_TYPE_UNSPECIFIED", "IDENTITY", "REGEX_EXTRACT"], BeforeValidator(_upper)
    ] = "IDENTITY"
    regex_extract_expression: Pattern | None = None

    @model_validator(mode="after")
    def _expression_is_one(self) -> Self:
        pattern = self.regex_extract_expression
        if self.parse_type == "REGEX_EXTRACT" and pattern is None:
            raise _problem(("regexExtractExpression",), "REGEX_EXTRACT needs this expression")
        if pattern is not None and pattern.groups > 1:
            message = f"expected at most one capturing group, whose match is compared; this one has {pattern.groups}"
            raise _problem(("regexExtractExpression",), message)
        return self

    @property
    def pattern(self) -> Pattern | None:
        """The expression that counts; None for all of the text."""
        return self.regex_extract_expression if self.parse_type == "REGEX_EXTRACT" else None


class MatchExpression(Part):
    """A text or an expression that a text is compared with."""

    match_operation: Annotated[
        Literal["REGEX_CONTAINS", "PARTIAL_MATCH", "EXACT_MATCH"], BeforeValidator(_upper)
    ]
    expression: str

    @model_validator(mode="after")
    def _expression_compiles(self) -> Self:
        if self.match_operation == "REGEX_CONTAINS" and PLACEHOLDER not in self.expression.replace(" ", ""):
            try:
                Pattern(self.expression)
            except ValueError as error:
                raise _problem(("expression",), str(error)) from None
        return self


class JsonMatchExpression(Part):
    """The same of a field of a JSON object."""

    key_name: str
    value_string_match_expression: MatchExpression


class StringMatchScorer(Part):
    """One reward for texts that match, another for those that do not."""

    correct_answer_reward: float = 0.0
    wrong_answer_reward: float = 0.0
    string_match_expression: MatchExpression | None = None
    json_match_expression: JsonMatchExpression | None = None

    @model_validator(mode="after")
    def _one_expression(self) -> Self:
        _exactly_one(self, "string_match_expression", "json_match_expression")
        return self

    @property
    def expression(self) -> MatchExpression:
        """What the text, or a field of it, is compared with."""
        in_json = self.json_match_expression
        found = self.string_match_expression if in_json is None else in_json.value_string_match_expression
        return cast("MatchExpression", found)


class CodeScorer(Part):
    """A function `evaluate(example, response)`."""

    python_code_snippet: str


class ExactMatchScorer(Part):
    """One reward where an autorater answers with a certain text, another where it does not."""

    correct_answer_reward: float = 0.0
    wrong_answer_reward: float = 0.0
    expression: str


class NumberScorer(Part):
    """The number that an autorater answers with."""


class AutoraterConfig(Part):
    """The model that is asked; `samplingCount` and `flipEnabled` are taken, and change nothing."""

    sampling_count: Annotated[int, Field(ge=1, le=32)] | None = None
    flip_enabled: bool | None = None
    autorater_model: str | None = None
    generation_config: dict[str, Any] | None = None


class AutoraterScorer(Part):
    """A model gives the reward."""

    autorater_prompt: str
    autorater_config: AutoraterConfig | None = None
    autorater_response_parse_config: ParseConfig | None = None
    parsed_response_conversion_scorer: NumberScorer | None = None
    exact_match_scorer: ExactMatchScorer | None = None

    @model_validator(mode="after")
    def _one_scorer(self) -> Self:
        _exactly_one(self, "parsed_response_conversion_scorer", "exact_match_scorer")
        return self


class CloudRunScorer(Part):
    """A service that answers with the reward."""

    cloud_run_uri: str


class SingleReward(Part):
    """One reward."""

    reward_name: Annotated[str, Field(min_length=1)] = "reward"
    parse_response_config: ParseConfig | None = None
    string_match_reward_scorer: StringMatchScorer | None = None
    code_execution_reward_scorer: CodeScorer | None = None
    autorater_scorer: AutoraterScorer | None = None
    cloud_run_reward_scorer: CloudRunScorer | None = None

    @model_validator(mode="after")
    def _one_scorer(self) -> Self:
        _exactly_one(
            self,
            "string_match_reward_scorer",
            "code_execution_reward_scorer",
            "autorater_scorer",
            "cloud_run_reward_scorer",
        )
        return self


class WeightedReward(Part):
    """One reward of several."""

    reward_config: SingleReward
    weight: float = 0.0


class CompositeReward(Part):
    """The weighted mean of several rewards."""

    weighted_reward_configs: Annotated[list[WeightedReward], Field(min_length=1, max_length=MOST_REWARDS)]

    @model_validator(mode="after")
    def _is_a_mean(self) -> Self:
        if sum(each.weight for each in self.weighted_reward_configs) == 0:
            raise _problem(
                ("weightedRewardConfigs",),
                "the weights add up to 0; expected a sum that is not 0, by which the mean is divided",
            )
        problems = [*_repeated(self.weighted_reward_configs)]
        if problems:
            raise carry(InvalidOptions(problems))
        return self


def _repeated(rewards: list[WeightedReward]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, each in enumerate(rewards):
        name = each.reward_config.reward_name
        if name in seen:
            path = ("weightedRewardConfigs", index, "rewardConfig", "rewardName")
            yield Problem(path, f"duplicate rewardName {name!r}")
        seen.add(name)


def _exactly_one(part: Part, *fields: str) -> None:
    """Check that exactly one of some fields is given.

    Raises:
        PydanticCustomError: When none is, or several are.
    """
    given = [to_camel(field) for field in fields if getattr(part, field) is not None]
    if len(given) != 1:
        names = ", ".join(map(to_camel, fields))
        found = f"got {' and '.join(given)}" if given else "got none"
        raise _problem((), f"expected exactly one of {names}; {found}")
