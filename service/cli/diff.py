"""`graders diff`: what changed between two graded files."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from runtime.compare.diff import diff, is_worse
from runtime.data.graded.reading import GradedFile
from service.cli import terminal

Source = tuple[Path, Path | None]


def compare(
    before: Source,
    after: Source,
    *,
    by: str,
    group_by: str | None,
    fail_if_worse: float | None,
    worst: int,
    seed: int,
) -> tuple[dict[str, Any], bool]:
    """What `runtime.compare.diff.diff` finds, and whether it is a failure.

    Args:
        before: A graded file, and the file of its rows.
        after: The other.
        by: What is compared.
        group_by: The field of the item that says which samples are of one prompt.
        fail_if_worse: By how much the mean reward may not fall; None for anything.
        worst: How many rows are listed.
        seed: Of the interval.

    Raises:
        ConfigurationError: When a file is wrong, or they have no row in common.
    """
    # samples are paired by the digests of their rows, which results have
    with_rows = by == "prompt" or not _have_common_keys(before[0], after[0], by=by)
    with (
        GradedFile(before[0], before[1], group_by=group_by, with_rows=with_rows) as one,
        GradedFile(after[0], after[1], group_by=group_by, with_rows=with_rows) as other,
    ):
        found = diff(one, other, by=by if with_rows else "sample", seed=seed, worst=worst)
        for file in (one, other):
            for problem in file.problems.named:
                terminal.err(f"warning: {file.path}: {problem}\n")
    is_failed = fail_if_worse is not None and (not found["graded_pairs"] or is_worse(found, fail_if_worse))
    return found, is_failed


def _have_common_keys(before: Path, after: Path, *, by: str) -> bool:
    if by == "sample":
        return True
    with GradedFile(before, with_rows=False) as one, GradedFile(after, with_rows=False) as other:
        keys, others = ({sample.key for sample in file.samples()} for file in (one, other))
    return len(keys & others) == min(len(keys), len(others))


def show(found: dict[str, Any], console: Console) -> None:
    """Print the difference for a person."""
    table = Table.grid(padding=(0, 2))
    alone = found["only_before"] + found["only_after"]
    without = f"   {found['only_before']:,} only before, {found['only_after']:,} only after" if alone else ""
    table.add_row(f"{found['paired_by']}s in both", f"{found['pairs']:,}{without}")
    ungraded = found["ungraded"]
    if ungraded["before"] or ungraded["after"]:
        counts = f"{ungraded['before']:,} before, {ungraded['after']:,} after ({ungraded['newly']:,} of them newly)"
        table.add_row("ungraded, not compared", counts)
    table.add_row("reward", _means(found["reward"]))
    for name, means in found["sub_rewards"].items():
        table.add_row(f"  {name}", f"only {means['only']}" if "only" in means else _means(means))
    changed = found["changed"]
    table.add_row(
        "changed", f"{changed['worse']:,} worse, {changed['better']:,} better, {changed['equal']:,} equal"
    )
    if (passed := found["passed"]) is not None:
        flips = f"{passed['to_fail']:,} no longer, {passed['to_pass']:,} newly; McNemar p = {passed['mcnemar_p']:.4g}"
        table.add_row("pass", f"{passed['before']:,} to {passed['after']:,} of {passed['of']:,}   {flips}")
    console.print(table)
    if found["worst"]:
        console.print("\ngot worse")
    for row in found["worst"]:
        parts = "".join(
            f"   {name} {first:.4g} to {second:.4g}"
            for name, (first, second) in row["sub_rewards"].items()
            if first is not None and second is not None and first != second
        )
        console.print(
            f"  {row['row']}: {row['before']:.4g} to {row['after']:.4g} ({row['difference']:+.4g}){parts}"
        )


def _means(means: dict[str, float] | None) -> str:
    if means is None:
        return "no pair is graded"
    interval = f"   95 %: {means['low_95']:+.4f} to {means['high_95']:+.4f}" if "low_95" in means else ""
    return f"{means['before']:.4f} to {means['after']:.4f}   {means['difference']:+.4f}{interval}"
