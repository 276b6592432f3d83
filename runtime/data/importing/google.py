"""Google's rows: `contents`, `references`, `systemInstruction`; a last turn of the model is the sample, completions are two."""

from collections.abc import Iterator, Mapping

from runtime.data.formats.google_contents import ends_with_model, messages_of, turn_of
from runtime.data.importing.rows import (
    Imported,
    NotImported,
    Object,
    Part,
    SourceSystem,
    mapping,
    objects,
    without,
)


def _recognises(value: Object) -> bool:
    return "contents" in value


def _read(value: Object) -> Iterator[Part]:
    contents = value.get("contents")
    if (
        not isinstance(contents, list)
        or not contents
        or not all(isinstance(each, Mapping) for each in contents)
    ):
        yield NotImported("contents: expected a list of objects with 'parts'")
        return
    item = without(value, ["completions"])
    if "completions" in value:
        yield from _preference(value, item)
        return
    whole, answer = messages_of(value), None
    if ends_with_model(value):
        item["contents"] = contents[:-1]
        asked = messages_of(item)
        whole, answer = asked, whole[len(asked) :]
    yield Imported(item, answer, {}, whole or None)


def _preference(value: Object, item: Object) -> Iterator[Part]:
    for each in objects(value["completions"]):
        score = each.get("score")
        answer = turn_of({**mapping(each.get("completion")), "role": "model"})
        is_score = isinstance(score, (int, float))
        yield Imported(
            item, answer, {}, messages_of(item) or None, {"preferred": bool(score)} if is_score else {}
        )


GOOGLE = SourceSystem("google", "rows of Gemini tuning", _recognises, _read)
