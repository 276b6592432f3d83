"""Runs that ask a model first: what it says is graded, and what it does not say is never graded as a bad answer."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import openai
import pytest
from openai import OpenAI

from runtime import Settings
from runtime.settings.judges import JudgeModel
from tests.judge_server import MODEL, JudgeServer, Reply, Request, chat, status
from tests.service.evals.conftest import CUSTOM, EQUAL, ended

SOURCE: dict[str, Any] = {
    "type": "completions",
    "model": "gpt-4o",
    "input_messages": {"type": "template", "template": [{"role": "user", "content": "Say {{item.answer}}."}]},
    "source": {
        "type": "file_content",
        "content": [{"item": {"answer": word}} for word in ("four", "five", "none")],
    },
}


def said(request: Request, _: int) -> Reply:
    asked = request.body["messages"][0]["content"]
    return status(400) if asked == "Say none." else chat("four", usage=(10, 2))


def test_what_a_model_says_is_graded(
    own: Settings, serve: Callable[[Settings], AbstractContextManager[str]]
) -> None:
    with JudgeServer(said) as server:
        judges = {"*": JudgeModel(base_url=server.url, retries=0)}
        settings = own.model_copy(update={"judges": judges})
        with (
            serve(settings) as address,
            OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as client,
        ):
            of = client.evals.create(data_source_config=CUSTOM, testing_criteria=[EQUAL])  # type: ignore[arg-type, list-item]
            run = client.evals.runs.create(of.id, data_source=SOURCE)  # type: ignore[arg-type]
            done = ended(client, of.id, run.id)
            assert (done.status, done.model) == ("completed", "gpt-4o")
            assert done.result_counts.to_dict() == {"total": 3, "errored": 1, "failed": 1, "passed": 1}
            assert [usage.to_dict() for usage in done.per_model_usage] == [
                {
                    "model_name": MODEL,
                    "prompt_tokens": 20,
                    "completion_tokens": 4,
                    "total_tokens": 24,
                    "cached_tokens": 0,
                    "invocation_count": 2,
                }
            ]
            items: list[Any] = list(client.evals.runs.output_items.list(run.id, eval_id=of.id))
            assert [item.status for item in items] == ["pass", "fail", "error"]
            assert items[0].sample.output[0].content == "four"
            assert "no sample" in items[2].sample.error.message
            # an item-only criterion would pass everything: what has no sample stays ungraded all the same
            only = {**EQUAL, "name": "only", "input": "a", "reference": "a"}
            path = f"/evals/{of.id}/runs/{run.id}/regrade"
            again: Any = client.post(path, body={"testing_criteria": [only]}, cast_to=object)
            counts = ended(client, of.id, again["id"]).result_counts.to_dict()
            assert counts == {"total": 3, "errored": 1, "failed": 0, "passed": 2}
            with pytest.raises(openai.BadRequestError) as raised:
                client.evals.runs.create(of.id, data_source={**SOURCE, "model": ""})  # type: ignore[arg-type]
            assert raised.value.param == "data_source.model"
            with pytest.raises(openai.BadRequestError) as raised:
                client.evals.runs.create(
                    of.id,
                    data_source={**SOURCE, "source": {"type": "file_content", "content": [{"item": {}}]}},  # type: ignore[arg-type]
                )
            assert raised.value.param == "data_source.source.content.0.item"
