"""A plugin whose source executes text is found, also where it does not do so itself; others are left alone."""

import ast
import importlib
import sys
from pathlib import Path

import pytest

from runtime.workers.text_execution import executed_text, findings

EXECUTES = [
    "eval(sample.output_text)",
    "exec(code, {})",
    "run = eval",
    "__import__(name)",
    "from builtins import eval as value_of",
    "import builtins",
    "__builtins__['eval'](text)",
    "code = compile(text, 'sample', 'eval')",
    "import pickle",
    "from pickle import loads",
    "import dill as p",
    "import sympy",
    "from sympy.parsing.sympy_parser import parse_expr",
    "from helpers import sympify",
    "import numexpr as ne",
    "frame.eval('a + b')",
    "import pandas\nframe.query(text)",
    "import torch\ntorch.load(path)",
    "yaml.unsafe_load(text)",
    "numpy.load(path, allow_pickle=True)",
    "importlib.import_module(name)",
    "import ast\ngetattr(value, node.attr)",
    "text.__class__.__subclasses__()",
    "import code\ncode.InteractiveInterpreter().runsource(text)",
]
HARMLESS = [
    "import re\nre.compile(text)",
    "ast.literal_eval(text)",
    "model.eval()",
    "import json\njson.loads(text)",
    "getattr(sample, 'output_text')",
    "getattr(options, name)",
    "import numpy\nnumpy.load(path, allow_pickle=False)",
    "cursor.execute('select 1')",
    "importlib.import_module('json')",
    "import torch\nmodel.load_state_dict(state)",
]


@pytest.mark.parametrize("source", EXECUTES)
def test_what_executes_text_is_found(source: str) -> None:
    assert [*findings(ast.parse(source))]


@pytest.mark.parametrize("source", HARMLESS)
def test_what_executes_none_is_left_alone(source: str) -> None:
    assert [*findings(ast.parse(source))] == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"__init__": "", "plugin": "x = 1"}, None),
        ({"__init__": "", "plugin": "def f(t):\n    return eval(t)"}, "plugin.py line 2: eval"),
        ({"__init__": "", "plugin": "from . import deep", "deep": "eval('1')"}, "deep.py line 1: eval"),
        (
            {"__init__": "", "plugin": "def f():\n    from .lazy import g", "lazy": "import pickle"},
            "lazy.py line 1: import pickle",
        ),
        (
            {"__init__": "", "plugin": "def f():\n    import {name}.lazy", "lazy": "\nexec('')"},
            "lazy.py line 2: exec",
        ),
        ({"__init__": "", "plugin": "x = 1", "unused": "eval('1')"}, None),
    ],
)
def test_the_modules_of_its_package_are_read_as_far_as_they_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: str | None
) -> None:
    name = f"package_{abs(hash(str(files)))}"
    (tmp_path / name).mkdir()
    for module, source in files.items():
        (tmp_path / name / f"{module}.py").write_text(source.replace("{name}", name))
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module(f"{name}.plugin")
    try:
        assert executed_text(f"{name}.plugin") == expected
    finally:
        for module in [each for each in sys.modules if each.partition(".")[0] == name]:
            del sys.modules[module]
