"""Amazon Bedrock's rows: RFT with `reference_answer`, and conversations of the Converse API, whose candidates are two samples."""

from collections.abc import Iterator
from typing import Any

from runtime.data.formats.bedrock_dpo import LABELS
from runtime.data.formats.converse import FIELDS, is_converse, messages_of, turn_of
from runtime.data.importing.rows import (
    Imported,
    NotImported,
    Object,
    Part,
    SourceSystem,
    is_messages,
    objects,
    without,
)


def _recognises(value: Object) -> bool:
    is_rft = "reference_answer" in value and "messages" in value
    is_versioned = str(value.get("schemaVersion", "")).startswith("bedrock-conversation")
    return is_rft or is_versioned or (value.keys() <= set(FIELDS) and is_converse(value))


def _read(value: Object) -> Iterator[Part]:
    if not is_messages(value.get("messages")):
        yield NotImported("messages: expected a list of objects with a role")
        return
    prompt = messages_of(value)
    item = without(value, ["messages", "system", "schemaVersion"])
    candidates = value["messages"][-1].get("candidates")
    if isinstance(candidates, list):
        for each in objects(candidates):
            answer = turn_of({"role": "assistant", "content": each.get("content")})
            label = each.get("preferenceLabel")
            source = {"preferred": label == LABELS[0]} if label in LABELS else {}
            yield Imported({**item, "messages": prompt}, answer, {}, None, source)
        return
    sample: Any = None
    if prompt[-1]["role"] == "assistant":
        sample, prompt = [prompt[-1]], prompt[:-1]
    yield Imported({**item, "messages": prompt}, sample)


BEDROCK = SourceSystem("bedrock", "rows of Amazon Bedrock and Nova", _recognises, _read)
