"""Judges whose server is a function: no socket, no waiting."""

import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from graders import Judge, Verdict
from runtime import Settings
from runtime.judge.client import Judges

SCHEMA = {
    "type": "object",
    "properties": {"result": {"type": "number"}},
    "required": ["result"],
    "additionalProperties": False,
}

Handler = (
    Callable[[httpx2.Request], httpx2.Response]
    | Callable[[httpx2.Request], Coroutine[None, None, httpx2.Response]]
)


class Script:
    """A server that gives one reply after the other, the last one for ever, and keeps what it was asked."""

    def __init__(self, *replies: httpx2.Response | Exception) -> None:
        self._replies = replies
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        reply = self._replies[min(len(self.requests), len(self._replies)) - 1]
        if isinstance(reply, Exception):
            raise reply
        return httpx2.Response(reply.status_code, content=reply.content, headers=reply.headers)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What it was asked, as JSON."""
        return [json.loads(request.content) for request in self.requests]


def chat(
    content: str | None = '{"result": 0.5}',
    *,
    finish_reason: str = "stop",
    refusal: str | None = None,
    usage: tuple[int, int] | None = (10, 5),
) -> httpx2.Response:
    """A chat completion."""
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "judge-2026",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": refusal},
                "finish_reason": finish_reason,
            }
        ],
    }
    if usage is not None:
        body["usage"] = {
            "prompt_tokens": usage[0],
            "completion_tokens": usage[1],
            "prompt_tokens_details": {"cached_tokens": 4},
        }
    return httpx2.Response(200, json=body)


def response(*output: dict[str, Any], **fields: Any) -> httpx2.Response:
    """An answer of the Responses API."""
    usage = {"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 4}}
    body = {"object": "response", "status": "completed", "model": "judge-2026", "usage": usage, **fields}
    return httpx2.Response(200, json={**body, "output": list(output)})


def says(text: str) -> dict[str, Any]:
    """A message in an answer of the Responses API."""
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def error(status: int, message: str = "no", *, code: str | None = None, **headers: str) -> httpx2.Response:
    """An error in the published shape."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, json={"error": {"message": message, "code": code}}, headers=named)


@asynccontextmanager
async def judging(handler: Handler, home: Path, **settings: Any) -> AsyncIterator[Judges]:
    """Judges that ask a function."""
    model = {"base_url": "http://judge.test/v1", **settings.pop("model", {})}
    configured = {
        "judges": {"*": model},
        "judge_cache": home / "verdicts.sqlite",
        "judge_store": str(home / "judges.sqlite"),
        **settings,
    }
    judges = Judges(Settings(**configured), transport=httpx2.MockTransport(handler))
    try:
        yield judges
    finally:
        await judges.aclose()


async def ask(judge: Judge | Judges, text: str = "Grade: 2 + 2 = 4", **changes: Any) -> Verdict:
    """Ask one question."""
    viewed: Judge = judge.seen_by() if isinstance(judge, Judges) else judge
    messages: Sequence[dict[str, Any]] = [{"role": "user", "content": text}]
    question = {"model": "judge", "messages": messages, "schema": SCHEMA, "sampling": {}, **changes}
    return await viewed.ask(**question)
