"""Whether a grader is trainable on some data: what its rewards on graded samples say, in figures and in words.

Rules of thumb: between 25 and 50 % of the base model's samples should fail the pass threshold; prompts whose samples all get
one reward teach nothing to methods that compare samples of a group, such as GRPO.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graders import ConfigurationError
from runtime.data.graded.reading import GradedFile
from runtime.data.html_page import Markup, element, histogram, report, scatter, table
from runtime.data.selecting import passes
from runtime.statistics import bootstrap, intervals
from runtime.statistics.paired import pearson, spearman
from runtime.statistics.pass_at_k import per_prompt

FAILING = (0.25, 0.5)
"""The shares of samples that should fail."""
_POINTS = 5_000
"""Points of a plot at most."""
_EQUAL = 1e-9


@dataclass
class Counts:
    """What is kept of a graded file: a few numbers for each sample."""

    rewards: list[float] = field(default_factory=list)
    lengths: list[int | None] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    passed: list[bool | None] = field(default_factory=list)
    ungraded: Counter[tuple[str, str]] = field(default_factory=Counter)
    signatures: Counter[str] = field(default_factory=Counter)
    prompts: int = 0
    substituted: int = 0
    flagged: int = 0

    @classmethod
    def of(cls, file: GradedFile, threshold: float | None) -> "Counts":
        """Read a graded file."""
        found = cls()
        numbers: dict[str, int] = {}
        for sample in file.samples():
            number = numbers.setdefault(sample.group, len(numbers))
            found.signatures[sample.signature or ""] += 1
            found.substituted += sample.substituted
            if sample.reward is None:
                failure = sample.failure or {}
                found.ungraded[str(failure.get("kind")), str(failure.get("caused_by"))] += 1
                continue
            found.flagged += sample.failure is not None
            found.rewards.append(sample.reward)
            found.lengths.append(sample.length())
            found.groups.append(number)
            found.passed.append(passes(sample, threshold))
        found.prompts = len(numbers)
        return found


def calibrate(
    file: GradedFile,
    *,
    threshold: float | None = None,
    bounds: intervals.Interval = (-float("inf"), float("inf")),
    signature: str | None = None,
    seed: int = 0,
) -> tuple[dict[str, Any], Counts]:
    """The figures of a graded file, ready for JSON, with their verdict, and what they are made of.

    Args:
        file: The graded file, with rows.
        threshold: The lowest reward that passes; None for what the results say.
        bounds: The smallest and the largest reward of the grader.
        signature: That of the grader; None for any.
        seed: Of the intervals.

    Raises:
        ConfigurationError: When the file has no result, or results of another grader.
    """
    counts = Counts.of(file, threshold)
    if not counts.prompts:
        raise ConfigurationError(
            f"{file.path}: no line is a result ({'; '.join(file.problems.named) or 'it is empty'})"
        )
    others = [each for each in counts.signatures if signature is not None and each != signature]
    if others:
        raise ConfigurationError(
            f"{file.path} was graded by another grader or version (signature {others[0]!r}, this grader has {signature!r}); "
            "grade it again with 'graders run'"
        )
    groups = _by_group(counts)
    found = {
        "samples": len(counts.rewards) + counts.ungraded.total(),
        "prompts": counts.prompts,
        "graded": len(counts.rewards),
        "substituted": counts.substituted,
        "flagged": counts.flagged,
        "unreadable_lines": file.problems.count,
        "ungraded": _ungraded(counts),
        "reward": _rewards(counts, groups, bounds),
        **_passes(counts, groups, seed),
        "equal_rewards": _share(_equal(groups), sum(len(rewards) > 1 for rewards, _ in groups)),
        "threshold": _threshold(counts.rewards),
        "length": _length(counts),
    }
    found["verdict"] = verdict(found)
    return found, counts


_Groups = list[tuple[NDArray[np.float64], list[bool | None]]]


def _by_group(counts: Counts) -> _Groups:
    """Of each prompt with a graded sample, the rewards and whether they pass."""
    rewards: dict[int, list[float]] = {}
    passed: dict[int, list[bool | None]] = {}
    for number, reward, has_passed in zip(counts.groups, counts.rewards, counts.passed, strict=True):
        rewards.setdefault(number, []).append(reward)
        passed.setdefault(number, []).append(has_passed)
    return [(np.array(rewards[number]), passed[number]) for number in rewards]


def _ungraded(counts: Counts) -> dict[str, Any]:
    total = len(counts.rewards) + counts.ungraded.total()
    causes = [
        {"kind": kind, "caused_by": cause, "count": count}
        for (kind, cause), count in counts.ungraded.most_common()
    ]
    return {"count": counts.ungraded.total(), "share": counts.ungraded.total() / total, "causes": causes}


def _rewards(counts: Counts, groups: _Groups, bounds: intervals.Interval) -> dict[str, Any] | None:
    if not counts.rewards:
        return None
    rewards = np.array(counts.rewards)
    several = [float(each.std()) for each, _ in groups if len(each) > 1]
    return {
        "mean": float(rewards.mean()),
        **_ends(intervals.of_mean(rewards, bounds)),
        "std": float(rewards.std()),
        "std_within_prompts": float(np.mean(several)) if several else None,
        "min": float(rewards.min()),
        "max": float(rewards.max()),
        "different": len(np.unique(rewards)),
    }


def _passes(counts: Counts, groups: _Groups, seed: int) -> dict[str, Any]:
    """Pass rate, pass@k, and prompts that all or no samples pass; nulls where nothing says what passes."""
    if not counts.rewards or any(each is None for each in counts.passed):
        return {"pass_rate": None, "pass_at_k": {}, "all_pass": None, "none_passes": None, "mixed": None}
    tallies = [(len(passed), sum(map(bool, passed))) for _, passed in groups]
    most = max(samples for samples, _ in tallies)
    at_k: dict[str, Any] = {}
    for k in sorted({1, most, *(2**power for power in range(1, 20) if 2**power < most)}):
        values = per_prompt(tallies, k)
        at_k[str(k)] = {
            "value": float(np.mean(values)),
            "prompts": len(values),
            **_ends(_interval(values, seed)),
        }
    total = len(counts.passed)
    count = sum(map(bool, counts.passed))
    rates = [passed / samples for samples, passed in tallies]
    ends = intervals.of_share(count, total) if most == 1 else _interval(rates, seed)
    return {
        "pass_rate": {"rate": count / total, "passed": count, "of": total, **_ends(ends)},
        "pass_at_k": at_k,
        "all_pass": _share(sum(samples == passed for samples, passed in tallies), len(tallies)),
        "none_passes": _share(sum(passed == 0 for _, passed in tallies), len(tallies)),
        "mixed": _share(sum(0 < passed < samples for samples, passed in tallies), len(tallies)),
    }


def _interval(values: Sequence[float], seed: int) -> intervals.Interval | None:
    """An interval of a mean over prompts, whose samples depend on each other."""
    if values and min(values) == max(values):
        return intervals.of_mean(np.array(values), (0.0, 1.0))
    return bootstrap.of_mean(values, seed=seed)


def _ends(interval: intervals.Interval | None) -> dict[str, float]:
    return {} if interval is None else {"low_95": interval[0], "high_95": interval[1]}


def _share(count: int, total: int) -> dict[str, Any] | None:
    if not total:
        return None
    return {"count": count, "of": total, "share": count / total, **_ends(intervals.of_share(count, total))}


def _equal(groups: _Groups) -> int:
    return sum(len(rewards) > 1 and float(np.ptp(rewards)) <= _EQUAL for rewards, _ in groups)


def _threshold(rewards: Sequence[float]) -> dict[str, float] | None:
    """The thresholds at which 25 to 50 % of the samples fail, and the one nearest to the middle; None where there is no such."""
    if not rewards:
        return None
    values, counts = np.unique(np.array(rewards), return_counts=True)
    failing = (np.cumsum(counts) - counts) / len(rewards)  # below each value
    inside = [n for n, share in enumerate(failing) if FAILING[0] <= share <= FAILING[1]]
    if not inside:
        return None
    best = min(inside, key=lambda n: abs(failing[n] - sum(FAILING) / 2))
    return {
        "from": float(values[inside[0]]),
        "to": float(values[inside[-1]]),
        "suggested": float(values[best]),
        "failing": float(failing[best]),
    }


def _length(counts: Counts) -> dict[str, Any] | None:
    pairs = [
        (length, reward)
        for length, reward in zip(counts.lengths, counts.rewards, strict=True)
        if length is not None
    ]
    if not pairs:
        return None
    lengths, rewards = [float(length) for length, _ in pairs], [reward for _, reward in pairs]
    return {
        "median": float(np.median(lengths)),
        "spearman": spearman(lengths, rewards),
        "pearson": pearson(lengths, rewards),
    }


def verdict(found: dict[str, Any]) -> dict[str, Any]:
    """What the figures mean: `trainable` is `yes`, `with changes` or `no`, and the reasons are sentences."""
    if not found["graded"]:
        return {
            "trainable": "no",
            "reasons": ["No sample is graded: mend what makes the gradings fail first."],
        }
    stops = list(_stops(found))
    changes = list(_changes(found))
    trainable = "no" if stops else "with changes" if changes else "yes"
    reasons = [*stops, *changes] or ["Rewards differ within prompts, and enough samples pass and fail."]
    return {"trainable": trainable, "reasons": reasons}


def _stops(found: dict[str, Any]) -> Iterable[str]:
    if found["reward"]["different"] == 1:
        yield f"Every sample has the reward {found['reward']['min']:.4g}: there is nothing to learn from it."
    equal = found["equal_rewards"]
    if equal and equal["share"] >= 0.9:
        yield f"In {equal['share']:.0%} of the prompts all samples have one reward, and such groups teach nothing."
    if found["ungraded"]["share"] > 0.2:
        yield f"{found['ungraded']['share']:.0%} of the samples are ungraded: mend what makes the gradings fail first."


def _changes(found: dict[str, Any]) -> Iterable[str]:
    equal, ungraded = found["equal_rewards"], found["ungraded"]["share"]
    if equal is None:
        yield "Each prompt has one sample: draw several to see whether rewards differ within a prompt."
    elif 0.5 <= equal["share"] < 0.9:
        yield f"In {equal['share']:.0%} of the prompts all samples have one reward: select prompts, or grade more finely."
    if 0 < ungraded <= 0.2:
        yield f"{ungraded:.1%} of the samples are ungraded."
    yield from _of_passing(found)
    correlation = (found["length"] or {}).get("spearman")
    if correlation is not None and abs(correlation) >= 0.5:
        longer = "longer" if correlation > 0 else "shorter"
        yield f"The reward goes with length (Spearman {correlation:.2f}): training will make the answers {longer}."


def _of_passing(found: dict[str, Any]) -> Iterable[str]:
    suggested = found["threshold"]
    hint = (
        f"at a threshold of {suggested['suggested']:.4g}, {suggested['failing']:.0%} would"
        if suggested
        else "no threshold makes it so with these rewards"
    )
    rate = found["pass_rate"]
    if rate is None:
        yield f"Nothing says which samples pass. Between 25 and 50 % should fail; {hint}."
        return
    failing = 1 - rate["rate"]
    if not FAILING[0] <= failing <= FAILING[1]:
        yield f"{failing:.0%} of the samples fail, and 25 to 50 % should; {hint}."
    for name, words in (("none_passes", "no sample passes"), ("all_pass", "every sample passes")):
        if found[name]["share"] >= 0.5:
            yield f"In {found[name]['share']:.0%} of the prompts {words}: leave such prompts out with 'graders data select'."


def html(found: dict[str, Any], counts: Counts, title: str, *, threshold: float | None = None) -> bytes:
    """The figures as one self-contained page with plots.

    Raises:
        ConfigurationError: If matplotlib is not installed.
    """
    marks = {} if threshold is None else {"pass threshold": threshold}
    if found["threshold"]:
        marks["suggested threshold"] = found["threshold"]["suggested"]
    plots: list[Markup] = [histogram(counts.rewards, "Rewards", "reward", marks=marks)]
    if found["pass_rate"] is not None:
        rates = [sum(map(bool, passed)) / len(passed) for _, passed in _by_group(counts)]
        plots.append(histogram(rates, "Pass rates of the prompts", "share of samples that pass"))
    points = [(n, r) for n, r in zip(counts.lengths, counts.rewards, strict=True) if n is not None]
    points = points[:: max(1, -(-len(points) // _POINTS))]
    if points:
        x, y = [float(length) for length, _ in points], [reward for _, reward in points]
        plots.append(scatter(x, y, "Reward by length", "characters of the sample", "reward"))
    reasons = (element("li", reason) for reason in found["verdict"]["reasons"])
    figures = table(("", ""), ([name, value] for name, value in lines(found)))
    words = element("p", element("b", f"Trainable: {found['verdict']['trainable']}"))
    return report(
        title,
        words,
        element("ul", *reasons),
        element("h2", "Figures"),
        figures,
        element("h2", "Plots"),
        *plots,
    )


def lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The figures as pairs of a name and a text, for people."""
    shown = [
        ("samples", f"{found['samples']:,} of {found['prompts']:,} prompts"),
        ("graded", f"{found['graded']:,}"),
        ("ungraded", f"{found['ungraded']['count']:,} ({found['ungraded']['share']:.1%})"),
    ]
    shown += [
        ("  by cause", f"{each['count']:,} × {each['kind']}, caused by the {each['caused_by']}")
        for each in found["ungraded"]["causes"]
    ]
    if found["substituted"]:
        shown.append(("invalid_grade given", f"{found['substituted']:,}"))
    if (reward := found["reward"]) is not None:
        spread = f"standard deviation {reward['std']:.4f}, {reward['different']:,} different"
        within = reward["std_within_prompts"]
        shown.append(("mean reward", f"{reward['mean']:.4f}{_shown(reward, '.4f')}"))
        shown.append(("rewards", f"{reward['min']:.4g} to {reward['max']:.4g}, {spread}"))
        shown += [] if within is None else [("  within a prompt", f"standard deviation {within:.4f}")]
    if (rate := found["pass_rate"]) is not None:
        shown.append(
            ("pass rate", f"{rate['rate']:.1%} ({rate['passed']:,} of {rate['of']:,}){_shown(rate, '.1%')}")
        )
    for k, value in found["pass_at_k"].items():
        shown.append(
            (f"pass@{k}", f"{value['value']:.1%} over {value['prompts']:,} prompts{_shown(value, '.1%')}")
        )
    names = {
        "all_pass": "prompts that all samples pass",
        "none_passes": "prompts that none passes",
        "equal_rewards": "prompts with equal rewards",
    }
    for name, words in names.items():
        if (share := found[name]) is not None:
            shown.append(
                (words, f"{share['share']:.1%} ({share['count']:,} of {share['of']:,}){_shown(share, '.1%')}")
            )
    if (threshold := found["threshold"]) is not None:
        low, high = f"{threshold['from']:.4g}", f"{threshold['to']:.4g}"
        fail = f"{threshold['failing']:.0%} fail"
        text = (
            f"{low} ({fail})"
            if low == high
            else f"{low} to {high} ({threshold['suggested']:.4g} suggested, {fail})"
        )
        shown.append(("thresholds at which 25 to 50 % fail", text))
    if (length := found["length"]) is not None and length["spearman"] is not None:
        shown.append(
            ("reward and length", f"Spearman {length['spearman']:.3f}, Pearson {length['pearson']:.3f}")
        )
    return shown


def _shown(figures: dict[str, Any], form: str) -> str:
    if "low_95" not in figures:
        return ""
    return f"   95 %: {figures['low_95']:{form}} to {figures['high_95']:{form}}"
