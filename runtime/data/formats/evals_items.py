"""Output items of the Evals API, as OpenAI, Foundry and our own service show and export them.

`{"id", "status", "results": [{"name", "score", "passed"…}], "sample": {"input", "output": [messages], "model"…}, "datasource_item":
{…}}`, one a line, or in an `items` or `data` list. The item may stand under `datasource_item.item`.

Source: the `openai` package's types (`OutputItemListResponse`), and exports of Foundry's portal.
"""

from collections.abc import Iterator
from typing import Any

from graders import GradingError
from runtime.data.formats.base import Fault, Format, Row, View, named, references_of, wrong_type
from runtime.data.formats.messages import Conversation, shown
from runtime.data.rows import sample_or_failure, stored_failure


class EvalsItems(Format):
    """Graded answers of an eval run."""

    name = "evals"
    title = "exported output items of Evals"
    fields = (
        "datasource_item",
        "sample",
        "results",
        "id",
        "status",
        "eval_id",
        "run_id",
        "created_at",
        "object",
        "datasource_item_id",
    )
    required = 2
    repeats = True

    def likeness(self, row: Row) -> int:
        """`datasource_item`."""
        return 10 if "datasource_item" in row else 0

    def faults(self, row: Row) -> Iterator[Fault]:
        """Items, samples and results that cannot be read."""
        yield from self.missing(row)
        item = row.get("datasource_item")
        if item is not None and not isinstance(item, dict):
            yield wrong_type("datasource_item", "the dataset row, a JSON object", item)
        sample = row.get("sample")
        if sample is not None:
            yield from _sample(sample)
        results = row.get("results")
        if results is None:
            yield Fault(
                "no-results",
                "results",
                "the row has no results",
                "there are no recorded scores to keep",
                "warning",
            )
        elif not isinstance(results, list):
            yield wrong_type("results", "a list of results", results)
        else:
            yield from _results(results)

    def view(self, row: Row) -> View:
        """The item, and the answer."""
        item = row.get("datasource_item")
        inner = item.get("item", item) if isinstance(item, dict) else {}
        item = inner if isinstance(inner, dict) else {}
        sample = row.get("sample")
        given, output = (
            (sample.get("input"), sample.get("output")) if isinstance(sample, dict) else (None, None)
        )
        talk = Conversation(given)
        prompt = talk.prompt or Conversation(item.get("messages")).prompt or _question(item)
        answer = (
            "\n".join(shown(message) for message in output if isinstance(message, dict))
            if isinstance(output, list)
            else None
        )
        references = {
            f"item.{name}": value
            for name, value in references_of(item, ("messages",)).items()
            if "message" not in name
        }
        return View(prompt, talk.system, answer, references, item)


def _question(item: Row) -> str:
    names = ("question", "prompt", "input", "problem", "reference_user_message", "query")
    return next((item[name] for name in names if isinstance(item.get(name), str)), "")


def _sample(sample: Any) -> Iterator[Fault]:
    failed = stored_failure(sample)
    if failed is not None:
        yield Fault(
            "sample-failed",
            "sample.error",
            f"the sample could not be drawn: {failed}",
            "it has no answer to grade",
            "warning",
        )
        return
    read = sample_or_failure(sample)
    if isinstance(read, GradingError):
        yield Fault("unreadable-sample", "sample", str(read), "keep the sample as it was exported")
    elif not (read.output_text or "").strip() and not read.output_tools:
        yield Fault(
            "empty-content",
            "sample.output",
            "the sample has no text and no tool calls",
            "it would get the lowest reward",
            "warning",
        )


def _results(results: list[Any]) -> Iterator[Fault]:
    for number, result in enumerate(results[:1_000]):
        path = f"results.{number}"
        if not isinstance(result, dict):
            yield wrong_type(path, "an object with 'name' and 'score'", result)
            continue
        score = result.get("score")
        if not isinstance(score, (int, float)) or isinstance(score, bool):
            what = "has no score" if score is None else f"has a score that is {named(score)}"
            yield Fault(
                "wrong-score",
                f"{path}.score",
                f"{path} {what}; expected a number",
                "it is no recorded score",
                "warning" if score is None else "error",
            )
