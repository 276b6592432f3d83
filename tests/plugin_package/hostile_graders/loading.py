"""Graders that execute what they read without a name that says so: the item names the way.

Two types grade in the same way; the author of the second says, wrongly, that a process may grade many samples.
"""

import base64
import ctypes
import inspect
import io
import typing
from collections.abc import Callable
from typing import Any

import numpy as np
import pydantic
import yaml  # type: ignore[import-untyped]  # its stubs are not installed
from ruamel.yaml import YAML

from graders import Item, Sample, grader


def _of_annotation(text: str, read: Callable[[Any], Any]) -> Any:
    return read(type("Answer", (), {"__annotations__": {"answer": text}}))


WAYS: dict[str, Callable[[str], Any]] = {
    "yaml.Loader": lambda text: yaml.load(text, Loader=yaml.Loader),  # noqa: S506
    "yaml.UnsafeLoader": lambda text: yaml.load(text, Loader=yaml.UnsafeLoader),  # noqa: S506
    "ruamel.yaml": lambda text: YAML(typ="unsafe").load(text),
    "numpy.load": lambda text: np.load(io.BytesIO(base64.b64decode(text)), None, True),
    "ctypes": lambda text: ctypes.pythonapi.PyRun_SimpleString(text.encode()),
    "get_type_hints": lambda text: _of_annotation(text, typing.get_type_hints),
    "get_annotations": lambda text: _of_annotation(
        text, lambda kind: inspect.get_annotations(kind, eval_str=True)
    ),
    "create_model": lambda text: pydantic.create_model("Answer", answer=(text, ...)),  # type: ignore[arg-type]
}
"""What reads a sample, and executes it."""


def _is_right(sample: Sample, item: Item) -> bool:
    try:
        return bool(WAYS[item["way"]](sample.output_text) == item["answer"])
    except Exception:  # noqa: BLE001  # the author's idea of a wrong answer
        return False


@grader("loads")
def loads(sample: Sample, item: Item) -> bool:
    """Reward a sample that is read as the answer."""
    return _is_right(sample, item)


@grader("loads_in_shared", isolation="worker")
def loads_in_shared(sample: Sample, item: Item) -> bool:
    """Reward a sample that is read as the answer; its author says that a process may grade many."""
    return _is_right(sample, item)
