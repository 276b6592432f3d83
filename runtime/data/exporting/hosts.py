"""What a row looks like for each host and each kind of training, made of a prompt, answers and an item.

OpenAI and Foundry: the published formats of chat, preference and reinforcement fine-tuning. TRL: its conversational dataset
formats. Google: Gemini's supervised, preference and reinforcement tuning. Bedrock: `bedrock-conversation-2024` and the rows of
its reinforcement fine-tuning. verl: rows of its RL datasets, and messages for its SFT.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.data.conversation import (
    Message,
    NoConversation,
    Prompt,
    arguments_of,
    instructions_and_rest,
    text_of,
)
from runtime.data.formats import errors_of, format_for
from runtime.data.formats.bedrock_dpo import LABELS
from runtime.data.formats.converse import SCHEMA
from runtime.data.formats.hosts import TITLES
from runtime.data.formats.prompts_trl import RESERVED

Line = dict[str, Any]
_ASKED = {"messages", "prompt", "contents", "systemInstruction", "tools", "parallel_tool_calls"}
_OTHER_TRL = ("completion", "chosen", "rejected")
"""Columns by which TRL knows a data set of prompts with answers."""
REFERENCE_FIELDS = ("reference_answer", "reference", "ground_truth", "answer", "target", "solution")
"""Fields of an item that are taken for its reference, where `--reference` names none: the first that is there."""


@dataclass(frozen=True)
class RftRow:
    """What a row of reinforcement fine-tuning is made of.

    Attributes:
        prompt: What the model is asked.
        item: The dataset item.
        reference: The name of the field with the reference; None to take one of `REFERENCE_FIELDS`.
        data_source: What verl is to call the data set.
        number: Of the row in the export, from 0.
        lost: Filled with what the format cannot hold as it is.
    """

    prompt: Prompt
    item: Mapping[str, Any]
    reference: str | None
    data_source: str
    number: int
    lost: set[str] = field(default_factory=set)

    def columns(self, *reserved: str) -> Line:
        """The fields of the item, without those whose names the format needs for itself."""
        taken = {name for name in reserved if name in self.item}
        # what the model is asked is exported, whatever it is called in the item
        self.lost.update(f"item.{name}" for name in taken - _ASKED)
        return {name: value for name, value in self.item.items() if name not in reserved}

    def referred(self) -> tuple[str, Any]:
        """The name and the value of the reference.

        Raises:
            NoConversation: When the item has none.
        """
        names = REFERENCE_FIELDS if self.reference is None else (self.reference.removeprefix("item."),)
        for name in names:
            if self.item.get(name) is not None:
                return name, self.item[name]
        if self.reference is None:
            raise NoConversation("the item has no reference: name its field with --reference")
        raise NoConversation(f"the item has no field {names[0]!r}, which --reference names")


Sft = Callable[[Prompt, Sequence[Message]], Line]
Dpo = Callable[[Prompt, Sequence[Message], Sequence[Message]], Line]
Rft = Callable[[RftRow], Line]


@dataclass(frozen=True)
class Host:
    """The formats of one host; None where it publishes none."""

    sft: Sft | None
    dpo: Dpo | None
    rft: Rft | None
    has_bom: bool = False


def checked(host: str, kind: str, row: Line) -> Line:
    """A row that keeps the rules of its format, as `graders data check` knows them.

    Args:
        host: A name of `HOSTS`.
        kind: `sft`, `dpo` or `rft`.
        row: What was built.

    Raises:
        NoConversation: When the host would refuse it; the message says why.
    """
    form = format_for(host, kind, row)
    if form is None:
        raise NoConversation(f"{TITLES[host]} has no format in which this row is one for {kind}")
    fault = next(errors_of(row, form, host), None)
    if fault is not None:
        raise NoConversation(_without_positions(fault.message))
    return row


def _without_positions(message: str) -> str:
    """A message that is the same for all rows with one fault."""
    return re.sub(r"(?<=\.)\d+(?=[.\s])", "[]", message)


def _offered(prompt: Prompt) -> Line:
    found: Line = {} if prompt.tools is None else {"tools": prompt.tools}
    if prompt.tools is not None and prompt.parallel_tool_calls is not None:
        found["parallel_tool_calls"] = prompt.parallel_tool_calls
    return found


def _ends_with_user(prompt: Prompt) -> None:
    if prompt.ends_with != "user":
        raise NoConversation(
            f"the prompt ends with the role {prompt.ends_with!r}; the format wants the user's turn"
        )


def _chat_sft(prompt: Prompt, answer: Sequence[Message]) -> Line:
    return {"messages": [*prompt.messages, *answer], **_offered(prompt)}


def _chat_dpo(prompt: Prompt, better: Sequence[Message], worse: Sequence[Message]) -> Line:
    _ends_with_user(prompt)
    asked = {"messages": prompt.messages, **_offered(prompt)}
    return {"input": asked, "preferred_output": list(better), "non_preferred_output": list(worse)}


def _chat_rft(row: RftRow) -> Line:
    _ends_with_user(row.prompt)
    offered = _offered(row.prompt)
    return {"messages": row.prompt.messages, **offered, **row.columns("messages", *offered)}


def _trl_dpo(prompt: Prompt, better: Sequence[Message], worse: Sequence[Message]) -> Line:
    tools = {} if prompt.tools is None else {"tools": prompt.tools}
    return {"prompt": prompt.messages, "chosen": list(better), "rejected": list(worse), **tools}


def _trl_rft(row: RftRow) -> Line:
    return {"prompt": row.prompt.messages, **row.columns("prompt", "messages", *_OTHER_TRL, *RESERVED)}


def _verl_rft(row: RftRow) -> Line:
    name, reference = row.referred()
    rest = {key: value for key, value in row.columns("messages", "prompt").items() if key != name}
    return {
        "data_source": row.data_source,
        "prompt": row.prompt.messages,
        "ability": str(row.item.get("ability", row.data_source)),
        "reward_model": {"style": "rule", "ground_truth": reference},
        "extra_info": {**rest, "index": row.item.get("index", row.number)},
    }


def _google_part(message: Message) -> list[Line]:
    said = text_of(message)
    calls = [
        {"functionCall": {"name": call["function"]["name"], "args": arguments_of(call)}}
        for call in message.get("tool_calls", ())
    ]
    return [*([{"text": said}] if said or not calls else []), *calls]


def _google_contents(messages: Sequence[Message]) -> list[Line]:
    names = {call["id"]: call["function"]["name"] for each in messages for call in each.get("tool_calls", ())}
    contents: list[Line] = []
    for message in messages:
        _texts_only(message)
        if message["role"] == "tool":
            called = str(message.get("tool_call_id", ""))
            response = {
                "functionResponse": {"name": names.get(called, called), "response": _result_of(message)}
            }
            contents.append({"role": "user", "parts": [response]})
        else:
            role = "model" if message["role"] == "assistant" else "user"
            contents.append({"role": role, "parts": _google_part(message)})
    return contents


def _texts_only(message: Message) -> None:
    content = message.get("content")
    if isinstance(content, list):
        kinds = {str(part.get("type")) for part in content if isinstance(part, Mapping)} - {"text"}
        raise NoConversation(
            f"a message has parts that are no text ({', '.join(sorted(kinds))}), and the format wants text"
        )


def _result_of(message: Message) -> Line:
    try:
        found = json.loads(text_of(message))
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"output": text_of(message)}


def _google_asked(prompt: Prompt) -> Line:
    instructions, rest = instructions_and_rest(prompt.messages)
    system: Line = (
        {"systemInstruction": {"role": "system", "parts": [{"text": instructions}]}} if instructions else {}
    )
    functions = [
        each["function"] for each in prompt.tools or () if isinstance(each, dict) and "function" in each
    ]
    declared = [
        {
            "name": each.get("name"),
            "description": each.get("description", ""),
            **({"parametersJsonSchema": each["parameters"]} if "parameters" in each else {}),
        }
        for each in functions
    ]
    tools: Line = {"tools": [{"functionDeclarations": declared}]} if declared else {}
    return {**system, "contents": _google_contents(rest), **tools}


def _google_sft(prompt: Prompt, answer: Sequence[Message]) -> Line:
    asked = _google_asked(prompt)
    whole = instructions_and_rest([*prompt.messages, *answer])[1]
    return {**asked, "contents": _google_contents(whole)}


def _google_dpo(prompt: Prompt, better: Sequence[Message], worse: Sequence[Message]) -> Line:
    def completion(answer: Sequence[Message], score: float) -> Line:
        if len(answer) != 1:
            raise NoConversation("an answer has several messages, and the format wants one")
        return {"score": score, "completion": _google_contents(answer)[0]}

    return {**_google_asked(prompt), "completions": [completion(better, 1.0), completion(worse, 0.0)]}


def _google_rft(row: RftRow) -> Line:
    columns = row.columns("messages", "prompt", "contents", "systemInstruction", "tools")
    references: dict[str, str] = {}
    for name, value in columns.items():
        if not isinstance(value, str):
            row.lost.add(f"item.{name} becomes a text")
        references[name] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return {**_google_asked(row.prompt), "references": references}


def _bedrock_block(message: Message) -> list[Line]:
    _texts_only(message)
    if message["role"] == "tool":
        result = {"toolUseId": str(message.get("tool_call_id", "")), "content": [{"text": text_of(message)}]}
        return [{"toolResult": result}]
    said = text_of(message)
    calls = [
        {"toolUse": {"toolUseId": call["id"], "name": call["function"]["name"], "input": arguments_of(call)}}
        for call in message.get("tool_calls", ())
    ]
    return [*([{"text": said}] if said else []), *calls]


def _bedrock_asked(messages: Sequence[Message], tools: list[Any] | None) -> Line:
    instructions, rest = instructions_and_rest(messages)
    turns: list[Line] = []
    for message in rest:
        role = "assistant" if message["role"] == "assistant" else "user"
        if turns and turns[-1]["role"] == role:  # turns alternate
            turns[-1]["content"].extend(_bedrock_block(message))
        else:
            turns.append({"role": role, "content": _bedrock_block(message)})
    specs = [
        {
            "toolSpec": {
                "name": each["function"].get("name"),
                "description": each["function"].get("description", ""),
                "inputSchema": {"json": each["function"].get("parameters", {"type": "object"})},
            }
        }
        for each in tools or ()
        if isinstance(each, dict) and isinstance(each.get("function"), dict)
    ]
    return {
        "schemaVersion": SCHEMA,
        **({"system": [{"text": instructions}]} if instructions else {}),
        "messages": turns,
        **({"toolConfig": {"tools": specs}} if specs else {}),
    }


def _bedrock_sft(prompt: Prompt, answer: Sequence[Message]) -> Line:
    return _bedrock_asked([*prompt.messages, *answer], prompt.tools)


def _bedrock_dpo(prompt: Prompt, better: Sequence[Message], worse: Sequence[Message]) -> Line:
    _ends_with_user(prompt)
    candidates: list[Line] = []
    for answer, label in zip((better, worse), LABELS, strict=True):
        if len(answer) != 1:
            raise NoConversation("an answer has several messages, and the format wants one")
        candidates.append({"content": _bedrock_block(answer[0]), "preferenceLabel": label})
    asked = _bedrock_asked(prompt.messages, prompt.tools)
    asked["messages"].append({"role": "assistant", "candidates": candidates})
    return asked


def _bedrock_rft(row: RftRow) -> Line:
    _ends_with_user(row.prompt)
    name, reference = row.referred()
    rest = {key: value for key, value in row.columns("messages", "tools", "prompt").items() if key != name}
    tools = {} if row.prompt.tools is None else {"tools": row.prompt.tools}
    return {"messages": row.prompt.messages, **tools, **rest, "reference_answer": reference}


HOSTS: Mapping[str, Host] = {
    "openai": Host(_chat_sft, _chat_dpo, _chat_rft),
    "foundry": Host(_chat_sft, _chat_dpo, _chat_rft, has_bom=True),
    "trl": Host(_chat_sft, _trl_dpo, _trl_rft),
    "google": Host(_google_sft, _google_dpo, _google_rft),
    "bedrock": Host(_bedrock_sft, _bedrock_dpo, _bedrock_rft),
    "verl": Host(_chat_sft, None, _verl_rft),
}
