"""A grader as the source of one `grade(sample, item)`: its modules travel inside it, compressed.

So it is this package's own code that grades at the other host, and gives the same rewards. It holds for graders that ask the world
for nothing: what needs a judge, the network or the sandbox has no place in a source.
"""

import ast
import base64
import importlib.util
import json
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from graders import ConfigurationError, Grader

PUBLISHED_PACKAGES = frozenset(
    {
        *(
            "numpy",
            "scipy",
            "sympy",
            "pandas",
            "rapidfuzz",
            "sklearn",
            "rouge_score",
            "deepdiff",
            "jsonschema",
        ),
        *(
            "pydantic",
            "pydantic_core",
            "annotated_types",
            "typing_extensions",
            "typing_inspection",
            "yaml",
            "nltk",
        ),
        *("sqlparse", "rdkit", "skbio", "ast_grep_py"),
    }
)
"""What the published image of Python graders can import, beside the standard library."""
_OURS = "graders"
_STAND_INS = {"re2": "re2_shim"}
_LAZY = frozenset({"jsonpath_ng"})
"""Imported by our own modules only for paths beyond names and indices, which a bundle does not have."""

_SOURCE = """\
# written by graders convert: {name!r}, a grader of the type {type!r}
import base64, importlib.abc, importlib.util, json, sys, zlib

MODULES = json.loads(zlib.decompress(base64.b85decode(
    {modules!r}
)))
CONFIG = json.loads({config!r})


class Bundled(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, names):
        self.names = names

    def find_spec(self, name, path=None, target=None):
        if name not in self.names:
            return None
        is_package = any(other.startswith(name + ".") for other in self.names)
        return importlib.util.spec_from_loader(name, self, is_package=is_package)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(compile(MODULES[module.__name__], module.__name__, "exec"), module.__dict__)


stand_ins = {stand_ins!r}
for name in [name for name in sys.modules if name.partition(".")[0] == "graders"]:
    del sys.modules[name]
sys.meta_path.insert(0, Bundled([name for name in MODULES if name not in stand_ins]))
sys.meta_path.append(Bundled(stand_ins))

from graders.errors import GradingError
from graders.grader_type import find_type
from graders.registry import Entry, Registry
from graders.samples.sample import Sample

OURS = "rft-graders"
ENTRIES = [
    Entry(find_type(each).name, each, OURS if each.startswith("graders.") else "", "0") for each in {references!r}
]
GRADER = Registry(ENTRIES).load(CONFIG)


class Context:
    async def grade(self, grader, sample, item):
        try:
            if grader.is_async:
                return grader.complete(await grader.function(sample, item, self))
            return grader.complete(grader.function(sample, item))
        except GradingError as error:
            return grader.failed(error)

    async def grade_all(self, graders, sample, item):
        return {{key: await self.grade(each, sample, item) for key, each in graders.items()}}


def grade(sample, item):
    try:
        Context().grade(GRADER, Sample.load(sample), item).send(None)
    except StopIteration as end:
        result = end.value
    if result.reward is None:
        raise RuntimeError(f"ungraded: {{result.failure.kind}}: {{result.failure.message}}")
    return result.reward
"""


def is_pure(grader: Grader) -> bool:
    """Whether a grader needs no context, so that it can be bundled; a `multi` needs only that of its parts."""
    if grader.type.form != "single" or grader.type.needs or grader.votes is not None:
        return False
    if grader.built_in and grader.info.type == "multi":
        return all(is_pure(part) for _, part in grader.inner())
    return not grader.is_async and not [*grader.inner()]


def bundled(grader: Grader) -> str:
    """The source of a pure grader.

    Raises:
        ConfigurationError: When it imports what the published image does not have.
    """
    references = sorted({grader.type.reference, *(part.type.reference for _, part in grader.inner())})
    modules = dict(_modules([*(each.partition(":")[0] for each in references), "graders.registry"]))
    for name, file in _STAND_INS.items():
        modules[name] = _plain(Path(__file__).with_name(f"{file}.py").read_text())
    packed = zlib.compress(json.dumps(modules).encode(), 9)
    return _SOURCE.format(
        name=grader.info.name,
        type=grader.info.type,
        modules=base64.b85encode(packed).decode(),
        config=json.dumps(_config(grader)),
        stand_ins=sorted(_STAND_INS),
        references=references,
    )


def _config(grader: Grader) -> Mapping[str, Any]:
    return {**grader.config, "type": grader.info.type}


def _modules(entries: list[str]) -> Iterator[tuple[str, str]]:
    """Every module that these import, with its source: those of this package, and those of a plugin's own."""
    own = {_OURS, *(name.partition(".")[0] for name in entries)}
    waiting, seen = [*entries, _OURS], set[str]()
    while waiting:
        name = waiting.pop()
        for part in _with_parents(name):
            if part in seen:
                continue
            seen.add(part)
            spec = importlib.util.find_spec(part)
            if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
                continue
            source = Path(spec.origin).read_text(encoding="utf-8")
            yield part, _plain(source)
            is_package = spec.submodule_search_locations is not None
            for imported in _imports(source, part if is_package else part.rpartition(".")[0]):
                top = imported.partition(".")[0]
                if top in own:
                    waiting.append(imported)
                else:
                    _check(top, part)


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _imports(source: str, package: str) -> Iterator[str]:
    """The modules that a source may import, those that exist."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield base
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                if base.partition(".")[0] == package.partition(".")[0] and _exists(inner):
                    yield inner


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _check(top: str, by: str) -> None:
    """Check that the published image has a package.

    Raises:
        ConfigurationError: When it has not.
    """
    known = top in sys.stdlib_module_names or top in PUBLISHED_PACKAGES or top in _STAND_INS
    if not known and not (by.partition(".")[0] == _OURS and top in _LAZY):
        raise ConfigurationError(
            f"{by} imports {top!r}, which the published image of Python graders does not have"
        )


def _plain(source: str) -> str:
    """A source without its docstrings and comments."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body
            for place in reversed(range(len(body))):
                each = body[place]
                if (
                    isinstance(each, ast.Expr)
                    and isinstance(each.value, ast.Constant)
                    and isinstance(each.value.value, str)
                ):
                    del body[place]
            if not body and not isinstance(node, ast.Module):
                body.append(ast.Pass())
    return ast.unparse(tree)
