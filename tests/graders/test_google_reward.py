"""`google_reward`: Google's reward configuration as it is, each scorer, and every mistake with its place."""

import json
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from graders import Failure, FailureKind, GraderResult, GradingError, InvalidOptions, Item, Registry, Sample
from graders.context import HttpReply
from graders.dialects import is_google, with_type
from graders.errors import ConfigurationError, UnknownImage
from graders.kinds.google.string_match import StringMatch
from graders.kinds.google.texts import prompt_with, with_references
from graders.kinds.google_reward import callable_source
from graders.testing import FakeContext, FakeHttp, FakeJudge, FakeSandbox

REGISTRY = Registry.installed()
ITEM: dict[str, Any] = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "contents": [{"role": "user", "parts": [{"text": "Is it?"}]}],
    "references": {"answer": "Yes", "pattern": "Y.s", "broken": "("},
}
EXTRACT = {"parseType": "REGEX_EXTRACT", "regexExtractExpression": "<ans>(.*?)</ans>"}


def match(operation: str = "EXACT_MATCH", expression: str = "{{references.answer}}") -> dict[str, Any]:
    return {"stringMatchExpression": {"matchOperation": operation, "expression": expression}}


def string(name: str = "match", /, **scorer: Any) -> dict[str, Any]:
    rewards = {"correctAnswerReward": 1.0, "wrongAnswerReward": -0.5}
    return {"rewardName": name, "stringMatchRewardScorer": {**rewards, **(scorer or match())}}


def code(
    source: str = "def evaluate(example, response):\n    return 0.5\n", name: str = "code"
) -> dict[str, Any]:
    return {"rewardName": name, "codeExecutionRewardScorer": {"pythonCodeSnippet": source}}


def autorater(**scorer: Any) -> dict[str, Any]:
    asked = {
        "autoraterPrompt": "{{prompt}} {{response}} {{system_instruction}} {{references.answer}} {{other}}"
    }
    return {
        "rewardName": "rated",
        "autoraterScorer": {**asked, **(scorer or {"parsedResponseConversionScorer": {}})},
    }


CLOUD_RUN = {"rewardName": "service", "cloudRunRewardScorer": {"cloudRunUri": "https://reward.run.app/"}}


def composite(*weighted: tuple[dict[str, Any], float]) -> dict[str, Any]:
    return {"weightedRewardConfigs": [{"rewardConfig": each, "weight": weight} for each, weight in weighted]}


async def grade(config: Any, text: str = "Yes", item: Item = ITEM, **fakes: Any) -> GraderResult:
    return await FakeContext(**fakes).grade(REGISTRY.load(config), Sample(text), item)


def problems(config: Any) -> list[str]:
    with pytest.raises(InvalidOptions) as caught:
        REGISTRY.load(config)
    return [str(problem) for problem in caught.value.problems]


# how it is written


@pytest.mark.parametrize(
    "config",
    [
        string(),
        {"singleRewardConfig": string()},
        {"type": "google_reward", "singleRewardConfig": string()},
        {"compositeRewardConfig": composite((string(), 3.0))},
        composite((string(), 3.0)),
        {"name": "mine", "pass_threshold": 0.5, **string()},
        types.SingleReinforcementTuningRewardConfig.model_validate(string()).model_dump(exclude_none=True),
        types.CompositeReinforcementTuningRewardConfig.model_validate(composite((string(), 1.0))).model_dump(
            mode="json", exclude_none=True
        ),
    ],
)
async def test_it_loads_in_every_form_in_which_it_is_held(config: dict[str, Any]) -> None:
    written = json.loads(json.dumps(config))
    assert (await grade(written)).reward == 1.0
    assert (await grade(written, "No")).reward == -0.5
    loaded = REGISTRY.load(written)
    assert loaded.info.range == (-1.0, 1.0)
    assert (await grade(loaded.config)).reward == 1.0


