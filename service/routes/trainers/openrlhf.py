"""OpenRLHF with `--remote_rm_url` (0.11): a text of prompt and answer goes out, lists of rewards come back.

The body is `{"query": […], "prompts": […], "labels": […]}`, one sample a request in recent versions, and empty lists for all
but the first of several URLs in older ones. A null among the rewards would end the training.
"""

import asyncio
from collections.abc import Sequence
from math import isfinite
from typing import Any

from fastapi import APIRouter, Request

from graders import Failure, GraderResult
from runtime.data.rows import unreadable
from service.http.grade_requests import wrong_body
from service.http.responses import Answer
from service.http.routing import Route
from service.routes.trainers.grading import (
    PREFIX,
    Asked,
    body_of,
    body_schema,
    grading_of,
    labelled,
    row_of,
)
from service.routes.trainers.prompt_prefix import answer_in
from service.routes.trainers.ungraded import Policy, outcome, policy_of, ungraded

TRAINER = "openrlhf"
LONG = 20_000
"""Characters of a prompt that is looked for beside the event loop."""

router = APIRouter(prefix=PREFIX, tags=["trainers"], route_class=Route)

_LIST = {"type": "array", "items": {"type": "string"}}
_BODY = body_schema({"query": _LIST, "prompts": _LIST, "labels": {"type": "array", "items": {}}}, ["query"])


class Rewards(Answer):
    """`rewards` train, `scores` are for filtering, `extra_logs` are plotted; a value for each sample."""

    rewards: list[float]
    scores: list[float]
    extra_logs: dict[str, list[float]]


@router.post("/openrlhf", openapi_extra=_BODY)
@router.post("/openrlhf/get_reward", openapi_extra=_BODY, include_in_schema=False)
async def get_reward(request: Request, name: str, asked: Asked) -> Rewards:
    """Grade the samples of one call of OpenRLHF's."""
    policy = policy_of(TRAINER, asked.on_failure)
    body, has_unreadable = await body_of(request, ["query"])
    queries, prompts, labels = _columns(body)
    grading = await grading_of(request, name, asked, rows=len(queries))
    rows = [
        await row_of(
            await _answer(query, prompt, index), labelled(prompt, label), has_unreadable=has_unreadable
        )
        for index, (query, prompt, label) in enumerate(zip(queries, prompts, labels, strict=True))
    ]
    results = await grading.many([sample for sample, _ in rows], [item for _, item in rows]) if rows else []
    found = [outcome(result, TRAINER) for result in results]
    rewards = [_substitute(policy, index, found, prompts) for index in range(len(found))]
    return Rewards(rewards=rewards, scores=rewards, extra_logs=_logs(results))


def _columns(body: dict[str, Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    """The three lists of a body, of one length; prompts and labels may be missing, as old versions leave them out."""
    queries = body["query"]
    if not isinstance(queries, list):
        raise wrong_body("query", "expected a list of texts")
    columns = []
    for field in ("prompts", "labels"):
        column = body.get(field)
        column = [None] * len(queries) if column is None else column
        if not isinstance(column, list) or len(column) != len(queries):
            raise wrong_body(field, f"expected a list as long as query, which has {len(queries)}")
        columns.append(column)
    return queries, columns[0], columns[1]


async def _answer(query: object, prompt: object, index: int) -> object:
    """The sample in a query, or the failure of one in which the answer cannot be told from the prompt."""
    if not isinstance(query, str) or not isinstance(prompt, str):
        return query
    is_long = len(prompt) > LONG and not query.startswith(prompt)
    answer = await asyncio.to_thread(answer_in, query, prompt) if is_long else answer_in(query, prompt)
    if answer is not None:
        return answer
    message = "it does not begin with the prompt, so that nobody can say where the answer begins"
    return unreadable(f"query.{index}", message)


def _substitute(
    policy: Policy, index: int, found: Sequence[float | Failure], prompts: Sequence[object]
) -> float:
    """What stands for the reward of one sample, which may be ungraded.

    Raises:
        ApiError: 503, when it is and nothing stands for it.
    """
    here = found[index]
    if isinstance(here, float):
        return here
    if isinstance(policy, float):
        return policy
    pairs = zip(found, prompts, strict=True)
    same = [reward for reward, prompt in pairs if isinstance(reward, float) and prompt == prompts[index]]
    if policy == "group_mean" and same:
        return sum(same) / len(same)
    raise ungraded(here, TRAINER, where=f"query.{index}")


def _logs(results: Sequence[GraderResult]) -> dict[str, list[float]]:
    """What is plotted: whether each sample was graded, and its sub-rewards and metrics where every sample has them."""
    logs = {"graded": [float(result.reward is not None) for result in results]}
    columns = [_numbers(result) for result in results]
    if columns:
        shared = set(columns[0]).intersection(*columns[1:])
        for key in sorted(shared - logs.keys()):
            logs[key] = [numbers[key] for numbers in columns]
    return logs


def _numbers(result: GraderResult) -> dict[str, float]:
    named = {**result.metrics, **result.sub_rewards}
    return {key: float(value) for key, value in named.items() if value is not None and isfinite(value)}
