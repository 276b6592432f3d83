"""Gradings of a source share a process only when its text uses nothing that could execute or unpickle a sample."""

import ast
import base64
import builtins
import pickle
import textwrap
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.context import Isolation
from runtime.sandbox.inside.harmless import ATTRIBUTES, BUILTINS, MODULES, NEVER, OTHER_BUILTINS
from runtime.sandbox.inside.sharing import unlisted
from runtime.sandbox.local_sandbox import LocalSandbox
from runtime.settings.settings import Settings
from tests.runtime.sandbox.isolation import ISOLATES

EXECUTING = {
    # a built-in, by whatever name and way
    "eval": "return eval(sample['output_text'])",
    "exec": "exec(sample['output_text'])\nreturn 0",
    "eval in a map": "return sum(map(eval, [sample['output_text']]))",
    "eval with another name": "run = eval\nreturn run(sample['output_text'])",
    "eval from builtins": "from builtins import eval as run\nreturn run(sample['output_text'])",
    "builtins": "import builtins\nreturn builtins.eval(sample['output_text'])",
    "builtins by name": "return __builtins__['eval'](sample['output_text'])",
    "compile": "return FunctionType(compile(sample['output_text'], 'a', 'exec'), {})()",
    "import": "return __import__(sample['output_text']).x",
    "importlib": "import importlib\nreturn importlib.import_module(sample['output_text']).x",
    "globals": "globals().update(sample)\nreturn 0",
    "vars": "vars(Rules).update(sample)\nreturn 0",
    "locals": "locals().update(sample)\nreturn 0",
    "getattr by text": "return getattr(item, sample['output_text'])()",
    "getattr of a method that is not listed": "return getattr(item, '__class__')",
    "getattr by name": "run = getattr\nreturn run(item, sample['output_text'])()",
    "getattr in reduce": "import functools\nreturn functools.reduce(getattr, sample['path'], item)",
    "setattr": "setattr(Rules, sample['name'], sample['value'])\nreturn 0",
    "delattr": "delattr(Rules, sample['name'])\nreturn 0",
    "type with three arguments": "return type('A', (), sample)()",
    "type as a value": "return [type][0]('A', (), sample)()",
    "breakpoint": "breakpoint()\nreturn 0",
    "open": "return float(open(sample['output_text']).read())",
    "a parameter called eval": "def run(eval):\n    return eval(sample['output_text'])\nreturn run(eval=0)",
    # modules that execute text, or load what does
    "pickle": "import pickle\nreturn pickle.loads(sample['output_text'])",
    "pickle with another name": "import pickle as json\nreturn json.loads(sample['output_text'])",
    "pickle.loads": "from pickle import loads\nreturn loads(sample['output_text'])",
    "everything of pickle": "from pickle import *\nreturn loads(sample['output_text'])",
    "dill": "import dill\nreturn dill.loads(sample['output_text'])",
    "marshal": "import marshal\nreturn marshal.loads(sample['output_text'])",
    "shelve": "import shelve\nreturn shelve.open(sample['output_text'])['x']",
    "copyreg": "import copyreg\nreturn 0",
    "joblib": "import joblib\nreturn joblib.load(sample['output_text'])",
    "sympify": "from sympy import sympify\nreturn float(sympify(sample['output_text']) == item['x'])",
    "parse_expr": "from sympy.parsing.sympy_parser import parse_expr\nreturn parse_expr(sample['output_text'])",
    "lambdify": "import sympy\nreturn sympy.lambdify((), sample['output_text'])()",
    "pd.eval": "import pandas as pd\nreturn float(pd.eval(sample['output_text']))",
    "df.query": "return len(item['frame'].query(sample['output_text']))",
    "df.eval": "return len(item['frame'].eval(sample['output_text']))",
    "numexpr": "import numexpr\nreturn numexpr.evaluate(sample['output_text'])",
    "np.load": "import numpy as np\nreturn np.load(sample['output_text'], allow_pickle=True)",
    "load from numpy": "from numpy import load\nreturn load(sample['output_text'])",
    "np.lib": "import numpy as np\nreturn np.lib.npyio.load(sample['output_text'])",
    "np.bmat": "import numpy as np\nreturn np.bmat(sample['output_text'])",
    "np.load of a copy of the module": "import numpy as np\nmodule = np\nreturn module.load(sample['output_text'])",
    "np.load by a default": "import numpy as np\ndef run(m=np):\n    return m.load(sample['output_text'])\nreturn run()",
    "np.load behind an attribute of its own": "import numpy as np\nRules.load = 1\nreturn np.load(sample['output_text'])",
    "np.load in a list": "import numpy as np\nreturn [np][0].load(sample['output_text'])",
    "yaml": "import yaml\nreturn yaml.unsafe_load(sample['output_text'])",
    "types": "import types\nreturn types.FunctionType(item['code'], {})()",
    "timeit": "import timeit\nreturn timeit.timeit(sample['output_text'])",
    "cProfile": "import cProfile\nreturn cProfile.run(sample['output_text'])",
    "doctest": "import doctest\nreturn doctest.run_docstring_examples(sample['output_text'], {})",
    "pdb": "import pdb\nreturn pdb.run(sample['output_text'])",
    "code": "import code\nreturn code.InteractiveInterpreter().runsource(sample['output_text'])",
    "runpy": "import runpy\nreturn runpy.run_path(sample['output_text'])",
    "ctypes": "import ctypes\nreturn ctypes.string_at(sample['n'])",
    "get_type_hints": "import typing\nreturn typing.get_type_hints(sample['output_text'])",
    "ForwardRef": "from typing import ForwardRef\nreturn ForwardRef(sample['output_text'])._evaluate({}, {}, frozenset())",
    "inspect": "import inspect\nreturn inspect.currentframe().f_back",
    "gc": "import gc\nreturn len(gc.get_objects())",
    "sys": "import sys\nreturn sys.modules[sample['output_text']].x",
    "os": "import os\nreturn os.system(sample['output_text'])",
    "subprocess": "import subprocess\nreturn subprocess.run(sample['output_text']).returncode",
    "multiprocessing": "import multiprocessing\nreturn 0",
    "threading": "import threading\nreturn 0",
    "sqlite3": "import sqlite3\nreturn sqlite3.connect(':memory:').execute(sample['output_text']).fetchone()[0]",
    "logging.config": "import logging.config\nreturn logging.config.dictConfig(sample)",
    "pydoc": "import pydoc\nreturn pydoc.locate(sample['output_text'])",
    "pkgutil": "import pkgutil\nreturn pkgutil.resolve_name(sample['output_text'])",
    "unittest.mock": "from unittest import mock\nreturn mock._importer(sample['output_text'])",
    "relative import": "from . import x\nreturn 0",
    "a module inside a listed one": "import json.decoder\nreturn 0",
    "make_dataclass": "import dataclasses\nreturn dataclasses.make_dataclass('A', sample['fields'])()",
    "attrgetter": "import operator\nreturn operator.attrgetter(sample['output_text'])(item)",
    "methodcaller": "from operator import methodcaller\nreturn methodcaller(sample['output_text'])(item)",
    "string.Formatter": "import string\nreturn len(string.Formatter().format(sample['output_text'], item))",
    "singledispatch": "import functools\nreturn functools.singledispatch(sample)",
    # inside another module, or inside an object
    "a module of a module": "import re\nreturn re.enum.sys.modules['os'].getpid()",
    "a module of a module from": "from statistics import sys\nreturn sys.maxsize",
    "a module of a module, with a name of its own": "import statistics\nRules.sys = 1\nreturn statistics.sys.x",
    "class": "return item.__class__.__mro__[1].__subclasses__()[0]",
    "globals of a function": "return grade.__globals__['x']",
    "code of a function": "grade.__code__ = item['code']\nreturn 0",
    "dict": "Rules.__dict__.update(sample)\nreturn 0",
    "getattribute": "return object.__getattribute__(item, sample['output_text'])",
    "frame of a generator": "return (n for n in [1]).gi_frame.f_globals['x']",
    "frame of an error": "try:\n    1 / 0\nexcept Exception as e:\n    return e.__traceback__.tb_frame.f_globals['x']",
    "its own name for a frame": "Rules.f_globals = 1\nreturn item['frame'].f_globals['x']",
    "a pattern": "match item:\n    case dict(__class__=kind):\n        return kind",
    "a template by the sample": "return len(sample['output_text'].format(item))",
    "a template that takes attributes": "return len('{0.__class__}'.format(sample))",
    "a template that takes items": "return len('{0[x]}'.format(sample))",
    "format_map": "return len(sample['output_text'].format_map(item))",
    "str.format": "return len(str.format(sample['output_text'], item))",
    "format by getattr": "return len(getattr(sample['output_text'], 'format')(item))",
    "a coroutine": "async def run():\n    return 0\nreturn run().cr_frame",
    # what changes a module, or a class of one
    "a function of a module is replaced": "import math\nmath.floor = len\nreturn 0",
    "a function of a module is deleted": "import math\ndel math.floor\nreturn 0",
    "a class of a module is changed": "import json\njson.JSONDecoder.decode = len\nreturn 0",
    "an imported class is changed": "from json import JSONDecoder\nJSONDecoder.decode = len\nreturn 0",
    "a module is counted up": "import math\nmath.pi += 1\nreturn 0",
    "a loop over a module's attribute": "import math\nfor math.pi in [1]:\n    pass\nreturn 0",
    "builtins are replaced": "global len\ndef len(x):\n    return 0\n__builtins__ = {}\nreturn 0",
    "a name that is not there": "return undefined_name(sample['output_text'])",
    "a metaclass": "class A(metaclass=item['m']):\n    pass\nreturn 0",
}
ORDINARY = {
    "containment": "return float(item['answer'] in sample['output_text'])",
    "a score": "return round(min(1.0, len(sample['output_text'].split()) / 10), 2)",
    "json": "import json\ntry:\n    return float(json.loads(sample['output_text'])['x'] == item['x'])\nexcept (json.JSONDecodeError, KeyError, TypeError):\n    return 0.0",
    "json with a hook": "import json\nreturn float(json.loads(sample['output_text'], object_hook=lambda d: d)['x'])",
    "re": "import re\nm = re.search(r'answer: (\\d+)', sample['output_text'], re.IGNORECASE)\nreturn float(bool(m) and m.group(1) == item['x'])",
    "re.sub with a function": "import re\nreturn float(re.sub(r'\\d', lambda m: str(int(m[0]) + 1), sample['output_text']) == 'x')",
    "re.compile": "import re\nWORD = re.compile(r'\\w+')\nreturn len(WORD.findall(sample['output_text']))",
    "literal_eval": "import ast\nreturn float(ast.literal_eval(sample['output_text']) == item['x'])",
    "ast": "import ast\ntree = ast.parse(sample['output_text'])\nreturn sum(isinstance(n, ast.Call) and n.func.id == 'f' for n in ast.walk(tree))",
    "math": "import math\nreturn math.exp(-abs(float(sample['output_text']) - item['x']))",
    "from math": "from math import isclose\nreturn float(isclose(float(sample['output_text']), item['x'], rel_tol=1e-6))",
    "Counter": "from collections import Counter\na, b = Counter(sample['output_text']), Counter(item['x'])\nreturn sum((a & b).values()) / max(1, sum(b.values()))",
    "collections": "import collections\nd = collections.defaultdict(list)\nd['a'].append(1)\nreturn len(d)",
    "itertools": "import itertools\nreturn len(list(itertools.chain.from_iterable([[1], [2]])))",
    "functools": "import functools\nreturn functools.reduce(lambda a, b: a + b, [1, 2], 0)",
    "partial": "from functools import lru_cache, partial\nreturn partial(max, 1)(2)",
    "statistics": "import statistics\nreturn statistics.mean([1, 2])",
    "decimal": "from decimal import Decimal, InvalidOperation\ntry:\n    return float(Decimal(sample['output_text']).quantize(Decimal('0.01')))\nexcept InvalidOperation:\n    return 0.0",
    "fractions": "from fractions import Fraction\nreturn float(Fraction(sample['output_text']).limit_denominator(10))",
    "datetime": "from datetime import datetime\nreturn (datetime.strptime(sample['output_text'], '%Y-%m-%d') - datetime(2020, 1, 1)).days",
    "datetime.datetime": "import datetime\nreturn datetime.datetime.fromisoformat(sample['output_text']).year",
    "difflib": "import difflib\nreturn difflib.SequenceMatcher(None, sample['output_text'], item['x']).ratio()",
    "rapidfuzz": "from rapidfuzz import fuzz\nreturn fuzz.WRatio(sample['output_text'], item['x']) / 100",
    "rapidfuzz in whole": "import rapidfuzz\nreturn rapidfuzz.fuzz.ratio(sample['output_text'], item['x']) / 100",
    "rapidfuzz.utils": "from rapidfuzz import fuzz, utils\nreturn fuzz.ratio('a', 'b', processor=utils.default_process)",
    "Levenshtein": "from rapidfuzz.distance import Levenshtein\nreturn Levenshtein.normalized_similarity('a', 'b')",
    "numpy": "import numpy as np\na = np.array(item['x'], dtype=float)\nreturn float(np.linalg.norm(a - a.mean()) < 1e-3)",
    "numpy.random": "import numpy as np\nreturn float(np.random.default_rng(0).normal())",
    "numpy types": "import numpy as np\ndef f(x: np.ndarray) -> np.float64:\n    return np.float64(x.sum())\nreturn float(f(np.zeros(3)))",
    "an import that may fail": "try:\n    import numpy as np\nexcept ImportError:\n    np = None\nif np is None:\n    return 0.0\nreturn float(np.sum([1]))",
    "unicodedata": "import unicodedata\nreturn float(unicodedata.normalize('NFKC', sample['output_text']) == item['x'])",
    "textwrap": "import textwrap\nreturn len(textwrap.dedent(sample['output_text']))",
    "string": "import string\nreturn len(sample['output_text'].translate(str.maketrans('', '', string.punctuation)))",
    "string.Template": "from string import Template\nreturn len(Template(sample['output_text']).safe_substitute(item))",
    "hashlib": "import hashlib\nreturn float(hashlib.sha256(sample['output_text'].encode()).hexdigest() == item['x'])",
    "base64": "import base64\nreturn len(base64.b64decode(sample['output_text']))",
    "html": "import html\nreturn len(html.unescape(sample['output_text']))",
    "urllib.parse": "from urllib.parse import urlparse\nreturn float(urlparse(sample['output_text']).scheme == 'https')",
    "csv": "import csv, io\nreturn len(list(csv.reader(io.StringIO(sample['output_text']))))",
    "random": "import random\nrandom.seed(0)\nreturn random.random()",
    "operator": "from operator import itemgetter\nreturn sorted([{'a': 1}], key=itemgetter('a'))[0]['a']",
    "enum": "from enum import Enum\nclass Kind(Enum):\n    A = 1\nreturn Kind.A.value",
    "dataclass": "from dataclasses import dataclass, field\n@dataclass\nclass Part:\n    weight: float = 0.5\n    found: list = field(default_factory=list)\n    def score(self):\n        return self.weight * len(self.found)\nreturn Part(found=[1]).score()",
    "namedtuple": "from collections import namedtuple\nPoint = namedtuple('Point', 'left top')\nreturn Point(1, 2).top",
    "NamedTuple": "from typing import NamedTuple\nclass Part(NamedTuple):\n    left: int\nreturn Part(1).left",
    "a class": "class Score:\n    __slots__ = ('total',)\n    def __init__(self):\n        super().__init__()\n        self.total = 0\n    def add(self, points):\n        self.total += points\ns = Score()\ns.add(1)\nreturn s.total",
    "an error of its own": "class Bad(ValueError):\n    def __init__(self, where):\n        self.where = where\ntry:\n    raise Bad(1)\nexcept Bad as error:\n    return error.where",
    "typing": "from typing import Any, Optional\ndef f(x: Optional[dict[str, Any]]) -> float:\n    return 1.0\nreturn f(None)",
    "annotations": "from __future__ import annotations\nreturn 0",
    "match": "match item:\n    case {'x': int(n), **rest}:\n        return n\n    case [first, *others]:\n        return 1\n    case _:\n        return 0",
    "comprehensions": "return sum(x * x for x in range(3) if (y := x) > 0)",
    "a template of its own": "TEXT = 'a {} b {n:.2f}'\nreturn len(TEXT)",
    "a template that is spelled out": "return len('{:>10} {name!r:{width}}'.format(1, name=2, width=3))",
    "f-string": "n = 3\nreturn len(f'{sample!r:>{n}} {item[\"x\"]:.2f}')",
    "percent": "return len('%s of %d' % (sample, 3))",
    "type of a value": "return float(type(item['x']) is int and type(item['x']).__name__ == 'int')",
    "getattr of a listed name": "return float(getattr(item['x'], 'real', 0))",
    "a closure with state": "seen = []\ndef count():\n    seen.append(1)\n    return len(seen)\nreturn count()",
    "decimal precision": "import decimal\ndecimal.getcontext().prec = 50\nreturn 0",
    "a generator": "def parts():\n    yield from [1, 2]\nreturn sum(parts())",
    "main": "if __name__ == '__main__':\n    print(1)\nreturn 0",
    "time": "import time\nbegan = time.perf_counter()\nreturn time.perf_counter() - began",
    "suppress": "from contextlib import suppress\nwith suppress(ValueError):\n    return float('x')\nreturn 0",
    "copy": "import copy\nreturn len(copy.deepcopy(item))",
    "heapq": "import heapq\nreturn heapq.nlargest(1, [1, 2])[0]",
    "struct": "import struct\nreturn struct.calcsize('<I')",
}
TOP = "class Rules:\n    limit = 1\n\n"