def test_equal_configurations_have_equal_signatures_however_they_are_written() -> None:
    snake = types.SingleReinforcementTuningRewardConfig.model_validate(string()).model_dump(exclude_none=True)
    configs = [string(), {"singleRewardConfig": string()}, json.loads(json.dumps(snake))]
    assert len({REGISTRY.load(config).info.signature for config in configs}) == 1


def test_what_is_not_googles_stays_as_it_is() -> None:
    configs: list[dict[str, Any]] = [
        {"type": "string_check"},
        {},
        {"singleReward": {}},
        {"type": "x", "singleRewardConfig": {}},
    ]
    for config in configs:
        assert not is_google(config)
        assert with_type(config) is config


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"type": "google_reward"}, "expected exactly one of singleRewardConfig and compositeRewardConfig"),
        (
            {"singleRewardConfig": string(), "compositeRewardConfig": composite((string(), 1))},
            "expected exactly one of singleRewardConfig and compositeRewardConfig",
        ),
        ({"singleRewardConfig": {}}, "singleRewardConfig: expected exactly one of stringMatchRewardScorer"),
        ({**string(), **code()}, "got stringMatchRewardScorer and codeExecutionRewardScorer"),
        ({**string(), "scorer": 1}, "singleRewardConfig.scorer: no such field"),
        (string(stringMatchExpression=None), "exactly one of stringMatchExpression, jsonMatchExpression"),
        (string(**match("CONTAINS")), "stringMatchExpression.matchOperation: expected"),
        (string(**match("REGEX_CONTAINS", "(")), "stringMatchExpression.expression: '(' is not a regular"),
        ({**string(), "parseResponseConfig": {"parseType": "REGEX_EXTRACT"}}, "needs this expression"),
        (
            {**string(), "parseResponseConfig": {**EXTRACT, "regexExtractExpression": "(a)(b)"}},
            "at most one capturing group",
        ),
        (
            {**string(), "parseResponseConfig": {**EXTRACT, "regexExtractExpression": "(?=a)"}},
            "parseResponseConfig.regexExtractExpression: ",
        ),
        (
            autorater(exactMatchScorer={"expression": "a"}, parsedResponseConversionScorer={}),
            "exactly one of",
        ),
        ({"cloudRunRewardScorer": {"cloudRunUri": "reward.run.app"}}, "cloudRunUri: expected a URL"),
        (
            composite((CLOUD_RUN | {"cloudRunRewardScorer": {"cloudRunUri": "x"}}, 1)),
            "0.rewardConfig.cloudRun",
        ),
        (composite(), "weightedRewardConfigs: "),
        (composite(*[(string(str(n)), 1.0) for n in range(17)]), "weightedRewardConfigs: "),
        (composite((string("a"), 1.0), (string("b"), -1.0)), "the weights add up to 0"),
        (
            composite((string("a"), 1.0), (string("a"), 1.0)),
            "1.rewardConfig.rewardName: duplicate rewardName",
        ),
    ],
)
def test_every_mistake_has_its_place(config: dict[str, Any], wanted: str) -> None:
    assert [problem for problem in problems(config) if wanted in problem], problems(config)


# string matches


@pytest.mark.parametrize(
    ("operation", "expression", "text", "right"),
    [
        ("EXACT_MATCH", "Yes", "Yes", True),
        ("EXACT_MATCH", "Yes", "Yes.", False),
        ("exact_match", "Y.s", "Yes", False),
        ("PARTIAL_MATCH", "{{references.answer}}", "Oh Yes!", True),
        ("PARTIAL_MATCH", "{{ references.answer }}", "yes", False),
        ("REGEX_CONTAINS", "^{{references.pattern}}$", "Yes", True),
        ("REGEX_CONTAINS", "{{references.pattern}}", "Y", False),
        ("REGEX_CONTAINS", "(?i)yes", "oh YES", True),
    ],
)
async def test_a_string_match(operation: str, expression: str, text: str, *, right: bool) -> None:
    result = await grade(string(**match(operation, expression)), text)
    assert result.reward == (1.0 if right else -0.5)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ('{"a": "Yes"}', True),
        ('{"a": {"b": 1}}', False),
        ('{"b": "Yes"}', False),
        ('["Yes"]', False),
        ("Yes", False),
    ],
)
async def test_a_match_in_json_looks_at_the_first_level(text: str, *, right: bool) -> None:
    value = match()["stringMatchExpression"]
    scorer = {"jsonMatchExpression": {"keyName": "a", "valueStringMatchExpression": value}}
    assert (await grade(string(**scorer), text)).reward == (1.0 if right else -0.5)


