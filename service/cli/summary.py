"""What a run came to: mean, interval, passes, failures, parts, histogram."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from graders import CausedBy
from graders.usage import summed
from runtime.statistics import intervals
from runtime.telemetry.outcomes import Got, blamed, is_unreadable

BINS = 10
ANYTHING = (-math.inf, math.inf)


def summarize(
    records: Iterable[Mapping[str, Any]],
    *,
    bounds: intervals.Interval = ANYTHING,
    taken_over: int = 0,
    broken: Sequence[str] = (),
) -> dict[str, Any]:
    """Figures of a run, ready for JSON; `low_95` and `high_95` are there from ten samples on (`runtime.statistics.intervals`).

    A row with a list of samples counts once in `rows`; all else counts samples.

    Args:
        records: Lines of a results file.
        bounds: The smallest and the largest reward that the grader can give.
        taken_over: How many of the samples an earlier run has graded.
        broken: Paths of graders that failed by their own doing in every row, so that all rewards are their `invalid_grade`.
    """
    rows = list(records)
    graded = [row for row in rows if row["reward"] is not None]
    rewards = np.array([row["reward"] for row in graded], dtype=np.float64)
    passed = [row["passed"] for row in graded if row["passed"] is not None]
    ungraded = [row["failure"] for row in rows if row["reward"] is None]
    flagged = [row["failure"] for row in graded if row["failure"] is not None]
    parts: dict[str, list[float | None]] = {}
    for row in rows:
        for key, value in row["sub_rewards"].items():
            parts.setdefault(key, []).append(value)
    return {
        "rows": sum(row.get("draw", 0) == 0 for row in rows),
        "samples": len(rows),
        "taken_over": taken_over,
        "graded": len(graded),
        "ungraded": len(ungraded),
        "reward": _moments(rewards, bounds),
        "pass_rate": _pass_rate(passed),
        "ungraded_by_cause": _counted(ungraded),
        "flagged_by_cause": _counted(flagged),
        "failures": _by_cause(rows),
        "broken": list(broken),
        "substituted": sum(bool(row.get("substituted")) for row in rows),
        "sub_rewards": {key: _part(values) for key, values in parts.items()},
        "judges": _judges(rows),
        "histogram": _histogram(rewards),
    }


def _moments(rewards: NDArray[np.float64], bounds: intervals.Interval) -> dict[str, float] | None:
    if not len(rewards):
        return None
    figures = {"mean": float(rewards.mean()), "min": float(rewards.min()), "max": float(rewards.max())}
    return {**figures, **_ends(intervals.of_mean(rewards, bounds))}


def _pass_rate(passed: list[bool]) -> dict[str, float] | None:
    if not passed:
        return None
    count, total = sum(passed), len(passed)
    ends = _ends(intervals.of_share(count, total))
    return {"rate": count / total, "passed": count, "of": total, **ends}


def _ends(interval: intervals.Interval | None) -> dict[str, float]:
    return {} if interval is None else {"low_95": interval[0], "high_95": interval[1]}


def _counted(failures: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Failures by kind and cause, the most frequent first, each with the message of the first; unreadable rows by themselves."""
    causes = Counter(map(_cause, failures))
    examples = {_cause(failure): failure["message"] for failure in reversed(failures)}
    return [
        {
            "kind": kind,
            "caused_by": cause,
            "count": count,
            "example": examples[kind, cause, unreadable],
            **({"unreadable_row": True} if unreadable else {}),
        }
        for (kind, cause, unreadable), count in causes.most_common()
    ]


def _cause(failure: Mapping[str, Any]) -> tuple[str, str, bool]:
    return failure["kind"], failure["caused_by"], is_unreadable(failure.get("details") or {})


