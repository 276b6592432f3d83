"""What becomes of a group of eight of which one sample is ungraded, by the formula of each trainer.

Each formula is restated from the trainer's published source, whose place stands beside it. The table in `docs/trainers.md` is
what comes out here.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from graders_client import Graded, UngradedSamples
from graders_client.graded import finite, ungraded
from graders_client.on_failure import TRAINERS, RecentMeans, chosen, rewards_of

from service.routes.trainers.ungraded import FLOAT32_OVERFLOWS_AT, UNGRADED
from tests.conftest import ROOT

REWARDS = (1.0, 0.0, 1.0, None, 0.0, 0.5, 1.0, 0.0)
PLACE = 3
GROUP = [ungraded("no judge", "no_answer") if reward is None else Graded(reward) for reward in REWARDS]
MEASURED = [reward for reward in REWARDS if reward is not None]
PAGE = (ROOT / "docs" / "trainers.md").read_text()

Formula = Callable[[Sequence[float | None]], list[float | None]]
"""The advantages of a group, out of what the adapter gives; None where a sample has none."""


def scaled(ddof: int, epsilon: float) -> Formula:
    """Difference from the mean, in standard deviations."""

    def advantages(rewards: Sequence[float | None]) -> list[float | None]:
        values = np.array(rewards, float)
        found = (values - np.nanmean(values)) / (np.nanstd(values, ddof=ddof) + epsilon)
        numbers: list[float | None] = np.nan_to_num(found, nan=0.0).tolist()
        return numbers

    return advantages


def centred(rewards: Sequence[float | None]) -> list[float | None]:
    """Difference from the mean."""
    values = np.array(rewards, float)
    return [float(each) for each in values - values.mean()]


def leave_one_out(rewards: Sequence[float | None]) -> list[float | None]:
    """Difference from the mean of the others."""
    values = np.array(rewards, float)
    return [float(each) for each in values - (values.sum() - values) / (len(values) - 1)]


def leave_one_out_scaled(rewards: Sequence[float | None]) -> list[float | None]:
    """The same, in standard deviations of the group."""
    deviation = float(np.std(np.array(rewards, float), ddof=1)) + 1e-4
    return [None if each is None else each / deviation for each in leave_one_out(rewards)]


def batch(trainer: str, on_failure: str | None = None) -> list[float | None]:
    """What a trainer is given that asks for the group at once."""
    return rewards_of(GROUP, chosen(trainer, on_failure), ["prompt"] * len(GROUP))


def one_by_one(trainer: str) -> list[float | None]:
    """What a trainer is given that asks for one sample at a time, the ungraded one first."""
    means = RecentMeans(chosen(trainer, None), patience_s=0.05)

    async def ask(place: int) -> float:
        return (await means.arewards([GROUP[place]], ["prompt"]))[0]

    async def ask_all() -> list[float]:
        order = [PLACE, *(place for place in range(len(GROUP)) if place != PLACE)]
        found = await asyncio.gather(*map(ask, order))
        return [reward for _, reward in sorted(zip(order, found, strict=True))]

    return list(asyncio.run(ask_all()))


def alone(trainer: str) -> list[float | None]:
    """The same where no neighbour's reward is known when it is asked for."""
    means = RecentMeans(chosen(trainer, None), patience_s=0.0)
    return list(means.rewards([GROUP[PLACE]], ["prompt"]))


def dropped(trainer: str) -> list[float | None]:
    """What is left of the group where the ungraded sample raises, and the trainer drops it."""
    left: list[float | None] = []
    for graded in GROUP:
        try:
            left += rewards_of([graded], chosen(trainer, None))
        except UngradedSamples:
            continue
    return left


@dataclass(frozen=True)
class Case:
    """A trainer's row of the table.

    Attributes:
        trainer: As the documentation calls it.
        source: Where its formula stands.
        formula: The formula.
        given: What the adapter gives for the group; without the ungraded sample where that is dropped.
        why: Why the neighbours' advantages are what they would be without it, or why they cannot be.
    """

    trainer: str
    source: str
    formula: Formula
    given: Sequence[float | None]
    why: str


