"""verl's rows (`data_source`, `prompt`, `reward_model`), and the rollouts that it dumps (`input`, `output`, `gts`, `score`)."""

from collections.abc import Iterator

from runtime.data.importing.rows import (
    Imported,
    Object,
    Part,
    SourceSystem,
    as_messages,
    from_json,
    present,
    scores,
    without,
)


def _is_dump(value: Object) -> bool:
    return "gts" in value and "output" in value


def _recognises(value: Object) -> bool:
    return _is_dump(value) or "reward_model" in value or ("data_source" in value and "prompt" in value)


def _read(value: Object) -> Iterator[Part]:
    if _is_dump(value):
        recorded = {name: number for name, number in scores(value).items() if name not in ("step", "gts")}
        item = {
            **without(value, ["input", "output", "gts", "step", *recorded]),
            "prompt": value.get("input"),
            "ground_truth": value["gts"],
        }
        source = present(step=value.get("step"))
        yield Imported(item, value["output"], recorded, as_messages(value.get("input")), source)
        return
    item = dict(value)
    for name in ("reward_model", "extra_info"):  # which some write as the text of JSON
        if name in item and isinstance(read := from_json(item[name]), dict):
            item[name] = read
    yield Imported(item, None, {}, as_messages(from_json(value.get("prompt"))))


VERL = SourceSystem("verl", "rows of verl and SageMaker RLVR, rollouts of verl", _recognises, _read)