async def test_a_value_in_json_that_is_no_text_is_compared_as_compact_json() -> None:
    value = {"matchOperation": "EXACT_MATCH", "expression": '{"b":1}'}
    scorer = {"jsonMatchExpression": {"keyName": "a", "valueStringMatchExpression": value}}
    assert (await grade(string(**scorer), '{"a": {"b": 1}}')).reward == 1.0


@pytest.mark.parametrize(
    ("expression", "text", "parsed"),
    [
        ("<ans>(.*?)</ans>", "<ans>No</ans> <ans>Yes</ans>", "Yes"),
        ("Y..", "Yes Yep Yum", "Yum"),
        ("(Y)?x", "x", ""),
        ("Y..", "No", ""),
    ],
)
async def test_the_last_match_counts_and_its_group_where_there_is_one(
    expression: str, text: str, parsed: str
) -> None:
    parse = {"parseType": "regex_extract", "regexExtractExpression": expression}
    result = await grade({**string(**match(expression=parsed)), "parseResponseConfig": parse}, text)
    assert (result.reward, result.metadata) == (1.0, {"parsed_response": parsed})


async def test_identity_leaves_the_response_as_it_is() -> None:
    config = {**string(**match("PARTIAL_MATCH", "x")), "parseResponseConfig": {"parseType": "IDENTITY"}}
    result = await grade(config, "x" * 3_000)
    assert (result.reward, result.metadata) == (1.0, {})


async def test_a_long_response_reaches_a_scorer_whole() -> None:
    sandbox, text = FakeSandbox([0.5]), "x" * 100_000
    await grade({**code(), "parseResponseConfig": EXTRACT}, f"<ans>{text}</ans>", sandbox=sandbox)
    assert sandbox.calls[0]["message"]["sample"]["parts"] == [{"text": text}]


@pytest.mark.parametrize(
    ("expression", "item", "message"),
    [
        (
            "{{references.none}}",
            ITEM,
            "the row has no such reference; its references: answer, pattern, broken",
        ),
        ("{{references.answer}}", {}, "its references: none"),
        ("{{references.broken}}", ITEM, "with the references of this row the expression is not valid"),
    ],
)
async def test_a_row_that_does_not_fit_is_ungraded(expression: str, item: Item, message: str) -> None:
    result = await grade(string(**match("REGEX_CONTAINS", expression)), item=item)
    assert result.reward is None
    assert result.failure is not None
    assert (result.failure.kind, result.failure.caused_by) == (FailureKind.INVALID_VARIABLE, "grader")
    assert message in result.failure.message


async def test_rewards_are_clipped_and_missing_ones_are_zero() -> None:
    scorer = {"correctAnswerReward": 7.0, "wrongAnswerReward": -7.0, **match()}
    config = {"rewardName": "a", "stringMatchRewardScorer": scorer}
    assert [(await grade(config, text)).reward for text in ("Yes", "No")] == [1.0, -1.0]
    bare = {"stringMatchRewardScorer": match()}
    assert [(await grade(bare, text)).reward for text in ("Yes", "No")] == [0.0, 0.0]


def test_an_expression_that_takes_long_goes_elsewhere() -> None:
    def bounded(config: dict[str, Any], text: str) -> bool:
        return bool(REGISTRY.load(config).function.is_bounded(Sample(text), ITEM))

    extract, contains = (
        {**string(), "parseResponseConfig": EXTRACT},
        string(**match("REGEX_CONTAINS", "(a|b)*c")),
    )
    for config in (extract, contains, composite((string("a"), 1.0), ({**contains, "rewardName": "b"}, 1.0))):
        assert bounded(config, "Yes")
        assert not bounded(config, "x" * 5_000_000)
    assert bounded(string(), "x" * 5_000_000)


