"""Output items of eval runs: OpenAI's, Foundry's, and those that this service shows under `/v1/evals/…/output_items`."""

from collections.abc import Iterator

from runtime.data.importing.rows import (
    Imported,
    NotImported,
    Object,
    Part,
    SourceSystem,
    add_score,
    failed,
    mapping,
    objects,
    present,
)
from runtime.data.rows import item_of_output_item

_IDS = ("id", "eval_id", "run_id", "status", "datasource_item_id")


def _recognises(value: Object) -> bool:
    return "datasource_item" in value


def _read(value: Object) -> Iterator[Part]:
    item = item_of_output_item(value["datasource_item"])
    if not isinstance(item, dict):
        yield NotImported("datasource_item: expected an object")
        return
    recorded: dict[str, float] = {}
    lost: list[str] = []
    for index, result in enumerate(objects(value.get("results"))):
        name = str(result.get("name") or f"result {index + 1}")
        if not add_score(recorded, name, result.get("score")):
            lost.append(f"the result of {name!r}, which has no number for a score")
    sample = value.get("sample")
    stored, prompt, model = sample, None, None
    if isinstance(sample, dict):
        prompt = objects(sample.get("input")) or None
        model = sample.get("model")
        stored = {name: inner for name, inner in sample.items() if name != "input"}
    elif sample is None:
        status = value.get("status")
        stored = failed(f"the export has no sample for this item; its status is {status!r}")
    source = {name: value[name] for name in _IDS if value.get(name) is not None}
    yield Imported(item, stored, recorded, prompt, source | present(model=model), lost=lost)


def _read_run(value: Object) -> Iterator[Part]:
    yield from _read(value) if _recognises(value) else (NotImported(_WRONG.format(names=_names(value))),)


_WRONG = "expected an output item with 'datasource_item' and 'sample'; got {names}"


def _names(value: Object) -> str:
    return ", ".join(map(repr, list(mapping(value))[:8])) or "an empty object"


EVAL_ITEMS = SourceSystem("evals", "output items of OpenAI, Foundry or this service", _recognises, _read_run)
