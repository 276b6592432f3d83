"""Rows of trainers and hosts, read into one form: a prompt, the answers to it, and the other fields."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from runtime.data.conversation import Message, NoConversation, NoPrompt, Prompt, answer_of, prompt_of
from runtime.data.formats import bedrock_dpo, converse, google_contents

Training = Literal["sft", "dpo", "rft"]
_PROMPTS = (
    "messages",
    "prompt",
    "contents",
    "systemInstruction",
    "system_instruction",
    "tools",
    "parallel_tool_calls",
)


@dataclass(frozen=True)
class TrainingRow:
    """A row.

    Attributes:
        training: What it is for: `sft` (one answer), `dpo` (the preferred answer and the other one), `rft` (no answer).
        prompt: What the model is asked.
        answers: The messages of each answer.
        fields: Its other fields; of a row for reinforcement fine-tuning those of the item.
        unread: What of it the prompt and the answers do not hold.
        reference: The field that is the reference, where the format has one of its own.
    """

    training: Training
    prompt: Prompt
    answers: Sequence[Sequence[Message]] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    unread: Sequence[str] = ()
    reference: str | None = None


def training_row(row: object, row_format: str | None = None) -> TrainingRow:
    """A row of any of the formats.

    Args:
        row: The row.
        row_format: The name of its format, one of `READABLE`; None to recognise it.

    Raises:
        NoConversation: When it is of none of them, or a part of it cannot be read.
    """
    if not isinstance(row, Mapping):
        raise NoConversation("expected an object")
    read = _reader_of(row) if row_format is None else _reader_named(row_format, row)
    try:
        return read(row)
    except NoPrompt:
        raise NoConversation("the prompt is empty; expected at least the user's message") from None


def _reader_named(name: str, row: Mapping[str, Any]) -> "_Reader":
    fields, read = READABLE[name]
    missing = next((each for each in fields if each not in row), None)
    if missing is not None:
        raise NoConversation(f"the row has no {missing!r}, which rows of the format {name!r} have")
    return read


def _reader_of(row: Mapping[str, Any]) -> "_Reader":
    if converse.is_converse(row):
        return _bedrock_conversation
    for fields, read in _RECOGNISED:
        if all(name in row for name in fields):
            return read
    names = ", ".join(map(repr, list(row)[:8])) or "of an empty object"
    raise NoConversation(f"no format of a trainer has the fields {names}")


def _dpo_chat(row: Mapping[str, Any]) -> TrainingRow:
    asked = row["input"] if isinstance(row["input"], Mapping) else {}
    answers = [_answer(row.get(name), name) for name in ("preferred_output", "non_preferred_output")]
    rest = _without(row, "input", "preferred_output", "non_preferred_output")
    rest |= {f"input.{name}": value for name, value in _without(asked, *_PROMPTS).items()}
    unread = [*_unread(asked.get("messages")), *_unread(row["preferred_output"])]
    unread += _unread(row.get("non_preferred_output"))
    return TrainingRow("dpo", _unanswered(asked, "messages"), answers, rest, unread)


def _dpo_trl(row: Mapping[str, Any]) -> TrainingRow:
    names = ("chosen", "rejected")
    given = {name: row[name] for name in names}
    asked: Mapping[str, Any] = row
    if row.get("prompt") is None:  # the prompt stands in both
        both = [value if isinstance(value, list) else [] for value in given.values()]
        asked, given = (
            {"prompt": both[0][:-1]},
            {name: value[-1:] for name, value in zip(names, both, strict=True)},
        )
        if both[0][:-1] != both[1][:-1]:
            raise NoConversation("the prompts in 'chosen' and 'rejected' differ")
    answers = [_answer(given[name], name) for name in names]
    unread = [each for value in (asked.get("prompt"), *given.values()) for each in _unread(value)]
    return TrainingRow("dpo", _unanswered(asked, "prompt"), answers, _without(row, *names, *_PROMPTS), unread)


def _sft_trl(row: Mapping[str, Any]) -> TrainingRow:
    answer = _answer(row["completion"], "completion")
    unread = [*_unread(row["prompt"]), *_unread(row["completion"])]
    return TrainingRow(
        "sft", _unanswered(row, "prompt"), [answer], _without(row, "completion", *_PROMPTS), unread
    )


def _verl(row: Mapping[str, Any]) -> TrainingRow:
    model = row["reward_model"] if isinstance(row["reward_model"], Mapping) else {}
    extra = row.get("extra_info")
    rest = dict(extra) if isinstance(extra, Mapping) else {}
    for name in ("data_source", "ability"):
        rest |= {name: row[name]} if name in row else {}
    rest |= {
        f"reward_model.{name}": value
        for name, value in model.items()
        if name not in ("ground_truth", "style")
    }
    rest |= _without(row, "reward_model", "extra_info", "data_source", "ability", *_PROMPTS)
    rest["ground_truth"] = model.get("ground_truth")
    return TrainingRow(
        "rft", _unanswered(row, "prompt"), (), rest, _unread(row.get("prompt")), "ground_truth"
    )


def _google(row: Mapping[str, Any]) -> TrainingRow:
    prompt = {**row, "tools": _google_tools(row.get("tools"))}
    unread = [*_unread_parts(row.get("contents")), *_unread_tools(row.get("tools"))]
    rest = _without(row, *_PROMPTS, "references", "completions")
    if "completions" in row:
        answers = [_answer_of_google(each) for each in _best_first(row["completions"])]
        return TrainingRow("dpo", _unanswered(prompt, "contents"), answers, rest, unread)
    contents = row["contents"]
    if "references" not in row and _is_answer(_last(contents)):
        asked = prompt_of(prompt)
        answer = _answer(google_contents.messages_of(row)[len(asked.messages) :], "contents")
        return TrainingRow("sft", asked, [answer], rest | _without(row, *_PROMPTS), unread)
    references = row.get("references")
    item = {**rest, **(references if isinstance(references, Mapping) else {})}
    return TrainingRow("rft", _unanswered(prompt, "contents"), (), item, unread)


def _bedrock_conversation(row: Mapping[str, Any]) -> TrainingRow:
    specs = _listed(_object(row.get("toolConfig")).get("tools"))
    tools = [_bedrock_tool(_object(each).get("toolSpec")) for each in specs] or None
    rest = _without(row, *converse.FIELDS)
    messages = _listed(row["messages"])
    unread = [*_unread_blocks(messages), *_unread_tools(specs, "toolSpec")]
    whole = converse.messages_of(row)
    prompt = prompt_of({"messages": whole, "tools": tools})
    last = _object(messages[-1]) if messages else {}
    if "candidates" in last:
        found = {each.get("preferenceLabel"): each for each in map(_object, _listed(last["candidates"]))}
        answers = [_candidate(found.get(label), label) for label in bedrock_dpo.LABELS]
        unread += _unread_blocks(list(found.values()))
        asked = _unanswered({"messages": whole, "tools": tools}, "messages")
        return TrainingRow("dpo", asked, answers, rest, unread)
    spoken = whole[len(prompt.messages) :]
    if spoken:
        return TrainingRow("sft", prompt, [_answer(spoken, "messages")], rest, unread)
    return TrainingRow("rft", prompt, (), rest, unread)


def _candidate(found: Mapping[str, Any] | None, label: str) -> list[Message]:
    if found is None:
        raise NoConversation(f"candidates: none of them is {label!r}")
    return _answer(converse.turn_of({"role": "assistant", "content": found.get("content")}), label)


def _chat(row: Mapping[str, Any]) -> TrainingRow:
    is_answered = "reference_answer" not in row and _is_answer(_last(row["messages"]))
    return _sft_chat(row) if is_answered else _rft_chat(row)


def _sft_chat(row: Mapping[str, Any]) -> TrainingRow:
    messages = row["messages"]
    prompt = prompt_of(row)
    answer = _answer(_listed(messages)[len(prompt.messages) :], "messages")
    return TrainingRow("sft", prompt, [answer], _without(row, *_PROMPTS), _unread(messages))


def _rft_chat(row: Mapping[str, Any]) -> TrainingRow:
    reference = "reference_answer" if "reference_answer" in row else None
    rest = _without(row, *_PROMPTS)
    return TrainingRow("rft", _unanswered(row, "messages"), (), rest, _unread(row["messages"]), reference)


def _prompt_only(row: Mapping[str, Any]) -> TrainingRow:
    rest = _without(row, *_PROMPTS)
    return TrainingRow("rft", _unanswered(row, "prompt"), (), rest, _unread(row["prompt"]))


_Reader = Callable[[Mapping[str, Any]], TrainingRow]
_RECOGNISED: Sequence[tuple[Sequence[str], _Reader]] = (
    (("input", "preferred_output"), _dpo_chat),
    (("chosen", "rejected"), _dpo_trl),
    (("contents",), _google),
    (("reward_model", "prompt"), _verl),
    (("prompt", "completion"), _sft_trl),
    (("messages",), _chat),
    (("prompt",), _prompt_only),
)
"""The fields that a row has, the most particular first, and what reads it."""
READABLE: Mapping[str, tuple[Sequence[str], _Reader]] = {
    "sft": (("messages",), _sft_chat),
    "sft-trl": (("prompt", "completion"), _sft_trl),
    "dpo": (("input", "preferred_output"), _dpo_chat),
    "dpo-trl": (("chosen", "rejected"), _dpo_trl),
    "rft": (("messages",), _rft_chat),
    "bedrock": (("messages", "reference_answer"), _rft_chat),
    "bedrock-sft": (("messages",), _bedrock_conversation),
    "bedrock-dpo": (("messages",), _bedrock_conversation),
    "verl": (("reward_model", "prompt"), _verl),
    "google": (("contents",), _google),
    "google-sft": (("contents",), _google),
    "google-dpo": (("contents", "completions"), _google),
    "prompts": (("prompt",), _prompt_only),
}
"""The formats whose rows can be read, by their names: the fields that a row needs, and what reads it."""


def _unanswered(row: Mapping[str, Any], name: str) -> Prompt:
    """The prompt of a row whose answers stand elsewhere, or which has no answer.

    Raises:
        NoConversation: When it ends with an answer. No trainer takes such a prompt, and a row without that turn is another row.
    """
    if _is_answer(_last(row.get(name))):
        raise NoConversation(
            f"{name!r} ends with the model's turn; expected the user's: remove the answer, or keep it in a field of its own"
        )
    return prompt_of(row)


def _answer(value: object, name: str) -> list[Message]:
    if isinstance(value, str):
        return [{"role": "assistant", "content": value}]
    if not isinstance(value, list) or not value:
        raise NoConversation(f"{name}: expected a text or a list of messages")
    try:
        return answer_of(value)
    except NoConversation as error:
        raise NoConversation(f"{name}: {error}") from None


def _without(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names and value is not None}


_READ = frozenset({"role", "content", "name", "tool_call_id", "refusal", "tool_calls"})


def _unread(messages: object) -> list[str]:
    """The fields of messages that a prompt or an answer does not hold, such as `weight`."""
    found = messages if isinstance(messages, list) else ()
    names = {str(name) for each in map(_object, found) for name, value in each.items() if value is not None}
    return sorted(f"messages[].{name}" for name in names - _READ)


def _unread_parts(contents: object) -> list[str]:
    parts = [_object(part) for each in _listed(contents) for part in _listed(_object(each).get("parts"))]
    known = {"text", "functionCall", "functionResponse"}
    return sorted({f"contents[].parts[].{name}" for part in parts for name in part if name not in known})


def _unread_tools(tools: object, known: str = "functionDeclarations") -> list[str]:
    names = {str(name) for tool in _listed(tools) for name in _object(tool)}
    return sorted(f"tools[].{name}" for name in names - {known})


def _unread_blocks(turns: object) -> list[str]:
    blocks = [_object(block) for turn in _listed(turns) for block in _listed(_object(turn).get("content"))]
    found = {str(name) for block in blocks for name in block} - {"text", "toolUse", "toolResult"}
    return sorted(f"messages[].content[].{name}" for name in found)


def _google_tools(tools: object) -> list[Any] | None:
    declared = [
        each for tool in _listed(tools) for each in _listed(_object(tool).get("functionDeclarations"))
    ]
    found = []
    for each in map(_object, declared):
        parameters = each.get("parametersJsonSchema", each.get("parameters"))
        function = {
            "name": each.get("name"),
            "description": each.get("description") or None,
            "parameters": parameters,
        }
        found.append({"type": "function", "function": _without(function)})
    return found or None


def _best_first(completions: object) -> list[Mapping[str, Any]]:
    found = [_object(each) for each in _listed(completions)]
    if len(found) != 2:
        raise NoConversation("completions: expected two, of which one is preferred")
    values = [float(value) for each in found if isinstance(value := each.get("score"), (int, float))]
    if len(values) != len(found) or values[0] == values[1]:
        raise NoConversation("completions: expected two that differ in their score")
    return found if values[0] > values[1] else found[::-1]


def _answer_of_google(completion: Mapping[str, Any]) -> list[Message]:
    content = _object(completion.get("completion"))
    return _answer(google_contents.turn_of({**content, "role": "model"}), "completions")


def _bedrock_tool(spec: object) -> dict[str, Any]:
    found = _object(spec)
    parameters = _object(found.get("inputSchema")).get("json")
    function = {
        "name": found.get("name"),
        "description": found.get("description") or None,
        "parameters": parameters,
    }
    return {"type": "function", "function": _without(function)}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _last(turns: object) -> object:
    return turns[-1] if isinstance(turns, list) and turns else None


def _is_answer(turn: object) -> bool:
    return _object(turn).get("role") in ("assistant", "model")
