"""Gradings of a plugin share a process only when its modules use nothing that could execute a sample."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import countdown_grader
import pytest
from countdown_grader import countdown
from hostile_graders.forms import keyword
from hostile_graders.loading import loads

from runtime.workers.plugin_sharing import (
    MOST_MODULES,
    PLUGIN_ATTRIBUTES,
    PLUGIN_MODULES,
    SOURCE_BYTES,
    isolation_of,
    why_not_shared,
)

TEMPLATES = Path(__file__).parents[2] / "service" / "cli" / "templates"
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
    "def f(frame): return frame.eval('a + b')",
    "import pandas\npandas.DataFrame().query(text)",
    "def f(frame, text): return frame.query(text)",
    "import pandas as pd\npd.read_hdf(path)",
    "import torch\ntorch.load(path)",
    "import yaml\ndef f(text): return yaml.load(text, Loader=yaml.Loader)",
    "import yaml\ndef f(text): return yaml.load(text, Loader=yaml.UnsafeLoader)",
    "import yaml\ndef f(text): return yaml.full_load(text)",
    "import yaml as y\ndef f(text): return y.unsafe_load(text)",
    "from yaml import load, Loader",
    "from yaml import *",
    "import yaml\nload = getattr(yaml, 'load')",
    "import yaml\nlibrary = yaml",
    "import ruamel.yaml\nruamel.yaml.YAML(typ='unsafe').load(text)",
    "from ruamel.yaml import YAML",
    "import numpy\nnumpy.load(path, allow_pickle=True)",
    "import numpy as np\ndef f(file): return np.load(file, None, True)",
    "import numpy as np\ndef f(file): return np.lib.format.read_array(file)",
    "import joblib",
    "import ctypes\nctypes.pythonapi.PyRun_SimpleString(text)",
    "import typing\ndef f(kind): return typing.get_type_hints(kind)",
    "from typing import get_type_hints",
    "from inspect import get_annotations",
    "import pydantic\ndef f(text): return pydantic.create_model('M', x=(text, ...))",
    "from pydantic import ImportString",
    "from pydantic import BaseModel\nBaseModel.model_rebuild()",
    "from pydantic import BaseModel\ndef f(text):\n    class M(BaseModel):\n        x: text",
    "import pydantic\ndef f(text):\n    class M(pydantic.BaseModel):\n        x: text",
    "from pydantic import BaseModel\nfrom typing import Generic, TypeVar as V\nT = V('T')\nclass M(BaseModel, Generic[T]): x: T",
    "import typing\nfrom pydantic import BaseModel\nclass M(BaseModel):\n    x: typing.AnyStr",
    "import pkgutil\npkgutil.resolve_name(text)",
    "import logging.config\nlogging.config.dictConfig(given)",
    "import logging\nlogging.config.dictConfig(given)",
    "import unittest\nunittest.defaultTestLoader.loadTestsFromName(text)",
    "import math\ndef f(sample): return getattr(math, sample.output_text)",
    "def f(context, sample): return getattr(context, sample.output_text)",
    "import operator\noperator.attrgetter(text)",
    "import importlib\nimportlib.import_module(name)",
    "import ast\ndef f(value, node): return getattr(value, node.attr)",
    "def f(text): return text.__class__.__subclasses__()",
    "def f(text, item): return text.format(item)",
    "import code\ncode.InteractiveInterpreter().runsource(text)",
    "import os",
    "import sys\nsys.modules['builtins'].eval(text)",
    "len.__self__.eval(text)",
    "import yaml\nlibraries = [yaml]",
    "import yaml\nyaml.safe_load.__globals__['load'](text)",
    "import yaml\nyaml.loader.Loader(text)",
    "import string\nstring.Formatter().format(text)",
    "import asyncio\nasyncio.create_subprocess_exec(text)",
    "import json\njson.decoder",
    "async def eval(): pass",
    "async def f(made):\n    async with made as eval: pass",
    "from graders import Registry",
    "from graders.registry import Entry",
    "def f(path, text): path.write_text(text)",
    "setattr(str, name, value)",
    "import json\ndef f(value): json.loads = value",
    "class A(metaclass=B): pass",
]
HARMLESS = [
    "import re\ndef f(text): return re.compile(text)",
    "import ast\ndef f(text): return ast.literal_eval(text)",
    "import json\ndef f(text): return json.loads(text)",
    "def f(sample): return getattr(sample, 'output_text')",
    "import yaml\ndef f(text): return yaml.safe_load(text)",
    "from yaml import YAMLError, safe_load",
    "from pathlib import Path\nWORDS = (Path(__file__).parent / 'words.txt').read_text().split()",
    "import logging\nlogger = logging.getLogger(__name__)\ndef f(text): logger.info('%s', text)",
    "import asyncio\nasync def f(calls): return await asyncio.gather(*calls)",
    (
        "from graders import Context, FailureKind, GradingError, Item, Sample, grader\n"
        "@grader('asks')\n"
        "async def asks(sample: Sample, item: Item, context: Context) -> float:\n"
        "    verdict = await context.judge.ask('m', sample.output_text)\n"
        "    if not verdict.output:\n"
        "        raise GradingError('no answer', kind=FailureKind.SAMPLE_PARSE, caused_by='model')\n"
        "    return 1.0"
    ),
    (
        "from pydantic import BaseModel\nclass Answer(BaseModel):\n    value: int\n"
        "def f(text): return Answer.model_validate_json(text).value"
    ),
    "import numpy as np\ndef f(values): return float(np.mean(np.array(values)))",
]

Written = Callable[[dict[str, str]], str]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """Writes the modules of a package, imports the package alone, and gives its name."""
    made: list[str] = []

    def write(files: dict[str, str]) -> str:
        name = f"package_of_{tmp_path.name}_{len(made)}".replace("-", "_")
        made.append(name)
        (tmp_path / name).mkdir()
        for module, source in {"__init__": "", **files}.items():
            path = tmp_path / name / f"{module}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(source.replace("{name}", name))
        importlib.invalidate_caches()
        importlib.import_module(name)
        return name

    monkeypatch.syspath_prepend(str(tmp_path))
    yield write
    for module in [each for each in sys.modules if each.partition(".")[0] in made]:
        del sys.modules[module]


@pytest.mark.parametrize("source", EXECUTES)
def test_a_plugin_that_could_execute_a_sample_shares_no_process(written: Written, source: str) -> None:
    assert why_not_shared(f"{written({'plugin': source})}.plugin") is not None


@pytest.mark.parametrize("source", HARMLESS)
def test_an_honest_plugin_shares_its_process(written: Written, source: str) -> None:
    assert why_not_shared(f"{written({'plugin': source})}.plugin") is None


@pytest.mark.parametrize("template", ["class", "function", "group", "judge"])
def test_a_plugin_made_from_a_template_shares_its_process(written: Written, template: str) -> None:
    source = (TEMPLATES / template / "PACKAGE" / "__init__.py.tmpl").read_text().replace("%%", "")
    assert why_not_shared(f"{written({'plugin': source})}.plugin") is None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"plugin": "x = 1"}, None),
        ({"plugin": "def f(t):\n    return eval(t)"}, "plugin.py line 2: eval"),
        ({"plugin": "from . import deep", "deep": "eval('1')"}, "deep.py line 1: eval"),
        ({"plugin": "def f():\n    from .lazy import g", "lazy": "import pickle\ng = 1"}, "import pickle"),
        ({"plugin": "def f():\n    import {name}.lazy", "lazy": "\nexec('')"}, "lazy.py line 2: exec"),
        ({"plugin": "x = 1", "unused": "eval('1')"}, None),
        ({"plugin": "x = 1", "__init__": "import socket"}, "__init__.py line 1: import socket"),
        ({"sub/plugin": "from .. import deep", "sub/__init__": "", "deep": "import os"}, "import os"),
        ({"sub/plugin": "from ..deep import f\nf('')", "deep": "def f(text): return text.strip()"}, None),
        ({"plugin": "from .a import A\nA().b()", "a": "class A:\n    def b(self): return 1"}, None),
        ({"plugin": "from . import a\na.f()", "a": "def f(): return 1"}, None),
        ({"plugin": "import {name}.a as b\nb.f()", "a": "def f(): return 1"}, None),
        ({"plugin": "from . import a\na.json.loads('1')", "a": "import json"}, ".loads"),
        ({"plugin": "from . import a\na.g()", "a": "def f():\n    g = 1"}, "a.g"),
        ({"plugin": "from . import a\na.f = 1", "a": "def f(): return 1"}, "is changed"),
        ({"plugin": "from ... import a"}, "from ... import a"),
        ({"plugin": "from .absent import a"}, "import a"),
        ({"plugin": "from . import a", "a": "this is no Python"}, "cannot be read"),
        ({"plugin": "from . import a", "a": "#" * (SOURCE_BYTES + 1)}, "is longer than"),
        ({"plugin": f"x = {'-' * 5_000}1"}, "nested too deeply"),
        (
            {
                "plugin": "\n".join(f"from . import a{n}" for n in range(MOST_MODULES)),
                **{f"a{n}": "" for n in range(MOST_MODULES)},
            },
            "modules",
        ),
    ],
)
def test_the_modules_of_its_package_are_read_as_far_as_they_are_used(
    written: Written, files: dict[str, str], expected: str | None
) -> None:
    module = "sub.plugin" if "sub/plugin" in files else "plugin"
    found = why_not_shared(f"{written(files)}.{module}")
    assert found is None if expected is None else expected in (found or "")


def test_a_module_without_a_source_shares_no_process() -> None:
    assert why_not_shared("math") == "math has no Python source"
    assert why_not_shared("absent_package.plugin") == "absent_package.plugin has no source"


def test_the_isolation_of_a_type_has_its_reason() -> None:
    assert isolation_of(countdown) == ("worker", "its source uses only what is known to be harmless")
    assert isolation_of(keyword) == ("worker", "its author declares it")
    assert isolation_of(loads) == (
        "grading",
        "its source uses what is not known to be harmless: loading.py line 7: import ctypes",
    )


def test_the_lists_name_nothing_that_executes_text() -> None:
    assert countdown_grader.__name__ not in PLUGIN_MODULES
    assert not PLUGIN_MODULES["yaml"] & {"load", "unsafe_load", "full_load", "Loader", "UnsafeLoader"}
    assert not PLUGIN_MODULES["pydantic"] & {"create_model", "ImportString", "validate_call"}
    assert not PLUGIN_MODULES["graders"] & {"Registry", "GraderType", "PluginError"}
    assert not PLUGIN_ATTRIBUTES & {"load", "loads", "eval", "query", "type", "open", "write_text", "config"}
