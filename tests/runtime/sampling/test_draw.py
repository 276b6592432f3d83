"""Answers to the rows of a file: each draw is kept, none is an empty answer that nobody gave, and a resumed command asks only for the rest."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from graders import ConfigurationError
from runtime import Settings
from runtime.data.datasets import read_rows
from runtime.sampling.draw import Plan, SampleReport, sample_file
from tests.judge_server import JudgeServer, Reply, Request, chat, reset, status

ROWS: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": "2+2"}], "answer": "4"},
    {"item": {"prompt": "3+3", "answer": "6"}, "id": "b"},
    {
        "contents": [{"role": "user", "parts": [{"text": "4+4"}]}],
        "systemInstruction": {"parts": [{"text": "Add."}]},
    },
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return written(tmp_path / "rows.jsonl", ROWS)


def written(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def settings_for(server: JudgeServer, **options: Any) -> Settings:
    judge = {"base_url": server.url, "retries": 0, **options.pop("judge", {})}
    return Settings(judges={"*": judge}, judge_cache_mb=0, **options)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def draw(data: Path, server: JudgeServer, *, n: int = 2, force: bool = False, **options: Any) -> SampleReport:
    judge = options.pop("judge", {})
    plan = Plan("m", n, **options)
    return sample_file(
        data, data.with_name("samples.jsonl"), plan, settings_for(server, judge=judge), force=force
    )


def echo(request: Request, number: int) -> Reply:
    return chat(f"{request.body['messages'][-1]['content']}|{request.body.get('seed')}", model="real-1")


def test_every_row_gets_as_many_answers_as_were_asked_for(data: Path) -> None:
    with JudgeServer(echo) as server:
        report = draw(data, server, n=3, sampling={"seed": 7, "temperature": 0.5})
    found = rows_of(data.with_name("samples.jsonl"))
    assert [[sample["output_text"] for sample in row["samples"]] for row in found] == [
        [f"{question}|{seed}" for seed in (7, 8, 9)] for question in ("2+2", "3+3", "4+4")
    ]
    assert (report.rows, report.draws, report.failed) == (3, 9, {})
    assert all(request.body["temperature"] == 0.5 for request in server.requests)


def test_an_answer_keeps_its_model_usage_and_the_reason_of_its_end(data: Path) -> None:
    with JudgeServer([chat("4", finish_reason="length", model="real-1", usage=(10, 3))]) as server:
        report = draw(data, server, n=1)
    sample = rows_of(data.with_name("samples.jsonl"))[0]["samples"][0]
    assert (sample["model"], sample["finish_reason"], sample["usage"]["total_tokens"]) == (
        "real-1",
        "length",
        13,
    )
    assert report.cut == 3


def test_the_rows_are_read_by_run_with_their_items_as_they_were(data: Path) -> None:
    with JudgeServer(echo) as server:
        draw(data, server)
    read = list(read_rows(data.with_name("samples.jsonl")))
    assert [row.draw for row in read] == [0, 1] * 3
    assert all(row.failure is None and row.sample is not None for row in read)
    assert [row.item for row in read[::2]] == [ROWS[0], {"prompt": "3+3", "answer": "6"}, ROWS[2]]


def test_the_prompt_that_was_sent_stands_in_the_row_where_the_item_does_not_have_it(data: Path) -> None:
    with JudgeServer(echo) as server:
        draw(data, server, n=1)
    found = rows_of(data.with_name("samples.jsonl"))
    assert "messages" not in found[0]
    assert found[1]["messages"] == [{"role": "user", "content": "3+3"}]
    assert found[2]["messages"] == [{"role": "system", "content": "Add."}, {"role": "user", "content": "4+4"}]
    assert found[1]["id"] == "b"


def test_a_template_file_makes_the_prompt(data: Path, tmp_path: Path) -> None:
    template = tmp_path / "prompt.txt"
    template.write_text("Answer {{item.answer}}?")
    rows = written(data, [{"item": {"answer": "4"}}, {"item": {"other": 1}}])
    with JudgeServer(echo) as server:
        report = draw(rows, server, n=1, template=template)
    first, second = rows_of(data.with_name("samples.jsonl"))
    assert first["samples"][0]["output_text"] == "Answer 4?|None"
    assert "answer" in second["samples"][0]["error"]["message"]
    assert report.failed == {"invalid_variable_error": 1}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[{"role": "user", "content": "{{sample.output_text}}"}]', "there is no sample yet"),
        ('[{"role": "robot", "content": "x"}]', "role"),
        ("[]", "messages"),
        ('{"a": 1}', "messages"),
    ],
)
def test_a_template_that_is_wrong_is_refused_before_anything_is_asked(
    data: Path, tmp_path: Path, content: str, words: str
) -> None:
    template = tmp_path / "prompt.json"
    template.write_text(content)
    with JudgeServer(echo) as server:
        with pytest.raises(ConfigurationError, match=words):
            draw(data, server, template=template)
        assert not server.requests


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (status(500), "status"),
        (status(400, body={"error": {"message": "no"}}), "status"),
        (reset(), "no_answer"),
        (chat(None, model="\n"), "malformed_response"),
    ],
)
def test_a_draw_without_an_answer_is_listed_with_its_cause_and_never_an_empty_answer(
    data: Path, reply: Reply, cause: str
) -> None:
    with JudgeServer(lambda request, number: reply if number == 1 else echo(request, number)) as server:
        report = draw(data, server, n=2, judge={"concurrency": 1})
    samples = [sample for row in rows_of(data.with_name("samples.jsonl")) for sample in row["samples"]]
    errors = [sample for sample in samples if "error" in sample]
    assert len(samples) == 6
    assert len(errors) == 1
    assert set(errors[0]) == {"error"}
    assert errors[0]["error"]["message"].startswith("no sample: ")
    assert report.failed == {cause: 1}
    failures = [row.failure for row in read_rows(data.with_name("samples.jsonl")) if row.failure]
    assert [failure.failure.caused_by for failure in failures] == ["infrastructure"]


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        '{"item": 3}',
        '{"item": {"a": 1}}',
        '{"messages": []}',
        '{"messages": "x", "prompt": [3]}',
        '{"messages": [{"role": "assistant", "content": "x"}]}',
        '{"messages": [{"content": "x"}]}',
        '{"contents": 5}',
        '{"contents": [5]}',
        '{"prompt": {"a": 1}}',
        '{"messages": [{"role": "user", "content": "\\ud800"}]}',
    ],
)
def test_a_row_without_a_prompt_costs_no_other_row(data: Path, line: str) -> None:
    data.write_text(f"{line}\n{json.dumps(ROWS[0])}\n")
    with JudgeServer(echo) as server:
        report = draw(data, server, n=2)
    found = rows_of(data.with_name("samples.jsonl"))
    assert len(found) == 2
    assert [sample["output_text"] for sample in found[1]["samples"]] == ["2+2|None"] * 2
    assert report.draws == 4
    assert len(found[0]["samples"]) == 2


def test_answers_at_the_end_of_a_row_for_supervised_training_are_not_sent(data: Path) -> None:
    messages = [{"role": "user", "content": "2+2"}, {"role": "assistant", "content": "4"}]
    rows = written(data, [{"messages": messages}])
    with JudgeServer(echo) as server:
        draw(rows, server, n=1)
        assert [message["role"] for message in server.requests[0].body["messages"]] == ["user"]


def test_tools_of_a_row_are_sent_and_its_calls_kept(data: Path) -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    rows = written(data, [{"messages": ROWS[0]["messages"], "tools": tools}])
    with JudgeServer([chat("{}", tool="look", finish_reason="tool_calls")]) as server:
        report = draw(rows, server, n=1)
        assert server.requests[0].body["tools"] == tools
    sample = rows_of(data.with_name("samples.jsonl"))[0]["samples"][0]
    assert sample["output_tools"][0]["function"]["name"] == "look"
    assert report.empty == 0


def test_failed_draws_are_drawn_again_and_answers_are_not(data: Path) -> None:
    with JudgeServer(lambda request, number: status(500) if number < 2 else echo(request, number)) as server:
        first = draw(data, server, n=2, judge={"concurrency": 1})
    with JudgeServer(echo) as server:
        second = draw(data, server, n=2)
        assert len(server.requests) == 2
    assert (sum(first.failed.values()), second.failed, second.taken_over) == (2, {}, 4)


def test_more_draws_of_the_same_rows_ask_only_for_those_that_are_new(data: Path) -> None:
    with JudgeServer(echo) as server:
        draw(data, server, n=1)
        before = len(server.requests)
        report = draw(data, server, n=3)
        assert (before, len(server.requests)) == (3, 9)
    assert report.taken_over == 3


class Stopped(Exception):
    pass


def stopping_after(count: int) -> Callable[..., None]:
    done = iter(range(count))

    def on_draw(*, is_answered: bool) -> None:
        if next(done, None) is None:
            raise Stopped

    return on_draw


@pytest.mark.parametrize(
    "torn", [b"", b'{"position": 0, "key": "x"', b"\xff\n", b"[]\n", b'{"position": "a"}\n']
)
def test_a_command_that_was_ended_goes_on_where_it_was(data: Path, torn: bytes) -> None:
    output = data.with_name("samples.jsonl")
    journal = data.with_name("samples.jsonl.journal")
    with JudgeServer(echo) as server:
        settings = settings_for(server, judge={"concurrency": 1})
        with pytest.raises(Stopped):
            sample_file(data, output, Plan("m", 4), settings, on_draw=stopping_after(3))
        assert not output.exists()
        kept = journal.read_bytes().count(b"\n")
        assert kept >= 3
        journal.write_bytes(journal.read_bytes() + torn)
        report = sample_file(data, output, Plan("m", 4), settings)
    assert report.taken_over == kept
    assert not journal.exists()
    assert [len(row["samples"]) for row in rows_of(output)] == [4, 4, 4]


@pytest.mark.parametrize("change", [{"sampling": {"temperature": 1.0}}, {"n": 1}, {"limit": 1}])
def test_a_file_of_other_samples_is_replaced_only_by_force(data: Path, change: dict[str, Any]) -> None:
    with JudgeServer(echo) as server:
        draw(data, server, n=2)
        before = data.with_name("samples.jsonl").read_bytes()
        with pytest.raises(ConfigurationError, match="--force"):
            draw(data, server, **change)
        assert data.with_name("samples.jsonl").read_bytes() == before
        draw(data, server, force=True, **change)
        assert data.with_name("samples.jsonl").read_bytes() != before


def test_a_journal_of_other_questions_is_not_taken_over(data: Path) -> None:
    output = data.with_name("samples.jsonl")
    with JudgeServer(echo) as server:
        settings = settings_for(server, judge={"concurrency": 1})
        with pytest.raises(Stopped):
            sample_file(data, output, Plan("m", 4), settings, on_draw=stopping_after(3))
        with pytest.raises(ConfigurationError, match="other questions"):
            sample_file(data, output, Plan("m", 4, {"seed": 1}), settings)
        report = sample_file(data, output, Plan("m", 4, {"seed": 1}), settings, force=True)
    assert report.taken_over == 0


def test_the_budget_of_a_run_ends_the_draws_and_is_named(data: Path) -> None:
    output = data.with_name("samples.jsonl")
    with JudgeServer(echo) as server:
        settings = settings_for(server, judge={"concurrency": 1}, judge_budgets={"run": {"tokens": 100}})
        report = sample_file(data, output, Plan("m", 2, {"max_completion_tokens": 10}), settings)
    assert report.failed == {"budget_spent": 5}


def test_a_model_without_a_server_is_an_error_before_the_first_draw(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="no server is known for the model"):
        sample_file(data, data.with_name("samples.jsonl"), Plan("m", 1), Settings())
    assert not data.with_name("samples.jsonl.journal").exists()


@pytest.mark.parametrize("wrong", ["missing", "same"])
def test_what_cannot_be_sampled_is_named(data: Path, wrong: str) -> None:
    source = data if wrong == "same" else data.with_name("none.jsonl")
    output = data if wrong == "same" else data.with_name("samples.jsonl")
    with pytest.raises(ConfigurationError, match=source.name):
        sample_file(source, output, Plan("m", 1), Settings())
