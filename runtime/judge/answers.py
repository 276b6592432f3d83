"""The judge's answer is data: a closed parser for JSON, and a check against the schema that was asked for.

Prose is never searched for something that looks like a verdict. What is taken is an answer that is JSON as a whole, or
one code fence with JSON that is the whole answer, behind the model's reasoning where it shows that (`graders.samples.reasoning`).
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from graders.kinds.judging import ASKED
from graders.samples.reasoning import answers, split
from runtime.concurrency.bounded_cache import BoundedCache
from runtime.net.strict_json import read_json
from runtime.schemas.json_schema import PATTERN_BYTES, JsonSchema, SchemaChecker, SchemaMismatch, measured

MAX_ANSWER = 1_000_000
"""Characters of an answer."""
LONG_ANSWER = 20_000
"""Characters of an answer that may take more than some 10 ms to read."""
BYTES_A_CHARACTER = 100
"""Memory of a compiled schema for each character of its text (measured: up to 40)."""
CLOSING_TAGS = 16
"""Closing tags of reasoning behind which an answer is looked for; a judge may quote some of the sample's."""


class NotAnAnswer(ValueError):
    """An answer is not JSON, or not in the shape that was asked for; the message says why."""


def parse_answer(text: str) -> Any:
    """The JSON of an answer.

    Raises:
        NotAnAnswer: When it is anything else: prose around JSON, two values, a duplicate key, a number that is
            not finite, nesting that is too deep.
    """
    if len(text) > MAX_ANSWER:
        raise NotAnAnswer(f"it is longer than {MAX_ANSWER:,} characters")
    why = ""
    for place, candidate in enumerate(answers(text, most=CLOSING_TAGS)):
        try:
            return read_json(_unfenced(candidate))
        except ValueError as error:
            why = f"it is not JSON: {error}" if place < 2 else why  # of the answer behind the reasoning
    raise NotAnAnswer("its reasoning does not end" if split(text).answer is None else why)


async def read_answer(text: str) -> Any:
    """The same as `parse_answer`; reasoning is looked for in a long answer in a thread, which keeps nobody waiting."""
    if len(text) > LONG_ANSWER:
        return await asyncio.to_thread(parse_answer, text)
    return parse_answer(text)


def _unfenced(text: str) -> str:
    """What stands in a code fence that is the whole text; any other text as it is."""
    if not text.startswith(("```", "~~~")):
        return text
    first, _, rest = text.partition("\n")
    fence = first[: len(first) - len(first.lstrip(first[0]))]
    inside, _, last = rest.rpartition("\n")
    is_whole = last.strip() == fence and first[len(fence) :].strip().lower() in ("", "json")
    return inside if is_whole else text


class AnswerShape:
    """A JSON schema that answers are asked for and checked against.

    Attributes:
        checked: The schema, bounded; compiled where that costs little.
        text: The schema as text, equal for equal schemas whose fields stand in the same order.
        asked: The schema that a server is sent.
        unbounded: The same without bounds of numbers that some servers do not take; None where it has no such bounds.
    """

    def __init__(self, schema: Mapping[str, Any], checked: JsonSchema | None = None) -> None:
        """A shape.

        Args:
            schema: Plain data.
            checked: What a `SchemaChecker` has made of it; None to make it here, as is safe for our own schemas.

        Raises:
            SchemaError: When it is not a schema, or beyond a bound.
        """
        self.checked = checked or measured(schema, "2020-12")
        self.asked: Mapping[str, Any] = _asked(schema, bounded=True)
        unbounded = _asked(schema, bounded=False)
        self.unbounded: Mapping[str, Any] | None = None if unbounded == self.asked else unbounded
        self.text = self.checked.text

    @property
    def size(self) -> int:
        """Bytes that it holds at most, about."""
        patterns = len(self.checked.measure.patterns)
        return BYTES_A_CHARACTER * len(self.text) + (PATTERN_BYTES * patterns if self.checked.compiled else 0)


def required(mismatch: SchemaMismatch | None) -> None:
    """See that an answer has its shape.

    Args:
        mismatch: What is wrong with it.

    Raises:
        NotAnAnswer: When something is, saying where.
    """
    if mismatch is None:
        return
    where, message = ".".join(map(str, mismatch.path)), mismatch.message[:300]
    raise NotAnAnswer(f"{where}: {message}" if where else message)


def _asked(schema: Any, *, bounded: bool) -> Any:
    """A schema as a server is sent it: with what a number is asked to be, or without, in place of what is taken."""
    if isinstance(schema, Mapping):
        if isinstance(schema.get(ASKED), Mapping) and "type" in schema:
            return {"type": schema["type"], **(schema[ASKED] if bounded else {})}
        return {key: _asked(inner, bounded=bounded) for key, inner in schema.items()}
    return schema


class Shapes:
    """The shapes of schemas that were seen lately; a grader gives the same object each time.

    Args:
        max_bytes: Memory of the shapes that are kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._known: BoundedCache[int, tuple[Mapping[str, Any], AnswerShape]] = BoundedCache(max_bytes)
        self._checker = SchemaChecker()

    async def of(self, schema: Mapping[str, Any], *, client: str = "") -> AnswerShape:
        """The shape of a schema.

        Raises:
            SchemaError: When it is not a schema, or beyond a bound: its author's mistake.
            CheckFailed: When the machine failed.
        """
        known = self._known.get(id(schema))
        if known is not None and known[0] is schema:  # and not another that has its address now
            return known[1]
        shape = AnswerShape(schema, await self._checker.load(schema, client=client))
        self._known.put(id(schema), (schema, shape), shape.size)
        return shape

    async def check(self, shape: AnswerShape, answer: object, *, client: str = "") -> None:
        """See that an answer has a shape.

        Raises:
            NotAnAnswer: When not, saying where.
            CheckFailed: When checking it takes too much time or memory, or the machine failed.
        """
        required(await self._checker.check(shape.checked, answer, client=client))

    async def aclose(self) -> None:
        """End the processes that check."""
        await self._checker.aclose()
