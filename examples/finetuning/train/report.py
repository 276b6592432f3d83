"""What the loop measured: the figures behind the table, whether it learned, and the picture."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from runtime.statistics.intervals import Interval, of_mean

RISES_BY = 0.08
"""How much higher the mean reward of GRPO's last fifth of steps is than that of its first, at least."""
SAME = 1e-4
"""How far TRL's mean, of float32, may be from that of the service."""
BLUE, ORANGE = "#3b5bdb", "#e8590c"
LABEL = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
"""The box behind a number that stands on a curve."""

Rewards = Sequence[Sequence[float | None]]
"""Of each question, the rewards of its answers; None for what is ungraded."""


@dataclass(frozen=True)
class Mean:
    """A mean over questions.

    Attributes:
        value: The mean.
        interval: Of 95 %.
    """

    value: float
    interval: Interval

    @classmethod
    def of(cls, values: NDArray[np.float64], bounds: Interval) -> "Mean":
        """The mean of values inside the bounds; NaN where there is none."""
        known = values[~np.isnan(values)]
        value = float(known.mean()) if len(known) else float("nan")
        return cls(value, of_mean(known, bounds) or bounds)


@dataclass(frozen=True)
class Stage:
    """What was measured after a stage, on the held-out questions.

    Attributes:
        name: Of the stage.
        reward: The mean reward.
        gain: How much higher it is than after the stage before, question by question; None for the first.
        seconds: That the stage took.
        grading: The share of them for which it waited for rewards.
    """

    name: str
    reward: Mean
    gain: Mean | None
    seconds: float
    grading: float


def stages_of(measured: Sequence[Mapping[str, Any]]) -> list[Stage]:
    """The stages of a run, in their order.

    Args:
        measured: The `stages` of `figures.json`.
    """
    by_question = [_by_question(stage["rewards"]) for stage in measured]
    gains = [
        None,
        *(Mean.of(after - before, (-1.0, 1.0)) for before, after in itertools.pairwise(by_question)),
    ]
    return [
        Stage(
            stage["name"],
            Mean.of(rewards, (0.0, 1.0)),
            gain,
            stage["seconds"],
            stage["grading_seconds"] / stage["seconds"],
        )
        for stage, rewards, gain in zip(measured, by_question, gains, strict=True)
    ]


def _by_question(rewards: Rewards) -> NDArray[np.float64]:
    """The mean of the graded answers to each question; NaN where none is graded."""
    known = [[reward for reward in group if reward is not None] for group in rewards]
    return np.array([np.mean(group) if group else np.nan for group in known], dtype=np.float64)


def questions_of(measured: Sequence[Mapping[str, Any]]) -> str:
    """How many questions and answers each stage was measured by, and how many answers are ungraded."""
    rewards: list[Rewards] = [stage["rewards"] for stage in measured]
    missing = sum(reward is None for each in rewards for group in each for reward in group)
    return f"{len(rewards[0][0])} answers to each of {len(rewards[0])} questions, {missing} of them ungraded"


