"""Rows as this package writes them: `{item, sample}` or `{item, samples}`, graded or not."""

from collections.abc import Iterator

from runtime.data.formats.google_contents import messages_of
from runtime.data.importing.rows import (
    Imported,
    NotImported,
    Object,
    Part,
    SourceSystem,
    as_messages,
    mapping,
    objects,
    score,
    scores,
)

_OFFERED = ("tools", "parallel_tool_calls")
_BESIDE_ITEM = frozenset({"item", "id", "messages", "prompt", "contents", "source", "recorded", *_OFFERED})
_READ = _BESIDE_ITEM | {"sample", "samples", "reward", "systemInstruction", "system_instruction"}


def _recognises(value: Object) -> bool:
    is_answered = "sample" in value or isinstance(value.get("samples"), list)
    return isinstance(value.get("item"), dict) and (is_answered or value.keys() <= _BESIDE_ITEM)


def _read(value: Object) -> Iterator[Part]:
    if not isinstance(value.get("item"), dict):
        yield NotImported("item: expected the dataset row, an object")
        return
    recorded = scores(value.get("recorded"))
    if (reward := score(value.get("reward"))) is not None:
        recorded.setdefault("reward", reward)
    messages = (
        objects(value.get("messages")) or as_messages(value.get("prompt")) or messages_of(value) or None
    )
    # what is recorded beside scores, such as the name of the judge
    beside = {name: each for name, each in mapping(value.get("recorded")).items() if name not in recorded}
    source = {
        **beside,
        **mapping(value.get("source")),
        **({"id": value["id"]} if value.get("id") is not None else {}),
    }
    offered = {name: value[name] for name in _OFFERED if value.get(name) is not None}
    lost = sorted(str(name) for name, each in value.items() if name not in _READ and each is not None)
    samples = value.get("samples")
    if value.get("sample") is not None or not isinstance(samples, list):
        yield Imported(value["item"], value.get("sample"), recorded, messages, source, offered, lost)
        return
    for draw, sample in enumerate(samples):
        drawn = {**source, "draw": draw}
        yield Imported(value["item"], sample, recorded, messages, drawn, offered, lost)


OWN_ROWS = SourceSystem("rows", "rows {item, sample} of this package", _recognises, _read)
