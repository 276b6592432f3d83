"""`explain`: the grading whose reward it shows is the one that it lays open, whatever the grader and however it ends."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from hostile_graders.asking import ask_judge
from hypothesis import given

from graders import Grader, Registry
from graders.bound_grader import MASK
from graders.formula import Formula
from runtime import Evaluator, Settings
from runtime.explain.explain import explain
from runtime.explain.explanation import CHARACTERS, TEXT_CHARACTERS, BoundedJson, Explanation
from runtime.explain.recording import CallLog
from runtime.explain.render import FEW_LINES, MOST_LINES, lines
from runtime.telemetry.tracing import Attributes, Kind, Span
from tests.conftest import ROOT
from tests.judge_server import JudgeServer, Raw, Reply, Request, answer, hang, status, verdict
from tests.strategies import json_values

REGISTRY = Registry.installed().including(ask_judge)
SECRET = "sesame-open-yourself"  # noqa: S105  # nobody's
STEPS = [("Compare.", "Close.")]
EXACT: dict[str, Any] = {
    "type": "string_check",
    "name": "exact",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
NUMBER: dict[str, Any] = {
    "type": "numeric_check",
    "name": "number",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "abs_tol": 1,
}
SCORE: dict[str, Any] = {
    "type": "score_model",
    "name": "score",
    "model": "judge",
    "input": [
        {"role": "developer", "content": "The answer is {{item.answer}}."},
        {"role": "user", "content": "{{sample.output_text}}"},
    ],
}
MULTI = {
    "type": "multi",
    "name": "both",
    "graders": {"exact": EXACT, "number": NUMBER},
    "calculate_output": "0.5 * exact + 0.25*number",
}
PYTHON: dict[str, Any] = {"type": "python", "source": "def grade(sample, item):\n    return 0.25\n"}


def judge_of(request: Request, _: int = 0) -> Reply:
    """The verdict that each kind of grader understands; and an endpoint, which says its caller's secret back."""
    if request.path == "/v1/embeddings":
        vectors = [{"object": "embedding", "index": n, "embedding": [1.0, float(n)]} for n in range(2)]
        return status(200, {}, {"object": "list", "data": vectors, "model": "e", "usage": {}})
    if "response_format" not in request.body:
        return status(200, {}, {"score": 0.5, "heard": request.headers["x-key"]})
    asked = request.body["response_format"]["json_schema"]
    fields = asked["schema"]["properties"]
    labels = fields.get("result", {}).get("enum", [""])
    replies: dict[str, Raw] = {
        "float_score_classification": verdict(0.75, STEPS),
        "label_classification": answer({"steps": [], "result": labels[0]}),
        "equivalence": answer({"reason": "Equal.", "same": "yes"}),
        "rubric": answer({key: {"reason": "It is.", "verdict": "yes"} for key in ("short", "right")}),
        "ranking": answer({key: {"reason": "Alone.", "score": 0.5} for key in fields}),
        "verdict": answer({"result": 0.5}),
    }
    return replies[asked["name"]]