def source_of(body: str) -> str:
    """A grader whose function has this body; imports that stand in it work there too."""
    star = [
        line for line in body.splitlines() if line.startswith(("from pickle import *", "from __future__"))
    ]
    rest = "\n".join(line for line in body.splitlines() if line not in star)
    return "\n".join([*star, TOP, f"def grade(sample, item):\n{textwrap.indent(rest, '    ')}\n"])


@pytest.mark.parametrize("body", EXECUTING.values(), ids=EXECUTING)
def test_a_source_that_could_execute_its_sample_is_found(body: str) -> None:
    assert unlisted(ast.parse(source_of(body))) is not None


@pytest.mark.parametrize("body", ORDINARY.values(), ids=ORDINARY)
def test_an_ordinary_source_may_share_processes(body: str) -> None:
    assert unlisted(ast.parse(source_of(body))) is None


def test_what_is_found_is_named_with_its_line() -> None:
    tree = ast.parse("import json\n\ndef grade(sample, item):\n    return eval(sample['output_text'])\n")
    assert unlisted(tree) == "line 4: eval"


@given(st.sampled_from(sorted(OTHER_BUILTINS - {"__doc__", "__name__"})), st.data())
def test_no_built_in_that_is_not_listed_is_let_through_whatever_is_bound_to_it(name: str, data: Any) -> None:
    if name in {"None", "True", "False", "__debug__"}:
        return
    form = data.draw(
        st.sampled_from(
            [
                "x = {0}",
                "x = [{0}]",
                "def f({0}): return {0}(1)",
                "{0} = 1\nx = {0}",
                "x = lambda: {0}",
                "import json as {0}\nx = ({0},)",
                "for {0} in []: pass",
                "class {0}: pass\nx = [{0}]",
                "try: pass\nexcept Exception as {0}: pass",
                "def f(): global {0}; {0} = 1",
            ]
        )
    )
    assert unlisted(ast.parse(form.format(name))) is not None


