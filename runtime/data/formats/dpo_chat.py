"""Direct preference optimisation as OpenAI and Foundry take it.

`{"input": {"messages", "tools"?, "parallel_tool_calls"?}, "preferred_output": [message…], "non_preferred_output": [message…]}`.
The outputs hold assistant (and tool) messages, an assistant's at least; they differ; the input ends with the user's turn.

Source: OpenAI's and Foundry's "Direct preference optimization" (October 2026).
"""

from collections.abc import Iterator
from typing import Any

from runtime.data.formats.base import Fault, Format, Row, View, wrong_type
from runtime.data.formats.messages import Conversation, is_conversation, misspelled, shown

OUTPUTS = ("preferred_output", "non_preferred_output")
_INPUT = ("messages", "tools", "parallel_tool_calls")


class DpoChat(Format):
    """One prompt with a better and a worse answer."""

    name = "dpo"
    title = "preference optimisation (OpenAI, Foundry)"
    hosts = ("openai", "foundry")
    fields = ("input", *OUTPUTS)
    required = 3
    is_open = False
    family = "preference"
    kind = "dpo"

    def likeness(self, row: Row) -> int:
        """One of the two outputs."""
        return 6 if any(name in row for name in OUTPUTS) else 0

    def faults(self, row: Row) -> Iterator[Fault]:
        """Wrong input, wrong outputs, and outputs that are equal."""
        yield from self.missing(row)
        given = row.get("input")
        if isinstance(given, dict):
            yield from misspelled(given, _INPUT, "input")
            if given.get("messages") is None:
                yield Fault(
                    "missing-field", "input.messages", "input has no 'messages'", 'write {"messages": […]}'
                )
            else:
                yield from Conversation(
                    given["messages"], "input.messages", "user", tools=given.get("tools")
                ).faults()
        elif given is not None:
            yield wrong_type("input", 'an object such as {"messages": […]}', given)
        for name in OUTPUTS:
            if row.get(name) is not None:
                yield from output_faults(
                    row[name], name, given.get("tools") if isinstance(given, dict) else None
                )
        yield from equal_outputs(row, *OUTPUTS)

    def view(self, row: Row) -> View:
        """The input, and both answers."""
        given = row.get("input")
        talk = Conversation(given.get("messages") if isinstance(given, dict) else None)
        better, worse = (spoken(row.get(name)) for name in OUTPUTS)
        return View(talk.prompt, talk.system, better, item=row, contrast=worse)


def output_faults(messages: Any, name: str, tools: Any) -> Iterator[Fault]:
    """What is wrong with the messages of one output."""
    roles = ("assistant", "tool")
    last = "assistant" if _ends_with_assistant(messages) else None  # calls at the very end need no answer
    yield from Conversation(messages, name, last, roles, tools, is_continued=True).faults()
    if (
        isinstance(messages, list)
        and messages
        and not any(isinstance(each, dict) and each.get("role") == "assistant" for each in messages)
    ):
        yield Fault(
            "output-without-assistant", name, f"{name} has no assistant message", "add the assistant's answer"
        )


def equal_outputs(row: Row, better: str, worse: str) -> Iterator[Fault]:
    """Whether the two answers of a row are the same."""
    if row.get(better) is not None and row.get(better) == row.get(worse):
        yield Fault(
            "outputs-equal",
            better,
            f"{better} and {worse} are equal: there is no preference",
            "remove the row",
        )
    elif (
        row.get(better)
        and row.get(worse)
        and (text := spoken(row.get(better)))
        and text.split() == (spoken(row.get(worse)) or "").split()
    ):
        yield Fault(
            "outputs-equal",
            better,
            f"{better} and {worse} differ in white space alone",
            "remove the row",
            "warning",
        )


def spoken(output: Any) -> str | None:
    """The text of an output: a text, or messages; None without one."""
    if isinstance(output, str):
        return output
    if not is_conversation(output):
        return None
    return "\n".join(shown(message) for message in output if isinstance(message, dict))


def _ends_with_assistant(messages: Any) -> bool:
    return (
        isinstance(messages, list)
        and bool(messages)
        and isinstance(messages[-1], dict)
        and messages[-1].get("role") == "assistant"
    )
