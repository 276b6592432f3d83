"""`google_reward`: the reward configuration of Gemini's reinforcement tuning, as Google takes it."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from graders.bound_grader import Grader
from graders.context import Context
from graders.contract import GraderResult, Item, brief, checked_number
from graders.errors import ConfigurationError, GradingError, InvalidOptions, Problem, UnknownImage
from graders.kinds.endpoint import ask_service, invalid_answer, wrong_url
from graders.kinds.google.config import (
    AutoraterScorer,
    CompositeReward,
    ParseConfig,
    SingleReward,
)
from graders.kinds.google.string_match import (
    PARSED,
    StringMatch,
    StringMatches,
    clipped,
    failed,
    mean,
)
from graders.kinds.google.texts import example_of, last_match, prompt_with, with_references
from graders.kinds.judging import answer_schema, asked, judged, paid, unparseable
from graders.options import Also, option_values, validate_options
from graders.plugin import grader
from graders.samples.sample import Sample

CODE_SECONDS = 100.0
SERVICE_SECONDS = 300.0
RETRIES = 3
DEFAULT_MODEL = "autorater"
"""Name of the judge where the configuration names no model; the operator configures it."""
_GRADE = re.compile(r"\bgrade\b")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?")
_MODEL = re.compile(r"(?:.*/)?(?:models|endpoints)/([^/]+)")
_SCHEMA = answer_schema(response={"type": "string"})
_SAMPLING = {
    "temperature": "temperature",
    "topP": "top_p",
    "top_p": "top_p",
    "seed": "seed",
    "maxOutputTokens": "max_completion_tokens",
    "max_output_tokens": "max_completion_tokens",
}

Single = Annotated[SingleReward | None, Also("single_reward_config")]
Composite = Annotated[CompositeReward | None, Also("composite_reward_config")]


@grader("google_reward", range=(-1.0, 1.0), libraries=["google-re2"])
class GoogleReward:
    """Reward in [-1, 1]: what a reward configuration of Gemini's reinforcement tuning gives.

    `singleRewardConfig` has one scorer: a string match, Python code that defines `evaluate(example, response)`, an autorater
    (a judge), or a Cloud Run service. `compositeRewardConfig` has up to 16 of these, and is their weighted mean. Rows are
    Google's: `{{references.key}}` reads the item's `references`, and `example` is the item. The configuration may also stand
    by itself, without a `type`. Where one reward of several is ungraded, so is the whole.

    Code runs in the sandbox, for up to 100 seconds. An autorater is the judge of the name at the end of `autoraterModel`, or
    `autorater`; its answer is a text, of which a number is taken only when the number is all of it. Source:
    `google.genai.types` of `google-genai` 3.6; that a response without a match of `regexExtractExpression` counts as empty is
    ours.
    """

    def __init__(
        self,
        *,
        singleRewardConfig: Single = None,  # noqa: N803  # the published name
        compositeRewardConfig: Composite = None,  # noqa: N803  # the published name
    ) -> None:
        if (singleRewardConfig is None) == (compositeRewardConfig is None):
            raise InvalidOptions(
                [Problem((), "expected exactly one of singleRewardConfig and compositeRewardConfig")]
            )
        self._is_single = compositeRewardConfig is None
        weighted = [] if compositeRewardConfig is None else compositeRewardConfig.weighted_reward_configs
        single = [] if singleRewardConfig is None else [(singleRewardConfig, 1.0)]
        self._rewards = [*single, *((each.reward_config, each.weight) for each in weighted)]
        for index, (reward, _) in enumerate(self._rewards):
            self._check(reward, index)
        matches = [
            (StringMatch(reward.reward_name, scorer, reward.parse_response_config), weight)
            for reward, weight in self._rewards
            if (scorer := reward.string_match_reward_scorer) is not None
        ]
        if len(matches) == len(self._rewards):  # nothing needs a context
            self.grading = matches[0][0] if self._is_single else StringMatches(matches)
        else:
            self._extractors = [_extractor(reward) for reward, _ in self._rewards]

    def _check(self, reward: SingleReward, index: int) -> None:
        """Check the URL of a service.

        Raises:
            InvalidOptions: If its URL is not valid.
        """
        service = reward.cloud_run_reward_scorer
        wrong = None if service is None else wrong_url(service.cloud_run_uri)
        if wrong:
            at = ("singleRewardConfig",)
            if not self._is_single:
                at = ("compositeRewardConfig", "weightedRewardConfigs", index, "rewardConfig")  # type: ignore[assignment]
            raise InvalidOptions([Problem((*at, "cloudRunRewardScorer", "cloudRunUri"), wrong)])

    async def prepare(self, context: Context) -> None:
        """Check that the code compiles, before anything is graded.

        Raises:
            InvalidOptions: If it does not.
            GradingError: If no sandbox is available to check it.
        """
        for reward, _ in self._rewards:
            code = reward.code_execution_reward_scorer
            if code is None:
                continue
            try:
                await context.sandbox.check(f"{code.python_code_snippet}\n\ndef grade(sample, item): ...\n")
            except UnknownImage:
                raise
            except ConfigurationError as error:
                message = f"{reward.reward_name}: pythonCodeSnippet: {error}"
                raise InvalidOptions([Problem((), message)]) from error

    async def __call__(self, sample: Sample, item: Item, context: Context) -> GraderResult:
        """Grade one sample."""
        results = []
        for (reward, weight), extractor in zip(self._rewards, self._extractors, strict=True):
            result = await self._part(reward, extractor, sample, item, context)
            results.append((reward.reward_name, weight, result))
        return results[0][2] if self._is_single else mean(results)

    async def _part(
        self, reward: SingleReward, extractor: Grader | None, sample: Sample, item: Item, context: Context
    ) -> GraderResult:
        """The result of one reward."""
        text = sample.output_text
        if extractor is not None:  # in another process where the text may take long
            extracted = await context.grade(extractor, sample, item)
            if reward.string_match_reward_scorer is not None or extracted.failure is not None:
                return extracted.replace(grader=None, passed=None)
            text = str(extracted.metadata[PARSED])
        try:
            if reward.code_execution_reward_scorer is not None:
                source = reward.code_execution_reward_scorer.python_code_snippet
                return await _by_code(source, text, item, context)
            if reward.cloud_run_reward_scorer is not None:
                return await _by_service(reward.cloud_run_reward_scorer.cloud_run_uri, text, item, context)
            assert reward.autorater_scorer is not None  # noqa: S101  # the model has exactly one
            return await _by_autorater(reward.autorater_scorer, text, item, context)
        except GradingError as error:
            if self._is_single:
                raise
            return failed(error)


def _extractor(reward: SingleReward) -> Grader | None:
    """A grader that applies what needs no context of a reward: its match, or the expression that parses a response."""
    scorer, parse = reward.string_match_reward_scorer, reward.parse_response_config
    if scorer is None and (parse is None or parse.pattern is None):
        return None
    config = reward.model_dump(by_alias=True, exclude_none=True, mode="json")
    if scorer is None:
        match = {"matchOperation": "EXACT_MATCH", "expression": ""}
        config = {
            "rewardName": reward.reward_name,
            "parseResponseConfig": config["parseResponseConfig"],
            "stringMatchRewardScorer": {"stringMatchExpression": match},
        }
    whole = {"type": "google_reward", "name": reward.reward_name, "singleRewardConfig": config}
    kind = GoogleReward.grader_type  # type: ignore[attr-defined]  # the decorator adds it
    options = validate_options(kind.options, option_values(kind.options, whole))
    return Grader.bind(kind, options, config=whole, versions=",".join, built_in=True)


def _content(text: str) -> dict[str, Any]:
    return {"role": "model", "parts": [{"text": text}]}


def callable_source(snippet: str) -> str:
    """A source of a Python grader that calls the `evaluate` of a snippet.

    The call stands behind the snippet, so that its line numbers stay. A snippet that has a `grade` of its own keeps it: it is
    run in a namespace of its own, where nothing takes that name.
    """
    if _GRADE.search(snippet) is None:
        return f"{snippet}\n\ndef grade(sample, item):\n    return evaluate(item, sample)\n"
    return (
        'snippet = {"__name__": "snippet"}\n'
        f'exec(compile({snippet!r}, "snippet.py", "exec"), snippet)\n\n'
        'def grade(sample, item):\n    return snippet["evaluate"](item, sample)\n'
    )


async def _by_code(source: str, text: str, item: Item, context: Context) -> GraderResult:
    rows = [(_content(text), example_of(item))]
    (answer,) = await context.sandbox.grade(callable_source(source), rows, timeout_s=CODE_SECONDS)
    if isinstance(answer, GradingError):
        raise answer
    return GraderResult(clipped(answer))


async def _by_service(url: str, text: str, item: Item, context: Context) -> GraderResult:
    body = {
        "example": example_of(item),
        "response": _content(text),
        "metadata": {"step": 0, "tuning_job_id": 0},
    }
    reply = await ask_service(
        context, url, body, of_model="response", headers={}, timeout_s=SERVICE_SECONDS, retries=RETRIES
    )
    reward = reply.body.get("reward")
    if isinstance(reward, bool):
        raise invalid_answer(reply, f"its 'reward' is not a number: {reward}")
    try:
        number = checked_number(reward)
    except ValueError as error:
        raise invalid_answer(reply, f"its 'reward' is not valid: {error}") from None
    said = reply.body.get("user_requested_aux_info")
    aux = said if isinstance(said, str) else None
    metadata = {} if aux is None else {"user_requested_aux_info": aux}
    return GraderResult(clipped(number), explanation=aux, metadata=metadata)


async def _by_autorater(scorer: AutoraterScorer, text: str, item: Item, context: Context) -> GraderResult:
    config = scorer.autorater_config
    verdict = await asked(
        context,
        of_sample=lambda: len(text),
        model=_model(None if config is None else config.autorater_model),
        messages=[{"role": "user", "content": prompt_with(scorer.autorater_prompt, item, text)}],
        schema=_SCHEMA,
        sampling=_sampling({} if config is None else config.generation_config or {}),
        name="autorater",
    )
    with paid([verdict]):
        said = verdict.output.get("response") if isinstance(verdict.output, Mapping) else None
        if not isinstance(said, str):
            raise unparseable(f"the autorater's 'response' is not a string: {brief(said)}")
        answer = last_match((scorer.autorater_response_parse_config or ParseConfig()).pattern, said)
        exact = scorer.exact_match_scorer
        if exact is None:
            reward = _number(answer)
        else:
            is_right = answer == with_references(exact.expression, item)
            reward = exact.correct_answer_reward if is_right else exact.wrong_answer_reward
    return judged(clipped(reward), [verdict], reasons=said, metadata={"parsed_autorater_response": answer})


def _number(text: str) -> float:
    """The number that a text is.

    Raises:
        GradingError: Of kind `model_grader_parse_error`, when it is anything else: a number inside a sentence is not taken for the reward.
    """
    if not _NUMBER.fullmatch(text.strip()):
        raise unparseable(f"the autorater's parsed response is not a number: {brief(text)}")
    return float(text)


def _model(name: str | None) -> str:
    """The judge of a model's full name."""
    if name is None:
        return DEFAULT_MODEL
    found = _MODEL.fullmatch(name)
    return found[1] if found else name


def _sampling(config: Mapping[str, Any]) -> dict[str, Any]:
    """Google's generation config as sampling parameters of a judge; those without an equivalent are left out."""
    return {
        _SAMPLING[name]: value for name, value in config.items() if name in _SAMPLING and value is not None
    }