@given(st.sampled_from(sorted(MODULES)), st.from_regex(r"[a-z_]{1,12}", fullmatch=True))
def test_behind_a_module_stands_only_what_is_on_its_list(module: str, name: str) -> None:
    if f"{module}.{name}" in MODULES or name in MODULES[module]:
        return
    text = f"class A:\n    {name if name.isidentifier() else 'x'} = 1\nimport {module} as m\nx = m.{name}\n"
    try:
        tree = ast.parse(text)
    except SyntaxError:  # a keyword
        return
    assert unlisted(tree) is not None


def test_no_list_has_what_executes_text() -> None:
    executes = {
        "eval",
        "exec",
        "compile",
        "open",
        "__import__",
        "getattr",
        "setattr",
        "vars",
        "globals",
        "locals",
        "type",
    }
    assert not executes & BUILTINS
    assert executes <= OTHER_BUILTINS <= set(vars(builtins))
    assert not ATTRIBUTES & NEVER
    dunders = {name for name in ATTRIBUTES if name.startswith("__")}
    assert dunders == {
        "__name__",
        "__doc__",
        "__init__",
        "__new__",
        "__len__",
        "__eq__",
        "__post_init__",
        "__members__",
    }
    for module, names in MODULES.items():
        assert not names & {"eval", "exec", "load", "save", "system", "attrgetter", "methodcaller"}, module