TOO_MANY = (
    "the deviation counts eight samples where seven were measured: no number leaves mean and deviation alone"
)
MEAN = "the mean does not move"
GONE = "the sample is left out"
GROUP_OF_SEVEN = "the factor n/(n-1) is that of eight"
BOTH = "the factor n/(n-1) and the deviation are those of eight"
CASES = [
    Case("TRL, one function", "trl 1.16.0 grpo_trainer.py:2757-2787, utils.py:1021", scaled(1, 1e-4), batch("trl"), GONE),
    Case("TRL, beside another function", "the same", scaled(1, 1e-4), batch("trl", "group_mean"), TOO_MANY),
    Case("verl, GRPO", "verl 0.9.1 core_algos.py:304-328", scaled(1, 1e-6), one_by_one("verl"), TOO_MANY),
    Case("verl, GRPO, no neighbour known in its process", "the same", scaled(1, 1e-6), [*MEASURED[:PLACE], *alone("verl"), *MEASURED[PLACE:]], "0 is given, with `graded: 0`: its neighbours are in other processes, or more than 2 s late"),
    Case("verl, Dr. GRPO", "verl 0.9.1 core_algos.py:328", centred, one_by_one("verl"), MEAN),
    Case("OpenRLHF, group_norm", "openrlhf 0.11.2 experience_maker.py:273-274", scaled(1, 1e-9), one_by_one("openrlhf"), TOO_MANY),
    Case("OpenRLHF, dr_grpo", "openrlhf 0.11.2 experience_maker.py:271-272", centred, one_by_one("openrlhf"), MEAN),
    Case("OpenRLHF, rloo", "openrlhf 0.11.2 experience_maker.py:268-270", leave_one_out, one_by_one("openrlhf"), GROUP_OF_SEVEN),
    Case("SkyRL, GRPO", "skyrl-train ppo_utils.py, compute_grpo_outcome_advantage", scaled(1, 1e-6), one_by_one("skyrl"), TOO_MANY),
    Case("ms-swift, GRPO", "ms_swift 4.6.0 advantage.py:58-98", scaled(1, 1e-4), batch("swift"), TOO_MANY),
    Case("ms-swift, RLOO", "ms_swift 4.6.0 advantage.py:67-98", leave_one_out_scaled, batch("swift"), BOTH),
    Case("tunix", "google_tunix 0.1.7 algo_core.py:559-566", scaled(1, 1e-6), batch("tunix"), TOO_MANY),
    Case("AReaL, by groups", "areal 1.0.4 utils/data.py:1411-1496", scaled(1, 1e-5), dropped("areal"), GONE),
    Case("ART", "openpipe_art 0.5.18 tokenize.py:247-256", scaled(0, 1e-6), MEASURED, GONE),
    Case("tinker-cookbook, `group_mean`", "tinker_cookbook 0.5.8 data_processing.py:37-39", centred, batch("tinker", "group_mean"), MEAN),
    Case("slime with `--group-rm`, `group_mean`", "slime ray/rollout.py, _post_process_rewards", scaled(1, 1e-6), batch("slime", "group_mean"), TOO_MANY),
    Case("verifiers 0.3, where `state['error']` is not read", "verifiers 0.3.1 rubric.py:208, 406-409", centred, [0.0 if r is None else r for r in REWARDS], "an exception is 0.0 there; rollouts with an error must be left out of training"),
    Case("verifiers 0.4", "verifiers v1/task.py, Task.score", centred, dropped("verifiers_v04"), GONE),
]  # fmt: skip


def outcome(case: Case) -> tuple[float | None, float | None, float]:
    """The advantage of the ungraded sample; the ratio of its neighbours' to those without it, if there is one; the greatest change."""
    found = case.formula(case.given)
    without = [value for value in case.formula(MEASURED) if value is not None]
    own = found[PLACE] if len(found) == len(GROUP) else None
    neighbours = [value for place, value in enumerate(found) if len(found) < len(GROUP) or place != PLACE]
    numbers = [value for value in neighbours if value is not None]
    ratios = {round(new / old, 3) for new, old in zip(numbers, without, strict=True) if abs(old) > 1e-9}
    change = max(abs(new - old) for new, old in zip(numbers, without, strict=True))
    return own, ratios.pop() if len(ratios) == 1 else None, change


def row(case: Case) -> str:
    own, ratio, change = outcome(case)
    shown_own = "has none" if own is None else f"{own + 0.0:.3f}"
    shown = (
        "the same"
        if change < 1e-9
        else f"× {ratio:.3f}"
        if ratio is not None
        else f"move by up to {change:.3f}"
    )
    return f"| {case.trainer} | `{case.source}` | {shown_own} | {shown} | {case.why} |"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.trainer)
def test_the_table_of_the_documentation_says_what_comes_out(case: Case) -> None:
    assert row(case) in PAGE


