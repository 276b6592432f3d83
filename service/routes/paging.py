"""The query parameters of lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, get_args

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from service.store.paging import Order

MOST = 1000
"""Rows of a page, at most."""


@dataclass(frozen=True, slots=True)
class Number:
    """Annotates a query parameter that is a whole number, written in ASCII digits."""

    least: int
    most: int

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """How it is read."""
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """How it is documented."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def _read(self, text: str) -> int:
        is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(self.most))
        if not (is_number and self.least <= int(text) <= self.most):
            limits = {"least": self.least, "most": self.most}
            raise PydanticCustomError("number", "expected a number from {least} to {most}", limits)
        return int(text)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Annotates a query parameter that is one of several words."""

    words: Sequence[str]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """How it is read."""
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """How it is documented."""
        return {"enum": list(self.words)}

    def _read(self, text: str) -> str:
        if text not in self.words:
            raise PydanticCustomError("one_of", "expected one of {words}", {"words": ", ".join(self.words)})
        return text


After = Annotated[str | None, WithJsonSchema({"type": "string"})]
"""The id after which a page begins."""


class Paging(BaseModel):
    """The query parameters of a list."""

    after: After = None
    limit: Annotated[int, Number(1, MOST)] = 20
    order: Annotated[Order, OneOf(get_args(Order))] = "asc"
