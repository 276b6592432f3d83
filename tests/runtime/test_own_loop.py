"""An evaluator used from another event loop, thread or process says so at once, instead of hanging."""

import asyncio
import multiprocessing
import pickle
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import pytest

from graders import Registry
from runtime import Evaluator, Settings, SyncEvaluator

EQUAL = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "4",
    "operation": "eq",
}
FORK = multiprocessing.get_context("fork")
PATIENCE_S = 60.0

USES: dict[str, Callable[[SyncEvaluator], object]] = {
    "load": lambda evaluator: evaluator.load(EQUAL),
    "prepare": lambda evaluator: evaluator.prepare(EQUAL),
    "grade": lambda evaluator: evaluator.grade(EQUAL, "4"),
    "grade_group": lambda evaluator: evaluator.grade_group(EQUAL, ["4"]),
    "grade_many": lambda evaluator: evaluator.grade_many(EQUAL, ["4"], [{}]),
    "stream": lambda evaluator: list(evaluator.stream(EQUAL, [("4", {})])),
    "explain": lambda evaluator: evaluator.explain(EQUAL, "4"),
}


def forked(work: Callable[[], object]) -> Any:
    """What some work gives or raises in a fork of this process."""

    def run(to: Connection) -> None:
        try:
            to.send(work())
        except Exception as error:  # noqa: BLE001  # whatever it is, it is sent back
            to.send(repr(error))

    receiver, sender = FORK.Pipe(duplex=False)
    child = FORK.Process(target=run, args=(sender,))
    child.start()
    try:
        assert receiver.poll(PATIENCE_S), "it hangs"
        return receiver.recv()
    finally:
        child.join(PATIENCE_S)
        if child.is_alive():
            child.kill()
        assert child.exitcode == 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("name", USES)
def test_a_forked_sync_evaluator_raises_at_once(sync_evaluator: SyncEvaluator, name: str) -> None:
    said = forked(lambda: USES[name](sync_evaluator))
    assert "before this process was forked" in said
    assert "make one in each process" in said
    assert sync_evaluator.grade(EQUAL, "4").reward == 1.0


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_may_close_it_and_end_and_may_make_one_of_its_own(
    sync_evaluator: SyncEvaluator, quick: Settings
) -> None:
    def work() -> float | None:
        sync_evaluator.close()
        with SyncEvaluator(settings=quick) as own:
            return own.grade(EQUAL, "4").reward

    assert forked(work) == 1.0
    assert sync_evaluator.grade(EQUAL, "5").reward == 0.0


def test_a_sync_evaluator_says_why_it_does_not_pickle(sync_evaluator: SyncEvaluator) -> None:
    with pytest.raises(TypeError, match="make one in each process"):
        pickle.dumps(sync_evaluator)


ASYNC_USES: dict[str, Callable[[Evaluator], Any]] = {
    "prepare": lambda evaluator: evaluator.prepare(EQUAL),
    "grade": lambda evaluator: evaluator.grade(EQUAL, "4"),
    "grade_group": lambda evaluator: evaluator.grade_group(EQUAL, ["4"]),
    "grade_many": lambda evaluator: evaluator.grade_many(EQUAL, ["4"], [{}]),
    "stream": lambda evaluator: anext(evaluator.stream(EQUAL, [("4", {})])),
}


async def use(evaluator: Evaluator, name: str = "grade") -> object:
    return await ASYNC_USES[name](evaluator)


@pytest.mark.parametrize("name", ASYNC_USES)
def test_an_evaluator_on_a_second_loop_says_so(quick: Settings, name: str) -> None:
    evaluator = Evaluator(settings=quick)
    assert asyncio.run(use(evaluator))
    with pytest.raises(RuntimeError, match=r"belongs to the event loop .* which is closed"):
        asyncio.run(use(evaluator, name))


def test_an_evaluator_on_the_loop_of_another_thread_says_so(quick: Settings) -> None:
    said: list[str] = []

    def elsewhere(evaluator: Evaluator) -> None:
        with pytest.raises(RuntimeError) as caught:
            asyncio.run(use(evaluator))
        said.append(str(caught.value))

    async def main() -> None:
        async with Evaluator(settings=quick) as evaluator:
            await use(evaluator)
            thread = threading.Thread(target=elsewhere, args=(evaluator,))
            thread.start()
            await asyncio.to_thread(thread.join)
            await use(evaluator)

    asyncio.run(main())
    assert "which is another" in said[0]


def test_an_evaluator_that_only_loads_belongs_to_no_loop() -> None:
    evaluator = Evaluator(Registry.installed(), Settings())
    assert asyncio.run(_load(evaluator)) == asyncio.run(_load(evaluator)) == "string_check"


async def _load(evaluator: Evaluator) -> str:
    return evaluator.load(EQUAL).info.type


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_an_evaluator_in_a_fork_says_so(quick: Settings) -> None:
    evaluator = Evaluator(settings=quick)
    asyncio.run(use(evaluator))
    assert "forked" in forked(lambda: asyncio.run(use(evaluator)))
