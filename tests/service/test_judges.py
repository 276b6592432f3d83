"""Judges through the whole service: a real model, the official client, several processes under one limit."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import OpenAI
from rich.console import Console

from runtime import Settings
from service.cli.doctor import show
from tests.conftest import EXAMPLES
from tests.judge_server import Connection, JudgeServer, Raw, Reply, Request, chat, status, verdict
from tests.service import commands
from tests.small_model import NAME, SmallModel, small_model

GRADERS = str(Path(sys.executable).with_name("graders"))
JUDGE: dict[str, Any] = {
    "model": "gpt-4o",
    "input": [
        {
            "role": "developer",
            "content": "Grade the answer from 0 to 10. The right answer is {{item.answer}}.",
        },
        {"role": "user", "content": [{"type": "input_text", "text": "{{sample.output_text}}"}]},
    ],
    "sampling_params": {"temperature": 0, "max_completions_tokens": 300},
}
KINDS: dict[str, dict[str, Any]] = {
    "score_model": {"type": "score_model", "range": [0, 10], **JUDGE},
    "label_model": {"type": "label_model", "labels": ["good", "bad"], "passing_labels": ["good"], **JUDGE},
    "rubric": {
        "type": "rubric",
        "model": "gpt-4o",
        "question": "How much is {{item.question}}?",
        "criteria": {
            "right": {"text": "The answer is {{item.answer}}.", "weight": 2},
            "short": "It is short.",
        },
        "sampling_params": {"temperature": 0, "max_completions_tokens": 300},
    },
}
ITEM = {"question": "2 + 2", "answer": "4"}


def judges_at(url: str, home: Path, **settings: Any) -> Settings:
    """Settings whose judges are all on one server."""
    model = {"base_url": url, **settings.pop("model", {})}
    stores: dict[str, Any] = {
        "judge_cache": home / "verdicts.sqlite",
        "judge_store": str(home / "judges.sqlite"),
    }
    return Settings(judges={"*": model}, **stores, **settings)


def run(client: OpenAI, grader: dict[str, Any], sample: str) -> Any:
    """Grade one sample with the official client, whose types do not know everything that the API says."""
    return client.fine_tuning.alpha.graders.run(grader=grader, model_sample=sample, item=ITEM)  # type: ignore[arg-type]  # a plain dict


@pytest.mark.full
@pytest.mark.parametrize(
    "kind", ["score_model", "label_model", pytest.param("rubric", marks=pytest.mark.slow)]
)
def test_a_real_model_grades_the_same_every_time(
    kind: str,
    small_model: SmallModel,
    serve: Callable[[Settings], contextlib.AbstractContextManager[str]],
    tmp_path: Path,
) -> None:
    settings = judges_at(small_model.url, tmp_path, judge_cache_mb=0)
    with serve(settings) as url, OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        first, again = (run(client, KINDS[kind], "2 + 2 = 4") for _ in range(2))
    assert first.metadata.errors.model_dump() == again.metadata.errors.model_dump()
    flags = [name for name, value in first.metadata.errors.model_dump().items() if value is True]
    assert flags == []
    assert first.reward == again.reward
    low, high = KINDS[kind].get("range", [0, 1])
    assert low <= first.reward <= high
    assert first.metadata.sampled_model_name == NAME
    assert first.api_model_grader_token_usage_per_model[NAME]["completion_tokens"] > 0
    said = first.metadata.model_dump(warnings=False)
    assert said == {**again.metadata.model_dump(warnings=False), "execution_time": said["execution_time"]}
    if kind == "rubric":
        assert set(first.sub_rewards) == {"right", "short"}
    else:
        assert isinstance(said["steps"], list)


class Counting:
    """Stands before a server, counts what it is asked, and what it has answered."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.answered: Counter[str] = Counter()
        self.asked = 0
        self.before: Callable[[int], None] = lambda _: None

    def __call__(self, request: Request, _: int) -> Reply:
        async def pass_on(request: Request, connection: Connection) -> None:
            self.asked += 1
            self.before(self.asked)
            async with httpx2.AsyncClient(timeout=120) as client:
                answer = await client.post(self._url + request.path.removeprefix("/v1"), json=request.body)
            if answer.status_code == 200:
                self.answered[json.dumps(request.body)] += 1
            fields = {"content-type": "application/json"}
            reply: Raw = status(answer.status_code, fields, answer.text)
            await reply(request, connection)

        return pass_on


