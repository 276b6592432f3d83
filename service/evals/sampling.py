"""Samples for an eval run: the published data sources `completions` and `responses`, and the `Sampler` that asks.

A run with one of these asks a model once for each row, and grades what it says. The servers are those of the judges: the
same names and patterns, retries, limits and budgets. The data source says by which API: chat completions or Responses.

Nothing is remembered. What a model said is a sample, whole or not: an answer that reached its limit, was stopped by a
content filter, refuses or is empty is one too, and its choice says so. Without an answer there is no sample.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    Field,
    model_validator,
)
from pydantic_core import from_json

from graders import (
    ConfigurationError,
    FailureKind,
    FailureType,
    GradingError,
    InvalidOptions,
    Item,
    Problem,
    Sample,
)
from graders.contract import brief
from graders.kinds.messages import Messages, PublishedObject, SamplingParams, render, template_of
from graders.options import carry, validated
from graders.paths import compile_path
from graders.pattern import encodable
from runtime.judge.failures import NoVerdict
from runtime.judge.wire import Completion, encoded
from runtime.settings.judges import Api

if TYPE_CHECKING:  # what it asks with takes long to import, and most runs do not sample
    from runtime.judge.client import Judges

_LIMITS = ("max_completion_tokens", "max_completions_tokens", "max_output_tokens", "max_tokens")
_Modalities: TypeAlias = Annotated[list[Literal["text", "audio"]], Field(min_length=1)]
_IN_BLOCKS = {"input_text": "text", "output_text": "text", "input_image": "image_url"}
"""What a block must have, where it is written differently for the two APIs."""
_NO_SAMPLE = Sample("")


class FileRow(PublishedObject):
    """One row of a source; its sample, if it has one, is not looked at, since a new one is asked for."""

    item: dict[str, Any]
    sample: dict[str, Any] | None = None


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
        problems = [
            Problem(("template", index, "content"), "there is no sample yet: use {{item.…}}")
            for index, message in enumerate(self.template)
            if any(template_of(piece).mentions("sample") for piece in message.pieces())
        ]
        if problems:
            raise carry(InvalidOptions(problems))
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
        try:
            messages = _plain(found)
        except ValueError as error:
            raise self._no_messages(f"it is not plain data: {error}") from None
        if not isinstance(messages, list) or not messages:
            raise self._no_messages(f"it is {brief(found)}")
        for message in messages:
            why = _wrong(message)
            if why is not None:
                raise self._no_messages(f"{why}: {brief(message)}")
        return messages

    def _no_messages(self, why: str) -> GradingError:
        return GradingError(
            f"{self.item_reference} is no list of messages: {why}",
            kind=FailureKind.INVALID_VARIABLE,
            details={"variable": self.item_reference},
        )


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


def _plain(value: Any) -> Any:
    """Data as any encoding has it: at most 200 levels, finite numbers, whole characters.

    Raises:
        ValueError: When it is not.
    """
    try:
        return from_json(encoded(value), allow_inf_nan=False)
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


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


_Object: TypeAlias = Annotated[dict[str, Any], AfterValidator(_plain)]
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


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a model said, and what that took.

    Attributes:
        sample: The whole completion.
        model: The model that really answered.
        usage: Tokens: `prompt_tokens`, `completion_tokens`, `total_tokens`, `cached_tokens`; empty where the server counts
            none.
    """

    sample: Sample
    model: str
    usage: Mapping[str, int]


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
        try:
            completion = await self._judges.complete(
                source.model,
                source.input_messages.prompt(item),
                params.given() if params else {},
                api=source.api,
                extra=source.extra(),
                client=client,
            )
            if completion.failure is not None and _cause(completion) == "malformed_response":
                raise completion.failure
        except NoVerdict as error:
            raise _unanswered(error) from None
        try:
            sample = _sample(source, completion)
        except ValueError as error:  # a ConfigurationError is one
            raise _no_completion(source.model, str(error)) from None
        return Sampled(sample, encodable(completion.model), completion.usage)


def _sample(source: SamplingSource, completion: Completion) -> Sample:
    """The sample that a completion is.

    Raises:
        ValueError: When it is not plain data, or none.
    """
    body = _plain(completion.body)
    is_chat = source.api == "chat"
    found = Sample.from_chat_completion(body) if is_chat else Sample.from_response(body)
    return Sample(
        found.output_text,
        output_tools=found.output_tools,
        choices=found.choices if is_chat else [_choice(found, body, _cause(completion))],
        model=encodable(completion.model),
        output_audio=found.output_audio,
        output_reasoning_summary=found.output_reasoning_summary,
        reasoning_content=found.reasoning_content,
        input_tools=source.extra().get("tools"),
    )


def _cause(completion: Completion) -> str:
    """Why a completion is no verdict; empty where it could be one."""
    return "" if completion.failure is None else str(completion.failure.failure.details["type"])


def _choice(found: Sample, body: Mapping[str, Any], cause: str) -> dict[str, Any]:
    """A response as the choice of a chat completion, which says why it ended and what it refused."""
    entries = [entry for entry in body["output"] if isinstance(entry, dict)]
    contents = [entry["content"] for entry in entries if isinstance(entry.get("content"), list)]
    parts = [part for content in contents for part in content if isinstance(part, dict)]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": found.output_text,
        "refusal": next((part.get("refusal") for part in parts if part.get("type") == "refusal"), None),
        "tool_calls": found.output_tools,
    }
    finish = "tool_calls" if found.output_tools else "stop"
    return {
        "index": 0,
        "message": message,
        "finish_reason": cause if cause in ("length", "content_filter") else finish,
    }


def _wrong(message: object) -> str | None:
    """Why a row's message cannot be sent; None when it can. What else it says is for the server to understand."""
    if not isinstance(message, dict):
        return "a message is an object"
    role, content = message.get("role"), message.get("content")
    if (
        not isinstance(role, str) and "type" not in message
    ):  # calls and their outputs have no role in the Responses API
        return "a message has a role"
    if not isinstance(content, str | list | None):
        return "a message's content is a text or a list of blocks"
    return next(filter(None, map(_wrong_block, content)), None) if isinstance(content, list) else None


def _wrong_block(block: object) -> str | None:
    kind = block.get("type") if isinstance(block, dict) else None
    if not isinstance(block, dict) or not isinstance(kind, str):
        return "a block is an object with a type"
    lacking = _IN_BLOCKS.get(kind)
    return f"a block of type {kind} has {lacking!r}" if lacking and lacking not in block else None


def _unanswered(error: NoVerdict) -> GradingError:
    """The same failure, of a model that does not judge."""
    failure = error.failure
    return GradingError(
        f"no sample: {failure.message.replace('the judge', 'the model', 1)}",
        caused_by="infrastructure",
        details=failure.details,
        retryable=failure.retryable,
    )


def _no_completion(model: str, why: str) -> GradingError:
    return GradingError(
        f"no sample: the server of the model {model!r} sent no completion: {why}",
        caused_by="infrastructure",
        details={"type": FailureType.MALFORMED_RESPONSE},
        retryable=True,
    )
