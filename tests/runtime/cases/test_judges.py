"""Cases ask scripted, recorded or, only with leave, real judges; and nobody by accident."""

import json
from pathlib import Path

import pytest

from graders import ConfigurationError, GradingError
from runtime import Settings
from runtime.cases.judges import ScriptedJudge, completed
from tests.judge_server import JudgeServer, status, verdict
from tests.runtime.cases.running import SCORED, loaded, outcomes, wrong

RUBRIC = """\
grader:
  type: rubric
  model: m
  criteria: {right: It is right., failure: It is rude.}
"""


def settings_of(quick: Settings, server: JudgeServer) -> Settings:
    judges = {"m": {"base_url": server.url, "retries": 0, "parse_retries": 0}}
    return Settings(**quick.model_dump(exclude_unset=True), judges=judges, judge_cache_mb=0)


async def errors(folder: Path, text: str, settings: Settings) -> tuple[str, ...]:
    """The errors of the only case of a text."""
    (found,) = (await outcomes(loaded(folder, text), settings)).values()
    return found.errors


async def test_a_case_that_asks_a_judge_without_answers_is_an_error(quick: Settings, tmp_path: Path) -> None:
    assert await errors(tmp_path, SCORED + "cases: [{sample: x, expect: 1}]\n", quick) == (
        (
            "it asks the judge 'm', and a test asks no model by accident: script the answers in the case file "
            "(judge: [{result: 1}]), or --record them once, or ask with --live"
        ),
    )


async def test_it_is_an_error_too_where_that_failure_was_expected(quick: Settings, tmp_path: Path) -> None:
    text = SCORED + "cases: [{sample: x, expect: {failure: infrastructure}}]\n"
    assert len(await errors(tmp_path, text, quick)) == 1


async def test_embedding_servers_and_endpoints_are_not_asked_either(quick: Settings, tmp_path: Path) -> None:
    text = (
        'graders:\n  e: {type: endpoint, url: "https://127.0.0.1:9/"}\n'
        '  s: {type: text_similarity, evaluation_metric: cosine, embedding_model: m, input: "{{sample.output_text}}",'
        " reference: y}\n"
        "cases: [{name: a, grader: e, sample: x, expect: 1}, {name: b, grader: s, sample: x, expect: 1}]\n"
    )
    found = await outcomes(loaded(tmp_path, text), quick)
    assert found["a"].errors == (
        "it asks an endpoint, and a test asks no service by accident: ask with --live",
    )
    assert found["b"].errors == (
        "it asks a server to embed with 'm', and a test asks no model by accident: ask with --live",
    )


@pytest.mark.parametrize(
    ("judge", "reward"),
    [
        ("[0.25]", 0.25),
        ("[{result: 0.25}]", 0.25),
        ("[{steps: [{description: d, conclusion: c}], result: 1}]", 1.0),
        ("{m: [0.5], other: []}".replace(", other: []", ""), 0.5),
    ],
)
async def test_scripted_answers_may_be_short(
    quick: Settings, tmp_path: Path, judge: str, reward: float
) -> None:
    text = SCORED + f"cases: [{{sample: x, judge: {judge}, expect: {reward}}}]\n"
    (found,) = (await outcomes(loaded(tmp_path, text), quick)).values()
    assert found.status == "passed"


async def test_a_rubric_is_answered_by_its_criteria_alone(quick: Settings, tmp_path: Path) -> None:
    text = RUBRIC + "cases: [{sample: x, judge: [{right: yes, failure: no}], expect: 0.5}]\n"
    (found,) = (await outcomes(loaded(tmp_path, text), quick)).values()
    assert (found.status, found.result and found.result.metadata["reasons"]) == (
        "passed",
        {"right": "", "failure": ""},
    )


@pytest.mark.parametrize(
    ("judge", "error"),
    [
        (
            "[0.5, 1, 1]",
            "2 of its scripted answers were not asked for: the grader asked 1 times; remove what is too much from 'judge'",
        ),
        (
            "{other: [1]}",
            "it asks the judge 'm', and there are scripted answers of 'other' only",
        ),
        (
            "[good]",
            (
                "the scripted answer 'good' is not what the judge 'm' is asked for: result: \"good\" is not of type \"number\"; "
                "expected {result: 1}"
            ),
        ),
        (
            "[{failure: other_error}]",
            (
                "unknown scripted failure 'other_error'; a judge can fail with model_grader_server_error, "
                "model_grader_refusal_error, model_grader_parse_error, model_grader_exceeded_max_tokens_error"
            ),
        ),
    ],
)
async def test_scripted_answers_that_do_not_fit_are_errors(
    quick: Settings, tmp_path: Path, judge: str, error: str
) -> None:
    text = SCORED + f"cases: [{{sample: x, judge: {judge}, expect: {{failure: none}}}}]\n"
    assert await errors(tmp_path, text, quick) == (error,)


