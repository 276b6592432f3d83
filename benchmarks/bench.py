"""Speed as ratios, everything measured in this one run: `make bench`.

Absolute times depend on the machine and on what else it does; the ratios hold. Of several rounds the fastest counts: noise
only ever adds.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.table import Table

from benchmarks.contenders import bare_loop, peers, references
from graders.kinds.metrics import load_metric
from runtime import Evaluator

ROWS = 100_000
ROUNDS = 5
EXACT = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
METRICS = ("fuzzy_match", "bleu", "gleu", "meteor", "rouge_1", "rouge_l")
LENGTHS = (200, 2_000)
WORDS = [
    "the",
    "of",
    "and",
    "a",
    "to",
    "in",
    "is",
    "you",
    "that",
    "it",
    "he",
    "was",
    "for",
    "on",
    "are",
    "as",
    "with",
    "his",
    "they",
    "at",
    "be",
    "this",
    "have",
    "from",
    "or",
    "one",
    "had",
    "by",
    "word",
    "dogs",
    "cats",
    "ran",
    "running",
    "quickly",
    "automobile",
    "car",
    "answered",
    "answer",
    "numbers",
    "equal",
    "therefore",
    "because",
    "result",
]  # as a list it is a page

console = Console(width=100)


def fastest(run: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest of some rounds."""
    seconds = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        seconds = min(seconds, time.perf_counter() - started)
    return seconds


def string_checks() -> None:
    """Equality of 100,000 answers through templates, beside what others offer for it."""
    randomly = random.Random(1)
    answers = [f"the answer is {randomly.randrange(10**6)}" for _ in range(ROWS)]
    items = [{"question": f"question {n}", "answer": answer} for n, answer in enumerate(answers)]
    samples = [answer if n % 2 else f"{answer}!" for n, answer in enumerate(answers)]
    ours, looking, bare = asyncio.run(_ours_and_bare(samples, items))
    table = _table("string_check with templates, 100,000 rows", "ns a row", "times ours", "times a bare loop")
    _row(table, "a bare Python loop", bare, ours, bare)
    _row(table, "rft-graders: grade_many", ours, ours, bare)
    _row(table, "  and a GraderResult for each row", ours + looking, ours, bare)
    for name, seconds in peers(samples, items).items():
        _row(table, name, seconds, ours, bare)
    console.print(table, "")


async def _ours_and_bare(samples: list[str], items: list[dict[str, str]]) -> tuple[float, float, float]:
    """Seconds a row: of our batch, of a look at each result, and of the bare loop; batch and loop take turns."""
    async with Evaluator() as evaluator:
        loaded = await evaluator.prepare(EXACT)
        ours = bare = float("inf")
        for _ in range(ROUNDS):
            started = time.perf_counter()
            gradings = await evaluator.grade_many(loaded, samples, items)
            middle = time.perf_counter()
            rewards = bare_loop(samples, items)
            ours, bare = min(ours, middle - started), min(bare, time.perf_counter() - middle)
        started = time.perf_counter()
        passed = sum(result.passed is True for result in gradings)
        looking = time.perf_counter() - started
    if gradings.rewards.tolist() != rewards or passed != sum(rewards):
        raise SystemExit("the two differ: nothing was measured")
    return ours / ROWS, looking / ROWS, bare / ROWS


async def types() -> None:
    """`numeric_check` and `multi` beside `string_check`: processor time of one grading, and of a row of a batch."""
    numeric = {"type": "numeric_check", "input": "{{sample.output_text}}", "reference": "{{item.answer}}"}
    multi = {"type": "multi", "graders": {"same": EXACT}, "calculate_output": "0.5 * same"}
    both = {"type": "multi", "graders": {"same": EXACT, "near": numeric}, "calculate_output": "same + near"}
    solution = "Each of the 6 rows has 7 chairs, and no row is empty. So there are 42 chairs in all.\n" * 3
    shapes: list[tuple[str, Mapping[str, object], str]] = [
        ("string_check of 42", EXACT, "42"),
        ("multi of a string_check", multi, "42"),
    ]
    shapes += [("multi of string_check and numeric_check", both, "42")]
    shapes += [
        (f"numeric_check of {text}", numeric, text)
        for text in ("42", "#42", "#### 42", "The answer is 42.", r"\boxed{42}")
    ]
    shapes += [
        ("numeric_check of a solution and #### 42", numeric, f"{solution}#### 42"),
        ("numeric_check of a text without a number", numeric, "I do not know."),
    ]
    table = _table(
        "processor time of built-in types", "µs a grading", "string_check = 1", "µs a row", "string_check = 1"
    )
    first: tuple[float, float] | None = None
    async with Evaluator() as evaluator:
        for name, config, text in shapes:
            alone, row = await _processor_time(evaluator, config, text)
            first = first or (alone, row)
            table.add_row(
                name,
                f"{alone * 1e6:.1f}",
                f"{alone / first[0]:.1f}",
                f"{row * 1e6:.1f}",
                f"{row / first[1]:.1f}",
            )
    console.print(table, "")


