"""Samples for an eval run: the published data sources `completions` and `responses`, and the `Sampler` that asks.

A run with one of these asks a model once for each row, and grades what it says. The servers are those of the judges: the
same names and patterns, retries, limits and budgets. The data source says by which API: chat completions or Responses.

What asks, and what it makes of an answer, is `runtime.sampling.completions`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    Field,
    model_validator,
)

from graders import (
    ConfigurationError,
    InvalidOptions,
    Item,
    Problem,
    Sample,
)
from graders.contract import brief
from graders.kinds.messages import Messages, PublishedObject, SamplingParams, render
from graders.options import carry, validated
from graders.paths import compile_path
from runtime.data.rows import item_of_output_item
from runtime.sampling.completions import Sampled, ask_for_sample
from runtime.sampling.prompts import is_over_items, plain, sendable
from runtime.settings.judges import Api

if TYPE_CHECKING:  # what it asks with takes long to import, and most runs do not sample
    from runtime.judge.client import Judges

_LIMITS = ("max_completion_tokens", "max_completions_tokens", "max_output_tokens", "max_tokens")
_Modalities: TypeAlias = Annotated[list[Literal["text", "audio"]], Field(min_length=1)]
_NO_SAMPLE = Sample("")


def content_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a request; an output item, as the API shows it, is the row that it is of, with its sample."""
    if "item" in row or "datasource_item" not in row:
        return row
    sample = {"sample": row["sample"]} if "sample" in row else {}
    return {"item": item_of_output_item(row["datasource_item"]), **sample}


class FileRow(PublishedObject):
    """One row of a source; its sample, if it has one, is not looked at, since a new one is asked for."""

    item: dict[str, Any]
    sample: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_output_item(cls, value: Any) -> Any:
        return content_row(value) if isinstance(value, dict) else value


class FileContent(PublishedObject):
    """Rows that stand in the request itself."""

    type: Literal["file_content"]
    content: list[FileRow]


class FileId(PublishedObject):
    """Rows of an uploaded file."""

    type: Literal["file_id"]
    id: str


class TemplateMessages(PublishedObject):
    """A prompt that is written here, with templates over the row."""

    type: Literal["template"]
    template: Messages

    @model_validator(mode="after")
    def _is_over_items(self) -> "TemplateMessages":
        try:
            is_over_items(self.template, "template")
        except InvalidOptions as error:
            raise carry(error) from None
        return self

    def prompt(self, item: Item) -> Sequence[Mapping[str, Any]]:
        """The messages for a row.

        Raises:
            GradingError: When the row lacks what a template names.
        """
        return render(self.template, _NO_SAMPLE, item)


class ItemReference(PublishedObject):
    """A prompt that stands in each row, a list of messages, which is sent as it is."""

    type: Literal["item_reference"]
    item_reference: str

    @model_validator(mode="after")
    def _is_path(self) -> "ItemReference":
        try:
            namespace = compile_path(self.item_reference).namespace
        except ConfigurationError as error:
            raise carry(InvalidOptions([Problem(("item_reference",), str(error))])) from None
        if namespace != "item":
            message = "there is no sample yet: name a part of the item, for example item.messages"
            raise carry(InvalidOptions([Problem(("item_reference",), message)]))
        return self

    def prompt(self, item: Item) -> Sequence[Mapping[str, Any]]:
        """The messages of a row.

        Raises:
            GradingError: When the row has none there.
        """
        found = compile_path(self.item_reference).look_up(_NO_SAMPLE, item)
        return sendable(found, self.item_reference)


def _by_type(kinds: Mapping[str, type[BaseModel]], refused: Mapping[str, str]) -> Callable[[object], object]:
    """Reads one of several objects by its `type`, so that an error names fields as the caller wrote them."""

    def read(value: object) -> object:
        if isinstance(value, BaseModel):
            return value
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in kinds:
            message = f"expected one of {', '.join(kinds)}, got {brief(kind)}"
            if isinstance(kind, str) and kind in refused:
                message = refused[kind]
            raise carry(InvalidOptions([Problem(("type",), message)]))
        try:
            return validated(kinds[kind], value)
        except ConfigurationError as error:
            raise carry(error) from None

    return read


_NOTHING_STORED = "nothing that models said is stored here; give the rows as file_content or file_id"

