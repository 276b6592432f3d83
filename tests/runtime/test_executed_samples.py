"""A plugin that evaluates its samples lets each of them do what it likes to its own reward, and nothing to any other."""

import logging

import pytest

from runtime import Evaluator, Settings
from tests.runtime.executed_samples import HOSTILE

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


@pytest.mark.parametrize(
    ("name", "processes"),
    [
        ("evaluates", 2),
        pytest.param("evaluates", 1, marks=pytest.mark.slow),
        pytest.param("evaluates_prepared", 2, marks=pytest.mark.slow),
    ],
)
async def test_no_evaluated_sample_changes_the_reward_of_another(
    quick: Settings, name: str, processes: int
) -> None:
    assert len(HOSTILE) >= 30
    samples, items, expected = rows([*HOSTILE.values()])
    settings = quick.model_copy(update={"plugin_workers": processes})
    async with Evaluator(settings=settings) as evaluator:
        gradings = await evaluator.grade_many({"type": name}, samples, items)
    found = gradings.rewards.tolist()
    changed = [
        ([*HOSTILE][place // 4], place % 4, found[place])
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


async def test_honest_graders_are_not_isolated(quick: Settings, caplog: pytest.LogCaptureFixture) -> None:
    async with Evaluator(settings=quick) as evaluator:
        texts = [f"{'cat' * (n % 2)} {n}" for n in range(1_500)]
        gradings = await evaluator.grade_many({"type": "keyword", "words": ["cat"]}, texts, [{}] * 1_500)
    assert gradings.rewards.tolist() == [0.0, 1.0] * 750
    assert caplog.text == ""
