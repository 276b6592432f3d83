"""Rows as this package writes them: `{item, sample}` or `{item, samples}`, graded or not."""

from collections.abc import Iterator

from runtime.data.importing.rows import (
    Imported,
    NotImported,
    Object,
    Part,
    SourceSystem,
    mapping,
    objects,
    score,
    scores,
)


def _recognises(value: Object) -> bool:
    return isinstance(value.get("item"), dict) and (
        "sample" in value or isinstance(value.get("samples"), list)
    )


def _read(value: Object) -> Iterator[Part]:
    if not isinstance(value.get("item"), dict):
        yield NotImported("item: expected the dataset row, an object")
        return
    recorded = scores(value.get("recorded"))
    if (reward := score(value.get("reward"))) is not None:
        recorded.setdefault("reward", reward)
    messages = objects(value.get("messages")) or None
    source = {**mapping(value.get("source")), **({"id": value["id"]} if value.get("id") is not None else {})}
    samples = value.get("samples")
    if value.get("sample") is not None or not isinstance(samples, list):
        yield Imported(value["item"], value.get("sample"), recorded, messages, source)
        return
    for draw, sample in enumerate(samples):
        yield Imported(value["item"], sample, recorded, messages, {**source, "draw": draw})


OWN_ROWS = SourceSystem("rows", "rows {item, sample} of this package", _recognises, _read)
