"""TRL's rows: prompts alone, prompts with completions, preferences, and the completions that its trainers log."""

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.data.importing.rows import (
    Imported,
    NotImported,
    Object,
    Part,
    SourceSystem,
    as_messages,
    scores,
    without,
)

_LOGGED = ("step", "prompt", "completion", "advantage")


_ANSWERED = ("choices", "response", "output", "generation", "response_body")
"""Fields of a log, which has a prompt too."""


def _recognises(value: Object) -> bool:
    if ("chosen" in value and "rejected" in value) or "preferred_output" in value:
        return True
    is_log = isinstance(value.get("completion"), Mapping) or any(name in value for name in _ANSWERED)
    return "prompt" in value and ("advantage" in value or not is_log)


def _read(value: Object) -> Iterator[Part]:
    if "advantage" in value and "completion" in value:
        recorded = {name: number for name, number in scores(value).items() if name not in _LOGGED}
        item = without(value, ["completion", "advantage", "step", *recorded])
        yield Imported(
            item, value["completion"], recorded, as_messages(value.get("prompt")), {"step": value.get("step")}
        )
    elif "preferred_output" in value or "chosen" in value:
        yield from _read_preference(value)
    elif value.get("completion") is not None:
        yield Imported(
            without(value, ["completion"]), value["completion"], {}, as_messages(value.get("prompt"))
        )
    elif as_messages(value.get("prompt")) is None:
        yield NotImported("prompt: expected a text or a list of messages")
    else:
        yield Imported(value, None, {}, as_messages(value["prompt"]))


def _read_preference(value: Object) -> Iterator[Part]:
    """Two rows: the preferred answer and the other one; a row of OpenAI's format has its prompt in `input`."""
    published = "preferred_output" in value
    names = ("preferred_output", "non_preferred_output") if published else ("chosen", "rejected")
    given: Any = value.get("input") if published else value.get("prompt")
    item = dict(given) if isinstance(given, dict) else {} if given is None else {"prompt": given}
    item |= without(value, [*names, "input", "prompt", "score_chosen", "score_rejected"])
    for name, of_score in zip(names, ("score_chosen", "score_rejected"), strict=True):
        recorded = scores({"score": value.get(of_score)})
        prompt = None if "messages" in item else as_messages(given)
        yield Imported(
            item, _answer(value.get(name), given), recorded, prompt, {"preferred": name == names[0]}
        )


def _answer(answer: Any, prompt: Any) -> Any:
    """An answer of a row whose prompt is in both answers, as messages: what comes behind the prompt."""
    return answer[-1:] if prompt is None and isinstance(answer, list) else answer


TRL = SourceSystem("trl", "rows of TRL and of preference data", _recognises, _read)