def run_countdown(url: str, home: Path, rows: int) -> "subprocess.Popen[str]":
    """`graders run` of the judge among the examples over the first of the recorded answers."""
    answers = (EXAMPLES / "data/countdown_answers.jsonl").read_text().splitlines()[:rows]
    (home / "answers.jsonl").write_text("\n".join(answers))
    (home / "graders.toml").write_text(
        f'judge_cache = "{home}/verdicts.sqlite"\njudge_store = "{home}/judges.sqlite"\n'
        f'[judges."o3-mini"]\nbase_url = "{url}"\nmodel = "{NAME}"\nconcurrency = 1\nmax_completion_tokens = 300\n'
    )
    command = [GRADERS, "run", str(EXAMPLES / "data/countdown_score_model.json")]
    data = ["answers.jsonl", "-o", "results.jsonl", "--max-ungraded", "100%"]
    return subprocess.Popen([*command, *data], cwd=home, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("count", [10, 38])
def test_the_countdown_judge_is_resumed_after_a_kill_and_asks_nothing_twice(
    count: int, tmp_path: Path
) -> None:
    last = count * 2 // 5
    with small_model(remembers=True) as model:
        counting = Counting(model.url)
        with JudgeServer(counting) as server:
            killed = run_countdown(server.url, tmp_path, count)

            def kill(number: int) -> None:
                if number == last:
                    time.sleep(0.3)  # the answer before is written down by then; this one is never given
                    killed.send_signal(signal.SIGKILL)

            counting.before = kill
            killed.communicate(timeout=200)
            assert killed.returncode == -signal.SIGKILL
            assert not (tmp_path / "results.jsonl").exists()
            resumed = run_countdown(server.url, tmp_path, count)
            said, _ = resumed.communicate(timeout=200)
        assert resumed.returncode == 0, said
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [row["row"] for row in rows] == list(range(count))
    for row in rows:
        if row["reward"] is None:
            assert row["failure"]["kind"].startswith("model_grader_")
            assert row["failure"]["caused_by"] == "infrastructure"
        else:
            assert 0 <= row["reward"] <= 5
            assert row["usage"] or row["metrics"]["cached"]
    assert sum(row["reward"] is not None for row in rows) >= 0.75 * count
    again = [number for number in counting.answered.values() if number > 1]
    misread = sum(row["reward"] is None for row in rows)  # what is no verdict is asked for once more
    assert len(again) <= misread
    assert counting.asked <= len(counting.answered) + len(again) + 1


def test_each_key_pays_for_itself_and_never_sees_another(
    serve: Callable[[Settings], contextlib.AbstractContextManager[str]], tmp_path: Path
) -> None:
    with JudgeServer([verdict(0.5, [("a", "b")])]) as server:
        settings = judges_at(
            server.url,
            tmp_path,
            api_keys=("key-one", "key-two"),
            judge_budgets={"key": {"tokens": 200}},
            judge_cache_mb=0,
        )
        with serve(settings) as url:
            replies = {}
            for key in ("key-one", "key-two"):
                with OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
                    replies[key] = [run(client, KINDS["score_model"], f"sample {n}") for n in range(3)]
        assert len(server.requests) == 4
    for of_key in replies.values():
        assert [reply.reward for reply in of_key] == [0.5, 0.5, 0.0]
        errors = of_key[2].metadata.errors
        assert errors.api_model_grader_server_error
        assert "budget of this API key for today is spent" in str(
            errors.api_model_grader_server_error_details
        )
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("judges.sqlite*"))
    assert b"key-one" not in stored


