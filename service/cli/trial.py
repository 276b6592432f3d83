"""Tries a grader on the first rows of its data that have a sample: whether it grades at all, before a run is paid for."""

from collections.abc import Iterator
from time import monotonic

from graders import Failure, FailureKind, Grader, GraderError, GraderResult, Sample
from graders.lint.findings import Finding, Path, lines_named
from graders.lint.lint import all_graders
from runtime import SyncEvaluator
from runtime.data.datasets import Row

ROWS = 3
"""Rows that are tried."""
BUDGET_S = 20.0
"""Seconds that all trials together may take; what is not done by then says nothing about the grader."""
_NEEDS_NO_SERVICE = frozenset(
    {"code_tests", "multi", "numeric_check", "pattern_match", "python", "string_check", "text_similarity"}
)


def failures_of(
    evaluator: SyncEvaluator, graders: list[tuple[Path, Grader]], rows: list[Row], known: list[Finding]
) -> Iterator[Finding]:
    """What fails by the grader's own doing: a source that raises, a plugin that returns no number.

    A part that asks a judge, an embedding server or an endpoint is left out, and so is a plugin that may, and what needs files
    or the network; the parts beside it are tried on their own.

    Args:
        evaluator: What grades.
        graders: What to try, each with its path.
        rows: Rows with a sample.
        known: What has been found already; a variable that a row lacks is not named again.
    """
    end = monotonic() + BUDGET_S
    for path, grader in _without_services(graders):
        failed: dict[tuple[Path, str], tuple[list[int], Failure]] = {}
        for row in rows:
            for where, failure in _tried(evaluator, grader, row, end):
                key = (*path, *where), failure.message
                failed.setdefault(key, ([], failure))[0].append(row.line)
        for (where, message), (lines, failure) in failed.items():
            if failure.kind is FailureKind.INVALID_VARIABLE and _is_known(where, lines, known):
                continue
            rows_named = f"line {lines[0]}" if len(lines) == 1 else lines_named(tuple(lines))
            yield Finding(
                "error",
                where,
                f"it fails on {rows_named}: {message}",
                "the grader itself fails, whatever its samples are worth: mend it; 'graders explain' shows more",
                tuple(lines),
            )


def _is_known(path: Path, lines: list[int], known: list[Finding]) -> bool:
    """Whether an error about this grader, or a field of it, names one of these lines already."""
    return any(
        finding.level == "error"
        and finding.path[: len(path)] == path
        and not set(lines).isdisjoint(finding.rows)
        for finding in known
    )


def _without_services(graders: list[tuple[Path, Grader]]) -> Iterator[tuple[Path, Grader]]:
    """The largest parts that need nothing but this machine."""
    for path, grader in graders:
        if all(_is_local(inner) for _, inner in all_graders(grader)):
            yield path, grader
        else:
            inside = [((*path, *where), inner) for where, inner in grader.inner()]
            yield from _without_services(inside)


def _is_local(grader: Grader) -> bool:
    if not grader.built_in:
        return not grader.is_async and not grader.type.needs
    options = grader.options.arguments()
    return grader.type.name in _NEEDS_NO_SERVICE and options.get("evaluation_metric") != "cosine"


def _tried(evaluator: SyncEvaluator, grader: Grader, row: Row, end: float) -> Iterator[tuple[Path, Failure]]:
    remaining = end - monotonic()
    if remaining <= 0 or not isinstance(row.sample, Sample):
        return
    try:
        result = evaluator.grade(grader, row.sample, row.item, deadline_s=remaining)
    except GraderError:  # as loading it has said
        return
    yield from _failed_by_grader(result)


def _failed_by_grader(result: GraderResult) -> Iterator[tuple[Path, Failure]]:
    """The failures by the grader's doing in a result, those of its parts if they have any; each with its path."""
    inside = [
        (("graders", key, *where), failure)
        for key, part in result.parts.items()
        for where, failure in _failed_by_grader(part)
    ]
    if inside:
        yield from inside
    elif result.failure is not None and result.failure.caused_by == "grader":
        yield (), result.failure