# several


async def test_a_composite_is_the_weighted_mean() -> None:
    extracted = {**string("a"), "parseResponseConfig": EXTRACT}
    config = composite((extracted, 3.0), (string("b", **match(expression="No")), 1.0))
    result = await grade(config, "<ans>Yes</ans>")
    assert result.reward == pytest.approx((3 * 1.0 + 1 * -0.5) / 4)
    assert result.sub_rewards == {"a": 1.0, "b": -0.5}
    assert result.metadata == {"rewards": {"a": {"parsed_response": "Yes"}}}


async def test_one_ungraded_reward_leaves_the_composite_ungraded_and_keeps_the_others() -> None:
    config = composite((string("a"), 1.0), (code(), 1.0))
    sandbox = FakeSandbox([GradingError("it raised", kind=FailureKind.PYTHON_GRADER_RUNTIME)])
    result = await grade(config, sandbox=sandbox)
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.message == "it raised"
    assert result.sub_rewards == {"a": 1.0, "code": None}
    assert result.parts["code"].failure == result.failure


async def test_a_part_that_fails_by_the_models_doing_has_the_lowest_reward() -> None:
    config = composite((string("a"), 1.0), (code(), 1.0))
    result = await grade(config, sandbox=FakeSandbox([GradingError("too long", caused_by="model")]))
    assert result.sub_rewards == {"a": 1.0, "code": -1.0}
    assert result.reward == 0.0
    assert result.failure is not None
    assert result.failure.caused_by == "model"


@given(st.lists(st.tuples(st.booleans(), st.floats(0.125, 8)), min_size=1, max_size=16))
async def test_a_mean_lies_between_its_rewards(parts: list[tuple[bool, float]]) -> None:
    weighted = [
        (string(str(n), **match(expression="Yes" if right else "No")), weight)
        for n, (right, weight) in enumerate(parts)
    ]
    result = await grade(composite(*weighted))
    assert result.reward is not None
    rewards = [1.0 if right else -0.5 for right, _ in parts]
    assert min(rewards) - 1e-9 <= result.reward <= max(rewards) + 1e-9


# code


async def test_code_is_given_the_row_and_what_was_parsed() -> None:
    sandbox = FakeSandbox([0.25])
    item = {**ITEM, "system_instruction": "s"}
    config = {**code(), "parseResponseConfig": EXTRACT}
    assert (await grade(config, "<ans>Yes</ans>", item, sandbox=sandbox)).reward == 0.25
    (call,) = sandbox.calls
    message = call["message"]
    assert message["source"].startswith("def evaluate(example, response):")
    assert message["source"].endswith("def grade(sample, item):\n    return evaluate(item, sample)\n")
    assert message["sample"] == {"role": "model", "parts": [{"text": "Yes"}]}
    assert message["item"] == {**ITEM, "systemInstruction": "s"}
    assert call["timeout_s"] == 100.0


@pytest.mark.parametrize(
    "snippet",
    [
        "def evaluate(example, response):\n    return example + response\n",
        "def grade(x):\n    return x\n\ndef evaluate(example, response):\n    return grade(example) + response\n",
        "grade = 1\n\ndef evaluate(example, response):\n    return example + response * grade\n",
        "from __future__ import annotations\ngrade = 0\ndef evaluate(example, response) -> X:\n    return example + response",
    ],
)
def test_a_snippet_keeps_all_its_names(snippet: str) -> None:
    namespace: dict[str, Any] = {}
    exec(callable_source(snippet), namespace)  # noqa: S102  # our own
    assert namespace["grade"](2, 1) == 3
    assert namespace["grade"](2, 1) == 3


@pytest.mark.parametrize(("returned", "reward"), [(5.0, 1.0), (-5.0, -1.0), (0.5, 0.5)])
async def test_what_code_returns_is_clipped(returned: float, reward: float) -> None:
    assert (await grade(code(), sandbox=FakeSandbox([returned]))).reward == reward


