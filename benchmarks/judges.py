"""What asking a judge costs, beside the network and with it: `make bench`.

In the first table the server is a function in this process, so that all the time is ours and the client's. In the second it
is a process of its own behind a loopback socket, whose answers take 200 ms each. Of several rounds the fastest counts.
"""

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path

import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from rich.console import Console
from rich.table import Table

from graders.kinds.judging import STEPS, answer_schema
from runtime import Evaluator, Settings
from runtime.judge.client import Judges
from tests.judge_server import JudgeServer, delayed, verdict

COUNT = 1_000
ROUNDS = 7
SCHEMA = answer_schema(steps=STEPS, result={"type": "number"})
INSTRUCTIONS = "Compare the answer with the reference and give it a number from 0 to 1. " * 12
ANSWER = "The answer is forty-two, since six times seven is forty-two. " * 8
VERDICT = '{"steps":[{"description":"compare","conclusion":"equal"}],"result":1}'
COMPLETION = httpx2.Response(
    200,
    json={
        "model": "judge",
        "choices": [{"message": {"role": "assistant", "content": VERDICT}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 400, "completion_tokens": 20},
    },
).content


def _answer(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, content=COMPLETION, headers={"content-type": "application/json"})


def _messages(number: int) -> list[dict[str, str]]:
    return [
        {"role": "developer", "content": INSTRUCTIONS},
        {"role": "user", "content": f"{number}: {ANSWER}"},
    ]


async def _fastest(work: Callable[[int], Awaitable[object]]) -> float:
    """Seconds of one call, in the fastest of several rounds; no two rounds ask the same."""
    best = float("inf")
    for round_ in range(ROUNDS):
        began = time.perf_counter()
        for number in range(COUNT):
            await work(round_ * COUNT + number)
        best = min(best, (time.perf_counter() - began) / COUNT)
    return best


async def _measure() -> dict[str, float]:
    """Seconds of one judgement: asked, remembered, and by the official client alone."""
    transport = httpx2.MockTransport(_answer)
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(
            judges={"*": {"base_url": "http://judge.test/v1"}},
            judge_cache=Path(home) / "verdicts.sqlite",
            judge_store=str(Path(home) / "judges.sqlite"),
        )
        judges = Judges(settings, transport=transport)
        judge = judges.seen_by()

        async def ask(number: int) -> object:
            return await judge.ask(model="judge", messages=_messages(number), schema=SCHEMA, sampling={})

        asked = await _fastest(ask)
        remembered = await _fastest(ask)  # the same questions again
        await judges.aclose()
    async with DefaultAsyncHttpxClient(transport=transport) as connections:
        client = AsyncOpenAI(api_key="none", base_url="http://judge.test/v1", http_client=connections)
        json_schema = {"name": "verdict", "schema": SCHEMA, "strict": True}

        async def complete(number: int) -> object:
            return await client.chat.completions.create(  # type: ignore[call-overload]  # plain dicts are what users write
                model="judge",
                messages=_messages(number),
                response_format={"type": "json_schema", "json_schema": json_schema},
            )

        client_alone = await _fastest(complete)
    return {"asked": asked, "remembered": remembered, "client": client_alone}


JUDGEMENTS = 1_000
IN_FLIGHT = 100
ANSWER_S = 0.2


def _serve(ready: Connection) -> None:
    """Be a judge whose answers take 200 ms, until the other side has had enough; then say how many it was asked at once."""
    reply = delayed(verdict(0.5, [("compare", "equal")]), ANSWER_S)
    with JudgeServer([reply]) as server:
        ready.send(server.url)
        ready.recv()
        ready.send(server.most_in_flight)


async def _grade(url: str) -> float:
    """Seconds that 1,000 judgements take, from samples to rewards."""
    grader = {
        "type": "score_model",
        "model": "judge",
        "input": [
            {"role": "developer", "content": INSTRUCTIONS},
            {"role": "user", "content": "{{sample.output_text}}"},
        ],
    }
    best = float("inf")
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(
            judges={"*": {"base_url": url, "concurrency": IN_FLIGHT}},
            judge_cache=Path(home) / "verdicts.sqlite",
            judge_store=str(Path(home) / "judges.sqlite"),
        )
        async with Evaluator(settings=settings) as evaluator:
            await evaluator.grade(grader, "the first of all, which finds out what the server understands")
            for round_ in range(3):
                samples = [f"{round_} {number}: {ANSWER}" for number in range(JUDGEMENTS)]
                began = time.perf_counter()
                gradings = await evaluator.grade_many(grader, samples, [{}] * JUDGEMENTS)
                best = min(best, time.perf_counter() - began)
                if set(gradings.rewards.tolist()) != {0.5}:
                    raise AssertionError("a judgement came out otherwise than the judge said")
    return best


def _throughput() -> tuple[float, int]:
    """Seconds of 1,000 judgements, and how many the server saw at once."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(theirs,))
    server.start()
    try:
        seconds = asyncio.run(_grade(ours.recv()))
        ours.send(None)
        most = int(ours.recv())
    finally:
        server.join(10)
        server.kill()
    return seconds, most


def main() -> None:
    """Measure, and print a table."""
    found = asyncio.run(_measure())
    table = Table(
        "judging, without network", "µs each", "per second", "official client alone = 1", title="Judges"
    )
    for name, key in (
        ("one judgement: question, request, verdict, cache", "asked"),
        ("one that is remembered", "remembered"),
        ("official client alone: chat.completions.create", "client"),
    ):
        seconds = found[key]
        table.add_row(
            name, f"{seconds * 1e6:,.0f}", f"{1 / seconds:,.0f}", f"{seconds / found['client']:.2f}"
        )
    console = Console()
    console.print(table)
    seconds, most = _throughput()
    ideal = JUDGEMENTS * ANSWER_S / IN_FLIGHT
    table = Table("judging over a socket", "seconds", f"ideal ({ideal:.1f} s) = 1", "most in flight")
    words = f"{JUDGEMENTS:,} judgements of {ANSWER_S * 1e3:.0f} ms each, at most {IN_FLIGHT} at once"
    table.add_row(words, f"{seconds:.3f}", f"{seconds / ideal:.3f}", str(most))
    console.print(table)


if __name__ == "__main__":
    main()
