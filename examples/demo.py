"""Grade 38 real Countdown answers over HTTP with the official `openai` client, beside a hosted judge's scores.

The service is started here on a free port of the loopback address and stopped at the end. The grader is
`countdown_multi.json`: a `multi` that holds the plugin of `countdown_grader/` twice, to the letter of the published rules
and with results that may be rounded, and a `numeric_check` of the result that the answer states.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from openai import AsyncOpenAI
from openai.types.fine_tuning.alpha import GraderRunResponse
from openai.types.graders import MultiGraderParam
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
VIEWS = ("rules", "rounded")
"""The parts that grade by the judge's own rules, and are compared with it."""


@contextmanager
def service() -> Iterator[str]:
    """Run `graders serve` on a free port; gives its address."""
    command = [str(Path(sys.executable).with_name("graders")), "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        log = []
        try:
            for line in process.stderr or ():
                log.append(line)
                if found := re.search(r"running on (http://\S+)", line):
                    yield found[1]
                    return
            raise SystemExit("the service did not start:\n" + "".join(log))
        finally:
            process.terminate()


async def grade_all(url: str, grader: dict[str, Any], rows: list[dict[str, Any]]) -> list[GraderRunResponse]:
    """Grade every row with the unmodified client, side by side."""
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="unused") as client:
        run = client.fine_tuning.alpha.graders.run
        multi = cast("MultiGraderParam", grader)
        calls = [
            run(grader=multi, model_sample=row["sample"]["output_text"], item=row["item"]) for row in rows
        ]
        return await asyncio.gather(*calls)


def main() -> int:
    """Grade, and print what came of it."""
    rows = [json.loads(line) for line in (HERE / "data/countdown_answers.jsonl").read_text().splitlines()]
    grader = json.loads((HERE / "countdown_multi.json").read_text())
    with service() as url:
        started = time.perf_counter()
        replies = asyncio.run(grade_all(url, grader, rows))
        seconds = time.perf_counter() - started

    console = Console(width=100)
    console.print(_table(rows, replies))
    failed = sum(True in reply.metadata.errors.to_dict().values() for reply in replies)
    mean = sum(reply.reward for reply in replies) / len(replies)
    passed = sum(reply.reward >= grader["pass_threshold"] for reply in replies)
    to_the_letter, rounded = (
        sum(view in _differs(*pair) for pair in zip(rows, replies, strict=True)) for view in VIEWS
    )
    console.print(
        f"\n{len(replies)} answers graded over HTTP in {seconds:.2f} s: mean reward {mean:.2f} of 5, {passed} passed, "
        f"{failed} failed gradings; the recorded judge disagrees with the rules to the letter on {to_the_letter}, "
        f"and on {rounded} when a stated result may be rounded.",
        soft_wrap=True,
    )
    return 1 if failed else 0


def _differs(row: dict[str, Any], reply: GraderRunResponse) -> list[str]:
    """The parts whose reward is not the judge's score."""
    return [view for view in VIEWS if reply.sub_rewards[view] != row["recorded"]["score"]]


def _table(rows: list[dict[str, Any]], replies: list[GraderRunResponse]) -> Table:
    table = Table(title="Countdown answers: our rewards beside the recorded judge's score", box=None)
    table.add_column("answer", no_wrap=True, width=40)
    for column in ("target", *VIEWS, "stated", "reward", "judge"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("judge differs", no_wrap=True)
    for row, reply in zip(rows, replies, strict=True):
        answer = json.loads(row["sample"]["output_text"])
        parts = [reply.sub_rewards[view] for view in (*VIEWS, "stated")]
        numbers = [f"{number:g}" for number in (*parts, reply.reward, row["recorded"]["score"])]
        differs = ", ".join(_differs(row, reply))
        shown = f"{answer['expression']} = {answer['result']}"
        table.add_row(shown, row["item"]["target"], *numbers, differs, style="yellow" if differs else "")
    return table


if __name__ == "__main__":
    sys.exit(main())
