"""An option that is written as one word, or as an object with one field."""

from typing import Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class WordOrObject(BaseModel):
    """A model one field of which holds a word, and stands for the whole in JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    word_field: ClassVar[str]
    """The field that holds the word."""
    words: ClassVar[tuple[str, ...]]
    """What may stand in it."""

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return {cls.word_field: value} if isinstance(value, str) else value

    @model_serializer(mode="wrap")
    def _as_written(self, dump: SerializerFunctionWrapHandler) -> Any:
        given = {name: value for name, value in dump(self).items() if value is not None}
        return given.get(self.word_field) or given

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        found = handler.resolve_ref_schema(handler(schema))
        fields = {name: field for name, field in found["properties"].items() if name != cls.word_field}
        return {
            "anyOf": [{"enum": list(cls.words), "type": "string"}, {**found, "properties": fields}],
            "description": found.get("description", ""),
        }
