"""The one place that makes validators of JSON schemas: they fetch nothing, and their patterns take linear time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias

import jsonschema_rs

from graders.pattern import encodable
from runtime.schemas.bounds import Schema

Draft: TypeAlias = Literal["2020-12", "declared"]
"""Draft 2020-12 whatever a schema says, or the draft that its `$schema` names (2020-12 where it names none)."""
MAX_MESSAGE = 2_000
"""Characters of what is wrong with a value."""
PATTERN_BYTES = 10 << 20
"""Memory that one regular expression may take."""


@dataclass(frozen=True, slots=True)
class SchemaMismatch:
    """Why a value does not have the shape of a schema.

    Attributes:
        path: Keys and indexes from the value to the part that is wrong.
        message: What is wrong with it.
    """

    path: tuple[str | int, ...]
    message: str


class CompiledSchema:
    """A schema that values can be checked against, in this process and at once."""

    def __init__(self, validator: jsonschema_rs.Validator) -> None:
        self._validator = validator

    def check(self, value: object) -> SchemaMismatch | None:
        """The first thing that is wrong with a value; None where it has the shape of the schema.

        Half of a surrogate pair in it counts as U+FFFD.
        """
        try:
            return self._check(value)
        except (ValueError, TypeError):  # the validator takes no lone surrogate
            return self._check(json.loads(encodable(json.dumps(value, ensure_ascii=False))))

    def _check(self, value: object) -> SchemaMismatch | None:
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            path = tuple(step if isinstance(step, int) else encodable(step) for step in error.instance_path)
            return SchemaMismatch(path, encodable(error.message)[:MAX_MESSAGE])
        return None


def compile_schema(schema: Schema, draft: Draft) -> CompiledSchema:
    """Compile a schema.

    Only for schemas that `runtime.schemas.bounds.measure` has found to be cheap, or in a process with a clock.

    Raises:
        ValueError: When it is not a valid schema.
    """
    given = dict(schema) if isinstance(schema, Mapping) else schema
    options = jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES)
    try:
        if draft == "2020-12":
            return CompiledSchema(
                jsonschema_rs.Draft202012Validator(given, retriever=_fetch_nothing, pattern_options=options)
            )
        return CompiledSchema(
            jsonschema_rs.validator_for(given, retriever=_fetch_nothing, pattern_options=options)
        )
    except (ValueError, TypeError) as error:
        raise ValueError(str(error).partition("\n")[0][:MAX_MESSAGE]) from None


def _fetch_nothing(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is not fetched")
