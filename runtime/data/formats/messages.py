"""Conversations as chat completions have them: the rules that training formats with `messages` share.

Source: OpenAI's chat completions reference and its page "Supervised fine-tuning" (roles, tool calls, `weight`), and the
`openai` package's types.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeGuard

from runtime.data.formats.base import MOST, Fault, brief, text_of, wrong_type
from runtime.data.formats.tool_calls import answer_faults, call_faults, declaration_faults

ROLES = ("system", "developer", "user", "assistant", "tool")
OLD_ROLES = ("function",)
INSTRUCTIONS = frozenset({"system", "developer"})
MESSAGE_FIELDS = (
    "role",
    "content",
    "name",
    "tool_calls",
    "tool_call_id",
    "weight",
    "refusal",
    "function_call",
    "audio",
    "annotations",
    "reasoning_content",
    "thinking",
)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A list of messages and the rules for it.

    Attributes:
        messages: What stands in the row.
        path: Its field, with dots.
        last: The role that the last message is to have; None for any.
        roles: The roles that it may have.
        tools: What the row has in `tools`.
        is_continued: Whether it goes on after another list, so that it may begin with any role.
    """

    messages: Any
    path: str = "messages"
    last: str | None = None
    roles: tuple[str, ...] = ROLES
    tools: Any = None
    is_continued: bool = False

    def faults(self) -> Iterator[Fault]:
        """Everything that is wrong with it."""
        if not isinstance(self.messages, list):
            yield wrong_type(
                self.path, 'a list of messages, [{"role": "user", "content": "…"}]', self.messages
            )
            return
        if not self.messages:
            yield Fault(
                "no-messages", self.path, f"{self.path} is empty", "write at least the user's message"
            )
            return
        for number, message in enumerate(self.messages[:MOST]):
            yield from self._of_message(message, f"{self.path}.{number}")
        proper = [message if isinstance(message, Mapping) else {} for message in self.messages[:MOST]]
        yield from self._of_order(proper)
        yield from self._of_last(proper[-1])
        yield from answer_faults(proper, self.path, is_open_at_end=self.last == "assistant")
        yield from declaration_faults(proper, self.path, self.tools)

    def _of_message(self, message: Any, path: str) -> Iterator[Fault]:
        if not isinstance(message, Mapping):
            yield wrong_type(path, 'a message such as {"role": "user", "content": "…"}', message)
            return
        role = message.get("role")
        if not isinstance(role, str) or role not in self.roles:
            yield self._wrong_role(message, role, path)
        yield from misspelled(message, MESSAGE_FIELDS, path)
        yield from _content(message, path)
        yield from _weight(message, path)
        yield from call_faults(message, path)

    def _wrong_role(self, message: Mapping[str, Any], role: object, path: str) -> Fault:
        roles = ", ".join(self.roles)
        if role is None and "from" in message:
            hint = "rows with 'from' and 'value' (ShareGPT) need 'role' and 'content'"
            return Fault("wrong-role", f"{path}.role", f"{path} has no role", hint)
        if isinstance(role, str) and role in ROLES:
            return Fault(
                "wrong-role",
                f"{path}.role",
                f"role {brief(role)} has no place here; expected {roles}",
                "move or remove it",
            )
        near = get_close_matches(str(role).lower(), self.roles, n=1, cutoff=0.5) if role is not None else []
        if isinstance(role, str) and role in {"human", "bot", "gpt", "model", "ai", "chatbot"}:
            near = ["user"] if role == "human" else ["assistant"]
        hint = f"did you mean {near[0]!r}?" if near else f"use one of {roles}"
        what = "has no role" if role is None else f"has the role {brief(role)}"
        return Fault("wrong-role", f"{path}.role", f"{path} {what}; expected {roles}", hint)

    def _of_order(self, messages: list[Mapping[str, Any]]) -> Iterator[Fault]:
        roles = [role_of(message) for message in messages]
        begun = [number for number, role in enumerate(roles) if role not in INSTRUCTIONS]
        first = begun[0] if begun else len(roles)
        for number, role in enumerate(roles):
            if role in INSTRUCTIONS and number > first:
                where = f"{self.path}.{number}"
                yield Fault(
                    "role-order",
                    where,
                    f"a {role} message after the conversation has begun",
                    "put it first",
                    "warning",
                )
                break
        if not self.is_continued and begun and roles[first] in {"assistant", "tool"}:
            where = f"{self.path}.{first}"
            yield Fault(
                "role-order",
                where,
                f"the conversation begins with the {roles[first]}",
                "begin with the user's message",
                "warning",
            )
        for number in range(first + 1, len(roles)):
            if roles[number] == roles[number - 1] and roles[number] in {"user", "assistant"}:
                message = f"two {roles[number]} messages follow each other"
                yield Fault(
                    "role-order",
                    f"{self.path}.{number}",
                    message,
                    "join them, or add what stands between",
                    "warning",
                )
                break
        if not begun:
            yield Fault("no-user-message", self.path, "there are only instructions", "add the user's message")

    def _of_last(self, message: Mapping[str, Any]) -> Iterator[Fault]:
        role = message.get("role")
        if self.last is None or role == self.last or role not in (*ROLES, *OLD_ROLES):
            return
        code = f"last-not-{self.last}"
        path = f"{self.path}.{len(self.messages) - 1}"
        who = (
            "the assistant's, which the model learns from"
            if self.last == "assistant"
            else "the user's, which the model is to answer"
        )
        hint = f"end with a message of role {self.last!r}"
        if self.last == "user" and role == "assistant":
            hint = "remove the answer, or keep it in a field of its own for the grader"
        yield Fault(code, path, f"the last message has the role {brief(role)}; expected {who}", hint)

    @property
    def prompt(self) -> str:
        """The text before the last answer, without instructions."""
        if isinstance(self.messages, str):
            return self.messages
        messages = self._proper()
        if self.last == "assistant" and messages and messages[-1].get("role") == "assistant":
            messages = messages[:-1]
        return "\n".join(
            filter(None, (shown(each) for each in messages if role_of(each) not in INSTRUCTIONS))
        )

    @property
    def system(self) -> str | None:
        """The text of the instructions; None without instructions."""
        texts = [text_of(each.get("content")) for each in self._proper() if role_of(each) in INSTRUCTIONS]
        return "\n".join(texts) if texts else None

    @property
    def answer(self) -> str | None:
        """The last message of the assistant; None where the conversation ends otherwise."""
        messages = self._proper()
        return shown(messages[-1]) if messages and role_of(messages[-1]) in {"assistant", "model"} else None

    def _proper(self) -> list[Mapping[str, Any]]:
        messages = self.messages if isinstance(self.messages, list) else []
        return [message for message in messages[:MOST] if isinstance(message, Mapping)]


