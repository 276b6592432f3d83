"""`code_tests` rewards what the code does, blames the right one, and tells a hidden test to nobody."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import (
    FailureKind,
    FailureType,
    GraderResult,
    GradingError,
    InvalidOptions,
    Registry,
    Sample,
    Template,
)
from graders.context import READ_BYTES, Ended, Unread
from graders.errors import CodeFailure, UnknownImage
from graders.kinds.code_testing.comparison import (
    TooManySteps,
    same_for_livecodebench,
    same_output,
    same_output_for_livecodebench,
    same_value,
    shown,
)
from graders.kinds.code_testing.forms import AssertTest, CallTest, ProgramTest, SourceTest, read_tests
from graders.kinds.code_tests import CodeTests
from graders.testing import FakeContext, FakeSandbox
from tests.strategies import json_values

REGISTRY = Registry.installed()
ADD = "def add(a, b):\n    return a + b\n"
CALL: dict[str, Any] = {"call": [1, 2], "expected": 3}
CALLS: dict[str, Any] = {"tests": [CALL], "entry_point": "add"}


async def grade(
    sandbox: FakeSandbox, config: dict[str, Any], code: str = ADD, item: dict[str, Any] | None = None
) -> GraderResult:
    grader = REGISTRY.load({"type": "code_tests", **config})
    return await FakeContext(sandbox=sandbox).grade(grader, Sample(code), item or {})


def answering(**answers: Any) -> FakeSandbox:
    """A sandbox whose answers go by what is asked: `candidate`, `load`, `call`, `program`, `do`, `tests`, `run`, `accepted`, `output`, `number`.

    An answer that is a function is called with the message; a list gives one after another.
    """

    def answer(*, message: dict[str, Any], **_: Any) -> Any:
        kind = next(
            key
            for key in (
                "candidate",
                "load",
                "call",
                "program",
                "do",
                "tests",
                "run",
                "accepted",
                "output",
                "number",
            )
            if key in message
        )
        found = answers.get(kind, {"ok": True} if kind == "load" else None)
        if isinstance(found, list):
            found = found.pop(0)
        if callable(found):
            found = found(message)
        if isinstance(found, Exception):
            raise found
        return found

    return FakeSandbox(answer)


def value(result: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda message: {"number": message["number"], "value": result}


def error(kind: str, message: str = "", line: Any = 0) -> Callable[[dict[str, Any]], Any]:
    told = {"type": kind, "message": message, "line": line}
    return lambda asked: {"number": asked["number"], "error": told}


def died(reason: Any) -> CodeFailure:
    return CodeFailure(f"it is over: {reason}", reason=reason)


def verdict(kind: str, message: str = "", *, crashed: bool = False) -> dict[str, Any]:
    return {"verdict": kind, "message": message, "crashed": crashed}


PASSED = verdict("passed")


# what is asked


async def test_a_call_sends_inputs_and_nothing_of_what_is_expected() -> None:
    sandbox = answering(call=value(3))
    config = {**CALLS, "image": "i", "memory_mb": 256, "timeout_s": 2, "in_place": True}
    tests = [{**CALL, "kwargs": {"c": 1}}, {**CALL, "function": "Sum.of"}]
    result = await grade(sandbox, {**config, "tests": tests})
    assert (result.reward, result.passed, result.failure) == (1.0, True, None)
    assert (result.explanation, result.metrics) == ("2 of 2 tests passed", {"passed": 2.0, "total": 2.0})
    assert result.sub_rewards == {"test_1": 1.0, "test_2": 1.0}
    assert sandbox.started == ["subject"]
    where = {"role": "subject", "image": "i", "memory_mb": 256, "timeout_s": 2}
    asked = {"number": 1, "call": "add", "args": [1, 2], "kwargs": {"c": 1}, "in_place": True}
    assert sandbox.calls == [
        {**where, "message": {"load": ADD}},
        {**where, "message": asked},
        {**where, "message": {**asked, "number": 2, "call": "Sum.of", "kwargs": {}}},
    ]


async def test_a_program_gets_a_process_for_each_input_and_its_prelude_before_it() -> None:
    sandbox = answering(program=[Ended(0, "3\n"), Ended(0, "4 \n\n")])
    tests = [{"input": "1 2", "output": "3"}, {"input": "2 2", "output": "4"}]
    result = await grade(sandbox, {"tests": tests, "prelude": "import math"}, "print(3)")
    assert result.reward == 1.0
    assert sandbox.started == ["subject", "subject"]
    assert sandbox.calls[0]["message"] == {"program": "import math\nprint(3)", "stdin": "1 2"}


async def test_the_judge_gets_the_tests_and_the_subject_its_questions() -> None:
    sandbox = answering(
        tests={"cases": [""]},
        run={"call": 1, "body": Unread(b"question")},
        do=lambda message: {"number": message["number"], "body": Unread(b"answer")},
        number=PASSED,
    )
    config = {
        "tests": "{{item.test}}",
        "setup": "import math\n",
        "prelude": "{{item.prompt}}",
        "entry_point": "{{item.name}}",
    }
    item = {"test": "def check(candidate): ...", "prompt": "# p", "name": "add"}
    result = await grade(sandbox, config, ADD, item)
    assert result.reward == 1.0
    assert [(call["role"], call["message"]) for call in sandbox.calls] == [
        ("subject", {"load": f"# p\n{ADD}"}),
        (
            "judge",
            {
                "tests": "import math\ndef check(candidate): ...",
                "prelude": "# p\n",
                "entry_point": "add",
                "module": "solution",
                "in_place": False,
            },
        ),
        ("judge", {"run": 0}),
        ("subject", {"number": 1, "do": True, "body": Unread(b"question")}),
        ("judge", {"number": 1, "body": Unread(b"answer")}),
    ]


# what it is worth


async def test_the_reward_is_the_share_of_the_weights_that_pass() -> None:
    tests = [{**CALL, "weight": 3}, {**CALL, "expected": 4, "name": "four"}]
    result = await grade(answering(call=value(3)), {**CALLS, "tests": tests})
    assert (result.reward, result.failure) == (0.75, None)
    assert result.sub_rewards == {"test_1": 1.0, "four": 0.0}
    assert result.explanation == "1 of 2 tests passed; four: wrong result: for (1, 2) expected 4, got 3"


async def test_without_partial_credit_the_first_failure_is_the_last_test() -> None:
    sandbox = answering(call=[value(3), value(0)])
    config = {**CALLS, "tests": [CALL] * 5, "partial_credit": False}
    result = await grade(sandbox, config)
    assert (result.reward, result.metrics) == (0.0, {"passed": 1.0, "total": 5.0})
    result = await grade(answering(call=value(3)), config)
    assert result.reward == 1.0


async def test_weights_that_do_not_add_up_exactly_still_give_one() -> None:
    tests = [{**CALL, "weight": weight} for weight in (0.1, 0.2, 0.3, 0.7)]
    assert (await grade(answering(call=value(3)), {**CALLS, "tests": tests})).reward == 1.0


async def test_an_explanation_names_a_few_failures() -> None:
    result = await grade(answering(call=value(0)), {**CALLS, "tests": [CALL] * 7})
    assert result.explanation is not None
    assert result.explanation.startswith("0 of 7 tests passed; test_1: wrong result")
    assert result.explanation.endswith("test_5: wrong result: for (1, 2) expected 3, got 0; and 2 more")


async def test_each_case_of_a_source_is_a_share_of_it() -> None:
    sandbox = answering(tests={"cases": ["test_a", "test_b"]}, run=[PASSED, verdict("failed", "it is wrong")])
    result = await grade(sandbox, {"tests": "def test_a(): ..."})
    assert result.reward == 0.5
    assert result.sub_rewards == {"test_1::test_a": 1.0, "test_1::test_b": 0.0}
    assert result.explanation == "1 of 2 tests passed; test_1::test_b: failed: it is wrong"


# who is to blame


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("timeout", "timed out after 10 s"),
        ("memory_limit", "used more memory than it may"),
        ("output_limit", "wrote more than it may"),
        ("exit", "ended its process"),
        ("signal", "crashed its process"),
        ("protocol", "its process answered what is no answer"),
    ],
)
async def test_code_that_ends_its_process_fails_that_test_and_a_new_process_goes_on(
    reason: str, why: str
) -> None:
    sandbox = answering(call=[died(reason), value(3)])
    result = await grade(sandbox, {**CALLS, "tests": [CALL, CALL]})
    assert (result.reward, result.failure) == (0.5, None)
    assert result.explanation == f"1 of 2 tests passed; test_1: {why}"
    assert sandbox.started == ["subject", "subject"]
    result = await grade(answering(call=died(reason)), CALLS)
    assert result.failure is not None
    assert (result.reward, result.failure.kind, result.failure.caused_by) == (0.0, FailureKind.OTHER, "model")
    assert result.failure.details == {"type": reason}


async def test_code_that_does_not_load_is_tried_once() -> None:
    load = {"error": {"type": "SyntaxError", "message": "invalid syntax", "line": 3}}
    sandbox = answering(load=load)
    result = await grade(sandbox, {**CALLS, "tests": [CALL, "assert add(1, 2) == 3"]})
    assert len(sandbox.calls) == 1
    assert result.explanation == (
        "0 of 2 tests passed; test_1: the code does not load: SyntaxError: invalid syntax (line 3); "
        "test_2: the code does not load: SyntaxError: invalid syntax (line 3)"
    )
    assert result.failure is not None
    assert (result.reward, result.failure.kind) == (0.0, FailureKind.SAMPLE_PARSE)
    sandbox = answering(load=died("exit"))
    result = await grade(sandbox, {**CALLS, "tests": [CALL, CALL]})
    assert (result.reward, len(sandbox.calls)) == (0.0, 1)


async def test_a_program_that_does_not_compile_is_no_answer() -> None:
    ended = Ended(1, "", 'File "solution.py", line 1\n  1 +\nSyntaxError: invalid syntax\n')
    result = await grade(answering(program=ended), {"tests": [{"input": "", "output": ""}]}, "1 +")
    assert result.failure is not None
    assert result.failure.kind is FailureKind.SAMPLE_PARSE
    assert result.explanation == "0 of 1 tests passed; test_1: exit status 1: SyntaxError: invalid syntax"


async def test_an_exit_status_fails_whatever_was_printed() -> None:
    config = {"tests": [{"input": "", "output": "1"}]}
    result = await grade(answering(program=Ended(3, "1")), config, "1")
    assert (result.reward, result.explanation) == (0.0, "0 of 1 tests passed; test_1: exit status 3")
    result = await grade(answering(program=died("timeout")), config, "1")
    assert result.explanation == "0 of 1 tests passed; test_1: timed out after 10 s"
    result = await grade(answering(program=Ended(0, "2")), config, "1")
    assert result.explanation == "0 of 1 tests passed; test_1: wrong output: for '' expected '1', got '2'"
    assert result.failure is None


async def test_an_answer_without_code_is_the_models_failure() -> None:
    sandbox = answering()
    result = await grade(sandbox, CALLS, "I cannot do that:\n```python\n\n```")
    assert result.failure is not None
    assert (result.reward, result.failure.kind) == (0.0, FailureKind.SAMPLE_PARSE)
    assert result.failure.caused_by == "model"
    assert (sandbox.started, result.metrics) == ([], {"passed": 0.0, "total": 1.0})


@pytest.mark.parametrize(
    "reply",
    [
        None,
        7,
        {"value": 3},
        {"number": 2, "value": 3},
        {"number": True, "value": 3},
        {"number": 1.0, "value": 3},
        {"number": 1},
        {"number": 1, "error": "no object"},
    ],
)
async def test_what_is_no_answer_to_the_question_fails_the_test(reply: Any) -> None:
    sandbox = answering(call=[reply, lambda message: {"number": message["number"], "value": 3}])
    result = await grade(sandbox, {**CALLS, "tests": [CALL, CALL]})
    assert result.sub_rewards == {"test_1": 0.0, "test_2": 1.0}
    assert sandbox.started == ["subject", "subject"]


@pytest.mark.parametrize("did", [None, "text", b"bytes", Unread(b"x" * ((4 << 20) + 1))])
async def test_the_judge_is_given_bytes_of_a_bounded_length_or_nothing(did: Any) -> None:
    sandbox = answering(
        tests={"cases": [""]},
        run=[{"call": 1, "body": Unread(b"")}, PASSED],
        do=lambda message: {"number": message["number"], "body": did},
    )
    result = await grade(sandbox, {"tests": ["assert f()", "assert g()"]})
    assert result.sub_rewards == {"test_1": 0.0, "test_2": 1.0}
    assert "number" not in [
        key for call in sandbox.calls if call["role"] == "judge" for key in call["message"]
    ]


async def test_a_case_that_ends_the_subject_fails_alone() -> None:
    ask = {"call": 1, "body": Unread(b"")}
    sandbox = answering(tests={"cases": ["a", "b", "c"]}, run=[PASSED, ask, PASSED], do=died("timeout"))
    result = await grade(sandbox, {"tests": "def test_a(): ..."})
    assert result.sub_rewards == {"test_1::a": 1.0, "test_1::b": 0.0, "test_1::c": 1.0}
    assert sandbox.started == ["subject", "judge", "subject", "judge"]
    runs = [call["message"]["run"] for call in sandbox.calls if "run" in call["message"]]
    assert runs == [0, 1, 2]


async def test_tests_that_fail_as_they_load_are_one_failed_test() -> None:
    sandbox = answering(tests=verdict("failed", "the code raised ValueError", crashed=True))
    result = await grade(sandbox, {"tests": "def test_a(): ..."})
    assert (result.reward, result.sub_rewards) == (0.0, {"test_1": 0.0})
    assert result.failure is not None
    assert result.failure.details == {"type": "raised"}


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"tests": verdict("broken", "SyntaxError: no")}, "SyntaxError: no"),
        ({"tests": {"cases": []}}, "there is no test in it"),
        ({"tests": died("memory_limit")}, "used more memory than it may"),
        ({"tests": {"cases": [""]}, "run": died("timeout")}, "timed out after 10 s"),
        ({"tests": {"cases": [""]}, "run": verdict("broken", "NameError: x")}, "NameError: x"),
    ],
)
async def test_broken_tests_are_ungraded(answers: dict[str, Any], why: str) -> None:
    result = await grade(answering(**answers), {"tests": ["assert f()"]})
    assert result.failure is not None
    assert (result.reward, result.failure.caused_by) == (None, "grader")
    assert result.failure.kind is FailureKind.PYTHON_GRADER_RUNTIME
    assert result.explanation == f"the test 'test_1' itself is broken: {why}"
    assert result.failure.details == {"type": "broken_tests", "test": "test_1"}


@pytest.mark.parametrize("reason", ["timeout", "memory_limit", "output_limit", "exit", "signal"])
async def test_what_an_answer_of_the_codes_does_to_the_tests_is_the_codes_failure(reason: str) -> None:
    def asking(**question: Any) -> FakeSandbox:
        return answering(
            tests={"cases": [""]},
            run={"call": 1, "body": Unread(b""), **question},
            do=lambda message: {"number": message["number"], "body": Unread(b"")},
            number=died(reason),
        )

    for used in (asking(), asking(uses=True)):
        result = await grade(used, {"tests": ["assert list(f())"]})
        assert result.failure is not None
        assert (result.reward, result.failure.caused_by) == (0.0, "model")
        assert result.failure.details == {"type": reason}
    result = await grade(asking(uses=False), {"tests": ["assert list(f())"]})
    assert result.failure is not None
    assert (result.reward, result.failure.caused_by) == (None, "grader")


async def test_what_was_used_as_the_tests_loaded_counts_for_each_case() -> None:
    def sandbox(*, uses: bool) -> FakeSandbox:
        return answering(
            tests={"call": 1, "uses": uses, "body": Unread(b"")},
            do=lambda message: {"number": message["number"], "body": Unread(b"")},
            number={"cases": ["a"]},
            run=died("timeout"),
        )

    assert (await grade(sandbox(uses=True), {"tests": "DATA = f()"})).reward == 0.0
    assert (await grade(sandbox(uses=False), {"tests": "DATA = f()"})).reward is None


async def test_the_names_of_many_cases_travel_as_a_body() -> None:
    names = [f"test_{number}" for number in range(3000)]
    sandbox = answering(
        tests={"cases": [], "body": Unread("\n".join(names).encode())},
        run=[PASSED] * 2999 + [verdict("failed", "no")],
    )
    result = await grade(sandbox, {"tests": "def test_a(): ..."})
    assert result.metrics == {"passed": 2999.0, "total": 3000.0}
    assert result.sub_rewards["test_1::test_2999"] == 0.0


async def test_a_test_runner_that_answers_no_message_is_the_tests_failure() -> None:
    result = await grade(answering(tests=["text"]), {"tests": ["assert f()"]})
    assert result.failure is not None
    assert (result.reward, result.failure.details["type"]) == (None, "broken_tests")


# a kill from outside


KILLED = CodeFailure("killed", reason=FailureType.SIGNAL, caused_by="infrastructure", retryable=True)


@pytest.mark.parametrize("where", ["load", "call", "program", "tests", "run", "do", "compare"])
async def test_a_kill_from_outside_is_measured_again_and_then_ungraded(where: str) -> None:
    configs: dict[str, dict[str, Any]] = {
        "program": {"tests": [{"input": "", "output": "1"}]},
        **{key: {"tests": ["assert f()"]} for key in ("tests", "run", "do")},
    }
    answers: dict[str, Any] = {
        "call": value(3) if where != "compare" else body_of(b"long"),
        "program": Ended(0, "1"),
        "tests": {"cases": [""]},
        "run": PASSED if where != "do" else {"call": 1, "body": Unread(b"")},
        "do": lambda message: {"number": message["number"], "body": Unread(b"")},
        "number": PASSED,
        "accepted": {"same": True, "shown": "3"},
        "load": {"ok": True},
    }
    place = "accepted" if where == "compare" else where
    for kills, reward in ((1, 1.0), (2, None)):
        sandbox = answering(**{**answers, place: [*[KILLED] * kills, answers[place]]})
        result = await grade(sandbox, configs.get(where, CALLS))
        assert result.reward == reward
        if reward is None:
            assert result.failure is not None
            assert (result.failure.caused_by, result.failure.retryable) == ("infrastructure", True)


# answers that are not read here


def body_of(data: bytes) -> Callable[[dict[str, Any]], Any]:
    return lambda message: {"number": message["number"], "body": Unread(data)}


async def test_a_long_answer_is_compared_in_a_process_of_its_own() -> None:
    sandbox = answering(call=body_of(b"long"), accepted={"same": False, "shown": "[1, ...]"})
    test = {**CALL, "unordered": True, "tolerance": 0.5, "expected": [3]}
    result = await grade(sandbox, {**CALLS, "tests": [test]})
    assert (
        result.explanation
        == "0 of 1 tests passed; test_1: wrong result: for (1, 2) expected [3], got [1, ...]"
    )
    assert sandbox.started == ["subject", "compare"]
    asked = {
        "accepted": [[3]],
        "tolerance": 0.5,
        "unordered": True,
        "rule": "default",
        "body": Unread(b"long"),
    }
    assert sandbox.calls[-1]["message"] == asked


async def test_a_comparison_of_many_steps_is_made_in_a_process_of_its_own() -> None:
    many = [[number + 0.5] for number in range(300)]
    sandbox = answering(call=value(many[::-1]), accepted={"same": True, "shown": "[...]"})
    test = {"call": [], "expected": [[inner[0] + 1e-12] for inner in many], "unordered": True}
    assert (await grade(sandbox, {**CALLS, "tests": [test]})).reward == 1.0
    assert sandbox.calls[-1]["message"]["actual"] == many[::-1]


async def test_long_output_is_compared_in_a_process_of_its_own() -> None:
    long = "x" * (READ_BYTES + 1)
    for printed, output, body in (
        (Unread(b"much"), "x", b"much"),
        ("short", long, b"short"),
    ):
        sandbox = answering(program=Ended(0, printed), output={"same": True, "shown": ""})
        assert (await grade(sandbox, {"tests": [{"input": "", "output": output}]})).reward == 1.0
        assert sandbox.calls[-1]["message"] == {
            "output": output,
            "tolerance": None,
            "rule": "default",
            "body": Unread(body),
        }


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (died("timeout"), "its answer took too long to compare"),
        (died("memory_limit"), "its answer is too much to compare"),
        ({"unreadable": "deeper than 100 levels"}, "its process answered what is no answer"),
    ],
)
async def test_an_answer_that_cannot_be_compared_is_the_codes_failure(reply: Any, why: str) -> None:
    result = await grade(answering(call=body_of(b"long"), accepted=reply), CALLS)
    assert result.failure is not None
    assert (result.reward, result.failure.caused_by) == (0.0, "model")
    assert result.explanation == f"0 of 1 tests passed; test_1: {why}"


async def test_a_sandbox_that_is_not_there_is_ungraded() -> None:
    down = GradingError("no sandbox", caused_by="infrastructure")
    for sandbox, config in (
        (answering(load=down), CALLS),
        (answering(program=down), {"tests": [{"input": "", "output": ""}]}),
        (answering(tests=down), {"tests": ["assert f()"]}),
    ):
        result = await grade(sandbox, config)
        assert result.failure is not None
        assert (result.reward, result.failure.caused_by) == (None, "infrastructure")


# time


async def test_time_is_counted_for_each_test_and_for_all() -> None:
    sandbox = answering(call=value(3))
    sandbox.seconds = 2.0
    result = await grade(sandbox, {**CALLS, "tests": [CALL] * 4, "timeout_s": 5, "total_timeout_s": 7})
    assert [call["timeout_s"] for call in sandbox.calls] == [5, 5, 3, 1]
    assert result.sub_rewards == {"test_1": 1.0, "test_2": 1.0, "test_3": 1.0, "test_4": 0.0}
    assert result.explanation == "3 of 4 tests passed; test_4: the 7 s for all tests were used up"


async def test_the_judges_time_is_not_the_subjects() -> None:
    sandbox = answering(
        tests={"cases": [""]},
        run={"call": 1, "body": Unread(b"")},
        do=lambda message: {"number": message["number"], "body": Unread(b"")},
        number=PASSED,
    )
    sandbox.seconds = 2.0
    result = await grade(sandbox, {"tests": ["assert f()"], "timeout_s": 4})
    assert result.reward == 1.0
    by_role = [(call["role"], call["timeout_s"]) for call in sandbox.calls]
    assert by_role == [("subject", 4), ("judge", 4), ("judge", 4), ("subject", 4), ("judge", 2)]


# hidden tests


async def test_a_hidden_test_tells_nothing_of_itself() -> None:
    secret = {"call": ["s3cret"], "expected": "s3cret", "hidden": True}
    leak = {"type": "s3cret", "message": "s3cret", "line": 1}
    sandboxes = [
        (answering(call=value("s3cret?")), [secret]),
        (answering(call=error("s3cret", "s3cret")), [secret]),
        (answering(load={"error": leak}), [secret]),
        (answering(program=Ended(0, "s3cret")), [{"input": "s3cret", "output": "x", "hidden": True}]),
        (answering(program=Ended(1, "", "s3cret: s3cret")), [{"input": "", "output": "", "hidden": True}]),
        (answering(tests=verdict("failed", "s3cret")), [{"assert": "f()", "hidden": True}]),
        (answering(tests=verdict("broken", "s3cret")), [{"assert": "f()", "hidden": True}]),
    ]
    for sandbox, tests in sandboxes:
        result = await grade(sandbox, {**CALLS, "tests": tests})
        assert result.reward in (0.0, None)
        assert "s3cret" not in repr(result)


# the code

JUDGED = {"compiles": True, "acts": True, "defines": True, "code": None}


@pytest.mark.parametrize(
    ("verdicts", "chosen"),
    [
        ([(True, True, True)], "Done"),
        ([(True, False, False), (True, True, True)], "x = 3\n"),
        ([(True, True, False), (True, True, True)], "x = 3\n"),
        ([(True, True, False), (True, True, False)], "Done"),
        ([(True, False, True), (True, False, True)], "Done"),
        ([(False, False, False), (True, False, True)], "x = 3\n"),
        ([(False, False, False), (False, False, False)], "Done"),
        ([died("memory_limit"), died("timeout")], "Done"),
    ],
)
async def test_the_first_reading_that_is_a_program_is_the_code(verdicts: list[Any], chosen: str) -> None:
    answers = [
        each
        if isinstance(each, CodeFailure)
        else {"compiles": each[0], "acts": each[1], "defines": each[2], "code": None}
        for each in verdicts
    ]
    sandbox = answering(candidate=answers, program=[Ended(0, "3"), Ended(0, "3")])
    tests = [{"input": "", "output": "3"}, {"input": "1", "output": "3"}]
    result = await grade(sandbox, {"tests": tests, "prelude": "import math"}, "x = 3\n```\nDone")
    assert result.reward == 1.0
    asked = [call["message"] for call in sandbox.calls]
    assert [message for message in asked if "candidate" in message] == [
        {
            "candidate": {
                "prelude": "import math\n",
                "blocks": (code,),
                "chosen": 0,
                "names": (),
                "program": "reads",
            }
        }
        for code in ("Done", "x = 3\n")[: len(verdicts)]
    ]
    assert [message["program"] for message in asked if "program" in message] == [f"import math\n{chosen}"] * 2


async def test_an_answer_without_code_is_said_to_have_none() -> None:
    for text, options in ((" ", {}), ("```python\n```", {}), ("\n", {"extract": "none"})):
        result = await grade(answering(), {**CALLS, **options}, text)
        assert result.explanation == "there is no code in the answer"


async def test_a_sandbox_that_fails_while_the_code_is_chosen_is_tried_once_more() -> None:
    lost = CodeFailure(
        "its zygote ended", reason=FailureType.SIGNAL, caused_by="infrastructure", retryable=True
    )
    sandbox = answering(candidate=[lost, JUDGED], call=value(3))
    assert (await grade(sandbox, CALLS, f"{ADD}```\nDone")).reward == 1.0


async def test_the_code_may_be_more_blocks_than_one() -> None:
    use = "print(add(1, 2))\n"
    sandbox = answering(candidate={**JUDGED, "code": "import math\n\n\nadd = max"}, call=value(3))
    assert (await grade(sandbox, CALLS, f"```python\n{ADD}```\nUse:\n```python\n{use}```")).reward == 1.0
    asked = sandbox.calls[0]["message"]["candidate"]
    assert asked == {"prelude": "", "blocks": (ADD, use), "chosen": 0, "names": ("add",), "program": ""}
    assert sandbox.calls[1]["message"] == {"load": "import math\n\n\nadd = max"}


async def test_the_whole_answer_can_be_the_code() -> None:
    sandbox = answering(call=value(3))
    text = "```python\nx\n```"
    await grade(sandbox, {**CALLS, "extract": "none"}, text)
    assert sandbox.calls[0]["message"] == {"load": text}


# comparison

EQUAL = [
    (3, 3.0),
    (3, 2.9999999999999996),
    (1000000007, 1000000007.0),
    (1e9 + 7, 1e9 + 7.5),
    (0.3, 0.1 + 0.2),
    ([1, [2]], (1, (2,))),
    ({"1": "a", "false": 2, "null": 3, "1.5": 4}, {1: "a", False: 2, None: 3, 1.5: 4}),
    ({1, 2}, [2, 1]),
    (frozenset({1, 1.5}), {1.5 + 1e-12, 1}),
    (math.nan, math.nan),
    (math.inf, math.inf),
    (10**400, 10**400),
    ("é", "é"),
    (None, None),
]
UNEQUAL = [
    (1000000007, 1000000007.5),
    (1000000007.5, 1000000007),
    (1000000007.0, 1000000008),
    ([10**12], [10**12 + 0.5]),
    (1, math.inf),
    (1, True),
    (True, 1),
    (False, None),
    (1, "1"),
    (1, 2),
    (0.1, 0.2),
    (1, 1j),
    (10**400, 1.0),
    (1.0, 10**400),
    (math.nan, 1.0),
    ("a", b"a"),
    ([1], [1, 1]),
    ([1], "1"),
    ([1, 1], {1}),
    ([1, 2], {1, 3}),
    ([1, 2], {1, 2}),
    (["b", "a"], {"a", "b"}),
    ([3, 2, 1], frozenset({1, 2, 3})),
    ([[1, 3], [4, 2]], (frozenset({3, 1}), frozenset({2, 4}))),
    ({"a": [1, 2]}, {"a": {1, 2}}),
    ({1, 2}, [1, 1]),
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, {"b": 1}),
    ({"a": 1}, [["a", 1]]),
    ({"a": 1}, {"a": 1, "b": 1}),
    ({"1": 1}, {(1,): 1}),
    ({"1": 1}, {10**5000: 1}),
    ({"1": 1, "2": 2}, {1: 1, "1": 1}),
]


@pytest.mark.parametrize(("expected", "actual"), EQUAL)
def test_these_are_equal(expected: Any, actual: Any) -> None:
    assert same_value(expected, actual, 1e-9)


@pytest.mark.parametrize(("expected", "actual"), UNEQUAL)
def test_these_are_not_equal(expected: Any, actual: Any) -> None:
    assert not same_value(expected, actual, 1e-9)


UNORDERED: list[tuple[Any, Any, bool, bool]] = [
    ([3, 1, 2], {1, 2, 3}, True, True),
    ([3, 1, 2], [1, 2, 3], True, True),
    ([[1], [2]], {(2,), (1,)}, True, True),
    ([1.0, "a"], frozenset({"a", 1 + 1e-12}), True, True),
    ([[0.3], [1.0]], [[1], [0.1 + 0.2]], True, True),
    ([math.nan, 1], [1, math.nan], True, True),
    ([None, "1", 1], [1, None, "1"], True, True),
    ([{"a": 1}, {"b": [2]}], [{"b": (2,)}, {"a": 1.0}], True, True),
    ([0.0, 1e-10, -1e-10], [1e-10, -1e-10, 0.0], True, True),
    ([1, 1, 2], [1, 2, 2], False, False),
    ([1, 1], {1}, False, False),
    ([True, 1], [1, 1], False, False),
    (["1"], [1], False, False),
    ([[1], [2]], {(1,), (3,)}, False, False),
    ([1, 2], {1: 1, 2: 2}, False, False),
    ([1, 2.0], "12", False, False),
    ([[1, 3], [4, 2]], (frozenset({3, 1}), frozenset({2, 4})), False, True),
    ([[1, 2], [3]], [[3], [2, 1]], False, True),
    ([[1, 2], [2, 1]], [[1, 2], [1, 2]], False, True),
    ([[1, 2], [2, 1]], [[2, 1], [1, 2]], True, True),
    ({"a": [1, 2]}, {"a": [2, 1]}, False, True),
    ([2**61 - 1, 0], [0, 2**61 - 1], True, True),
]


@pytest.mark.parametrize(("expected", "actual", "outermost", "deep"), UNORDERED)
def test_where_the_order_does_not_matter(expected: Any, actual: Any, outermost: bool, deep: bool) -> None:
    assert same_value(expected, actual, 1e-9, unordered=True) is outermost
    assert same_value(expected, actual, 1e-9, unordered="deep") is deep


@given(st.lists(json_values()), st.randoms())
def test_every_order_of_the_elements_is_equal_where_the_order_does_not_matter(
    found: list[Any], random: Any
) -> None:
    shuffled = random.sample(found, len(found))
    assert same_value(found, shuffled, 0.0, unordered=True)
    assert same_value(found, shuffled, 0.0, unordered="deep")
    assert not same_value(found, [*shuffled, None], 0.0, unordered=True)


@given(st.lists(st.floats(-1e6, 1e6)), st.randoms())
def test_numbers_within_the_tolerance_are_paired_in_any_order(found: list[float], random: Any) -> None:
    moved = [number + random.uniform(-1e-3, 1e-3) for number in found]
    random.shuffle(moved)
    assert same_value(found, moved, 1e-2, unordered=True)


def test_whole_numbers_and_floats_in_one_list_are_paired_each_by_its_rule() -> None:
    assert same_value([10**9, 10.0**9 + 0.25], [10.0**9 + 0.5, 10.0**9], 1e-9, unordered=True)
    assert not same_value([10**9, 10.0**9 + 0.25], [10.0**9 + 0.5, 10.0**9 + 0.75], 1e-9, unordered=True)


def test_a_comparison_stops_at_its_steps() -> None:
    assert same_value([1, 2], [1, 2], 0.0, steps=3)
    with pytest.raises(TooManySteps):
        same_value([1, 2], [1, 2], 0.0, steps=2)
    same_hashes = [number * (2**61 - 1) for number in range(1, 100)]
    with pytest.raises(TooManySteps):
        same_value(same_hashes, same_hashes[::-1], 0.0, unordered=True)


@given(json_values())
def test_every_value_equals_itself(found: Any) -> None:
    assert same_value(found, found, 0.0)
    assert not same_value([found], found, 0.0)


@pytest.mark.parametrize(
    ("expected", "actual", "tolerance", "same"),
    [
        ("1\n2", "1 \n2\n\n", None, True),
        ("1\n2\n", "1\r\n2", None, True),
        ("", "\n", None, True),
        ("1 2", "1  2", None, False),
        (" 1", "1", None, False),
        ("1.0", "1.00", None, False),
        ("1.0 x", "1.001 x", 0.01, True),
        ("1.0 x", "1.001 y", 0.01, False),
        ("1.0", "1.1", 0.01, False),
        ("1.0", "1.0 2", 0.01, False),
        ("1.0", "1.0\n2", 0.01, False),
    ],
)
def test_output_is_compared_as_judges_do(
    expected: str, actual: str, tolerance: float | None, same: bool
) -> None:
    assert same_output(expected, actual, tolerance) is same


HUGE = 10**5000


@pytest.mark.parametrize(
    ("expected", "actual", "tolerance", "same"),
    [
        (f"{HUGE:x}", f"{HUGE:x}", 0.0, True),
        ("9007199254740993", "9007199254740992", 0.0, False),
        ("9007199254740993", "9007199254740993.0", 0.0, True),
        ("1" + "0" * 400, "2" + "0" * 400, 1e-9, False),
        ("1" + "0" * 400, "1" + "0" * 399 + "1", 1e-9, True),
        ("1" + "0" * 400, "1e400", 0.0, True),
        ("-1" + "0" * 400, "1" + "0" * 400, 1e-9, False),
        ("inf", "Infinity", 1e-9, True),
        ("inf", "-inf", 1e-9, False),
        ("inf", "1e400", 1e-9, False),
        ("nan", "NaN", 1e-9, True),
        ("nan", "inf", 1e-9, False),
        ("1e9999999999999999999", "2e9999999999999999999", 1e-9, False),
    ],
)
def test_printed_numbers_that_no_float_holds_are_compared_exactly(
    expected: str, actual: str, tolerance: float, same: bool
) -> None:
    assert same_output(expected, actual, tolerance) is same


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("1\n2", "  1\n 2 \n\n", True),
        ("1.0 2", "1   2.00", True),
        ("a b", "a  b", False),
        ("1 a", "1.0 a", False),
        ("0.3", "0.30000000000000004", False),
        ("50000000000000000", "50000000000000001", False),
        ("1\n\n2", "1\n2", False),
        ("1e3", "1000", True),
        ("nan", "NaN", False),
        ("snan", "snan 1", False),
        ("sNaN", "snan", False),
        ("", " ", True),
    ],
)
def test_livecodebench_compares_lines_as_decimals(expected: str, actual: str, same: bool) -> None:
    assert same_output_for_livecodebench(expected, actual) is same


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ([1, 2], (1, 2), True),
        ([[1, 2]], [(1, 2)], False),
        (True, 1, True),
        (1, 1.0, True),
        (0.3, 0.1 + 0.2, False),
        ([1], {1}, False),
        ("1", 1, False),
        (None, None, True),
    ],
)
def test_livecodebench_compares_results_as_python_does(expected: Any, actual: Any, same: bool) -> None:
    assert same_for_livecodebench(expected, actual) is same


async def test_tests_of_livecodebench_are_compared_by_its_rules() -> None:
    tests = [
        {"input": "1", "output": "0.3", "testtype": "functional"},
        {"input": "1", "output": "[[1]]", "testtype": "functional", "compare": "default"},
        {"input": "", "output": "1.50", "testtype": "stdin"},
    ]
    sandbox = answering(call=[value(0.1 + 0.2), value([(1,)])], program=Ended(0, " 1.5\n"))
    result = await grade(sandbox, {**CALLS, "tests": tests})
    assert result.sub_rewards == {"test_1": 0.0, "test_2": 1.0, "test_3": 1.0}
    sandbox = answering(call=body_of(b"long"), accepted={"same": True, "shown": ""})
    assert (await grade(sandbox, {**CALLS, "tests": tests[:1]})).reward == 1.0
    assert sandbox.calls[-1]["message"]["rule"] == "livecodebench"


async def test_an_entry_point_that_renders_to_nothing_is_none() -> None:
    config = {"tests": "{{item.tests}}", "entry_point": "{{item.name}}"}
    program = {"tests": [{"input": "", "output": "3"}], "name": ""}
    assert (await grade(answering(program=Ended(0, "3")), config, ADD, program)).reward == 1.0
    result = await grade(answering(), config, ADD, {"tests": [CALL], "name": ""})
    assert (result.reward, result.explanation) == (
        None,
        "the item's tests are wrong: 0: a call needs a 'function', or the grader an 'entry_point'",
    )


def hex_of(number: int) -> str:
    """A name for a number that has no `str`."""
    return hex(number)[:10]


@pytest.mark.parametrize("number", [10**4300, -(10**4999) - 7, 3**40_000, 10**99_999], ids=hex_of)
def test_integers_of_more_than_4300_digits_are_read(number: int) -> None:
    with digits_without_limit():
        digits = str(number)
    functional, call = read_tests(
        f'[{{"testtype": "functional", "input": "{digits}", "output": "[{digits}]"}}, {{"call": [{digits}], "expected": 1}}]'
    )
    assert isinstance(functional, CallTest)
    assert isinstance(call, CallTest)
    assert (functional.call, functional.expected, call.call) == ([number], [number], [number])


def test_a_grader_with_a_long_integer_has_a_signature_of_its_own() -> None:
    one, other = (
        REGISTRY.load({**CALLS, "type": "code_tests", "tests": [{**CALL, "expected": number}]}).info.signature
        for number in (HUGE, HUGE + 1)
    )
    assert one != other


def test_integers_of_very_many_digits_are_refused() -> None:
    digits = "1" * 100_001
    with pytest.raises(InvalidOptions, match="an integer of 100,001 digits; at most 100,000 are read"):
        read_tests([{"testtype": "functional", "input": digits, "output": "1"}])


@contextmanager
def digits_without_limit() -> Iterator[None]:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(limit)


async def test_a_test_may_have_a_tolerance_of_its_own() -> None:
    sandbox = answering(call=value(3.1))
    tests = [{**CALL, "tolerance": 0.2}, CALL]
    assert (await grade(sandbox, {**CALLS, "tests": tests})).reward == 0.5
    assert (await grade(sandbox, {**CALLS, "tolerance": 0.2})).reward == 1.0


def test_a_value_is_shown_by_its_beginning() -> None:
    assert shown([1] * 10**6) == f"[{'1, ' * 20}...]"
    assert len(shown("x" * 10**6)) < 200
    assert shown(10**5000) == "<int>"
    assert shown({2, 1}) == "{1, 2}"
    assert shown({"b", "a"}) == "{'a', 'b'}"
    assert shown(frozenset({(2,)})) == "frozenset({(2,)})"
    assert (shown(set()), shown(frozenset())) == ("set()", "frozenset()")
    assert shown(set(range(2000))).endswith(", ...}")
    assert shown({"b": 1, "a": {1: 2}}) == "{'b': 1, 'a': {1: 2}}"
    assert shown([[[[[[{1}]]]]]]) == "[[[[[[{...}]]]]]]"
    assert shown({1: {2: {3: {4: {5: {6: {7: 8}}}}}}}) == "{1: {2: {3: {4: {5: {6: {...}}}}}}}"


# forms


@pytest.mark.parametrize(
    "tests",
    [
        ["assert f(1) == 2"],
        {"fn_name": "f", "inputs": [[1], [2]], "outputs": [2, 3]},
        {"inputs": [["1", "2"], "3"], "outputs": ["4", ["5", "6"]]},
    ],
)
def test_tuples_are_read_as_lists(tests: Any) -> None:
    def with_tuples(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: with_tuples(inner) for name, inner in value.items()}
        return tuple(map(with_tuples, value)) if isinstance(value, list) else value

    assert read_tests(with_tuples(tests)) == read_tests(tests)


def test_the_forms_of_known_data_sets_are_read() -> None:
    (he,) = read_tests("def check(candidate):\n    assert candidate(1) == 2")
    assert isinstance(he, SourceTest)
    mbpp = read_tests(["assert f(1) == 2", "assert f(2) == 3"])
    assert [(type(test), test.name) for test in mbpp] == [(AssertTest, "test_1"), (AssertTest, "test_2")]
    (stdin,) = read_tests('{"inputs": [["1", "2"]], "outputs": ["3\\n"]}')
    assert isinstance(stdin, ProgramTest)
    assert (stdin.input, stdin.output) == ("1\n2", "3\n")
    (call,) = read_tests({"fn_name": "f", "inputs": [[1, [2]]], "outputs": [[3]]})
    assert isinstance(call, CallTest)
    assert (call.call, call.function, call.accepted) == ([1, [2]], "f", [[3], 3])
    lcb = [
        {"input": '[1, 2]\n"a"', "output": "[3]", "testtype": "functional"},
        {"input": "1", "output": "2", "testtype": "stdin"},
    ]
    functional, program = read_tests(lcb)
    assert isinstance(functional, CallTest)
    assert (functional.call, functional.expected, functional.accepted) == ([[1, 2], "a"], [3], [[3]])
    assert isinstance(program, ProgramTest)


def test_a_lone_test_and_read_ones_are_tests() -> None:
    (test,) = read_tests({"assert": "f()", "name": "n", "weight": 2, "hidden": True})
    assert isinstance(test, AssertTest)
    assert (test.source, test.name, test.weight, test.hidden) == ("f()", "n", 2.0, True)
    assert read_tests([test]) == [test]
    (source,) = read_tests("[x for x in y]")
    assert isinstance(source, SourceTest)


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        (5, "expected a list of tests, got 5"),
        ([], "expected at least one test"),
        ("  ", "expected at least one test"),
        ([5], "0: expected a test, such as .*, got 5"),
        ([{"name": "x"}], "0: a test has 'input' and 'output', or 'call' and 'expected'"),
        ([{"input": "x"}], "0.output: this field is required"),
        ([{"output": "x"}], "0.input: this field is required"),
        ([{**CALL, "wieght": 1}], "0.wieght: no such field; did you mean 'weight'"),
        ([{**CALL, "weight": 0}], "0.weight: expected greater than 0, got 0"),
        ([{**CALL, "unordered": "all"}], "0.unordered"),
        ([{"assert": 1}, {"source": 2}], "0.assert: expected a text, got 1; 1.source: expected"),
        ([{**CALL, "name": "test_2"}, CALL], "1.name: two tests have the name 'test_2'"),
        ({"inputs": [1], "outputs": []}, "expected 'inputs' and 'outputs' as two lists of one length"),
        ([{"input": "{", "output": "1", "testtype": "functional"}], "are not lines of JSON"),
        ([{"testtype": "functional"}], "are not lines of JSON"),
    ],
)
async def test_wrong_tests_say_where(tests: Any, message: str) -> None:
    with pytest.raises(InvalidOptions, match=message):
        read_tests(tests)
    with pytest.raises(InvalidOptions, match="tests"):
        REGISTRY.load({"type": "code_tests", "tests": tests})
    result = await grade(answering(), {"tests": "{{item.tests}}"}, ADD, {"tests": tests})
    assert result.failure is not None
    assert (result.reward, result.failure.kind) == (None, FailureKind.INVALID_VARIABLE)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"tests": "{{sample.output_text}}"},
            "tests: what the model wrote must not become part of the tests",
        ),
        ({**CALLS, "prelude": "{{sample.output_text}}"}, "prelude: what the model wrote"),
        ({**CALLS, "setup": "{{sample.output_text}}"}, "setup: what the model wrote"),
        ({**CALLS, "entry_point": "{{sample.output_text}}"}, "entry_point: what the model wrote"),
        ({"tests": "{{"}, "tests: the '{{' at character 0 has no"),
        ({"tests": [CALL]}, "tests.0: a call needs a 'function', or the grader an 'entry_point'"),
        ({**CALLS, "module": "a.b"}, "module: expected a module's name, got 'a.b'"),
        ({**CALLS, "timeout_s": 121}, "timeout_s: expected less than or equal to 120"),
        ({}, "tests: this field is required"),
    ],
)
def test_a_wrong_grader_says_where(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOptions, match=message):
        REGISTRY.load({"type": "code_tests", **config})


async def test_an_item_may_lack_what_the_grader_needs() -> None:
    result = await grade(answering(), {"tests": "{{item.t}}"}, ADD, {"t": [CALL]})
    assert result.explanation == (
        "the item's tests are wrong: 0: a call needs a 'function', or the grader an 'entry_point'"
    )
    result = await grade(answering(), {**CALLS, "entry_point": "{{item.name}}"}, ADD, {"name": "a b"})
    assert result.explanation == "entry_point: expected a function's name, got 'a b'"
    assert result.reward is None


def test_equal_graders_have_equal_signatures() -> None:
    one, same, other = (
        REGISTRY.load({"type": "code_tests", **config}).info.signature
        for config in (CALLS, {**CALLS, "timeout_s": 10.0}, {**CALLS, "tests": [{**CALL, "expected": 4}]})
    )
    assert one == same != other


def test_a_ready_made_template_is_a_test_option() -> None:
    assert CodeTests.grader_type.options.model_validate({"tests": Template("{{item.t}}")})  # type: ignore[attr-defined]  # the decorator's


@given(st.integers(1, 6), st.integers(0, 6))
async def test_the_reward_counts_what_passed(total: int, passing: int) -> None:
    passing = min(passing, total)
    answers = [value(3)] * passing + [value(4)] * (total - passing)
    result = await grade(answering(call=answers), {**CALLS, "tests": [CALL] * total})
    assert result.reward == pytest.approx(passing / total)
    assert result.metrics == {"passed": passing, "total": total}


class WithoutImages(FakeSandbox):
    async def check(self, source: str | None = None, *, image: str | None = None) -> None:
        if image is not None:
            raise UnknownImage(f"there is no image {image!r}")


async def test_an_image_that_is_not_there_is_found_before_anything_is_graded() -> None:
    context = FakeContext(sandbox=WithoutImages([]))
    await CodeTests(tests=[CALL], entry_point=Template("add")).prepare(context)
    with pytest.raises(InvalidOptions, match="image: there is no image 'x'"):
        await CodeTests(tests=[CALL], entry_point=Template("add"), image="x").prepare(context)


@pytest.mark.parametrize(("failures", "reward"), [(0, 1.0), (1, 1.0), (2, None)])
async def test_what_the_sandbox_failed_at_is_done_again_once(failures: int, reward: float | None) -> None:
    lost = GradingError("its zygote ended", caused_by="infrastructure", retryable=True)
    sandbox = answering(load=[*[lost] * failures, {"ok": True}], call=value(3))
    assert (await grade(sandbox, CALLS)).reward == reward


async def test_what_the_tests_or_the_machine_are_to_blame_for_is_not_done_again() -> None:
    sandbox = answering(load=[GradingError("there is no sandbox", caused_by="infrastructure"), {"ok": True}])
    assert (await grade(sandbox, CALLS)).reward is None
    assert len(sandbox.calls) == 1


async def test_the_code_of_a_long_answer_is_found_as_that_of_a_short_one() -> None:
    tests = [{"input": "", "output": "3"}]
    for words in ("Here it is.", "Here it is. " * 5_000):
        result = await grade(
            answering(program=[Ended(0, "3")]), {"tests": tests}, f"{words}\n```python\nprint(3)\n```\n"
        )
        assert result.reward == 1.0
