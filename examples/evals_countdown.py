"""Measure models on 19 Countdown puzzles with the official `openai` client's files and evals.

Two runs grade the stored answers of o4-mini and o3. With `--model`, a third asks a model for its answers first and grades those.
The grader is a `python` grader, `countdown_grade.py`. Everything that is made is deleted at the end.

    python examples/evals_countdown.py
    python examples/evals_countdown.py --upstream http://127.0.0.1:8080/v1 --model qwen3-8b

The service is started here, on a free port of the loopback address and with a database of its own, unless `--url` names one that runs; that
one has its models configured already.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from openai import OpenAI
from openai.types.evals import RunRetrieveResponse
from openai.types.evals.create_eval_completions_run_data_source_param import (
    CreateEvalCompletionsRunDataSourceParam,
)
from openai.types.evals.create_eval_jsonl_run_data_source_param import CreateEvalJSONLRunDataSourceParam
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
STARTS_S = 300.0
POLLS_S = 0.2
PAGE = 10
"""Output items that are fetched at once: the client's iterator goes from page to page."""
ITEM_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"target": {"type": "string"}, "nums": {"type": "string"}},
    "required": ["target", "nums"],
}
RULES = (
    "Combine all the numbers, each exactly once, by + - * / and parentheses, to come as close to the target as you can. "
    'Answer with JSON alone: {"expression": "(8 - 2) * 4", "result": "24"}'
)
PUZZLE = "Target: {{item.target}}\nNumbers: {{item.nums}}"


@dataclass(frozen=True, slots=True)
class Measured:
    """A run that has ended.

    Attributes:
        name: What its column is called.
        run: As the service shows it.
        scores: By puzzle, its numbers and its target; None for what is ungraded.
    """

    name: str
    run: RunRetrieveResponse
    scores: Mapping[tuple[str, str], float | None]

    @property
    def mean(self) -> str:
        """The mean of the existing scores."""
        scores = [score for score in self.scores.values() if score is not None]
        return f"{sum(scores) / len(scores):.2f}" if scores else "none"


@contextmanager
def service(upstream: str | None, model: str | None) -> Iterator[str]:
    """Run `graders serve` on a free port with a database of its own; gives its address."""
    command = [str(Path(sys.executable).with_name("graders")), "serve", "--port", "0"]
    with tempfile.TemporaryDirectory() as home, Path(home, "log").open("w+") as log:
        own = {
            "GRADERS_DATABASE": f"{home}/service.sqlite",
            "GRADERS_FILES_DIR": f"{home}/files",
            **({"GRADERS_JUDGES": json.dumps({model: _judge(upstream)})} if model and upstream else {}),
        }
        # a file, since a pipe that nobody reads would fill and stop the service
        with subprocess.Popen(command, stderr=log, env={**os.environ, **own}) as process:
            try:
                yield _address(process, Path(home, "log"))
            finally:
                process.terminate()