def role_of(message: object) -> str | None:
    """The role of a message; None where it has none, or one that is no text, or where it is no message."""
    role = message.get("role") if isinstance(message, Mapping) else None
    return role if isinstance(role, str) else None


def shown(message: Mapping[str, Any]) -> str:
    """The text of a message, with its tool calls."""
    calls = message.get("tool_calls")
    written = (
        [
            json.dumps(call.get("function"), sort_keys=True, default=str)
            for call in calls
            if isinstance(call, Mapping)
        ]
        if isinstance(calls, list)
        else []
    )
    return "\n".join([text_of(message.get("content")), *written]).strip()


def is_conversation(value: object) -> TypeGuard[list[Any]]:
    """Whether a value is a list of messages, or meant to be one."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(part, Mapping) and "role" in part for part in value[:3])
    )


def misspelled(found: Mapping[str, Any], known: tuple[str, ...], path: str) -> Iterator[Fault]:
    """Fields that nothing reads and that look like others."""
    for key in found:
        if key in known or not isinstance(key, str):
            continue
        near = [name for name in get_close_matches(key, known, n=1, cutoff=0.75) if found.get(name) is None]
        if near:
            yield Fault(
                "misspelled-field",
                f"{path}.{key}",
                f"{path} has the field {brief(key)}",
                f"did you mean {near[0]!r}?",
            )


def _content(message: Mapping[str, Any], path: str) -> Iterator[Fault]:
    content = message.get("content")
    where = f"{path}.content"
    is_otherwise = any(message.get(name) for name in ("tool_calls", "function_call", "refusal", "audio"))
    if content is None or content == "":
        is_result = content == "" and message.get("role") == "tool"  # a tool may give nothing
        if not is_otherwise and not is_result:
            yield Fault(
                "empty-content",
                where,
                f"{where} is {'missing' if content is None else 'empty'}; expected a text",
                "write a text, or remove the message",
            )
    elif isinstance(content, str):
        if not content.strip():
            yield Fault(
                "empty-content",
                where,
                f"{where} is nothing but white space",
                "write a text, or remove the message",
            )
    elif isinstance(content, list):
        yield from _parts(content, where)
    else:
        yield wrong_type(where, "a text, or a list of parts", content)


def _parts(parts: list[Any], where: str) -> Iterator[Fault]:
    if not parts:
        yield Fault("empty-content", where, f"{where} has no parts", "write a text, or remove the message")
    is_blank = bool(parts)
    for number, part in enumerate(parts[:MOST]):
        if not isinstance(part, Mapping):
            yield wrong_type(f"{where}.{number}", 'a part such as {"type": "text", "text": "…"}', part)
            return
        text = part.get("text")
        if part.get("type", "text") == "text" and not isinstance(text, str):
            yield wrong_type(f"{where}.{number}.text", "a text", text)
            return
        is_blank &= isinstance(text, str) and not text.strip()
    if is_blank:
        yield Fault("empty-content", where, f"{where} has no text", "write a text, or remove the message")


def _weight(message: Mapping[str, Any], path: str) -> Iterator[Fault]:
    weight = message.get("weight")
    if weight is None:
        return
    if weight not in (0, 1) or isinstance(weight, bool):
        yield Fault(
            "wrong-weight",
            f"{path}.weight",
            f"{path}.weight is {brief(weight)}; expected 0 or 1",
            "1 trains on the message, 0 does not",
        )
    elif message.get("role") != "assistant":
        yield Fault(
            "wrong-weight", f"{path}.weight", "only an assistant message may have a weight", "remove it"
        )
