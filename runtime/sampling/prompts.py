"""What a model is asked: messages that can be sent, and the prompt of a row."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import from_json

from graders import ConfigurationError, FailureKind, GradingError, InvalidOptions, Item, Problem, Sample
from graders.contract import brief
from graders.kinds.messages import Messages, render, template_of
from graders.options import validated
from runtime.data.datasets import Row, read_whole
from runtime.data.formats.google_contents import messages_of
from runtime.data.json_text import NotJson, read_text
from runtime.judge.wire import encoded

Prompt = Sequence[Mapping[str, Any]]
PromptOf = Callable[[Row], Prompt]
"""The prompt of a row; raises `GradingError` where the row has none."""

_IN_BLOCKS = {"input_text": "text", "output_text": "text", "input_image": "image_url"}
"""What a block must have, where it is written differently for the two APIs."""
_NO_SAMPLE = Sample("")
_PROMPTS = ("messages", "prompt", "contents", "input")
"""Fields of a row, or of its item, that are a prompt; the first that is there is sent."""


def plain(value: Any) -> Any:
    """Data as any encoding has it: at most 200 levels, finite numbers, whole characters.

    Raises:
        ValueError: When it is not.
    """
    try:
        return from_json(encoded(value), allow_inf_nan=False)
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def sendable(found: Any, name: str) -> Prompt:
    """Messages that can be sent as they are.

    Args:
        found: What a row has.
        name: Where the row has it, for messages.

    Raises:
        GradingError: When it is no list of messages.
    """
    try:
        messages = plain(found)
    except ValueError as error:
        raise _no_messages(name, f"it is not plain data: {error}") from None
    if not isinstance(messages, list) or not messages:
        raise _no_messages(name, f"it is {brief(found)}")
    for message in messages:
        why = _wrong(message)
        if why is not None:
            raise _no_messages(name, f"{why}: {brief(message)}")
    return messages


def is_over_items(messages: Messages, *where: str | int) -> None:
    """See that templates name nothing of a sample, which is still to be drawn.

    Raises:
        InvalidOptions: When one does.
    """
    problems = [
        Problem((*where, index, "content"), "there is no sample yet: use {{item.…}}")
        for index, message in enumerate(messages)
        if any(template_of(piece).mentions("sample") for piece in message.pieces())
    ]
    if problems:
        raise InvalidOptions(problems)


def prompt_of_row(row: Row) -> Prompt:
    """The prompt in a row: `messages`, `prompt`, `contents` or `input`, in the row or in its item.

    Answers at the end, as rows for supervised fine-tuning have them, are not sent.

    Raises:
        GradingError: When the row cannot be read, or has no prompt.
    """
    if row.failure is not None and not row.item:
        raise row.failure
    for name in _PROMPTS:
        for place, fields in (("", row.data), ("item.", row.item)):
            if (found := fields.get(name)) is not None:
                return _unanswered(_prompt(name, found, fields), f"{place}{name}")
    names = ", ".join(_PROMPTS)
    raise _no_prompt(f"the row has no prompt: one of {names}; or give --template", "messages")


def template_prompts(path: Path) -> PromptOf:
    """Prompts out of a template file: JSON, a list of messages with `{{item.…}}` in their contents; or the text of the user.

    Raises:
        ConfigurationError: When it cannot be read, or is no template.
    """
    text = read_whole(path).decode("utf-8-sig", "replace")
    try:
        given = read_text(text.encode())[0]
    except NotJson:
        given = None
        if path.suffix == ".json":
            raise ConfigurationError(f"{path}: it is not JSON") from None
    if not isinstance(given, (list, dict)):
        given = [{"role": "user", "content": text}]
    messages = given.get("messages", given.get("template")) if isinstance(given, dict) else given
    try:
        template = validated(_Template, {"messages": messages})
        is_over_items(template.messages, "messages")
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None

    def prompt(row: Row) -> Prompt:
        if row.failure is not None and not row.item:
            raise row.failure
        return render(template.messages, _NO_SAMPLE, row.item)

    return prompt


class _Template(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    messages: Messages


def _prompt(name: str, found: Any, fields: Item) -> Any:
    if name == "contents":
        return messages_of(fields)
    return [{"role": "user", "content": found}] if isinstance(found, str) else found


def _unanswered(found: Any, name: str) -> Prompt:
    messages = list(sendable(found, name))
    while messages and messages[-1].get("role") == "assistant":
        messages.pop()
    if not messages:
        raise _no_messages(name, "it has nothing but answers")
    return messages


def _no_messages(name: str, why: str) -> GradingError:
    return _no_prompt(f"{name} is no list of messages: {why}", name)


def _no_prompt(message: str, name: str) -> GradingError:
    return GradingError(message, kind=FailureKind.INVALID_VARIABLE, details={"variable": name})


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