def _judge(upstream: str) -> dict[str, str]:
    key = os.environ.get("OPENAI_API_KEY")
    return {"base_url": upstream, **({"api_key": key} if key else {})}


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + STARTS_S
    while process.poll() is None and time.monotonic() < until:
        if found := re.search(r"running on (http://[\d.:]+\d)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise SystemExit("the service did not start:\n" + log.read_text())


def measure(client: OpenAI, answers: Sequence[Mapping[str, Any]], model: str | None) -> list[Measured]:
    """Upload, create, run, wait, read and delete, as one would at OpenAI."""
    with ExitStack() as made:

        def uploaded(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
            content = "".join(json.dumps(row) + "\n" for row in rows)
            file = client.files.create(file=(name, content.encode()), purpose="evals")
            made.callback(client.files.delete, file.id)
            return file.id

        of = client.evals.create(
            name="countdown",
            data_source_config={"type": "custom", "item_schema": ITEM_SCHEMA, "include_sample_schema": True},
            testing_criteria=[
                {
                    "type": "python",
                    "name": "rules",
                    "source": (HERE / "countdown_grade.py").read_text(),
                    "pass_threshold": 5,
                }
            ],
        )
        made.callback(client.evals.delete, of.id)  # and its runs
        sources: dict[str, CreateEvalJSONLRunDataSourceParam | CreateEvalCompletionsRunDataSourceParam] = {}
        for name in ("o4_mini", "o3"):
            rows = [
                {"item": row["item"], "sample": row["sample"]}
                for row in answers
                if row["recorded"]["model"] == name
            ]
            file_id = uploaded(f"{name}.jsonl", rows)
            sources[f"{name} (stored)"] = {"type": "jsonl", "source": {"type": "file_id", "id": file_id}}
        if model is not None:
            puzzles = [{"item": row["item"]} for row in answers if row["recorded"]["model"] == "o3"]
            sources[f"{model} (sampled)"] = _sampled(model, uploaded("puzzles.jsonl", puzzles))
        runs = {
            name: client.evals.runs.create(of.id, name=name, data_source=source)
            for name, source in sources.items()
        }
        return [_ended(client, of.id, run.id) for run in runs.values()]


def _sampled(model: str, file_id: str) -> CreateEvalCompletionsRunDataSourceParam:
    return {
        "type": "completions",
        "model": model,
        "input_messages": {
            "type": "template",
            "template": [{"role": "developer", "content": RULES}, {"role": "user", "content": PUZZLE}],
        },
        "sampling_params": {"temperature": 0, "max_completion_tokens": 2048},
        "source": {"type": "file_id", "id": file_id},
    }


def _ended(client: OpenAI, eval_id: str, run_id: str) -> Measured:
    """Wait for the end of a run, and read its output items page by page."""
    while (run := client.evals.runs.retrieve(run_id, eval_id=eval_id)).status in {"queued", "in_progress"}:
        time.sleep(POLLS_S)
    if run.status != "completed":
        raise SystemExit(f"the run {run.name} is {run.status}: {run.error.message}")
    scores = {
        (str(item.datasource_item["nums"]), str(item.datasource_item["target"])): cast(
            "float | None", item.results[0].score
        )
        for item in client.evals.runs.output_items.list(run.id, eval_id=eval_id, limit=PAGE)
    }
    return Measured(run.name, run, scores)


def _table(measured: Sequence[Measured]) -> Table:
    table = Table(title="Countdown: scores from 0 to 5, and 5 passes", box=None, show_footer=True)
    table.add_column("numbers", "mean", no_wrap=True)
    table.add_column("target", justify="right")
    for each in measured:
        table.add_column(each.name, each.mean, justify="right")
    for numbers, target in measured[0].scores:
        scores = [each.scores[numbers, target] for each in measured]
        table.add_row(
            numbers.strip("[]"),
            target,
            *("ungraded" if score is None else f"{score:g}" for score in scores),
        )
    return table


def main() -> int:
    """Measure, and print what came of it."""
    parser = argparse.ArgumentParser(description="Measure models on Countdown puzzles by the Evals API.")
    parser.add_argument("--model", help="a model to sample from, besides the stored answers")
    parser.add_argument(
        "--upstream", help="where it answers, http://…/v1; OPENAI_API_KEY is sent there if it is set"
    )
    parser.add_argument("--url", help="a service that runs already, http://…:8000, and knows the model")
    given = parser.parse_args()
    if given.upstream and (given.url or not given.model):
        parser.error("--upstream is for the service that is started here (without --url), and needs --model")
    if given.model and not (given.upstream or given.url):
        parser.error("--model needs --upstream, or the --url of a service that knows the model")
    answers = [json.loads(line) for line in (HERE / "data/countdown_answers.jsonl").read_text().splitlines()]
    with ExitStack() as stack:
        url = given.url or stack.enter_context(service(given.upstream, given.model))
        key = os.environ.get("GRADERS_API_KEY", "unused")
        client = stack.enter_context(OpenAI(base_url=f"{url}/v1", api_key=key))
        measured = measure(client, answers, given.model)
    console = Console(width=110)
    console.print(_table(measured))
    console.print()
    for each in measured:
        counts = each.run.result_counts
        console.print(
            f"{each.name}: {counts.total} rows, {counts.passed} passed, {counts.failed} failed, "
            f"{counts.errored} errored, mean score {each.mean}",
            soft_wrap=True,
            highlight=False,
        )
    if given.model is None:
        console.print("\nTo sample from a model as well: --upstream http://127.0.0.1:8080/v1 --model NAME")
    return 1 if any(each.run.result_counts.errored for each in measured) else 0


if __name__ == "__main__":
    sys.exit(main())