RowSource: TypeAlias = Annotated[
    FileContent | FileId,
    BeforeValidator(
        _by_type(
            {"file_content": FileContent, "file_id": FileId},
            {"stored_completions": _NOTHING_STORED, "responses": _NOTHING_STORED},
        )
    ),
]
InputMessages: TypeAlias = Annotated[
    TemplateMessages | ItemReference,
    BeforeValidator(_by_type({"template": TemplateMessages, "item_reference": ItemReference}, {})),
]


def _tool(value: dict[str, Any]) -> dict[str, Any]:
    is_typed = isinstance(value.get("type"), str)
    if not is_typed:
        raise ValueError("a tool is an object with a 'type'")
    return value


def _function(value: dict[str, Any]) -> dict[str, Any]:
    function = value.get("function")
    named = isinstance(function, dict) and isinstance(function.get("name"), str)
    if value.get("type") != "function" or not named:
        raise ValueError("only functions are tools here: {'type': 'function', 'function': {'name': …}}")
    return value


def _format(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("type") not in ("text", "json_object", "json_schema"):
        raise ValueError("a format has a 'type', which is one of text, json_object, json_schema")
    return value


_Object: TypeAlias = Annotated[dict[str, Any], AfterValidator(plain)]
_Format: TypeAlias = Annotated[_Object, AfterValidator(_format)]


class _Sampling(SamplingParams):
    """How to sample; the limit of tokens has the names that it has anywhere in the published API."""

    max_completion_tokens: int | None = Field(None, ge=1, validation_alias=AliasChoices(*_LIMITS))


class CompletionsSampling(_Sampling):
    """How a chat completion is sampled."""

    response_format: _Format | None = None
    modalities: _Modalities | None = None
    tools: Annotated[list[Annotated[_Object, AfterValidator(_function)]], Field(max_length=128)] | None = None


class ResponseText(PublishedObject):
    """What the text of a response must look like."""

    format: _Format | None = None


class ResponsesSampling(_Sampling):
    """How a response is sampled; the Responses API has no seed, so that one is not sent."""

    text: ResponseText | None = None
    tools: list[Annotated[_Object, AfterValidator(_tool)]] | None = None


class CompletionsSource(PublishedObject):
    """The published data source `completions`: rows, a prompt for each, and a model that is asked by chat completions."""

    api: ClassVar[Api] = "chat"

    type: Literal["completions"]
    source: RowSource
    model: str = Field(min_length=1)
    input_messages: InputMessages
    sampling_params: CompletionsSampling | None = None
    modalities: _Modalities | None = None

    def extra(self) -> dict[str, Any]:
        """Tools, format and modalities, as the body of a request has them; text alone is what any model gives."""
        params = self.sampling_params or CompletionsSampling()
        modalities = self.modalities or params.modalities
        fields = {
            "tools": params.tools or None,
            "response_format": params.response_format,
            "modalities": None if modalities == ["text"] else modalities,
        }
        return {name: value for name, value in fields.items() if value is not None}


class ResponsesSource(PublishedObject):
    """The published data source `responses`: rows, a prompt for each, and a model that is asked by the Responses API."""

    api: ClassVar[Api] = "responses"

    type: Literal["responses"]
    source: RowSource
    model: str = Field(min_length=1)
    input_messages: InputMessages
    sampling_params: ResponsesSampling | None = None

    def extra(self) -> dict[str, Any]:
        """Tools and format, as the body of a request has them."""
        params = self.sampling_params or ResponsesSampling()
        wanted = params.text.format if params.text else None
        fields = {"tools": params.tools or None, "text": {"format": wanted} if wanted else None}
        return {name: value for name, value in fields.items() if value is not None}


SamplingSource: TypeAlias = CompletionsSource | ResponsesSource


class Sampler:
    """Asks models for samples."""

    def __init__(self, judges: "Judges") -> None:
        """A sampler that asks where the judges are, within their limits.

        Args:
            judges: Those of the evaluator, so that judging and sampling share one limit.
        """
        self._judges = judges

    async def sampled(self, source: SamplingSource, item: Item, *, client: str = "") -> Sampled:
        """Ask for the sample of one row.

        Args:
            source: The run's data source.
            item: The row.
            client: Who pays: a digest of an API key; empty where there are no keys.

        Raises:
            GradingError: When the row has no prompt (`grader`), or there is no answer (`infrastructure`): an error after
                all retries, none in time, or what is no completion; `details["type"]` says which, as for judges.
        """
        params = source.sampling_params
        return await ask_for_sample(
            self._judges,
            source.model,
            source.input_messages.prompt(item),
            params.given() if params else {},
            api=source.api,
            extra=source.extra(),
            client=client,
        )