# what a row can do to the others, in real processes

PATCH = "__import__('sys').modules['__grader__'].__dict__.update(reward=lambda *_: 1.0)"


class Unpickled:
    """Executes the patch when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return eval, (PATCH,)


PICKLED = base64.b64encode(pickle.dumps(Unpickled())).decode()
HOSTILE = {
    "eval": ("eval(text)", PATCH),
    "exec": ("exec(text)", PATCH),
    "builtins": ("__import__('builtins').eval(text)", PATCH),
    "compile": ("(lambda: 0).__class__(compile(text, 'a', 'exec'), {'__builtins__': __builtins__})()", PATCH),
    "timeit": ("__import__('timeit').timeit(text, number=1)", PATCH),
    "get_type_hints": (
        "__import__('typing').ForwardRef(text)._evaluate(globals(), {}, recursive_guard=frozenset())",
        PATCH,
    ),
    "pickle": ("__import__('pickle').loads(__import__('base64').b64decode(text))", PICKLED),
    "import pickle": ("pickle.loads(base64.b64decode(text))", PICKLED),
    "pickle of numpy": ("numpy.load(io.BytesIO(base64.b64decode(text)), allow_pickle=True)", PICKLED),
}


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[LocalSandbox]:
    box = LocalSandbox(Settings(python_memory_mb=512, python_disk_mb=16, sandbox_processes=2))
    yield box
    await box.aclose()


@pytest.mark.full
@ISOLATES
@pytest.mark.parametrize("isolation", ["batch", "worker"])
async def test_a_row_that_is_executed_changes_no_other_rows_reward(
    sandbox: LocalSandbox, isolation: Isolation
) -> None:
    for expression, hostile in HOSTILE.values():
        await _others_are_right(sandbox, isolation, expression, hostile)


async def _others_are_right(
    sandbox: LocalSandbox, isolation: Isolation, expression: str, hostile: str
) -> None:
    imports = "import base64, io, numpy, pickle\n" if "(base64" in expression else ""
    source = (
        f"{imports}def reward(item):\n    return item['n'] / 64\n\n"
        f"def grade(sample, item):\n    text = sample['output_text']\n"
        f"    try:\n        {expression}\n    except Exception:\n        pass\n    return reward(item)\n"
    )
    rows = [({"output_text": hostile if n % 8 == 3 else "1"}, {"n": n}) for n in range(24)]
    for _ in range(2):  # a worker goes on
        answers = await sandbox.grade(source, rows, isolation=isolation)
        others = [answers[n] for n in range(24) if n % 8 != 3]
        assert others == [n / 64 for n in range(24) if n % 8 != 3], expression


@ISOLATES
async def test_what_the_closed_list_prevents_is_real(sandbox: LocalSandbox) -> None:
    expression, hostile = HOSTILE["eval"]
    source = f"def reward(item):\n    return 0.25\n\ndef grade(sample, item):\n    {expression.replace('text', 'sample')}\n    return reward(item)\n"
    box = LocalSandbox(Settings(python_memory_mb=512, python_disk_mb=16), without=frozenset({"fork"}))
    try:
        shared = await box.grade(source, [(hostile, {"n": 1}), ("1", {"n": 2})], isolation="batch")
    finally:
        await box.aclose()
    assert shared == [1.0, 1.0]
    assert await sandbox.grade(source, [(hostile, {"n": 1}), ("1", {"n": 2})], isolation="batch") == [
        1.0,
        0.25,
    ]
