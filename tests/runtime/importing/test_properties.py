"""Whatever stands in an export, importing ends in rows or reasons; what this service shows comes back as it was."""

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from graders import Sample
from graders.pattern import encodable
from graders.samples.sample import FIELDS
from graders.template import Template
from graders.testing.strategies import json_values, samples
from runtime.data.datasets import read_rows
from runtime.data.importing.read import SOURCES, import_files
from service.evals.responses import ItemObject
from service.store.evals import OutputItem
from tests.runtime.importing.test_sources import FOUR_TO_2_PLUS_2

TEMPLATES = [Template(f"{{{{sample.{name}}}}}") for name in FIELDS]
_KEYS = sorted(
    {"gen_ai.input.messages", "gen_ai.output.messages", "chosen", "rejected", "preferred_output", "body", "output"}
    | {key for _, value in FOUR_TO_2_PLUS_2.values() for key in value}
    | {"parts", "role", "content", "message", "function", "candidates", "error", "status_code", "systemInstruction"}
)  # fmt: skip


def known_objects() -> st.SearchStrategy[Any]:
    """JSON whose keys are those of exports, with any values."""
    leaves = json_values(3) | st.sampled_from(["assistant", "user", "2", "ERROR", "response"])
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=5)
        ),
        max_leaves=15,
    )


def mutated() -> st.SearchStrategy[Any]:
    """Sound exports with a part of them replaced by something else."""
    return st.builds(
        _replaced,
        st.sampled_from([value for _, value in FOUR_TO_2_PLUS_2.values()]),
        st.integers(0, 40),
        json_values(3),
    )


def as_json(value: Any) -> str:
    try:
        return json.dumps(value)
    except ValueError:  # an integer of too many digits
        return "1" * 5_000


def _replaced(value: Any, place: int, other: Any) -> Any:
    copy = json.loads(as_json(value))
    places: list[tuple[Any, Any]] = []

    def walk(inner: Any) -> None:
        members = (
            inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ()
        )
        for key, each in list(members):
            places.append((inner, key))
            walk(each)

    walk(copy)
    container, key = places[place % len(places)]
    container[key] = other
    return copy


@given(st.lists(json_values() | known_objects() | mutated(), max_size=3), st.sampled_from([None, *SOURCES]))
def test_importing_any_json_ends_in_rows_that_can_be_read_or_in_reasons(
    values: list[Any], source: str | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, output = Path(folder, "e.jsonl"), Path(folder, "rows.jsonl")
        path.write_text("".join(f"{as_json(value)}\n" for value in values))
        rejected: list[str] = []
        report = import_files([path], output, source=source, reject=rejected.append)
        read = list(read_rows(output))
    assert len(read) == report.rows
    assert len(rejected) == report.rejected
    failed = [row for row in read if row.failure is not None]
    assert len(failed) == report.ungraded
    assert all(row.item is not None for row in read)


@given(st.binary(max_size=80))
def test_importing_any_bytes_ends_in_reasons(content: bytes) -> None:
    from graders import ConfigurationError  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path, output = Path(folder, "e.jsonl"), Path(folder, "rows.jsonl")
        path.write_bytes(content)
        try:
            import_files([path], output, reject=lambda line: None)
        except ConfigurationError:
            assert not output.exists()


@given(samples(max_length=200).filter(lambda sample: sample.model != ""))
def test_no_template_tells_an_imported_sample_from_the_one_that_a_run_of_an_eval_has(sample: Sample) -> None:
    stored: Any = sample.to_stored()
    row = OutputItem(
        id="i", run_id="r", position=0, item={"a": 1}, sample=stored, results=[], status="pass", created_at=0
    )
    shown = ItemObject.of(row, "e").model_dump(mode="json")
    with tempfile.TemporaryDirectory() as folder:
        path, output = Path(folder, "e.jsonl"), Path(folder, "rows.jsonl")
        path.write_text(json.dumps({"object": "list", "data": [shown]}))
        import_files([path], output, reject=lambda line: None)
        (read,) = read_rows(output)
    assert read.sample is not None
    assert read.item == {"a": 1}
    for template in TEMPLATES:
        assert _rendered(template, read.sample) == encodable(_rendered(template, sample))


def _rendered(template: Template, sample: Sample) -> str:
    try:
        return template(sample, {})
    except Exception as error:  # noqa: BLE001  # both fail alike
        return f"{type(error).__name__}: {error}"
