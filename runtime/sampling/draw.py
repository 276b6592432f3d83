"""Several answers to each row of a file, from any OpenAI-compatible server."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import to_json

from graders import ConfigurationError, GradingError
from runtime.data.datasets import STDIN, Row, numbered, read_rows
from runtime.data.output_files import same_file
from runtime.judge.client import Judges
from runtime.judge.failures import NoVerdict
from runtime.sampling.completions import Sampled, ask_for_sample, stored_error
from runtime.sampling.journal import Draw, SampleJournal
from runtime.sampling.prompts import Prompt, PromptOf, prompt_of_row, template_prompts
from runtime.settings.judges import JudgeModel, find_judge
from runtime.settings.settings import Settings

_FIELDS_OF_ROW = ("id", "tools", "systemInstruction")
"""Fields of a row that stand in the row of its samples too, where the item is a field of its own."""
_IN_FLIGHT = 2
"""Draws that wait for each one that a server may answer at the same time."""


@dataclass(frozen=True)
class Plan:
    """What is asked, of whom, and how often.

    Attributes:
        model: By the name that settings know it by.
        count: Draws a row.
        sampling: How to sample, by the names of `SamplingParams`; draw i has the seed plus i.
        template: A file with the prompt; None for the prompts in the rows.
        limit: Only so many rows, from the first on.
    """

    model: str
    count: int
    sampling: Mapping[str, Any] = field(default_factory=dict)
    template: Path | None = None
    limit: int | None = None

    def recipe(self) -> str:
        """A digest of everything but the row that decides an answer.

        Raises:
            ConfigurationError: When the template cannot be read.
        """
        text = "" if self.template is None else self.template.read_bytes().hex()
        asked = to_json([self.model, sorted(self.sampling.items()), text])
        return hashlib.blake2b(asked, digest_size=8).hexdigest()


@dataclass
class SampleReport:
    """What was drawn.

    Attributes:
        rows: How many rows there are.
        draws: How many draws: rows times draws a row.
        failed: Draws without an answer, by cause.
        taken_over: Answers that an earlier command left.
        cut: Answers that reached their limit of tokens.
        empty: Answers without text and calls.
        usage: Tokens that this command used.
    """

    rows: int = 0
    draws: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    taken_over: int = 0
    cut: int = 0
    empty: int = 0
    usage: dict[str, int] = field(default_factory=dict)

    def answered(self, sampled: Sampled) -> None:
        """Count an answer."""
        sample = sampled.sample
        self.cut += sample.choices[0].get("finish_reason") == "length"
        self.empty += not sample.output_text.strip() and not sample.output_tools
        for name, count in sampled.usage.items():
            self.usage[name] = self.usage.get(name, 0) + count

    def lost(self, failure: GradingError) -> None:
        """Count a draw without an answer."""
        cause = str(failure.failure.details.get("type") or failure.failure.kind.value)
        self.failed[cause] = self.failed.get(cause, 0) + 1

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        names = ("rows", "draws", "taken_over", "cut", "empty", "usage")
        failed = {"failed": sum(self.failed.values()), "failed_by_cause": self.failed}
        return {name: getattr(self, name) for name in names} | failed


class OnDraw(Protocol):
    """Called with each draw when it is complete."""

    def __call__(self, *, is_answered: bool) -> None:
        """Whether it has an answer."""


def _quiet(*, is_answered: bool) -> None:
    del is_answered


def sample_file(
    data: Path,
    output: Path,
    plan: Plan,
    settings: Settings,
    *,
    force: bool = False,
    on_open: Callable[[SampleJournal], None] = lambda journal: None,
    on_draw: OnDraw = _quiet,
) -> SampleReport:
    """Draw the answers of every row of a file, and write them.

    Args:
        data: Rows with prompts, as JSONL.
        output: Where the rows with their samples go.
        plan: What is asked.
        settings: Which models are where, their limits and budgets.
        force: Write over a file that has other samples.
        on_open: Takes the journal, which says what is kept, before the first draw.
        on_draw: Called with each draw when it is complete.

    Raises:
        ConfigurationError: When a file cannot be read or written, or no server is known for the model.
        KeyboardInterrupt: At an interrupt; the journal keeps what was drawn.
    """
    if data == STDIN or not data.is_file():
        raise ConfigurationError(f"{data}: samples are drawn for the rows of a file, which is read twice")
    if same_file(data, output):
        raise ConfigurationError(f"{output} is what is read; choose another -o")
    prompt_of = prompt_of_row if plan.template is None else template_prompts(plan.template)
    with SampleJournal(output, plan.recipe(), count=plan.count, limit=plan.limit, force=force) as journal:
        on_open(journal)
        return asyncio.run(
            _Sampling(data, plan, settings, prompt_of=prompt_of, journal=journal, on_draw=on_draw).run()
        )


class _Sampling:
    """One command at work."""

    def __init__(
        self,
        data: Path,
        plan: Plan,
        settings: Settings,
        *,
        prompt_of: PromptOf,
        journal: SampleJournal,
        on_draw: OnDraw,
    ) -> None:
        self._data, self._plan, self._settings = data, plan, settings
        self._prompt_of, self._journal, self._on_draw = prompt_of, journal, on_draw
        self._model = find_judge(settings.judges, plan.model) or JudgeModel()
        self._report = SampleReport()
        self._recipe = plan.recipe()

    async def run(self) -> SampleReport:
        judges = Judges(self._settings)
        try:
            try:
                judges.client(self._plan.model, self._model)
            except NoVerdict as error:
                raise ConfigurationError(str(error).replace("the judge", "the model", 1)) from None
            await self._draw_all(judges)
        finally:
            await judges.aclose()
        self._journal.finish(self._finished())
        return self._report

    async def _draw_all(self, judges: Judges) -> None:
        pending: set[asyncio.Task[None]] = set()
        most = max(1, _IN_FLIGHT * self._model.concurrency)
        try:
            for draw, row in self._to_draw():
                pending.add(asyncio.create_task(self._draw(judges, draw, row)))
                if len(pending) >= most:
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def _to_draw(self) -> Iterator[tuple[Draw, Row]]:
        for position, row in self._rows():
            self._report.rows += 1
            for number in range(self._plan.count):
                self._report.draws += 1
                draw = Draw(position, row.key, number)
                if self._journal.has(draw):
                    self._report.taken_over += 1
                    self._on_draw(is_answered=True)
                else:
                    yield draw, row

    async def _draw(self, judges: Judges, draw: Draw, row: Row) -> None:
        sampling = dict(self._plan.sampling)
        if "seed" in sampling:
            sampling["seed"] += draw.number
        try:
            messages = self._prompt_of(row)
            sampled = await ask_for_sample(
                judges, self._plan.model, messages, sampling, api=self._model.api, extra=_tools(row)
            )
        except GradingError as failure:
            self._report.lost(failure)
            self._journal.add(draw, stored_error(failure))
            self._on_draw(is_answered=False)
            return
        self._report.answered(sampled)
        self._journal.add(draw, _stored(sampled, sampling))
        self._on_draw(is_answered=True)

    def _rows(self) -> Iterator[tuple[int, Row]]:
        """The rows with their positions; of a row that has samples, it alone."""
        rows = ((position, row) for position, row in numbered(read_rows(self._data)) if row.is_last)
        return islice(rows, self._plan.limit)

    def _finished(self) -> Iterator[tuple[list[Draw], dict[str, Any]]]:
        for position, row in self._rows():
            draws = [Draw(position, row.key, number) for number in range(self._plan.count)]
            yield draws, self._fields(position, row)

    def _fields(self, position: int, row: Row) -> dict[str, Any]:
        fields: dict[str, Any] = {"item": row.item}
        is_apart = "item" in row.data
        if is_apart:
            fields |= {name: row.data[name] for name in _FIELDS_OF_ROW if row.data.get(name) is not None}
        try:
            messages: Prompt = self._prompt_of(row)
        except GradingError:
            messages = ()
        if messages and (self._plan.template is not None or row.item.get("messages") != messages):
            fields["messages"] = messages
        earlier = row.data.get("source") if is_apart else None
        fields["source"] = {
            **(earlier if isinstance(earlier, dict) else {}),
            "file": str(self._data),
            "line": row.line,
            "row": position,
            "key": row.key,
            "model": self._plan.model,
            **self._plan.sampling,
            "recipe": self._recipe,
        }
        return fields


def _tools(row: Row) -> Mapping[str, Any]:
    """The tools of a row, as the body of a request has them."""
    tools = row.data.get("tools") or row.item.get("tools")
    return {"tools": tools} if isinstance(tools, list) and tools else {}


def _stored(sampled: Sampled, sampling: Mapping[str, Any]) -> dict[str, Any]:
    """An answer as a row keeps it: a stored sample, with what it took."""
    stored = sampled.sample.to_stored()
    fields = {"output_text": stored} if isinstance(stored, str) else stored
    seed = {"seed": sampling["seed"]} if "seed" in sampling else {}
    finish = sampled.sample.choices[0].get("finish_reason")
    return {**fields, "finish_reason": finish, "usage": dict(sampled.usage), **seed}
