"""Rows of Google's as they are: `contents`, `references`, `systemInstruction`, and the answer as the last turn or beside them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from runtime.data.formats.google_contents import ends_with_model, is_contents, turn_of

OURS = frozenset({"id", "sample", "samples", "source", "recorded"})
"""Fields of ours that may stand beside Google's, and belong to no item."""


class Parts(NamedTuple):
    """What one row holds.

    Attributes:
        item: The dataset row that the model was given.
        stored: The sample; None where the row has none, or has it in a field of its own.
    """

    item: dict[str, Any]
    stored: Any


def google_parts(row: Mapping[str, Any]) -> Parts | None:
    """The item and the sample of a row of Google's; None where it is another row, or has its item in a field of its own.

    A row that has a sample is all of the item but that. In one without, a last turn of the model is the sample, as a list of
    one message; the preference rows of DPO, with `completions`, have no sample.
    """
    if "item" in row or "datasource_item" in row or not is_contents(row.get("contents")):
        return None
    if row.get("sample") is not None or isinstance(row.get("samples"), list):
        return Parts({name: part for name, part in row.items() if name not in OURS}, None)
    if not ends_with_model(row) or "completions" in row:
        return Parts(dict(row), None)
    *asked, answer = row["contents"]
    return Parts({**row, "contents": asked}, turn_of(answer, len(asked))[-1:])
