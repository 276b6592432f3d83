"""Stored training data is checked and exported over HTTP as the commands do it on files."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
import pytest
from openai import OpenAI

CHECK, EXPORT = "/v1/data/check", "/v1/data/export"
EXACT = {
    "type": "string_check",
    "name": "exact",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}


def ask(url: str, path: str, body: Mapping[str, Any]) -> httpx2.Response:
    return httpx2.post(f"{url}{path}", json=body, timeout=120)


def upload(client: OpenAI, name: str, lines: Sequence[Mapping[str, Any]]) -> str:
    content = "".join(json.dumps(line) + "\n" for line in lines)
    return client.files.create(file=(name, io.BytesIO(content.encode())), purpose="fine-tune").id


def lines_of(client: OpenAI, file_id: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in client.files.content(file_id).text.lstrip("\ufeff").splitlines()]


def conversation(number: int) -> dict[str, Any]:
    asked = {"role": "user", "content": f"How many legs have {number} spiders?"}
    return {"messages": [asked, {"role": "assistant", "content": f"{8 * number} legs"}]}


def graded(number: int, texts: Sequence[str]) -> list[dict[str, Any]]:
    item = {"question": f"What is {number} + 1?", "answer": str(number + 1)}
    return [
        {
            "row": number,
            "line": number + 1,
            "key": f"{number}-{draw}",
            "draw": draw,
            "reward": float(text == item["answer"]),
            "passed": text == item["answer"],
            "item": item,
            "sample": text,
        }
        for draw, text in enumerate(texts)
    ]


def test_a_stored_file_is_checked_and_each_fault_has_its_line(url: str, client: OpenAI) -> None:
    rows = [conversation(number) for number in range(12)]
    rows[4]["messages"].pop()
    file_id = upload(client, "spiders.jsonl", rows)
    answer = ask(url, CHECK, {"file_id": file_id, "host": "foundry"})
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert report["object"] == "data.check"
    assert report["host"] == "foundry"
    assert [file["name"] for file in report["files"]] == ["spiders.jsonl"]
    assert report["files"][0]["rows"] == 12
    found = {group["code"]: group for group in report["findings"]}
    assert "last-not-assistant" in found
    assert [each["line"] for each in found["last-not-assistant"]["findings"]] == [5]
    assert report["errors"] >= 1


@pytest.mark.full
def test_two_files_and_a_grader_are_checked_together(url: str, client: OpenAI) -> None:
    rows = [
        {"item": {"question": f"What follows {n}?", "answer": str(n + 1)}, "sample": f"say {n}"}
        for n in range(12)
    ]
    train, valid = upload(client, "rows.jsonl", rows), upload(client, "rows.jsonl", rows[:3])
    grader = {**EXACT, "reference": "{{item.anwser}}"}
    body = {"file_id": train, "valid_file_id": valid, "grader": grader, "by": ["answer"]}
    report = ask(url, CHECK, body).json()
    codes = {group["code"] for group in report["findings"]}
    assert {"overlap", "cannot-grade"} <= codes
    assert len({file["name"] for file in report["files"]}) == 2


@pytest.mark.full
def test_a_graded_file_is_exported_as_preferences_and_its_provenance_is_stored(
    url: str, client: OpenAI
) -> None:
    lines = [line for number in range(5) for line in graded(number, [str(number + 1), "no idea"])]
    file_id = upload(client, "graded.jsonl", lines)
    body = {
        "source": {"type": "file", "file_id": file_id},
        "to": "dpo",
        "format": "openai",
        "prompt": "{{item.question}}",
    }
    found = ask(url, EXPORT, body).json()
    assert found["object"] == "data.export"
    assert found["rows"] == 5
    rows = lines_of(client, found["file"]["id"])
    assert rows[0]["preferred_output"] == [{"role": "assistant", "content": "1"}]
    assert rows[0]["non_preferred_output"] == [{"role": "assistant", "content": "no idea"}]
    assert len(lines_of(client, found["provenance"]["id"])) == 5

    again = {**body, "to": "sft", "disjoint": [found["provenance"]["id"]]}
    nothing = ask(url, EXPORT, again).json()
    assert nothing["rows"] == 0
    assert nothing["file"] is None
    assert nothing["left_out"] == {"prompts: in another export": 5}


def test_a_run_of_an_eval_is_exported(url: str, client: OpenAI) -> None:
    item_schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    config = {"type": "custom", "item_schema": item_schema, "include_sample_schema": True}
    other = {**EXACT, "name": "other", "operation": "ne"}
    made = client.evals.create(
        name="sums",
        data_source_config=config,  # type: ignore[arg-type]
        testing_criteria=[EXACT, other],  # type: ignore[list-item]
    )
    content = [
        {"item": {"question": f"{n} + 1?", "answer": str(n + 1)}, "sample": {"output_text": str(n + n % 2)}}
        for n in range(6)
    ]
    source = {"type": "jsonl", "source": {"type": "file_content", "content": content}}
    run = client.evals.runs.create(made.id, name="base", data_source=source)  # type: ignore[arg-type]
    while client.evals.runs.retrieve(run.id, eval_id=made.id).status in ("queued", "in_progress"):
        pass
    body = {
        "source": {"type": "eval_run", "eval_id": made.id, "run_id": run.id},
        "to": "sft",
        "format": "openai",
        "prompt": "{{item.question}}",
    }
    refused = ask(url, EXPORT, body)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "source.criterion"
    body["source"] = {**body["source"], "criterion": "exact"}  # type: ignore[dict-item]
    found = ask(url, EXPORT, body).json()
    assert found["rows"] == 3, found
    asked = {line["messages"][0]["content"] for line in lines_of(client, found["file"]["id"])}
    assert asked == {"1 + 1?", "3 + 1?", "5 + 1?"}


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        (CHECK, {"file_id": "file-000000000000000000000000"}, 404, "there is no file"),
        (CHECK, {}, 400, "file_id"),
        (CHECK, {"file_id": "x", "host": "nobody"}, 400, "host"),
        (CHECK, {"file_id": "x", "grader": {"type": "nothing"}}, 400, "nothing"),
        (
            EXPORT,
            {"source": {"type": "file", "file_id": "x"}, "to": "sft", "format": "openai"},
            404,
            "there is no file",
        ),
        (
            EXPORT,
            {"source": {"type": "eval_run", "eval_id": "x", "run_id": "y"}, "to": "sft", "format": "openai"},
            404,
            "there is no run",
        ),
        (EXPORT, {"source": {"type": "folder"}, "to": "sft", "format": "openai"}, 400, "source"),
    ],
)
def test_what_is_wrong_is_named(url: str, path: str, body: Mapping[str, Any], status: int, said: str) -> None:
    answer = ask(url, path, body)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


@pytest.mark.full
def test_what_the_command_refuses_is_said_without_a_path_of_the_server(url: str, client: OpenAI) -> None:
    file_id = upload(client, "chat.jsonl", [conversation(1)])
    body = {"source": {"type": "file", "file_id": file_id}, "to": "sft", "format": "openai"}
    answer = ask(url, EXPORT, body)
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert message.startswith("chat.jsonl is no graded file")
    assert "/" not in message
    fresh = {**body, "prompt": "{{item.", "source": {"type": "file", "file_id": file_id}}
    assert ask(url, EXPORT, fresh).status_code == 400