async def test_code_that_does_not_compile_is_found_before_anything_is_graded() -> None:
    class Refuses(FakeSandbox):
        async def check(self, source: str | None = None, *, image: str | None = None) -> None:
            raise ConfigurationError("line 1: invalid syntax")

    class HasNoImage(FakeSandbox):
        async def check(self, source: str | None = None, *, image: str | None = None) -> None:
            raise UnknownImage("there is no default image")

    loaded = REGISTRY.load(composite((string(), 1.0), (code("def ("), 1.0)))
    with pytest.raises(InvalidOptions, match="code: pythonCodeSnippet: line 1: invalid syntax"):
        await loaded.function.prepare(FakeContext(sandbox=Refuses([])))
    with pytest.raises(UnknownImage):
        await loaded.function.prepare(FakeContext(sandbox=HasNoImage([])))
    await loaded.function.prepare(FakeContext(sandbox=FakeSandbox([])))


async def test_a_response_that_cannot_be_parsed_in_time_fails_before_it_is_scored() -> None:
    class Slow(FakeContext):
        async def grade(self, grader: Any, sample: Sample, item: Item) -> GraderResult:
            if isinstance(grader.function, StringMatch):
                failure = Failure(
                    kind=FailureKind.OTHER, caused_by="infrastructure", message="it took too long"
                )
                return GraderResult(None, failure=failure)
            return await super().grade(grader, sample, item)

    loaded = REGISTRY.load({**code(), "parseResponseConfig": EXTRACT})
    result = await Slow(sandbox=FakeSandbox([1.0])).grade(loaded, Sample("Yes"), ITEM)
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.message == "it took too long"


# services


async def test_a_service_is_asked_as_google_asks_it() -> None:
    http = FakeHttp([HttpReply(200, {"reward": 3, "user_requested_aux_info": "well done"})])
    result = await grade(CLOUD_RUN, http=http)
    assert (result.reward, result.explanation) == (1.0, "well done")
    assert result.metadata == {"user_requested_aux_info": "well done"}
    (call,) = http.calls
    assert call["body"] == {
        "example": ITEM,
        "response": {"role": "model", "parts": [{"text": "Yes"}]},
        "metadata": {"step": 0, "tuning_job_id": 0},
    }
    assert (call["url"], call["timeout_s"]) == ("https://reward.run.app/", 300.0)


@pytest.mark.parametrize(
    "body", [{}, {"reward": None}, {"reward": "1"}, {"reward": True}, {"reward": 1e999}, []]
)
async def test_a_wrong_answer_of_a_service_is_ungraded(body: Any) -> None:
    result = await grade(CLOUD_RUN, http=FakeHttp([HttpReply(200, body)]))
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.kind == FailureKind.ENDPOINT_GRADER_INTERNAL


async def test_a_service_that_says_nothing_more_has_no_explanation() -> None:
    result = await grade(
        CLOUD_RUN, http=FakeHttp([HttpReply(200, {"reward": 0, "user_requested_aux_info": 5})])
    )
    assert (result.reward, result.explanation, result.metadata) == (0.0, None, {})


async def test_a_response_that_is_too_long_for_a_service_is_the_models_doing() -> None:
    result = await grade(CLOUD_RUN, "x" * 1_000_001, http=FakeHttp([]))
    assert result.reward == -1.0


# autoraters


