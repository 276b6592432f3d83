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
import textwrap
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
WIDTH = 79
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

    _explain(len(rows))
    Console(width=WIDTH).print(_table(rows, replies))
    failed = sum(True in reply.metadata.errors.to_dict().values() for reply in replies)
    mean = sum(reply.reward for reply in replies) / len(replies)
    passed = sum(reply.reward >= grader["pass_threshold"] for reply in replies)
    exact, rounded = (
        sum(view in _differs(*pair) for pair in zip(rows, replies, strict=True)) for view in VIEWS
    )
    print()
    _say(
        f"{len(replies)} answers graded over HTTP in {seconds:.2f} s: mean reward {mean:.2f} of 5, {passed} passed, "
        f"{failed} failed gradings."
    )
    _say(
        f"The judge's score differs from the exact rules on {exact} answers (marked *), and on {rounded} once the "
        "result may be rounded: it let rounded results pass."
    )
    return 1 if failed else 0


def _differs(row: dict[str, Any], reply: GraderRunResponse) -> list[str]:
    """The parts whose reward is not the judge's score."""
    return [view for view in VIEWS if reply.sub_rewards[view] != row["recorded"]["score"]]


def _explain(count: int) -> None:
    _say(
        f"{count} answers of two models to Countdown puzzles: combine the four numbers, each once, to reach the target. "
        "A row has the answer's expression and the result that it states, and its rewards from 0 to 5:"
    )
    print("  exact    by the rules; the stated result must be the expression's value")
    print("  rounded  by the same rules; the stated result may be rounded")
    print("  stated   only how near the stated result is to the target")
    print("  reward   the lowest of these three: the reward of the `multi` grader")
    print("  judge    what a hosted o3-mini gave by the same rules, as recorded")
    print()


def _say(text: str) -> None:
    print(textwrap.fill(text, WIDTH))


def _table(rows: list[dict[str, Any]], replies: list[GraderRunResponse]) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("answer", no_wrap=True)
    for column in ("target", "exact", "rounded", "stated", "reward", "judge"):
        table.add_column(column, justify="right", no_wrap=True)
    for row, reply in zip(rows, replies, strict=True):
        answer = json.loads(row["sample"]["output_text"])
        parts = [reply.sub_rewards[view] for view in (*VIEWS, "stated")]
        numbers = [f"{number:g}" for number in (*parts, reply.reward)]
        differs = "rules" in _differs(row, reply)
        judged = f"{row['recorded']['score']:g}{'*' if differs else ' '}"
        shown = f"{answer['expression'].replace(' ', '')}={answer['result']}"
        table.add_row(shown, row["item"]["target"], *numbers, judged, style="yellow" if differs else "")
    return table


if __name__ == "__main__":
    sys.exit(main())
