"""What the author of a plugin is told: why a file or the network is refused, source lines, and what was printed."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graders import GraderResult, Registry, Sample
from graders.registry import Entry
from runtime import Evaluator, Settings
from runtime.explain.explain import explain
from runtime.explain.explanation import Explanation
from runtime.explain.render import lines
from runtime.workers.lock_hint import lock_hint

REGISTRY = Registry([Entry("debugged", "hostile_graders.printing:debugged", "some-plugin", "1.0")])
GRADER = {"type": "debugged"}


@pytest.fixture(scope="module")
async def evaluator() -> AsyncIterator[Evaluator]:
    async with Evaluator(REGISTRY, Settings(plugin_workers=1)) as started:
        yield started


async def graded(evaluator: Evaluator, text: str) -> GraderResult:
    return await evaluator.grade(GRADER, text, {})


async def explained(evaluator: Evaluator, text: str) -> Explanation:
    return await explain(evaluator, GRADER, Sample(text), {})


def hint(need: str, reaches: str) -> str:
    return (
        f"; plugins are locked, and this one reaches {reaches}: if it has to, declare "
        f'@grader("debugged", needs={{"{need}"}}) and allow that in the setting plugin_needs'
    )


@pytest.mark.parametrize("act", ["read", "write", "table"])
async def test_a_file_that_is_refused_names_the_lock_and_the_need(
    evaluator: Evaluator, tmp_path: Path, act: str
) -> None:
    own = tmp_path / "table.txt"
    own.write_text("here")
    result = await graded(evaluator, f"{act} {own if act != 'write' else tmp_path / 'new'}")
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.message.endswith(hint("files", "no files but those of its packages"))


@pytest.mark.parametrize("act", ["connect", "resolve", "fetch"])
async def test_a_network_that_is_refused_names_the_lock_and_the_need(evaluator: Evaluator, act: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        result = await graded(evaluator, f"{act} {server.getsockname()[1]}")
    assert result.failure is not None
    assert result.failure.message.endswith(hint("network", "no network"))


@pytest.mark.parametrize("act", ["look_up x", "print then_fail"])
async def test_another_exception_says_nothing_of_the_lock(evaluator: Evaluator, act: str) -> None:
    result = await graded(evaluator, act)
    assert result.failure is not None
    assert "needs=" not in result.failure.message


def test_a_need_that_is_declared_and_errors_of_other_kinds_get_no_hint() -> None:
    missing, refused = FileNotFoundError(2, "no", "a.txt"), ConnectionRefusedError(111, "no")
    assert "files" in lock_hint(missing, "x", frozenset())
    assert lock_hint(missing, "x", frozenset({"files"})) == ""
    assert "network" in lock_hint(refused, "x", frozenset({"files"}))
    assert lock_hint(refused, "x", frozenset({"network"})) == ""
    assert lock_hint(OSError(28, "no space"), "x", frozenset()) == ""
    assert lock_hint(None, "x", frozenset()) == ""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first  # a circle
    assert lock_hint(first, "x", frozenset()) == ""


async def test_a_traceback_has_the_source_lines(evaluator: Evaluator) -> None:
    result = await graded(evaluator, "table /no/such/file")
    assert result.failure is not None
    frames = result.failure.details["traceback"].splitlines()
    assert [frame.partition(", in ")[2] for frame in frames[::2]] == ["debugged", "_table"]
    assert frames[1::2] == ["    _table(argument)", '    raise RuntimeError("there is no table") from error']


@pytest.mark.parametrize("act", ["print", "print then_fail"])
async def test_what_a_plugin_printed_is_in_its_explanation(evaluator: Evaluator, act: str) -> None:
    for _ in range(2):  # nothing of the first is in the second
        found = await explained(evaluator, act)
        assert found.printed == "to the output\n\x1b[2Jto the errors\nWARNING:plugin:to the log\n"
    assert found.to_dict()["printed"] == found.printed
    shown = "\n".join(lines(found))
    assert (
        "printed:\n    | to the output\n    | \\x1b[2Jto the errors\n    | WARNING:plugin:to the log" in shown
    )


async def test_a_grading_that_prints_nothing_has_nothing_printed(evaluator: Evaluator) -> None:
    await graded(evaluator, "print")  # nobody looks at it
    found = await explained(evaluator, "nothing")
    assert (found.printed, found.result.reward) == (None, 1.0)


async def test_of_much_that_is_printed_the_end_is_kept(evaluator: Evaluator) -> None:
    found = await explained(evaluator, "print_much")
    assert found.printed is not None
    assert len(found.printed) <= 20_000
    assert found.printed.endswith("xxxthe end\n")
