"""`/evals/{eval_id}/runs/{run_id}`: what became of a run, as a page."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from graders import Sample
from runtime.data.html_page import Markup, element, joined, page, table
from runtime.data.rows import stored_failure
from service.evals.responses import CriterionCounts, ModelUsage, RunObject
from service.store.evals import Eval, EvalRun, OutputItem

MOST_CHARACTERS = 2_000
"""Of a text or an item that are shown."""
REFRESHED = frozenset({"queued", "in_progress"})


def run_report(of: Eval, run: EvalRun, items: Sequence[OutputItem], *, has_more: bool) -> bytes:
    """A page of a run: its counts, its criteria and some of its rows.

    Args:
        of: Its eval.
        run: The run.
        items: Some of its output items, in the order of the rows.
        has_more: Whether more come after these.
    """
    shown = RunObject.of(run, "")
    counts = shown.result_counts
    facts = [
        ["eval", f"{of.name} ({of.id})"],
        ["run", run.id],
        ["status", run.status],
        ["begun", f"{datetime.fromtimestamp(run.created_at, UTC):%Y-%m-%d %H:%M}Z"],
        ["model", shown.model],
        [
            "rows",
            "{total:,}: {passed:,} passed, {failed:,} failed, {errored:,} ungraded".format_map(dict(counts)),
        ],
        *([["error", str((run.error or {}).get("message", ""))]] if run.error else []),
    ]
    path = f"/v1/evals/{of.id}/runs/{run.id}"
    return page(
        f"Run {run.name}",
        table((), ([element("b", name), value] for name, value in facts if value)),
        element(
            "p", *(["The run goes on; load the page again to see more. "] if run.status in REFRESHED else [])
        ),
        element("h2", "Criteria"),
        table(("criterion", "passed", "failed"), _criteria(shown.per_testing_criteria_results)),
        *_usage(shown.per_model_usage),
        element("h2", "Rows"),
        table(("row", "status", "item", "sample", "results"), map(_row, items)),
        _next_page(items[-1].id) if has_more else Markup(""),
        element(
            "p",
            "For programs: ",
            element("code", path),
            " and ",
            element("code", f"{path}/output_items"),
            ".",
        ),
    )


def _next_page(after: str) -> Markup:
    return element("p", element("a", "next rows", href=f"?after={after}"))


def _criteria(results: Sequence[CriterionCounts]) -> Iterator[list[str]]:
    for each in results:
        yield [each.testing_criteria, f"{each.passed:,}", f"{each.failed:,}"]


def _usage(usage: Sequence[ModelUsage]) -> Iterator[Markup]:
    if usage:
        titles = ("model", "requests", "tokens asked", "tokens answered")
        yield element("h2", "Models")
        yield table(titles, map(_model, usage))


def _model(usage: ModelUsage) -> list[str]:
    numbers = (usage.invocation_count, usage.prompt_tokens, usage.completion_tokens)
    return [usage.model_name, *(f"{number:,}" for number in numbers)]


def _row(item: OutputItem) -> list[str]:
    return [
        str(item.position),
        element("span", item.status, class_=item.status),
        element("pre", _cut(json.dumps(item.item, ensure_ascii=False, indent=1))),
        element("pre", _cut(_sample_text(item.sample))),
        joined(_result(result) for result in item.results),
    ]


def _sample_text(stored: Any) -> str:
    if stored is None:
        return ""
    if stored_failure(stored) is not None:
        return f"no sample: {stored['error'].get('message', '')}"
    return Sample.load(stored).output_text


def _result(result: Mapping[str, Any]) -> Markup:
    score, passed = result.get("score"), result.get("passed")
    word = "error" if score is None else "pass" if passed else "fail"
    said = "ungraded" if score is None else f"{score:g}"
    beside = result.get("sample") or {}
    why = beside.get("explanation") or (beside.get("failure") or {}).get("message") or ""
    lines = [element("span", f"{result.get('name')}: {said}", class_=word)]
    return element("div", *lines, *([element("pre", _cut(str(why)))] if why else []))


def _cut(text: str) -> str:
    more = len(text) - MOST_CHARACTERS
    return text if more <= 0 else f"{text[:MOST_CHARACTERS]}… {more:,} more characters"
