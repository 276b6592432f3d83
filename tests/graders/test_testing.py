"""The public fakes stand in for the context: scripted, recorded, and no more forgiving than the real one."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from graders import (
    Context,
    Embedder,
    FailureType,
    Grader,
    GradingError,
    HttpClient,
    HttpReply,
    Item,
    Judge,
    Registry,
    Sample,
    Sandbox,
    Verdict,
    grader,
)
from graders import testing as fakes
from graders.context import Ended, Unread
from graders.errors import CodeFailure
from graders.testing import FakeContext, FakeEmbedder, FakeHttp, FakeJudge, FakeSandbox

INSTALLED = Registry.installed()
CHECK: dict[str, Any] = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.a}}",
    "operation": "eq",
}


async def ask(judge: Judge, text: str = "hi") -> Verdict:
    return await judge.ask(model="m", messages=[{"role": "user", "content": text}], schema={}, sampling={})


async def test_a_judge_answers_in_order_and_records_what_it_was_asked() -> None:
    judge = FakeJudge([{"result": 0.5}, Verdict({"result": 1}, "other", {"total_tokens": 3})])
    assert await ask(judge) == Verdict({"result": 0.5}, "m")
    assert await ask(judge, "again") == Verdict({"result": 1}, "other", {"total_tokens": 3})
    assert [call["messages"][0]["content"] for call in judge.calls] == ["hi", "again"]
    assert judge.calls[0] == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "schema": {},
        "sampling": {},
        "name": "verdict",
    }


async def test_a_judge_may_be_a_function_of_what_it_is_asked() -> None:
    def answer(*, model: str, messages: Sequence[Mapping[str, Any]], **_: Any) -> dict[str, Any]:
        return {"model": model, "asked": len(messages)}

    assert (await ask(FakeJudge(answer))).output == {"model": "m", "asked": 1}


async def test_an_answer_that_is_an_exception_is_raised() -> None:
    judge = FakeJudge([GradingError("refused", caused_by="infrastructure"), {"result": 1}])
    with pytest.raises(GradingError, match="refused"):
        await ask(judge)
    assert (await ask(judge)).output == {"result": 1}


async def test_an_exhausted_fake_says_how_many_answers_it_had() -> None:
    judge = FakeJudge([1])
    await ask(judge)
    with pytest.raises(
        AssertionError, match=r"FakeJudge has 1 answers and was asked once more: \{'model': 'm'"
    ):
        await ask(judge)


async def test_an_embedder_knows_vectors_or_computes_them() -> None:
    known = FakeEmbedder({"a": [1.0, 0.0], "b": [0.0, 1.0]})
    assert await known.embed(["b", "a"], model="e") == [[0.0, 1.0], [1.0, 0.0]]
    assert known.calls == [{"texts": ["b", "a"], "model": "e"}]
    computed = FakeEmbedder(lambda text: [float(len(text))])
    assert await computed.embed(["abc", ""]) == [[3.0], [0.0]]
    with pytest.raises(KeyError, match="c"):
        await known.embed(["c"])


async def test_a_sandbox_answers_whichever_process_is_asked_and_records_it() -> None:
    sandbox = FakeSandbox([{"ok": True}, Ended(0, "out")], seconds=0.25)
    async with (
        sandbox.process("subject", image="i", memory_mb=64) as subject,
        sandbox.process("judge") as judge,
    ):
        assert await subject.ask({"load": "x"}, timeout_s=2) == {"ok": True}
        assert await judge.finish("last", timeout_s=1) == Ended(0, "out", "")
        assert (subject.seconds, judge.seconds) == (0.25, 0.25)
    assert sandbox.started == ["subject", "judge"]
    assert sandbox.calls == [
        {"role": "subject", "image": "i", "memory_mb": 64, "message": {"load": "x"}, "timeout_s": 2},
        {"role": "judge", "image": None, "memory_mb": None, "message": "last", "timeout_s": 1},
    ]


async def test_a_process_that_has_failed_or_ended_must_not_be_asked_again() -> None:
    sandbox = FakeSandbox([CodeFailure("too slow", reason=FailureType.TIMEOUT), Ended(0)])
    async with sandbox.process("subject") as process:
        with pytest.raises(CodeFailure, match="too slow"):
            await process.ask(1, timeout_s=1)
        with pytest.raises(AssertionError, match=r"has failed \(too slow\) and was asked once more: 2"):
            await process.ask(2, timeout_s=1)
    async with sandbox.process("subject") as process:
        await process.finish(1, timeout_s=1)
        with pytest.raises(AssertionError, match=r"it has ended"):
            await process.ask(2, timeout_s=1)


async def test_a_sandbox_grades_each_row_by_the_script_and_finds_nothing_wrong_with_a_source() -> None:
    late = GradingError("too late")
    sandbox = FakeSandbox([0.5, late])
    await sandbox.check("def grade(sample, item): …", image="small")
    assert sandbox.checked == [("def grade(sample, item): …", "small")]
    assert await sandbox.grade("…", [("a", {}), ("b", {"n": 1})], timeout_s=2) == [0.5, late]
    assert sandbox.calls[1] == {
        "role": "grade",
        "image": None,
        "memory_mb": None,
        "message": {"source": "…", "sample": "b", "item": {"n": 1}},
        "timeout_s": 2,
    }


async def test_a_network_is_scripted() -> None:
    http = FakeHttp([HttpReply(200, {"score": 1}), HttpReply(503, None)])
    replies = [
        await http.post("https://x", body={"a": 1}, headers={"h": "v"}, timeout_s=5.0) for _ in range(2)
    ]
    assert [reply.status for reply in replies] == [200, 503]
    assert http.calls[0] == {
        "url": "https://x",
        "body": {"a": 1},
        "headers": {"h": "v"},
        "timeout_s": 5.0,
        "retries": 0,
        "rate_limit": None,
    }


async def test_a_context_gives_what_it_was_given() -> None:
    judge, embedder = FakeJudge([]), FakeEmbedder({})
    sandbox, http = FakeSandbox([]), FakeHttp([])
    context: Context = FakeContext(judge=judge, embedder=embedder, sandbox=sandbox, http=http)
    services: list[Judge | Embedder | Sandbox | HttpClient] = [
        context.judge,
        context.embedder,
        context.sandbox,
        context.http,
    ]
    assert services == [judge, embedder, sandbox, http]


@pytest.mark.parametrize("service", ["judge", "embedder", "sandbox", "http"])
def test_what_a_context_was_not_given_is_not_there(service: str) -> None:
    with pytest.raises(
        GradingError, match=rf"was given no {service}: write FakeContext\({service}=…\)"
    ) as caught:
        getattr(FakeContext(), service)
    assert caught.value.failure.caused_by == "infrastructure"
    assert caught.value.failure.details == {"type": f"{service}_unavailable"}


@grader("asker")
async def asker(sample: Sample, item: Item, context: Context, *, model: str) -> float:
    """Ask a judge."""
    verdict = await context.judge.ask(
        model=model, messages=[{"role": "user", "content": sample.output_text}], schema={}, sampling={}
    )
    return float(verdict.output["result"])


@grader("buggy")
def buggy(sample: Sample, item: Item) -> float:
    """Divide by zero."""
    return 1 / len(sample.output_text)


REGISTRY = INSTALLED.including(asker, buggy)
ASKER = REGISTRY.load({"type": "asker", "model": "m"})


async def test_a_context_grades_with_every_form() -> None:
    context = FakeContext(judge=FakeJudge([{"result": 0.25}]))
    assert (await context.grade(REGISTRY.load(CHECK), Sample("x"), {"a": "x"})).reward == 1.0
    assert (await context.grade(ASKER, Sample("x"), {})).reward == 0.25
    assert (await context.grade(REGISTRY.load({"type": "longest"}), Sample("x"), {})).reward == 1.0


async def test_a_context_grades_each_of_a_group_by_itself_unless_the_grader_compares() -> None:
    samples, item = [Sample("x"), Sample("xyz"), Sample("x")], {"a": "x"}
    alone = await FakeContext().grade_group(REGISTRY.load(CHECK), samples, item)
    assert [result.reward for result in alone] == [1.0, 0.0, 1.0]
    together = await FakeContext().grade_group(REGISTRY.load({"type": "longest"}), samples, item)
    assert [result.reward for result in together] == [0.0, 1.0, 0.0]


async def test_graders_inside_graders_are_graded_in_the_same_context() -> None:
    best = REGISTRY.load({"type": "best_of", "graders": {"a": CHECK, "b": {"type": "asker", "model": "m"}}})
    result = await FakeContext(judge=FakeJudge([{"result": 0.5}])).grade(best, Sample("x"), {"a": "y"})
    assert result.reward == 0.5


async def test_a_grading_error_becomes_a_failed_result() -> None:
    results = await FakeContext().grade_all(
        {"asks": ASKER, "lacks": REGISTRY.load(CHECK)}, Sample("x"), {"b": 1}
    )
    assert list(results) == ["asks", "lacks"]
    failures = [result.failure for result in results.values()]
    assert [failure and failure.caused_by for failure in failures] == ["infrastructure", "grader"]
    assert [result.reward for result in results.values()] == [None, None]


async def test_a_score_that_is_no_reward_becomes_a_failed_result() -> None:
    result = await FakeContext(judge=FakeJudge([{"result": 7}])).grade(ASKER, Sample(), {})
    assert result.reward is None
    assert result.explanation == "asker: the reward 7 is outside the range 0 to 1 that 'asker' declares"


async def test_a_bug_of_the_grader_propagates_to_its_test() -> None:
    broken: Grader = REGISTRY.load({"type": "buggy"})
    with pytest.raises(ZeroDivisionError):
        await FakeContext().grade(broken, Sample(""), {})


def test_the_fakes_need_no_event_loop_of_their_own() -> None:
    assert "import asyncio" not in inspect.getsource(fakes)


def test_unread_bytes_are_shown_by_their_length() -> None:
    assert repr(Unread(b"x" * 1234)) == "<1,234 bytes, unread>"