def _by_cause(rows: list[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Rows that failed, by who made them fail and what they got; results of earlier versions have no `substituted`."""
    found = {cause: dict.fromkeys(get_args(Got), 0) for cause in get_args(CausedBy)}
    for row in rows:
        if row["failure"] is not None:
            reward_or_stand_in = "substituted" if row.get("substituted") else "flagged"
            got = "ungraded" if row["reward"] is None else reward_or_stand_in
            found[row["failure"]["caused_by"]][got] += 1
    return found


def _part(values: list[float | None]) -> dict[str, float | int | None]:
    known = [value for value in values if value is not None]
    return {"mean": sum(known) / len(known) if known else None, "ungraded": len(values) - len(known)}


def _judges(rows: list[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Tokens by model, and how many answers were remembered or asked for again; None where no judge was asked."""
    asked = [row for row in rows if row["usage"] or "cached" in row["metrics"]]
    if not asked:
        return None
    return {
        "tokens": summed(row["usage"] for row in asked),
        "cached": int(sum(row["metrics"].get("cached", 0) for row in asked)),
        "retries": int(sum(row["metrics"].get("retries", 0) for row in asked)),
    }


def _histogram(rewards: NDArray[np.float64]) -> list[dict[str, float]]:
    """Counts by value where there are few values, otherwise by equal bins."""
    values, counts = np.unique(rewards, return_counts=True)
    if len(values) <= BINS:
        return [
            {"from": float(v), "to": float(v), "count": int(c)} for v, c in zip(values, counts, strict=True)
        ]
    counts, edges = np.histogram(rewards, bins=BINS)
    return [
        {"from": float(low), "to": float(high), "count": int(c)}
        for low, high, c in zip(edges[:-1], edges[1:], counts, strict=True)
    ]


def show(summary: Mapping[str, Any], console: Console) -> None:
    """Print a summary for a person."""
    reward, rate = summary["reward"], summary["pass_rate"]
    table = Table.grid(padding=(0, 2))
    taken_over = summary["taken_over"]
    of_these = f"   {taken_over:,} of them taken over from an earlier run" if taken_over else ""
    rows, samples = summary["rows"], summary["samples"]
    several = "" if rows == samples else f", {samples:,} samples"
    table.add_row("rows", f"{rows:,}{several}{of_these}")
    table.add_row("graded", f"{summary['graded']:,}")
    style = "red" if summary["ungraded"] else ""
    table.add_row("ungraded", f"{summary['ungraded']:,}", style=style)
    _add_failures(table, summary)
    if reward:
        interval = f"   95 %: {reward['low_95']:.4f} to {reward['high_95']:.4f}" if "low_95" in reward else ""
        table.add_row("mean reward", f"{reward['mean']:.4f}{interval}")
    if rate:
        interval = f"   95 %: {rate['low_95']:.1%} to {rate['high_95']:.1%}" if "low_95" in rate else ""
        table.add_row("pass rate", f"{rate['rate']:.1%} ({rate['passed']:,} of {rate['of']:,}){interval}")
    for key, part in summary["sub_rewards"].items():
        mean = "–" if part["mean"] is None else f"{part['mean']:.4f}"
        table.add_row(f"  {key}", mean + (f"   ungraded {part['ungraded']:,}" if part["ungraded"] else ""))
    if judges := summary["judges"]:
        for model, tokens in judges["tokens"].items():
            words = f"{tokens['prompt_tokens']:,} tokens asked, {tokens['completion_tokens']:,} answered"
            table.add_row(f"judge {model}", words)
        table.add_row("judges", f"{judges['cached']:,} remembered, {judges['retries']:,} retries")
    console.print(table)
    for path in summary["broken"]:
        message = "failed in every row: its rewards are its invalid_grade, and say nothing about the samples"
        named = f"the grader {path}" if path else "the grader"
        console.print(f"\n{named} {message}", style="red", highlight=False, markup=False)
    _show_failures("ungraded", summary["ungraded_by_cause"], console)
    _show_failures("graded, and flagged", summary["flagged_by_cause"], console)
    _show_histogram(summary["histogram"], console)


def _add_failures(table: Table, summary: Mapping[str, Any]) -> None:
    """What is behind failures: a sample that could not be graded, a broken grader, or the machine and its services."""
    failures = summary["failures"]
    by_model = sum(failures["model"].values())
    if by_model:
        table.add_row("  failed by the model", f"{by_model:,}")
    for cause, words in (("grader", "the grader"), ("infrastructure", "infrastructure")):
        unreadable = _unreadable(summary) if cause == "infrastructure" else 0
        if unreadable:
            table.add_row("  cannot be read", f"{unreadable:,}")
        if ungraded := failures[cause]["ungraded"] - unreadable:
            table.add_row(f"  ungraded by {words}", f"{ungraded:,}")
    if summary["substituted"]:
        table.add_row("  invalid_grade given", f"{summary['substituted']:,}")


def _unreadable(summary: Mapping[str, Any]) -> int:
    """Rows that are ungraded because they cannot be read."""
    causes = summary["ungraded_by_cause"]
    return sum(
        cause["count"]
        for cause in causes
        if "unreadable_row" in cause and cause["caused_by"] == "infrastructure"
    )


def _show_failures(title: str, causes: list[Mapping[str, Any]], console: Console) -> None:
    for cause in causes:
        console.print(
            f"\n{title}: {cause['count']:,} × {cause['kind']}, {blamed(cause['caused_by'], is_unreadable='unreadable_row' in cause)}",
            highlight=False,
        )
        console.print(f"  for example: {cause['example']}", markup=False, highlight=False, style="dim")


def _show_histogram(bins: list[Mapping[str, float]], console: Console) -> None:
    most = max((b["count"] for b in bins), default=0)
    table = Table.grid(padding=(0, 1))
    for b in bins:
        name = f"{b['from']:.4g}" if b["from"] == b["to"] else f"{b['from']:.4g} to {b['to']:.4g}"
        table.add_row(
            Text(name, "dim"),
            "█" * max(1, round(30 * b["count"] / most)) if b["count"] else "",
            f"{b['count']:,}",
        )
    if bins:
        console.print("\nrewards")
        console.print(table)