def fifths(curve: Sequence[float]) -> tuple[float, float]:
    """The mean reward of the first and of the last fifth of the steps."""
    fifth = max(1, len(curve) // 5)
    return float(np.mean(curve[:fifth])), float(np.mean(curve[-fifth:]))


def shortcomings(stages: Sequence[Stage], curve: Sequence[float]) -> list[str]:
    """What keeps a run from having learned; empty when it has."""
    found = [
        f"{stage.name} is no better than {before.name}: {stage.gain.value:+.3f}, at least {stage.gain.interval[0]:+.3f}"
        for before, stage in itertools.pairwise(stages)
        if stage.gain is not None and not stage.gain.interval[0] > 0
    ]
    first, last = fifths(curve)
    if not last - first >= RISES_BY:
        found.append(f"GRPO's last fifth is {last - first:+.3f} above its first; expected {RISES_BY} or more")
    return found


def differing_steps(curve: Sequence[float], means: Sequence[float | None]) -> int:
    """In how many steps of GRPO the statistics of the service have another mean reward than TRL logged, or none."""
    pairs = zip(curve, means, strict=True)
    return sum(mean is None or not abs(mean - logged) < SAME for logged, mean in pairs)


def table(stages: Sequence[Stage]) -> str:
    """The stages, in lines of less than 80 characters."""
    lines = [f"{'held-out questions':<20}{'reward':>7}{'95 %':>16}{'gain':>9}{'95 %':>18}{'grading':>9}"]
    for stage in stages:
        gain = _signed(stage.gain) if stage.gain else ""
        low, high = stage.reward.interval
        reward = f"{stage.reward.value:>7.3f}{f'{low:.3f} to {high:.3f}':>16}"
        lines.append(f"{stage.name:<20}{reward}{gain:>27}{stage.grading:>9.0%}".rstrip())
    return "\n".join(lines)


def _signed(mean: Mean) -> str:
    low, high = mean.interval
    return f"{mean.value:>+9.3f}{f'{low:+.3f} to {high:+.3f}':>18}"


def picture(stages: Sequence[Stage], curve: Sequence[float], folder: Path) -> None:
    """Draw `rewards.png` and `rewards.svg` in a folder."""
    with rc_context(
        {
            "svg.hashsalt": "graders",
            "font.size": 9.0,
            "axes.titlesize": 10.0,
            "axes.titlelocation": "left",
        }
    ):
        figure = Figure(figsize=(10.5, 3.4), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=(3.4, 4, 2.2))
        for axes in (left, middle, right):
            axes.spines[["top", "right"]].set_visible(False)
        _draw_stages(left, stages)
        _draw_curve(middle, curve)
        _draw_grading(right, stages)
        figure.savefig(folder / "rewards.png", dpi=150)
        figure.savefig(folder / "rewards.svg", metadata={"Date": None, "Creator": None})


def _draw_stages(axes: Axes, stages: Sequence[Stage]) -> None:
    places = range(len(stages))
    means = [stage.reward.value for stage in stages]
    below = [stage.reward.value - stage.reward.interval[0] for stage in stages]
    above = [stage.reward.interval[1] - stage.reward.value for stage in stages]
    axes.errorbar(places, means, yerr=[below, above], fmt="o", color=BLUE, capsize=4, markersize=5)
    for place, mean in zip(places, means, strict=True):
        axes.annotate(f"{mean:.2f}", (place, mean), xytext=(8, 0), textcoords="offset points", va="center")
    axes.set_title("Held-out reward after each stage")
    axes.set_xticks(places, [stage.name for stage in stages])
    axes.set_xlim(-0.5, len(stages) - 0.3)
    axes.set_ylim(0, 1)
    axes.set_ylabel("mean reward, 95 % interval")


def _draw_curve(axes: Axes, curve: Sequence[float]) -> None:
    fifth = max(1, len(curve) // 5)
    axes.plot(range(len(curve)), curve, color=BLUE, linewidth=0.8, alpha=0.6)
    for start, mean in zip((0, len(curve) - fifth), fifths(curve), strict=True):
        axes.plot([start, start + fifth - 1], [mean, mean], color=ORANGE, linewidth=2.5)
        axes.annotate(
            f"{mean:.2f}",
            (start + fifth / 2, mean),
            xytext=(0, -26),
            bbox=LABEL,
            textcoords="offset points",
            ha="center",
            color=ORANGE,
        )
    axes.set_title("GRPO: reward of each step")
    axes.set_xlabel("step; first and last fifth in orange")
    axes.set_ylim(0, 1)


def _draw_grading(axes: Axes, stages: Sequence[Stage]) -> None:
    places = range(len(stages))
    shares = [100 * stage.grading for stage in stages]
    axes.barh(places, shares, color=BLUE, height=0.5)
    for place, share in zip(places, shares, strict=True):
        axes.annotate(
            f"{share:.0f} %", (share, place), xytext=(4, 0), textcoords="offset points", va="center"
        )
    axes.set_title("Time spent grading")
    axes.set_yticks(places, [stage.name for stage in stages])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of the stage")
