"""A plugin that evaluates its samples lets each of them do what it likes to its own reward, and nothing to any other."""

import logging
from collections.abc import Sequence

import pytest
from hostile_graders.loading import loads, loads_in_shared

from graders import Registry
from runtime import Evaluator, Settings
from tests.runtime.executed_samples import HOSTILE, LOADED, OF_EACH_KIND

REPLACES = HOSTILE["replace the function that answers"]


def rows(hostile: list[str]) -> tuple[list[str], list[dict[str, float]], list[float | None]]:
    """Each hostile sample among a right, a wrong and a right one: samples, items, and rewards; None for the hostile one."""
    samples: list[str] = []
    items: list[dict[str, float]] = []
    rewards: list[float | None] = []
    for n, text in enumerate(hostile):
        samples += [f"{n} + 1", text, f"{n} + 2", f"{n} + {n}"]
        items += [{"answer": n + 1}, {"answer": n + 1}, {"answer": -1}, {"answer": 2 * n}]
        rewards += [1.0, None, 0.0, 1.0]
    return samples, items, rewards


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "processes", "acts"),
    [
        pytest.param("evaluates", 2, OF_EACH_KIND, id="evaluates-2-some"),
        *(
            pytest.param(name, processes, [*HOSTILE], id=f"{name}-{processes}", marks=pytest.mark.slow)
            for name, processes in (("evaluates", 2), ("evaluates", 1), ("evaluates_prepared", 2))
        ),
    ],
)
async def test_no_evaluated_sample_changes_the_reward_of_another(
    quick: Settings, name: str, processes: int, acts: Sequence[str]
) -> None:
    samples, items, expected = rows([HOSTILE[act] for act in acts])
    settings = quick.model_copy(update={"plugin_workers": processes})
    async with Evaluator(settings=settings) as evaluator:
        gradings = await evaluator.grade_many({"type": name}, samples, items)
    found = gradings.rewards.tolist()
    changed = [
        (acts[place // 4], place % 4, found[place])
        for place, reward in enumerate(expected)
        if reward is not None and found[place] != reward
    ]
    assert changed == []


async def test_a_sample_that_shares_its_process_changes_others_but_no_other_clients(quick: Settings) -> None:
    settings = quick.model_copy(update={"plugin_workers": 1})
    async with Evaluator(settings=settings) as evaluator:
        shared, wrong = {"type": "evaluates_in_shared"}, {"answer": 5}
        await evaluator.grade(shared, REPLACES, wrong, client="one")
        same = await evaluator.grade(shared, "1", wrong, client="one")
        other = [await evaluator.grade(shared, "1", wrong, client="two") for _ in range(3)]
        renamed = await evaluator.grade({**shared, "name": "again"}, "1", wrong, client="one")
    # the first shows that the attack is real
    assert [same.reward, *(result.reward for result in other), renamed.reward] == [1.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.full
async def test_repeated_gradings_find_a_sample_that_changes_others(
    quick: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings = quick.model_copy(update={"plugin_workers": 1})
    grader = {"type": "evaluates_in_shared"}
    samples = [REPLACES, *(f"{n}" for n in range(1_100))]
    async with Evaluator(settings=settings) as evaluator:
        with caplog.at_level(logging.WARNING):
            await evaluator.grade_many(grader, samples, [{"answer": -1}] * len(samples), client="one")
            after = await evaluator.grade_many(
                grader, [REPLACES, *("0" * n for n in range(1, 6))], [{"answer": -1}] * 6, client="one"
            )
    assert "from now on each of its gradings has a process of its own" in caplog.text
    assert after.rewards.tolist()[1:] == [0.0] * 5


@pytest.mark.full
async def test_no_sample_that_is_executed_while_it_is_read_changes_the_reward_of_another(
    quick: Settings,
) -> None:
    settings = quick.model_copy(update={"plugin_workers": 1})
    registry = Registry.installed().including(loads, loads_in_shared)
    samples = [text for hostile in LOADED.values() for text in (hostile, "7", "7")]
    items = [{"way": way, "answer": 8} for way in LOADED for _ in range(3)]
    forged = []
    async with Evaluator(registry, settings=settings) as evaluator:
        for _ in range(2):
            gradings = await evaluator.grade_many({"type": "loads"}, samples, items)
            assert [reward for n, reward in enumerate(gradings.rewards.tolist()) if n % 3] == [0.0] * 2 * len(
                LOADED
            )
        for way, hostile in LOADED.items():  # each is one where processes are shared
            shared = {"type": "loads_in_shared", "name": way}
            await evaluator.grade(shared, hostile, {"way": way, "answer": 8})
            after = await evaluator.grade(shared, "7", {"way": way, "answer": 8})
            forged.append(after.reward)
    assert forged == [1.0] * len(LOADED)


async def test_honest_graders_are_not_isolated(quick: Settings, caplog: pytest.LogCaptureFixture) -> None:
    countdown = {
        "type": "countdown",
        "answer": "{{sample.output_text}}",
        "numbers": "{{item.nums}}",
        "target": "{{item.target}}",
    }
    texts = [f'{{"expression": "{n % 2} + {n}", "result": "{n % 2 + n}"}}' for n in range(1_500)]
    items = [{"nums": f"[1, {n}]", "target": f"{n + 1}"} for n in range(1_500)]
    async with Evaluator(settings=quick) as evaluator:
        gradings = await evaluator.grade_many(countdown, texts, items)
    assert gradings.rewards.tolist()[3:] == [5.0, 0.0] * 748 + [5.0]
    assert caplog.text == ""
