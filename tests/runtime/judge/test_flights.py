"""What is asked at once is asked once, as long as somebody waits for it."""

import asyncio

import pytest

from runtime.judge.flights import Flights


class OwnError(Exception):
    """A failure that is the first one's alone."""


def anew(error: Exception) -> Exception | None:
    return None if isinstance(error, OwnError) else type(error)(*error.args)


async def test_all_get_what_the_first_began() -> None:
    flights: Flights[int] = Flights(anew)
    begun = 0
    landed = asyncio.Event()

    async def work() -> int:
        nonlocal begun
        begun += 1
        await landed.wait()
        return 7

    tasks = [asyncio.create_task(flights.join("a", work)) for _ in range(5)]
    await asyncio.sleep(0)
    landed.set()
    results = await asyncio.gather(*tasks)
    assert [value for value, _ in results] == [7] * 5
    assert [mine for _, mine in results].count(True) == 1
    assert begun == 1
    assert (await flights.join("a", work))[1], "what has landed is begun anew"
    assert begun == 2


async def test_an_error_is_everybodys() -> None:
    flights: Flights[int] = Flights(anew)

    async def work() -> int:
        await asyncio.sleep(0)
        raise ValueError("no")

    results = await asyncio.gather(*(flights.join("a", work) for _ in range(3)), return_exceptions=True)
    assert [str(result) for result in results] == ["no"] * 3
    assert len({id(result) for result in results}) == 3, "each has an object of its own"


async def test_a_failure_that_is_the_first_ones_alone_is_nobody_elses() -> None:
    flights: Flights[int] = Flights(anew)
    begun = 0

    async def work() -> int:
        nonlocal begun
        begun += 1
        number = begun
        await asyncio.sleep(0)
        if number <= 2:
            raise OwnError
        return 7

    results = await asyncio.gather(*(flights.join("a", work) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results[:2]] == [OwnError] * 2
    assert results[2:] == [(7, True), (7, False), (7, False)]
    assert begun == 3


async def test_the_next_does_it_when_the_first_leaves() -> None:
    flights: Flights[int] = Flights(anew)
    begun = 0
    landed = asyncio.Event()

    async def work() -> int:
        nonlocal begun
        begun += 1
        await landed.wait()
        return 7

    tasks = [asyncio.create_task(flights.join("a", work)) for _ in range(4)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    await asyncio.sleep(0)
    assert begun == 2
    landed.set()
    assert await asyncio.gather(*tasks[1:]) == [(7, True), (7, False), (7, False)]
    assert begun == 2


async def test_a_waiting_caller_may_leave() -> None:
    flights: Flights[int] = Flights(anew)
    landed = asyncio.Event()

    async def work() -> int:
        await landed.wait()
        return 7

    first, second = (asyncio.create_task(flights.join("a", work)) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    landed.set()
    assert await first == (7, True)


async def test_it_ends_when_the_last_leaves() -> None:
    flights: Flights[int] = Flights(anew)
    ended = 0

    async def work() -> int:
        nonlocal ended
        try:
            await asyncio.sleep(3600)
        finally:
            ended += 1
        raise AssertionError

    tasks = [asyncio.create_task(flights.join("a", work)) for _ in range(3)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert ended == 1

    async def quick() -> int:
        return 1

    assert await flights.join("a", quick) == (1, True)