async def _processor_time(
    evaluator: Evaluator, config: Mapping[str, object], text: str
) -> tuple[float, float]:
    """Seconds of the processor: of one grading, and of a row of a batch, no two of which have equal items."""
    loaded = await evaluator.prepare(config)
    items = [{"answer": "42", "number": number} for number in range(2_000)]
    alone = row = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for item in items:
            await evaluator.grade(loaded, text, item)
        middle = time.process_time()
        await evaluator.grade_many(loaded, [text] * len(items), items)
        alone, row = min(alone, middle - started), min(row, time.process_time() - middle)
    return alone / len(items), row / len(items)


def similarities() -> None:
    """Each metric beside the library that defines it, on texts that it has not seen."""
    table = _table(
        "text_similarity, beside the reference library",
        "characters",
        "ours, a second",
        "reference, a second",
        "ratio",
    )
    found = references()
    for name in METRICS:
        for length in LENGTHS:
            count = max(20, 40_000 // length)
            pairs = [(_prose(length, n), _prose(length, n + 1)) for n in range(count)]
            metric, reference = load_metric(name), found.get(name)
            metric.score("warm", "up")
            ours = fastest(lambda: [metric.score(*pair) for pair in pairs], 2)  # noqa: B023
            if reference is None:
                table.add_row(name, str(length), f"{count / ours:,.0f}", "its data is missing", "")
                continue
            theirs = fastest(lambda: [reference(*pair) for pair in pairs], 1)  # noqa: B023
            if any(abs(metric.score(*pair) - reference(*pair)) > 1e-9 for pair in pairs[:20]):
                raise SystemExit(f"{name} differs from its reference: nothing was measured")
            table.add_row(
                name, str(length), f"{count / ours:,.0f}", f"{count / theirs:,.0f}", f"{theirs / ours:.1f}"
            )
    console.print(table, "")


async def plugins() -> None:
    """A plugin in its worker processes, in a batch and one by one."""
    grader = {
        "type": "countdown",
        "answer": "{{sample.output_text}}",
        "numbers": "{{item.nums}}",
        "target": "{{item.target}}",
    }
    count = 20_000
    samples = [f'{{"expression": "(25 - 4) * {n}", "result": "{21 * n}"}}' for n in range(count)]
    items = [{"nums": f"[25, 4, {n}]", "target": "21"} for n in range(count)]
    async with Evaluator() as evaluator:
        loop = asyncio.get_running_loop()
        await evaluator.grade_many(grader, samples[:2000], items[:2000])
        started = loop.time()
        gradings = await evaluator.grade_many(grader, samples, items)
        batch = loop.time() - started
        started = loop.time()
        for sample, item in zip(samples[:2000], items[:2000], strict=True):
            await evaluator.grade(grader, sample, item)
        single = loop.time() - started
    if gradings.ungraded:
        raise SystemExit("gradings failed: nothing was measured")
    console.print(
        f"countdown plugin in worker processes: {count / batch:,.0f}/s in a batch, {2000 / single:,.0f}/s one after the other\n"
    )


def _prose(length: int, seed: int) -> str:
    randomly = random.Random(seed)
    text = ""
    while len(text) < length:
        text += randomly.choice(WORDS) + " "
    return text[:length].strip()


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _row(table: Table, name: str, seconds: float, ours: float, bare: float) -> None:
    table.add_row(name, f"{seconds * 1e9:,.0f}", f"{seconds / ours:.1f}", f"{seconds / bare:.1f}")


if __name__ == "__main__":
    string_checks()
    asyncio.run(types())
    similarities()
    asyncio.run(plugins())