async def test_an_autorater_is_asked_with_everything_in_its_place() -> None:
    judge = FakeJudge([{"response": " 0.5 "}])
    result = await grade(autorater(), judge=judge)
    assert result.reward == 0.5
    assert result.metadata["parsed_autorater_response"] == " 0.5 "
    (call,) = judge.calls
    assert call["messages"] == [{"role": "user", "content": "Is it? Yes Be brief. Yes {{other}}"}]
    assert (call["model"], call["sampling"]) == ("autorater", {})


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("projects/p/locations/l/publishers/google/models/gemini-3-pro", "gemini-3-pro"),
        ("projects/p/locations/l/endpoints/123", "123"),
        ("publishers/google/models/gemini", "gemini"),
        ("gemini-3-pro", "gemini-3-pro"),
    ],
)
async def test_an_autorater_is_the_judge_of_its_models_name(name: str, model: str) -> None:
    config = {
        "autoraterModel": name,
        "samplingCount": 4,
        "flipEnabled": False,
        "generationConfig": {"temperature": 0.1, "topP": None, "maxOutputTokens": 9, "topK": 3},
    }
    judge = FakeJudge([{"response": "1"}])
    await grade(autorater(autoraterConfig=config, parsedResponseConversionScorer={}), judge=judge)
    (call,) = judge.calls
    assert call["model"] == model
    assert call["sampling"] == {"temperature": 0.1, "max_completion_tokens": 9}


async def test_an_autorater_may_be_compared_with_a_text() -> None:
    parse = {"parseType": "REGEX_EXTRACT", "regexExtractExpression": "verdict: (.*)"}
    exact = {"correctAnswerReward": 0.75, "wrongAnswerReward": -0.25, "expression": "{{references.answer}}"}
    config = autorater(autoraterResponseParseConfig=parse, exactMatchScorer=exact)
    for said, reward in (("verdict: No\nverdict: Yes", 0.75), ("verdict: No", -0.25), ("nothing", -0.25)):
        assert (await grade(config, judge=FakeJudge([{"response": said}]))).reward == reward


@pytest.mark.parametrize("said", ["inf", "nan", "", "I give 5 of 10", "1,5", "0x1", "1e9999", "1_0", "--1"])
async def test_only_a_number_alone_is_an_autoraters_number(said: str) -> None:
    result = await grade(autorater(), judge=FakeJudge([{"response": said}]))
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.kind == FailureKind.MODEL_GRADER_PARSE


@pytest.mark.parametrize(
    ("said", "reward"), [("7", 1.0), ("-2.5", -1.0), ("+.5", 0.5), ("1e-1", 0.1), ("0.", 0.0)]
)
async def test_an_autoraters_number_is_clipped(said: str, reward: float) -> None:
    assert (await grade(autorater(), judge=FakeJudge([{"response": said}]))).reward == reward


@pytest.mark.parametrize("output", [{}, {"response": 5}, "Yes"])
async def test_an_autorater_that_answers_something_else_is_ungraded(output: Any) -> None:
    assert (await grade(autorater(), judge=FakeJudge([output]))).reward is None


# texts


@given(st.text(max_size=40), st.text("{}references.ab ", max_size=60))
def test_what_was_put_into_a_text_is_never_read_again(value: str, text: str) -> None:
    item = {"references": {"a": value}}
    assert with_references("{{references.a}}", item) == value
    hostile = {"references": {"a": "{{references.b}}", "b": "secret"}}
    assert with_references("{{references.a}}", hostile) == "{{references.b}}"
    assert "secret" not in prompt_with("{{response}}{{references.a}}", hostile, "{{references.b}}" + text)


@pytest.mark.parametrize(
    ("item", "prompt"),
    [
        ({"contents": "Is it?"}, "Is it?"),
        ({"contents": None}, ""),
        (
            {"contents": [{"parts": [{"text": "a"}, {"text": "b", "thought": True}, {"inlineData": {}}, 5]}]},
            "a",
        ),
        (
            {
                "contents": [
                    {"role": "user", "parts": [{"text": "a"}]},
                    {"role": "model", "parts": None},
                    {"parts": []},
                ]
            },
            "user: a\nmodel: \nuser: ",
        ),
    ],
)
def test_a_prompt_is_the_text_of_the_contents(item: Item, prompt: str) -> None:
    assert prompt_with("{{prompt}}", item, "") == prompt


def test_a_system_instruction_may_be_a_text_or_missing() -> None:
    assert prompt_with("{{system_instruction}}", {"system_instruction": "s"}, "") == "s"
    assert prompt_with("[{{ system_instruction }}]", {}, "") == "[]"
    assert prompt_with("{{references.n}}", {"references": {"n": 5}}, "") == "5"