def test_what_a_judge_says_comes_back_in_the_published_answer(
    serve: Callable[[Settings], contextlib.AbstractContextManager[str]], tmp_path: Path
) -> None:
    replies: list[Reply] = [
        verdict(12, [("looked", "good\ud800")], usage=(50, 5)),
        chat("", finish_reason="length", usage=(50, 300)),
    ]
    with (
        JudgeServer(replies) as server,
        serve(judges_at(server.url, tmp_path)) as url,
        OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        graded, cut = (run(client, KINDS["score_model"], text) for text in ("one", "two"))
    assert graded.reward == 10.0
    said = graded.metadata.model_dump(warnings=False)
    assert said["explanation"] == "12 was clamped to the range 0 to 10. looked: good\ufffd"
    assert said["steps"] == [{"description": "looked", "conclusion": "good\ufffd"}]
    assert graded.metadata.sampled_model_name == "judge-1"
    assert said["token_usage"] == {
        "prompt_tokens": 50,
        "completion_tokens": 5,
        "total_tokens": 55,
        "cached_tokens": 0,
    }
    assert cut.reward == 0.0
    assert cut.metadata.errors.model_grader_exceeded_max_tokens_error
    assert cut.api_model_grader_token_usage_per_model == {
        "judge-1": {"prompt_tokens": 50, "completion_tokens": 300, "total_tokens": 350, "cached_tokens": 0}
    }


@pytest.mark.full
def test_the_doctor_asks_the_judges(tmp_path: Path) -> None:
    def models(request: Request, _: int) -> Reply:
        assert request.path == "/v1/models"
        return status(200, body={"object": "list", "data": [{"id": "qwen"}]})

    with JudgeServer(models) as server:
        (tmp_path / "graders.toml").write_text(
            f'[judges."gpt-[45]*"]\nbase_url = "{server.url}"\nmodel = "qwen"\n'
            f'[judges."o3"]\nbase_url = "{server.url}"\n'
            '[judges."gone"]\nbase_url = "http://127.0.0.1:9/v1"\n[judges."keyless"]\n'
        )
        done = commands.run("doctor", "--json", env=os.environ, cwd=tmp_path)
    found = json.loads(done.stdout)
    judges = {judge["name"]: judge for judge in found["judges"]}
    assert done.returncode == 1
    assert judges["gpt-[45]*"]["how"] == "it has 1 models"
    assert "does not list 'o3'" in judges["o3"]["how"]
    assert [judge["answers"] for judge in judges.values()] == [True, True, False, False]
    assert "[judges]" in judges["keyless"]["how"]
    text = io.StringIO()
    show(found, Console(file=text, width=200))
    assert "gpt-[45]* at http" in text.getvalue()
    assert "not well: judge gone: no answer" in text.getvalue()


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("config", "warned"),
    [
        ("", True),
        ('[judges."gpt-*"]\nbase_url = "http://127.0.0.1:9/v1"\n', True),
        ('[judges."o3-*"]\n', True),
        ('[judges."o3-*"]\napi_key = "sk-1"\n', False),
        ('[judges."*"]\nbase_url = "http://127.0.0.1:9/v1"\n', False),
    ],
)
def test_validate_says_which_judge_has_no_server(config: str, warned: bool, tmp_path: Path) -> None:
    (tmp_path / "graders.toml").write_text(config)
    inner = json.loads((EXAMPLES / "data/countdown_score_model.json").read_text())
    grader = {"type": "multi", "graders": {"a": inner}, "calculate_output": "a"}
    (tmp_path / "grader.json").write_text(json.dumps(grader))
    found = commands.run("validate", "grader.json", "--json", env=os.environ, cwd=tmp_path)
    assert found.returncode == 0
    findings = json.loads(found.stdout)["findings"]
    assert [finding["path"] for finding in findings] == ["graders.a.model"] * warned