class Names:
    """A tracer, and a span, that knows the names of the spans that were begun."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def begin(
        self,
        name: str,
        kind: Kind = "internal",
        attributes: Attributes | None = None,
        *,
        parent: Span | None = None,
        traceparent: str = "",
    ) -> Span:
        self.names.append(name)
        return self

    def traceparent(self) -> str:
        return ""

    def current(self) -> AbstractContextManager[None]:
        return nullcontext()

    def set(self, attributes: Attributes) -> None:
        assert attributes

    def fail(self, cause: str) -> None:
        raise AssertionError(cause)

    def end(self) -> None:
        assert self.names


class Place:
    """An evaluator, and the server that its judges and endpoints are on."""

    def __init__(self, evaluator: Evaluator, server: JudgeServer) -> None:
        self.evaluator, self.server = evaluator, server

    async def explain(
        self, grader: Mapping[str, Any], sample: str, item: Mapping[str, Any] | None = None, **more: Any
    ) -> Explanation:
        return await explain(self.evaluator, grader, sample, item, **more)


def settings_for(server: JudgeServer, quick: Settings, home: Path) -> Settings:
    changed = {
        "judges": {"*": {"base_url": server.url, "retries": 0, "parse_retries": 0}},
        "judge_cache_mb": 0,
        "judge_store": str(home / "judges.sqlite"),
        "endpoint_hosts": [server.url.split("/")[2]],
    }
    return Settings.model_validate({**quick.model_dump(), **changed})


@pytest.fixture(scope="module")
async def shared_place(quick: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    with JudgeServer(judge_of) as server:
        settings = settings_for(server, quick, tmp_path_factory.mktemp("explained"))
        async with Evaluator(REGISTRY, settings) as evaluator:
            yield Place(evaluator, server)


@pytest.fixture
def place(shared_place: Place) -> Place:
    """The evaluator and the server of the module, which has been asked nothing yet."""
    shared_place.server.requests.clear()
    return shared_place


def texts(explanation: Explanation) -> dict[str, str | None]:
    return {template.path: template.text for template in explanation.templates}


KINDS: dict[str, tuple[dict[str, Any], float]] = {
    "string_check": (EXACT, 0.0),
    "numeric_check": (NUMBER, 1.0),
    "pattern_match": (
        {
            "type": "pattern_match",
            "input": "{{sample.output_text}}",
            "pattern": "(?P<n>[0-9]+)",
            "groups": {"n": "5"},
        },
        1.0,
    ),
    "google_reward": (
        {
            "type": "google_reward",
            "singleRewardConfig": {
                "rewardName": "right",
                "stringMatchRewardScorer": {
                    "correctAnswerReward": 1.0,
                    "wrongAnswerReward": -1.0,
                    "stringMatchExpression": {"matchOperation": "EXACT_MATCH", "expression": "5"},
                },
            },
        },
        1.0,
    ),
    "text_similarity": ({**EXACT, "type": "text_similarity", "evaluation_metric": "rouge_1"}, 0.0),
    "multi": (MULTI, 0.25),
    "python": (PYTHON, 0.25),
    "code_tests": (
        {
            "type": "code_tests",
            "code": "f = lambda x: x + {{sample.output_text}}",
            "tests": [
                {"function": "f", "call": [1], "expected": 6},
                {"function": "f", "call": [1], "expected": 7},
            ],
        },
        0.5,
    ),
    "score_model": (SCORE, 0.75),
    "label_model": (
        {**SCORE, "type": "label_model", "labels": ["good", "bad"], "passing_labels": ["good"]},
        1.0,
    ),
    "rubric": (
        {
            "type": "rubric",
            "model": "judge",
            "criteria": {"right": "It is {{item.answer}}.", "short": "It is."},
        },
        1.0,
    ),
    "equivalence": ({"type": "equivalence", "model": "judge", "reference": "{{item.answer}}"}, 1.0),
    "rank": ({"type": "rank", "model": "judge", "criterion": "Clear."}, 0.5),
    "endpoint": ({"type": "endpoint", "headers": {"X-Key": SECRET}}, 0.5),
}


def config_of(kind: str, server: JudgeServer) -> dict[str, Any]:
    config, _ = KINDS[kind]
    changed = {"url": f"{server.url}/score"} if kind == "endpoint" else {}
    if kind == "text_similarity":
        config = {key: value for key, value in config.items() if key != "operation"}
    return {**config, **changed}


def test_every_built_in_type_is_explained_here() -> None:
    built_in = {entry.name for entry in REGISTRY.values() if entry.built_in}
    assert set(KINDS) == built_in


@pytest.mark.parametrize("kind", KINDS)
async def test_the_reward_is_that_of_the_grading_and_all_of_it_is_json(kind: str, place: Place) -> None:
    config = config_of(kind, place.server)
    explained = await place.explain(config, "5", {"answer": "4"})
    graded = await place.evaluator.grade(config, "5", {"answer": "4"})
    assert explained.result.reward == graded.reward == KINDS[kind][1]
    assert explained.result.grader == graded.grader == explained.grader
    assert (explained.sample, explained.key) == ("5", "")
    plain = explained.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["result"]["reward"] == KINDS[kind][1]
    assert f"signature: {graded.grader.signature}" in lines(explained)[-1]


async def test_templates_and_the_formula_show_what_became_of_them(place: Place) -> None:
    explained = await place.explain(MULTI, "5", {"answer": "4"})
    exact, number = explained.inside
    assert [(inner.key, inner.result.reward) for inner in explained.inside] == [
        ("graders.exact", 0.0),
        ("graders.number", 1.0),
    ]
    assert texts(exact) == texts(number) == {"input": "5", "reference": "4"}
    assert number.result.explanation == "5 from '5' (integer) against 4: distance 1"
    (formula,) = explained.formulas
    assert formula.source == "0.5 * exact + 0.25*number"
    assert formula.with_numbers == "0.5 * 0 + 0.25*1"
    assert formula.value == 0.25
    assert [inner.sample for inner in explained.inside] == [None, None]


async def test_an_explained_grading_is_printed_for_a_person(place: Place) -> None:
    explained = await place.explain(MULTI, "5", {"answer": "4"})
    exact, number = (inner.grader.signature for inner in explained.inside)
    assert [line for line in lines(explained) if "  time: " not in line] == [
        "both (multi): reward 0.25",
        "  sample: | 5",
        "  exact (string_check): reward 0, did not pass (at 0.5 or more)",
        "    operation: eq",
        "    input: {{sample.output_text}}",
        "      | 5",
        "    reference: {{item.answer}}",
        "      | 4",
        f"    signature: {exact}",
        "  number (numeric_check): reward 1, passed (at 0.5 or more)",
        "    why: | 5 from '5' (integer) against 4: distance 1",
        "    metrics: distance 1",
        "    abs_tol: 1",
        "    input: {{sample.output_text}}",
        "      | 5",
        "    reference: {{item.answer}}",
        "      | 4",
        f"    signature: {number}",
        "  calculate_output: 0.5 * exact + 0.25*number",
        "    0.5 * 0 + 0.25*1 = 0.25",
        f"  signature: {explained.grader.signature}",
    ]


async def test_a_hostile_sample_cannot_drive_the_terminal_nor_pass_for_our_words(place: Place) -> None:
    sample = "5\x1b]0;mine\x07\r\u202e\n  signature: forged\ud800"
    explained = await place.explain({**MULTI, "name": "\x1b[2J"}, sample, {"answer": "\x1b[31m"})
    shown = lines(explained)
    assert [line for line in shown if not line.isprintable()] == []
    assert shown[0].startswith(r"\x1b[2J (multi): reward 0")
    assert shown[2:4] == [r"    | 5\x1b]0;mine\x07\r\u202e", "    |   signature: forged\ufffd"]
    assert [line for line in shown if "forged" in line and "|" not in line] == []


@pytest.mark.parametrize(
    ("count", "left"), [(MOST_LINES, []), (MOST_LINES + 2, ["… 2 more lines, 9 characters"])]
)
async def test_a_text_of_many_lines_is_shortened(count: int, left: list[str], place: Place) -> None:
    explained = await place.explain(PYTHON, "\n".join(["four"] * count))
    shown = [line.strip() for line in lines(explained)]
    assert shown.count("| four") == MOST_LINES
    assert [line for line in shown if line.startswith("…")] == left


async def test_a_text_that_a_judge_is_shown_is_shown_whole_only_there(place: Place) -> None:
    explained = await place.explain(SCORE, "\n".join(["four"] * 8), {"answer": "4"})
    shown = [line.strip() for line in lines(explained)]
    assert shown.count("| four") == 8 + FEW_LINES + 8  # the sample, the template, the prompt


async def test_what_a_judge_is_asked_and_answers_is_shown_and_it_is_asked_once(place: Place) -> None:
    explained = await place.explain(SCORE, "5", {"answer": "4"})
    assert len(place.server.requests) == 1
    (call,) = explained.calls
    assert (call.service, call.finished, call.failure) == ("judge", True, None)
    assert call.asked == {
        "model": "judge",
        "messages": [
            {"role": "developer", "content": "The answer is 4."},
            {"role": "user", "content": "5"},
        ],
        "schema_name": "float_score_classification",
        "sampling": {},
    }
    assert call.answered == {
        "output": {"steps": [{"description": "Compare.", "conclusion": "Close."}], "result": 0.75},
        "model": "judge-1",
        "retries": 0,
        "cached": False,
    }
    assert call.usage["total_tokens"] == 120
    assert texts(explained) == {"input.0.content": "The answer is 4.", "input.1.content": "5"}


async def test_each_vote_is_a_grading_of_its_own(quick: Settings, tmp_path: Path) -> None:
    rewards = {1: 0.25, 2: 1.0, 3: 0.5}
    judges = [verdict(reward) for reward in rewards.values()]
    with JudgeServer(judges) as server:
        async with Evaluator(REGISTRY, settings_for(server, quick, tmp_path)) as evaluator:
            explained = await explain(evaluator, {**SCORE, "votes": 3}, "5", {"answer": "4"})
    assert (explained.result.reward, explained.votes, explained.calls) == (0.5, "median of 3", ())
    assert [vote.key for vote in explained.each_vote] == ["vote 1", "vote 2", "vote 3"]
    assert sorted(vote.result.reward or 0 for vote in explained.each_vote) == [0.25, 0.5, 1.0]
    assert [len(vote.calls) for vote in explained.each_vote] == [1, 1, 1]
    assert [vote.templates for vote in explained.each_vote] == [(), (), ()]
    assert len(server.requests) == 3


async def test_votes_of_a_formula_have_numbers_of_their_own(place: Place) -> None:
    explained = await place.explain({**MULTI, "votes": 2}, "5", {"answer": "4"})
    assert explained.formulas == ()
    assert [vote.formulas[0].with_numbers for vote in explained.each_vote] == ["0.5 * 0 + 0.25*1"] * 2


@pytest.mark.full
async def test_graders_inside_a_plugin_in_its_worker_are_shown_by_their_keys(place: Place) -> None:
    config = {"type": "best_of", "graders": {"low": EXACT, "deep": MULTI, "again": EXACT, "judged": SCORE}}
    explained = await place.explain(config, "5", {"answer": "4"})
    assert explained.result.reward == 0.75
    keys = ["graders.low", "graders.deep", "graders.again", "graders.judged"]
    assert [inner.key for inner in explained.inside] == keys
    assert [inner.key for inner in explained.inside[1].inside] == ["graders.exact", "graders.number"]
    assert explained.inside[3].calls[0].answered["output"]["result"] == 0.75
    assert explained.options == {}


@pytest.mark.full
async def test_what_a_plugin_asks_from_its_worker_is_shown(place: Place) -> None:
    explained = await place.explain({"type": "ask_judge"}, "grade me", trace_id="trace-7")
    assert (explained.result.reward, explained.result.explanation) == (0.5, "trace trace-7")
    assert explained.calls[0].asked["messages"] == [{"role": "user", "content": "grade me"}]


async def test_a_plugin_is_explained_by_its_options(place: Place) -> None:
    explained = await place.explain({"type": "keyword", "words": ["red", "blue"]}, "a red cat")
    assert explained.result.reward == 0.5
    assert explained.options == {"words": ["red", "blue"]}
    assert '  words: ["red", "blue"]' in lines(explained)


async def test_what_runs_in_the_sandbox_is_shown_with_its_answers(place: Place) -> None:
    config, _ = KINDS["code_tests"]
    explained = await place.explain(config, "5")
    assert [call.asked["role"] for call in explained.calls] == ["subject"] * 3
    assert explained.calls[0].asked["message"] == {"load": "f = lambda x: x + 5"}
    assert explained.calls[1].answered == {"number": 1, "value": 6}
    number = (await place.explain(PYTHON, "5")).calls
    assert [(call.service, call.asked, call.answered) for call in number] == [
        ("sandbox", {"role": "grade"}, 0.25)
    ]


async def test_what_a_program_writes_is_shown(place: Place) -> None:
    code = "import sys\nprint(input() * 2)\nprint('why', file=sys.stderr)\n"
    config = {"type": "code_tests", "tests": [{"input": "ab", "output": "abab"}]}
    explained = await place.explain(config, code)
    assert explained.result.reward == 1.0
    ended = explained.calls[-1].answered
    assert ended == {"status": 0, "stdout": "abab\n", "stderr": "why\n"}
    said = [line.strip() for line in lines(explained)]
    assert said[said.index("stderr:") : said.index("stderr:") + 2] == ["stderr:", "| why"]


async def test_of_vectors_only_their_number_and_length_are_shown(place: Place) -> None:
    config = {key: value for key, value in EXACT.items() if key != "operation"}
    config |= {"type": "text_similarity", "evaluation_metric": "cosine", "embedding_model": "e"}
    explained = await place.explain(config, "5", {"answer": "4"})
    assert explained.result.reward == pytest.approx(0.7071, abs=1e-4)
    (call,) = explained.calls
    assert (call.service, call.asked) == ("embedder", {"model": "e", "texts": ["5", "4"]})
    assert call.answered == {"vectors": 2, "dimensions": 2}


async def test_an_answer_that_was_remembered_says_so(quick: Settings, tmp_path: Path) -> None:
    with JudgeServer(judge_of) as server:
        settings = settings_for(server, quick, tmp_path)
        settings = settings.model_copy(
            update={"judge_cache": tmp_path / "verdicts.sqlite", "judge_cache_mb": 8}
        )
        async with Evaluator(REGISTRY, settings) as evaluator:
            first, again = [await explain(evaluator, SCORE, "5", {"answer": "4"}) for _ in range(2)]
    assert [first.calls[0].answered["cached"], again.calls[0].answered["cached"]] == [False, True]
    assert [
        any("remembered from an earlier question" in line for line in lines(one)) for one in (first, again)
    ] == [
        False,
        True,
    ]


async def test_a_grading_is_traced_while_it_is_explained(
    place: Place, quick: Settings, tmp_path: Path
) -> None:
    tracer = Names()
    async with Evaluator(REGISTRY, settings_for(place.server, quick, tmp_path), tracer=tracer) as evaluator:
        explained = await explain(evaluator, {**MULTI, "votes": 2}, "5", {"answer": "4"})
    assert explained.result.reward == 0.25
    assert sorted(tracer.names) == ["grade multi", *["grade numeric_check"] * 2, *["grade string_check"] * 2]


def test_calls_for_which_there_is_no_room_are_counted() -> None:
    book = BoundedJson()
    log = CallLog(book)
    with log.asking("judge", model="a") as first:
        first.answered = 1
    while book.has_room():
        pass
    with log.asking("judge", model="b") as second:
        second.answered = 2
    assert ([call.answered for call in log.calls()], log.left_out) == ([1], 1)


async def test_a_failure_caused_by_the_model_is_shown_beside_its_reward(place: Place) -> None:
    explained = await place.explain(NUMBER, "none", {"answer": "4"})
    assert explained.result.reward == 0.0
    assert lines(explained)[:4] == [
        "number (numeric_check): reward 0, did not pass (at 0.5 or more)",
        "  sample: | none",
        "  failure: sample_parse_error, caused by the model",
        "    | the sample gives no answer: there is no number",
    ]


async def test_a_template_that_fails_says_why_and_leaves_the_sample_ungraded(place: Place) -> None:
    explained = await place.explain(EXACT, "5", {"question": "?"})
    assert explained.result.reward is None
    assert explained.result.failure is not None
    assert explained.result.failure.caused_by == "grader"
    given, missing = explained.templates
    assert (given.text, given.failure) == ("5", None)
    assert (missing.text, missing.failure) == (None, "{{item.answer}} is not there: item has question")
    assert lines(explained)[0] == "exact (string_check): ungraded"


async def test_a_formula_without_all_its_numbers_keeps_the_missing_names(place: Place) -> None:
    explained = await place.explain({**MULTI, "invalid_grade": -1}, "5", {"question": "?"})
    assert (explained.result.reward, explained.result.substituted) == (-1.0, True)
    (formula,) = explained.formulas
    assert (formula.with_numbers, formula.value) == ("0.5 * exact + 0.25*number", None)
    shown = lines(explained)
    assert "    0.5 * exact + 0.25*number has no value" in shown
    assert "  the reward is the invalid_grade that the author asked for in place of a failed one" in shown


async def test_code_that_raises_is_shown_with_what_it_wrote(place: Place) -> None:
    source = "def grade(sample, item):\n    print('about to fail')\n    return 1 / 0\n"
    explained = await place.explain({"type": "python", "source": source}, "5")
    assert explained.result.reward is None
    (call,) = explained.calls
    assert call.failure is not None
    assert call.failure.details["stdout"] == "about to fail\n"
    assert call.failure == explained.result.failure
    said = [line.strip() for line in lines(explained)]
    assert said.count("| python: ZeroDivisionError: division by zero") == 1
    assert "stdout: | about to fail" in said


async def test_a_judge_that_fails_is_shown_with_the_cause(quick: Settings, tmp_path: Path) -> None:
    with JudgeServer([status(500)]) as server:
        async with Evaluator(REGISTRY, settings_for(server, quick, tmp_path)) as evaluator:
            explained = await explain(evaluator, SCORE, "5", {"answer": "4"})
    assert explained.result.reward is None
    assert explained.result.failure is not None
    assert explained.result.failure.caused_by == "infrastructure"
    (call,) = explained.calls
    assert (call.failure, call.answered, call.finished) == (explained.result.failure, None, True)


async def test_a_call_that_the_deadline_cut_off_is_shown_as_unfinished(
    quick: Settings, tmp_path: Path
) -> None:
    with JudgeServer([hang()]) as server:
        async with Evaluator(REGISTRY, settings_for(server, quick, tmp_path)) as evaluator:
            config = {"type": "multi", "graders": {"a": SCORE}, "calculate_output": "a"}
            explained = await explain(evaluator, config, "5", {"answer": "4"}, deadline_s=0.2)
    assert explained.result.failure is not None
    assert explained.result.failure.details == {"type": "deadline"}
    (inner,) = explained.inside
    assert inner.result.failure is not None
    assert inner.result.failure.details == {"type": "deadline"}
    assert [call.finished for call in inner.calls] == [False]
    assert any("nobody waited for the answer any more" in line for line in lines(explained))


async def test_no_secret_of_an_endpoint_is_shown_even_when_it_says_it_back(place: Place) -> None:
    url = f"{place.server.url}/score?key={SECRET}"
    explained = await place.explain({**config_of("endpoint", place.server), "url": url}, "5")
    assert place.server.requests[0].headers["x-key"] == SECRET
    (call,) = explained.calls
    assert call.asked["headers"] == {"X-Key": MASK}
    assert call.asked["url"] == f"{place.server.url}/score?{MASK}"
    assert call.answered == {"status": 200, "body": {"score": 0.5, "heard": MASK}}
    assert explained.options["headers"] == {"X-Key": MASK}


@pytest.mark.full
async def test_a_jsonpath_over_much_data_is_not_rendered_again_in_the_callers_process(place: Place) -> None:
    config = {**EXACT, "input": "{{item.rows[?(@.n > 1)].n}}", "reference": "[2]"}
    items = [{"n": 2}, *[{"n": 0} for _ in range(2_000)]]
    explained = await place.explain(config, "5", {"rows": items})
    assert explained.result.reward == 1.0
    assert explained.templates[0].failure == (
        "not rendered again: a JSONPath may take long over this much data"
    )


async def test_a_long_text_is_cut_and_says_by_how_much(place: Place) -> None:
    explained = await place.explain(EXACT, "a" * 30_000, {"answer": "4"})
    text = texts(explained)["input"]
    assert text == "a" * TEXT_CHARACTERS + "… (10,000 characters left out)"
    shown = [line for line in lines(explained) if "aaa" in line]
    assert [len(line) < 300 for line in shown] == [True] * len(shown)


@pytest.mark.full
async def test_one_long_field_in_hundreds_of_graders_does_not_fill_the_memory(place: Place) -> None:
    graders = {f"g{n}": EXACT for n in range(300)}
    config = {"type": "multi", "graders": graders, "calculate_output": "g0"}
    explained = await place.explain(config, "a" * 19_000, {"answer": "b" * 19_000})
    assert explained.result.reward == 0.0
    assert len(explained.inside) == 300
    assert len(json.dumps(explained.to_dict())) < 2 * CHARACTERS


@given(value=json_values())
def test_what_a_book_keeps_is_json_and_whole_where_there_is_room(value: object) -> None:
    plain = BoundedJson().plain(value)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain == value or not is_written(value)


def is_written(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:  # an integer of thousands of digits, or half a surrogate pair
        return False
    return True


def test_what_json_does_not_have_is_kept_as_what_it_has() -> None:
    deep: object = "end"
    for _ in range(60):
        deep = [deep]
    kept = BoundedJson().plain({"a": float("nan"), "b": {1, 2}, "c": 10**5_000, 7: ("x",), "half": "\ud800!"})
    assert kept == {
        "a": None,
        "b": "<set>",
        "c": "<an integer of 16,610 bits>",
        "7": ["x"],
        "half": "\ufffd!",
    }
    assert "nested too deeply" in json.dumps(BoundedJson().plain(deep))


def test_a_formula_is_shown_in_its_authors_form() -> None:
    formula = Formula("min(a,  min_b)^2 - 1e-3*a")
    assert formula.with_numbers({"a": -0.5, "min_b": 1 / 3}) == "min((-0.5),  0.333333)^2 - 1e-3*(-0.5)"
    assert formula.with_numbers({"a": 2.0}) == "min(2,  min_b)^2 - 1e-3*2"


PUBLISHED = {path.stem: json.loads(path.read_text()) for path in (ROOT / "tests/published").glob("*.json")}


def item_for(grader: Grader) -> dict[str, Any]:
    """An item that has every field that a grader names."""
    item: dict[str, Any] = {"numbers": [1, 2, 3, 4], "target": 4}
    for _, inner in grader.inner():
        item |= item_for(inner)
    for _, template in grader.templates():
        for reference in template.references:
            if reference.namespace == "item":
                *outer, last = reference.steps
                place = item
                for step in outer:
                    place = place.setdefault(str(step), {})
                place[str(last)] = "4"
    return item


@pytest.mark.parametrize("name", sorted(PUBLISHED))
async def test_a_published_grader_is_explained_with_the_reward_that_it_gives(name: str, place: Place) -> None:
    # the image is on few machines
    config = {key: value for key, value in PUBLISHED[name].items() if key != "image_tag"}
    if config["type"] == "endpoint":
        config = {**config, "url": f"{place.server.url}/score", "headers": {"X-Key": SECRET}}
    grader = place.evaluator.load(config)
    item = item_for(grader)
    explained = await place.explain(config, "4", item)
    graded = await place.evaluator.grade(config, "4", item)
    assert (explained.result.reward, explained.result.failure) == (graded.reward, graded.failure)
    assert [template.path for template in explained.templates] == [
        ".".join(map(str, where)) for where, _ in grader.templates()
    ]
    assert [inner.grader.name for inner in explained.inside] == [
        inner.info.name for _, inner in grader.inner()
    ]
    plain = explained.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert [line for line in lines(explained) if not line.isprintable()] == []


def test_there_are_published_graders() -> None:
    assert len(PUBLISHED) >= 20