async def test_more_questions_than_answers_are_an_error(quick: Settings, tmp_path: Path) -> None:
    text = (
        SCORED.replace("model: m", "votes: 3, model: m") + "cases: [{sample: x, judge: [1, 0], expect: 1}]\n"
    )
    assert await errors(tmp_path, text, quick) == (
        (
            "it asks the judge 'm' for an answer more than is scripted (its question 3); add another to 'judge', such as "
            "{result: 1}"
        ),
    )


async def test_each_vote_has_an_answer_and_each_grading_begins_anew(quick: Settings, tmp_path: Path) -> None:
    text = SCORED.replace("model: m", "votes: 3, model: m") + (
        "cases: [{sample: x, judge: [1, 0, 0.5], expect: {reward: 0.5, deterministic: true, unchanged_by: white_space}}]\n"
    )
    (found,) = (await outcomes(loaded(tmp_path, text), quick)).values()
    assert (found.status, found.errors) == ("passed", ())


async def test_a_judge_may_be_scripted_to_fail(quick: Settings, tmp_path: Path) -> None:
    text = SCORED + (
        "cases: [{sample: x, judge: [{failure: model_grader_refusal_error}], "
        "expect: {reward: null, failure: {kind: model_grader_refusal_error, caused_by: infrastructure}}}]\n"
    )
    (found,) = (await outcomes(loaded(tmp_path, text), quick)).values()
    assert found.status == "passed"


async def test_answers_are_recorded_once_and_then_replayed_without_a_server(
    quick: Settings, tmp_path: Path
) -> None:
    file = loaded(tmp_path, SCORED + "cases: [{name: a, sample: x, expect: 0.75}]\n")
    with JudgeServer([verdict(0.75)]) as server:
        settings = settings_of(quick, server)
        assert (await outcomes(file, settings, "record"))["a"].status == "passed"
        assert (await outcomes(file, settings, "record"))["a"].status == "passed"
        assert len(server.requests) == 1
    assert (await outcomes(file, quick))["a"].status == "passed"
    (entry,) = json.loads((tmp_path / "a.recorded.json").read_text())["answers"]
    assert entry["output"]["result"] == 0.75
    assert (entry["case"], entry["model"], entry["answered_by"]) == ("a", "m", "judge-1")


async def test_a_question_that_has_changed_is_not_answered_by_an_old_recording(
    quick: Settings, tmp_path: Path
) -> None:
    text = SCORED + "cases: [{name: a, sample: x, expect: 0.75}]\n"
    with JudgeServer([verdict(0.75)]) as server:
        await outcomes(loaded(tmp_path, text), settings_of(quick, server), "record")
        changed = loaded(tmp_path, text.replace("Rate", "Judge"))
        assert (await outcomes(changed, quick))["a"].errors == (
            (
                "it asks the judge 'm' what a.recorded.json has no answer to: the case is new, or the grader or the case has "
                "changed since; --record asks for what is missing"
            ),
        )
        await outcomes(changed, settings_of(quick, server), "record")
    assert len(json.loads((tmp_path / "a.recorded.json").read_text())["answers"]) == 1
    assert (await outcomes(changed, quick))["a"].status == "passed"


async def test_a_judge_that_fails_is_not_recorded(quick: Settings, tmp_path: Path) -> None:
    file = loaded(tmp_path, SCORED + "cases: [{name: a, sample: x, expect: 1}]\n")
    with JudgeServer([status(400)]) as server:
        found = (await outcomes(file, settings_of(quick, server), "record"))["a"]
    assert wrong(found)[0].startswith("reward: expected 1, got ungraded: ")
    assert not (tmp_path / "a.recorded.json").exists()


async def test_real_judges_are_asked_live(quick: Settings, tmp_path: Path) -> None:
    file = loaded(tmp_path, SCORED + "cases: [{name: a, sample: x, expect: 0.5}]\n")
    with JudgeServer([verdict(0.5)]) as server:
        assert (await outcomes(file, settings_of(quick, server), "live"))["a"].status == "passed"
        assert len(server.requests) == 1
    assert not (tmp_path / "a.recorded.json").exists()


@pytest.mark.parametrize("text", ["[]", '{"version": 2}', '{"version": 1, "answers": [{"x": 1}]}', "{"])
async def test_a_file_of_recordings_that_is_none_is_refused(
    quick: Settings, tmp_path: Path, text: str
) -> None:
    file = loaded(tmp_path, SCORED + "cases: [{name: a, sample: x, expect: 0.5}]\n")
    (tmp_path / "a.recorded.json").write_text(text)
    with pytest.raises(
        ConfigurationError, match=r"a\.recorded\.json: not what --record writes; delete it, and record"
    ):
        await outcomes(file, quick)


def test_what_is_no_object_is_not_completed() -> None:
    two = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}
    assert completed(1, {"type": "number"}) == 1
    assert completed(1, two) == 1


async def test_a_scripted_judge_raises_what_a_grader_may_see() -> None:
    told: list[str] = []
    judge = ScriptedJudge([], told.append)
    with pytest.raises(GradingError, match="an answer more than is scripted"):
        await judge.ask(model="m", messages=[], schema={"type": "object", "properties": {}}, sampling={})
    assert len(told) == 1