def test_the_table_has_no_other_rows() -> None:
    table = PAGE.partition("<!-- conformance -->")[2].partition("\n\n")[0]
    assert table.strip().splitlines()[2:] == [row(case) for case in CASES]


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.why in (GONE, MEAN)], ids=lambda case: case.trainer
)
def test_neighbours_are_what_they_would_be_without_it(case: Case) -> None:
    own, _, change = outcome(case)
    assert change < 1e-9
    assert own is None or abs(own) < 1e-9


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.why is TOO_MANY], ids=lambda case: case.trainer
)
def test_where_a_number_is_needed_the_sample_teaches_nothing_and_no_order_changes(case: Case) -> None:
    own, ratio, _ = outcome(case)
    assert own is not None
    assert abs(own) < 1e-6
    assert ratio == pytest.approx(math.sqrt(7 / 6), abs=1e-3)


def test_every_trainer_is_in_the_documentation() -> None:
    table = PAGE.partition("<!-- ungraded -->")[2].partition("\n\n")[0]
    assert table.strip().splitlines()[2:] == [
        f"| `{name}` | {'its own mark' if trainer.default is None else f'`{trainer.default}`'} | "
        f"{', '.join(f'`{other}`' if other != 'number' else 'a number' for other in trainer.others) or 'nothing'} | "
        f"{trainer.becomes} |"
        for name, trainer in TRAINERS.items()
    ]


def test_every_adapter_is_in_the_table() -> None:
    folder = ROOT / "clients" / "python" / "graders_client" / "trainers"
    shared = {"__init__", "columns", "decoded", "shared"}
    assert {path.stem for path in folder.glob("*.py")} - shared == set(TRAINERS)
    assert all(f"graders_client.trainers.{name}" in PAGE for name in TRAINERS)


def test_adapters_are_short() -> None:
    folder = ROOT / "clients" / "python" / "graders_client" / "trainers"
    lengths = {name: len((folder / f"{name}.py").read_text().splitlines()) for name in TRAINERS}
    assert {name: length for name, length in lengths.items() if length > 80} == {}


def test_group_mean_is_the_mean_of_the_same_prompt_then_of_the_batch() -> None:
    none = ungraded("x", "no_answer")
    given = rewards_of([Graded(1.0), none, Graded(0.0), none, none], "group_mean", ["a", "a", "b", "b", "c"])
    assert given == [1.0, 1.0, 0.0, 0.0, 0.5]
    with pytest.raises(UngradedSamples, match=r"2 ungraded: sample 0: x; sample 1: x"):
        rewards_of([none, none], "group_mean", ["a", "a"])


@pytest.mark.parametrize("trainer", TRAINERS)
def test_what_a_trainer_would_misread_cannot_be_chosen(trainer: str) -> None:
    known = TRAINERS[trainer]
    for word in {"raise", "null", "group_mean"} - {known.default, *known.others}:
        with pytest.raises(ValueError, match=f"for {trainer}"):
            chosen(trainer, word)
    for number in (math.nan, math.inf, 1e39, True):
        with pytest.raises(ValueError, match="on_failure"):
            chosen(trainer, number)
    assert ("number" in known.others) == _accepts(trainer, 0.5)


def _accepts(trainer: str, number: float) -> bool:
    try:
        return chosen(trainer, number) == number
    except ValueError:
        return False


# the routes of the service for these trainers: what HTTP adds to and takes from the policies of the adapters
OVER_HTTP: dict[str, tuple[set[str], set[str]]] = {
    "openrlhf": ({"raise"}, set()),  # a status of 5xx, which OpenRLHF asks for again five times
    "slime": (set(), {"group_mean"}),  # `remote_rm` sends one sample a request, and no group
}


def test_the_service_gives_these_trainers_what_the_adapters_give() -> None:
    """The client has no dependency and the service none on the client, so each has a table: they say the same."""
    assert set(UNGRADED) & set(TRAINERS) == set(OVER_HTTP)
    for name, (more, less) in OVER_HTTP.items():
        adapter, route = TRAINERS[name], UNGRADED[name]
        assert route.words[0] == adapter.default
        words = {adapter.default, *adapter.others} - {"number"}
        assert set(route.words) == (words | more) - less
        assert route.numbers == ("number" in adapter.others)
        assert route.float32  # the client takes no other reward from any service


def test_a_reward_overflows_for_the_service_where_it_does_for_the_client() -> None:
    assert finite(FLOAT32_OVERFLOWS_AT) is None
    below = math.nextafter(FLOAT32_OVERFLOWS_AT, 0.0)
    assert finite(below) == below
    assert not np.isinf(np.float32(below))


def test_the_policies_of_routes_are_in_the_documentation() -> None:
    page = (ROOT / "docs" / "service.md").read_text()
    table = page.partition("| trainer | by itself | `on_failure` may be | why |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.strip().splitlines()[1:]]
    assert [cells[2:] for cells in rows] == [
        [
            ", ".join([*(f"`{word}`" for word in rule.words), *(["a number"] if rule.numbers else [])]),
            rule.why,
        ]
        for rule in UNGRADED.values()
    ]
