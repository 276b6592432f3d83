"""JSON schemas of strangers: bounded when they are loaded, and checked where no check can keep others waiting.

A schema that surely costs little is checked at once. `expansion` × `largest` of `runtime.schemas.bounds.Measure`, times the
values of what is checked, bounds the work; up to `INLINE_WORK`, some 10 ms, is done on the event loop. All else is compiled
and checked in a process that is ended after 2 s of processor time.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from runtime.data.json_weight import is_small
from runtime.processes.helper_process import HelperFailed, HelperPool, HelperProcess
from runtime.schemas.bounds import Measure, SchemaError, measure
from runtime.schemas.compiler import PATTERN_BYTES, CompiledSchema, Draft, SchemaMismatch, compile_schema
from runtime.schemas.process import FORGOTTEN, KIND, MAX_REPLY

__all__ = [
    "PATTERN_BYTES",
    "CheckFailed",
    "JsonSchema",
    "SchemaChecker",
    "SchemaError",
    "SchemaMismatch",
    "check_once",
    "measured",
]

INLINE_WORK = 200_000
"""Subschemas times values that are checked on the event loop; one takes at most some 50 ns."""
INLINE_VALUES = 20_000
"""JSON values and keys of what is checked on the event loop."""
INLINE_CHARACTERS = 100_000
"""Characters of texts in a value that is checked on the event loop."""
INLINE_SCHEMA = 2_000
"""JSON values of a schema that is compiled on the event loop."""
INLINE_PATTERNS = 200
"""Characters of all regular expressions of a schema that is compiled on the event loop; none of them counts (`a{100}`), and
none names a class of characters by its property (`\\p{L}`)."""


class CheckFailed(Exception):
    """A schema could not be compiled, or a value not be checked.

    Attributes:
        by_schema: Whether the schema is too costly, for this value; otherwise the machine failed, and it may pass.
    """

    def __init__(self, message: str, *, by_schema: bool) -> None:
        super().__init__(message)
        self.by_schema = by_schema


@dataclass(frozen=True, slots=True, eq=False)
class JsonSchema:
    """A schema that was found to be bounded and valid.

    Attributes:
        schema: It.
        measure: What it costs.
        text: It as JSON.
        draft: By which draft it is read.
        compiled: For checks in this process; None where it is too costly for that.
    """

    schema: Mapping[str, Any] | bool
    measure: Measure
    text: str
    draft: Draft
    compiled: CompiledSchema | None

    @property
    def key(self) -> str:
        """A digest, equal for equal texts and drafts."""
        return hashlib.blake2b(f"{self.draft}\n{self.text}".encode(), digest_size=16).hexdigest()

    def costs_little(self, value: object) -> bool:
        """Whether a value may be checked on the event loop."""
        each = self.measure.expansion * self.measure.largest
        return self.compiled is not None and is_small(
            value, min(INLINE_VALUES, INLINE_WORK // each), INLINE_CHARACTERS
        )


def measured(schema: object, draft: Draft) -> JsonSchema:
    """A schema that is bounded; compiled, and so known to be valid, where that costs little.

    Raises:
        SchemaError: When it is beyond a bound, is not plain data, or is not a valid schema.
    """
    if not isinstance(schema, Mapping | bool):
        raise SchemaError(f"#: a schema is an object or a boolean, not {type(schema).__name__}")
    found = measure(schema)
    try:
        text = json.dumps(schema, separators=(",", ":"))
        compiled = compile_schema(schema, draft) if _compiles_quickly(found) else None
    except (ValueError, TypeError, RecursionError) as error:
        raise SchemaError(str(error)) from None
    return JsonSchema(schema, found, text, draft, compiled)


class SchemaChecker:
    """Loads schemas and checks values; belongs to one event loop, and starts processes when costly ones come."""

    def __init__(self) -> None:
        self._pool = HelperPool(KIND)

    async def load(self, schema: object, *, draft: Draft = "2020-12", client: str = "") -> JsonSchema:
        """A schema, ready for checks.

        Args:
            schema: Plain data.
            draft: By which draft to read it.
            client: Who asks.

        Raises:
            SchemaError: When it is beyond a bound, not a valid schema, or too costly to compile.
            CheckFailed: When the machine failed.
        """
        is_long = not is_small(schema, INLINE_SCHEMA, INLINE_CHARACTERS)
        loaded = await asyncio.to_thread(measured, schema, draft) if is_long else measured(schema, draft)
        if loaded.compiled is None:
            try:
                problem = await self._asked(loaded, None, client)
            except CheckFailed as failed:
                if failed.by_schema:
                    raise SchemaError(f"#: {failed}") from None
                raise
            if problem is not None:
                raise SchemaError(str(problem))
        return loaded

    async def check(self, schema: JsonSchema, value: object, *, client: str = "") -> SchemaMismatch | None:
        """What is wrong with a value; None where it has the shape of the schema.

        Args:
            schema: The schema.
            value: Plain data.
            client: Who asks.

        Raises:
            CheckFailed: When it takes too much time or memory, or the machine failed.
        """
        if schema.compiled is not None and schema.costs_little(value):
            return schema.compiled.check(value)
        body = json.dumps({"key": schema.key, "value": value}, separators=(",", ":")).encode()
        found = await self._asked(schema, body, client)
        return None if found is None else SchemaMismatch(tuple(found[0]), found[1])

    async def aclose(self) -> None:
        """End the processes."""
        await self._pool.aclose()

    async def _asked(self, schema: JsonSchema, check: bytes | None, client: str) -> Any:
        """The reply of a process to a check, or to the schema if there is nothing to check.

        Raises:
            CheckFailed: When there is no reply.
        """
        try:
            return await self._pool.run(client, partial(_reply, schema, check))
        except HelperFailed as failed:
            raise CheckFailed(str(failed), by_schema=failed.by_request) from None


async def check_once(schema: object, value: object) -> SchemaMismatch | None:
    """What is wrong with a value by a schema of draft 2020-12, which is not needed again.

    Raises:
        SchemaError: When the schema cannot be used.
        CheckFailed: When the check takes too much time or memory, or the machine failed.
    """
    checker = SchemaChecker()
    try:
        return await checker.check(await checker.load(schema), value)
    finally:
        await checker.aclose()


async def _reply(schema: JsonSchema, check: bytes | None, process: HelperProcess) -> Any:
    """The reply of one process, which is sent the schema first where it does not have it.

    Raises:
        HelperFailed: If there is no reply.
    """
    if check is not None:
        reply = json.loads(await process.ask(check, MAX_REPLY))
        if reply != FORGOTTEN:
            return reply
    loading = b'{"key":"%b","draft":"%b","schema":%b}' % (
        schema.key.encode(),
        schema.draft.encode(),
        schema.text.encode(),
    )
    problem = json.loads(await process.ask(loading, MAX_REPLY))
    if check is None or problem is not None:
        return problem
    return json.loads(await process.ask(check, MAX_REPLY))


def _compiles_quickly(found: Measure) -> bool:
    """Whether a schema is compiled, and a small value checked, in some milliseconds at most."""
    if found.is_recursive or found.reconsiders or found.values > INLINE_SCHEMA:
        return False
    if sum(map(len, found.patterns)) > INLINE_PATTERNS or any("{" in pattern for pattern in found.patterns):
        return False
    return found.expansion * found.largest <= INLINE_WORK
