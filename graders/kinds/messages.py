"""The messages of a model grader: what is asked, with templates inside every block, and how it is sampled."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    model_validator,
)

from graders.contract import Item, brief
from graders.errors import ConfigurationError, InvalidOptions, Problem
from graders.options import carry, validated
from graders.pattern import encodable
from graders.samples.sample import Sample
from graders.template import Template

NeutralMessage: TypeAlias = dict[str, Any]
"""A rendered message: `role`, and `content`, a text or a list of published blocks."""


class PublishedObject(BaseModel):
    """A published JSON object: a field that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class InputText(PublishedObject):
    """A block of text of the one who asks."""

    type: Literal["input_text"]
    text: Template

    def render(self, sample: Sample, item: Item) -> dict[str, Any]:
        """The block with its templates filled in."""
        return {"type": self.type, "text": encodable(self.text(sample, item))}


class OutputText(PublishedObject):
    """A block of text that a model has said."""

    type: Literal["output_text"]
    text: Template

    def render(self, sample: Sample, item: Item) -> dict[str, Any]:
        """The block with its templates filled in."""
        return {"type": self.type, "text": encodable(self.text(sample, item))}


class InputImage(PublishedObject):
    """An image, by its URL or as a `data:` URL."""

    type: Literal["input_image"]
    image_url: Template
    detail: str | None = None

    def render(self, sample: Sample, item: Item) -> dict[str, Any]:
        """The block with its templates filled in."""
        detail = {} if self.detail is None else {"detail": self.detail}
        return {"type": self.type, "image_url": encodable(self.image_url(sample, item)), **detail}


class Audio(PublishedObject):
    """A recording: base64, and what it is."""

    data: Template
    format: Literal["mp3", "wav"]


class InputAudio(PublishedObject):
    """A block of sound."""

    type: Literal["input_audio"]
    input_audio: Audio

    def render(self, sample: Sample, item: Item) -> dict[str, Any]:
        """The block with its templates filled in."""
        audio = self.input_audio
        data = encodable(audio.data(sample, item))
        return {"type": self.type, "input_audio": {"data": data, "format": audio.format}}


Block: TypeAlias = InputText | OutputText | InputImage | InputAudio
Piece: TypeAlias = Template | Block

_BLOCKS: dict[str, type[Block]] = {
    "input_text": InputText,
    "output_text": OutputText,
    "input_image": InputImage,
    "input_audio": InputAudio,
}


def _content(value: object) -> Piece | tuple[Piece, ...]:
    """What a message says: a text, a block, or a list of both."""
    if not isinstance(value, (list, tuple)):
        return _piece(value)
    pieces: list[Piece] = []
    for index, piece in enumerate(value):
        try:
            pieces.append(_piece(piece))
        except ConfigurationError as error:
            raise InvalidOptions(problem.under(index) for problem in error.problems) from None
    return tuple(pieces)


def _piece(value: object) -> Piece:
    if isinstance(value, (Template, InputText, OutputText, InputImage, InputAudio)):
        return value
    if isinstance(value, str):
        return Template(value)
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(kind, str) or kind not in _BLOCKS:
        where = ("type",) if isinstance(value, dict) else ()
        found = brief(kind if isinstance(value, dict) else value)
        wanted = "one of " if where else "a text, or a block with a type of "
        raise InvalidOptions([Problem(where, f"expected {wanted}{', '.join(_BLOCKS)}, got {found}")])
    return validated(_BLOCKS[kind], value)


def _checked_content(value: object) -> Piece | tuple[Piece, ...]:
    try:
        return _content(value)
    except ConfigurationError as error:
        raise carry(error) from None


class Message(PublishedObject):
    """One message of a judge's prompt.

    Attributes:
        role: Who says it.
        content: A text, a block, or several of both; templates work inside every one.
        type: Always `message`; published, and never needed.
    """

    role: Literal["user", "assistant", "system", "developer"]
    content: Annotated[
        Any, PlainValidator(_checked_content, json_schema_input_type=str | Block | list[str | Block])
    ]
    type: Literal["message"] = "message"

    def pieces(self) -> tuple[Piece, ...]:
        """What it says, piece by piece."""
        content: Piece | tuple[Piece, ...] = self.content
        return content if isinstance(content, tuple) else (content,)

    def render(self, sample: Sample, item: Item) -> NeutralMessage:
        """The message with its templates filled in.

        Raises:
            GradingError: When a template's variable is not there.
        """
        if isinstance(self.content, Template):
            return {"role": self.role, "content": encodable(self.content(sample, item))}
        kind = "output_text" if self.role == "assistant" else "input_text"
        blocks = [
            {"type": kind, "text": encodable(piece(sample, item))}
            if isinstance(piece, Template)
            else piece.render(sample, item)
            for piece in self.pieces()
        ]
        return {"role": self.role, "content": blocks}


def template_of(piece: Piece) -> Template:
    """The template of a piece of a message."""
    if isinstance(piece, Template):
        return piece
    if isinstance(piece, InputImage):
        return piece.image_url
    return piece.input_audio.data if isinstance(piece, InputAudio) else piece.text


def templates_of(messages: Sequence[Message]) -> list[Template]:
    """The templates of all pieces of messages."""
    return [template_of(piece) for message in messages for piece in message.pieces()]


Messages: TypeAlias = Annotated[list[Message], Field(min_length=1)]


def render(messages: Sequence[Message], sample: Sample, item: Item) -> list[NeutralMessage]:
    """Messages with their templates filled in, once.

    Raises:
        GradingError: When a template's variable is not there.
    """
    return [message.render(sample, item) for message in messages]


class SamplingParams(PublishedObject):
    """How a judge is sampled; what is not given is the server's own.

    Attributes:
        seed: For servers that can repeat themselves.
        top_p: Share of the probability that is sampled from.
        temperature: 0 for the likeliest answer.
        max_completion_tokens: Tokens of the answer, reasoning included; published as `max_completions_tokens`, and in older
            files as `max_tokens`.
        reasoning_effort: How long a reasoning model may think.
    """

    seed: int | None = None
    top_p: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    max_completion_tokens: int | None = Field(
        None,
        ge=1,
        alias="max_completions_tokens",
        validation_alias=AliasChoices("max_completions_tokens", "max_completion_tokens", "max_tokens"),
    )
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _has_one_limit(cls, value: Any) -> Any:
        names = cast("AliasChoices", cls.model_fields["max_completion_tokens"].validation_alias).choices
        first, *others = [name for name in names if isinstance(value, dict) and name in value] or [""]
        if others:
            message = f"this is another name of {first!r}, which is given too"
            raise carry(InvalidOptions([Problem((str(others[0]),), message)]))
        return value

    def given(self) -> dict[str, Any]:
        """Those that were given, by their names here."""
        return self.model_dump(exclude_none=True, by_alias=False)
