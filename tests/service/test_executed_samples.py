"""Samples that a plugin evaluates change no other client's rewards over HTTP, and no other row's in `graders run`."""

import json
import subprocess
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from runtime import Settings
from tests.runtime.executed_samples import HOSTILE
from tests.service.commands import PROGRAM

Serve = Callable[[Settings], AbstractContextManager[str]]


@pytest.mark.full
@pytest.mark.parametrize("name", ["evaluates_in_shared", pytest.param("evaluates", marks=pytest.mark.slow)])
def test_no_sample_of_one_key_changes_a_reward_of_another(quick: Settings, serve: Serve, name: str) -> None:
    settings = quick.model_copy(update={"api_keys": (SecretStr("one"), SecretStr("two"))})
    grader = {"type": name}
    rows = [{"sample": f"{n}", "item": {"answer": n if n % 2 else -1}} for n in range(20)]
    found: list[list[float | None]] = []
    with serve(settings) as address, httpx2.Client(base_url=address, timeout=120) as http:
        done = threading.Event()

        def attack() -> None:
            with httpx2.Client(base_url=address, timeout=120) as attacker:
                for text in HOSTILE.values():
                    body = {"grader": grader, "sample": text, "item": {"answer": 1}}
                    attacker.post("/v1/grade", json=body, headers={"api-key": "one"}).raise_for_status()
            done.set()

        attacking = threading.Thread(target=attack)
        attacking.start()
        while attacking.is_alive() and not done.wait(0.2):
            reply = http.post(
                "/v1/grade/batch", json={"grader": grader, "rows": rows}, headers={"api-key": "two"}
            )
            found.append([result["reward"] for result in reply.json()["results"]])
        attacking.join()
    assert done.is_set()
    assert len(found) > 1
    assert all(each == [0.0, 1.0] * 10 for each in found)


@pytest.mark.slow
def test_no_sample_changes_another_row_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "grader.json").write_text('{"type": "evaluates"}')
    expected: list[float | None] = []
    with (tmp_path / "rows.jsonl").open("w") as file:
        for n, text in enumerate(HOSTILE.values()):
            for sample, answer, reward in [(text, -1, None), (f"{n}", -1, 0.0), (f"{n} + 1", n + 1, 1.0)]:
                file.write(json.dumps({"sample": sample, "item": {"answer": answer}}) + "\n")
                expected.append(reward)
    (tmp_path / "graders.toml").write_text(
        "grading_timeout_s = 4\nplugin_workers = 2\nworker_memory_mb = 1024\n"
    )
    subprocess.run(
        [PROGRAM, "run", "grader.json", "rows.jsonl", "-o", "out.jsonl", "--max-ungraded", "100%"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=300,
    )
    results = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    rewards = [result["reward"] for result in results if "reward" in result]
    assert len(rewards) == len(expected)
    assert [one for one, other in zip(rewards, expected, strict=True) if other is not None] == [
        reward for reward in expected if reward is not None
    ]
