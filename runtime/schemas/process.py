"""What runs in the process that compiles costly schemas and checks values against them."""

import json
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Any

from graders.pattern import encodable
from runtime.processes.helper_process import Kind, serve
from runtime.schemas.compiler import CompiledSchema, SchemaMismatch, compile_schema

KIND = Kind("runtime.schemas.process", cpu_seconds=2.0, memory_bytes=1 << 30)
MAX_REPLY = 1 << 20
"""Bytes of a reply: a place and a message."""
KEPT = 8
"""Compiled schemas that a process keeps."""
FORGOTTEN = "forgotten"
"""The reply to a check against a schema that the process does not keep."""


def main(descriptor: int) -> None:
    """Answer requests until the service closes the socket.

    A request is `{"key", "schema", "draft"}`, answered by null or what is wrong with the schema; or `{"key", "value"}`, answered by
    null, by a path and a message, or by `FORGOTTEN`.
    """
    compiled: OrderedDict[str, CompiledSchema] = OrderedDict()
    serve(descriptor, KIND, partial(_replies, compiled))


def _replies(compiled: OrderedDict[str, CompiledSchema], request: bytes) -> Iterator[bytes]:
    yield json.dumps(_reply(json.loads(request), compiled)).encode()


def _reply(request: dict[str, Any], compiled: OrderedDict[str, CompiledSchema]) -> object:
    key = request["key"]
    if "schema" in request:
        try:
            compiled[key] = compile_schema(request["schema"], request["draft"])
        except ValueError as error:
            return encodable(str(error))
        compiled.move_to_end(key)
        while len(compiled) > KEPT:
            compiled.popitem(last=False)
        return None
    if key not in compiled:
        return FORGOTTEN
    compiled.move_to_end(key)
    found: SchemaMismatch | None = compiled[key].check(request["value"])
    return None if found is None else [list(found.path), found.message]
