import json
from typing import Any

import pytest
from openai import OpenAI

from tests.small_model import NAME, SmallModel

SCHEMA = {
    "type": "object",
    "properties": {"word": {"enum": ["right", "wrong"]}, "result": {"type": "number"}},
    "required": ["word", "result"],
    "additionalProperties": False,
}


@pytest.mark.full
def test_the_small_model_answers_in_the_shape_of_a_schema_and_always_the_same(
    small_model: SmallModel,
) -> None:
    questions: list[Any] = [
        [{"role": "user", "content": f"Grade this: {sum_} = 4"}] for sum_ in ("2 + 2", "2 + 3")
    ]
    with OpenAI(base_url=small_model.url, api_key="any", max_retries=0, timeout=60) as client:
        said = [
            client.chat.completions.create(
                model=NAME,
                messages=question,
                temperature=0,
                max_completion_tokens=60,
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "verdict", "schema": SCHEMA, "strict": True},
                },
            )
            for question in (*questions, *questions)
        ]
    assert [answer.choices[0].finish_reason for answer in said] == ["stop"] * 4
    first, second, third, fourth = (answer.choices[0].message.content for answer in said)
    assert (third, fourth) == (first, second)
    for text in (first, second):
        answer = json.loads(text or "")
        assert list(answer) == ["word", "result"]
        assert answer["word"] in {"right", "wrong"}
        assert isinstance(answer["result"], float | int)
    assert all(answer.model == NAME for answer in said)
