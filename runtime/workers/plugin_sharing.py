"""Whether gradings of a plugin may share a process: its modules use nothing but what is known to be harmless.

A sample that is executed in the process of its grader can change the grader, and so the rewards of the rows that come after
it. There are more ways to execute a text than anybody can list, so the list is of what cannot: that of `python` sources
(`runtime.sandbox.inside.harmless`), and what plugins need besides. Read are the plugin's module, what it imports of its own
package, and the packages that these lie in. A plugin that uses anything else has a process for each grading, unless its
author declares `isolation="worker"`.
"""

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Literal

from graders import FailureKind, FailureType, GraderType
from runtime.sandbox.inside.harmless import ATTRIBUTES, DUNDER_NAMES, MODULES
from runtime.sandbox.inside.sharing import Listed, defined_attributes, unlisted

MOST_MODULES = 200
"""Modules of one package that are read, at most; a plugin with more has a process for each grading."""
SOURCE_BYTES = 1 << 20
"""A longer module is not read, and is not known to be harmless."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PLUGIN_MODULES: dict[str, frozenset[str]] = {
    **MODULES,
    **{
        module: _words(names)
        for module, names in {
            "asyncio": "CancelledError TimeoutError gather sleep timeout wait_for",
            "graders": "CausedBy ConfigurationError Context Embedder Failure FailureKind FailureType Formula FormulaError Grader "
            "GraderError GraderInfo GraderResult GradingError InvalidOptions Item Judge Pattern Problem Sample Score Template "
            "TemplateError Verdict grader",
            "logging": "getLogger",
            "pathlib": "Path PurePath PurePosixPath",
            "pydantic": "BaseModel ConfigDict Field SecretStr ValidationError",
            "yaml": "YAMLError safe_load",
        }.items()
    },
}
"""What a plugin may import, and what it may take from each."""
PLUGIN_ATTRIBUTES = ATTRIBUTES.union(FailureKind.__members__, FailureType.__members__) | _words(
    # samples, templates, patterns, formulas
    "answer_text answered choices has_answer input_tools is_json model output_audio output_json output_reasoning_summary "
    "output_text output_tools reasoning_content reasoning_text without_reasoning source variables "
    # results and failures
    "caused_by completed details execution_time explanation failure failures graded grader kind message metadata metrics "
    "parts passed problems retryable reward sub_rewards substituted usage "
    # contexts
    "ask cached embed embedder grade grade_all judge output retries trace_id "
    # paths, which are read and not written; logging; pydantic
    "exists is_dir is_file joinpath parent parents read_bytes read_text resolve stem suffix with_name "
    "critical debug error exception info warning "
    "errors get_secret_value model_dump model_validate model_validate_json"
)
"""What may stand in a plugin behind a dot on anything that is not a module."""
_DUNDER_NAMES = DUNDER_NAMES | {"__file__"}


def isolation_of(grader_type: GraderType[..., Any]) -> tuple[Literal["grading", "worker"], str]:
    """What the gradings of a plugin's type have: each a process of its own, or a worker together; and why.

    Args:
        grader_type: The type; its module is imported.
    """
    if grader_type.isolation is not None:
        return grader_type.isolation, "its author declares it"
    found = why_not_shared(grader_type.reference.partition(":")[0])
    if found is None:
        return "worker", "its source uses only what is known to be harmless"
    return "grading", f"its source uses what is not known to be harmless: {found}"


def why_not_shared(module: str) -> str | None:
    """What keeps gradings of a plugin from sharing a process.

    Args:
        module: The plugin's module, which is imported.

    Returns:
        The first thing that is not known to be harmless, as `plugin.py line 3: import yaml`; None without such a thing.
    """
    try:
        package = _Package(module)
        listed = package.listed()
        for path, tree in package.trees.values():
            found = unlisted(tree, listed) or (_late_annotation(tree) if package.has_pydantic else None)
            if found is not None:
                return f"{path.name} {found}"
    except _Unreadable as error:
        return str(error)
    except RecursionError:
        return f"{module} is nested too deeply to be read"
    return None


class _Unreadable(Exception):  # it says which module
    """A module of a plugin cannot be read."""


class _Package:
    """The modules of its own package that a plugin's module uses.

    Attributes:
        trees: By name, the file and its source, where relative imports are made absolute.
    """

    def __init__(self, module: str) -> None:
        self.trees: dict[str, tuple[Path, ast.Module]] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._top = module.partition(".")[0]
        waiting = [module]
        while waiting:
            name = waiting.pop(0)
            if name not in self._names:
                waiting += self._read(name, must_be_there=name == module)
            if len(self._names) > MOST_MODULES:
                raise _Unreadable(f"{self._top} has more than {MOST_MODULES} modules")

    def listed(self) -> Listed:
        """The closed list for this plugin: what all plugins may use, and its own modules."""
        own = {name for _, tree in self.trees.values() for name in defined_attributes(tree)}
        defined = frozenset(name for name in own if not name.startswith("__"))
        return Listed(
            {**PLUGIN_MODULES, **self._names}, PLUGIN_ATTRIBUTES | defined, _DUNDER_NAMES, has_async=True
        )

    @property
    def has_pydantic(self) -> bool:
        """Whether any of its modules imports pydantic, which evaluates annotations that are texts."""
        return any("pydantic" in _imported(tree) for _, tree in self.trees.values())

    def _read(self, name: str, *, must_be_there: bool) -> list[str]:
        """Read one module, if there is one of this name; gives what it may import, and the package that it lies in."""
        places = _places(name)
        if places is None:
            if must_be_there:
                raise _Unreadable(f"{name} has no source")
            return []
        file, locations = places
        parents = [name.rpartition(".")[0]] if "." in name else []
        if file is None and locations is not None:  # a directory without a source of its own
            self._names[name] = frozenset()
            return parents
        tree = _parsed(name, file or "")
        is_package = locations is not None
        _make_absolute(tree, name if is_package else name.rpartition(".")[0])
        self.trees[name] = Path(file or ""), tree
        self._names[name] = _exported(tree, self._is_module)
        return [*parents, *(each for each in _imported(tree) if each.partition(".")[0] == self._top)]

    def _is_module(self, name: str) -> bool:
        is_own = name.partition(".")[0] == self._top
        return name in self._names or (_places(name) is not None if is_own else name in PLUGIN_MODULES)


def _make_absolute(tree: ast.Module, base: str) -> None:
    """Write each relative import of a source as an absolute one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = base.split(".")
            if node.level > len(parts):
                continue
            above = parts[: len(parts) - node.level + 1]
            node.module, node.level = ".".join([*above, *([node.module] if node.module else [])]), 0


def _imported(tree: ast.Module) -> Iterator[str]:
    """The modules that a source imports, and what may be modules among what it imports from them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _late_annotation(tree: ast.Module) -> str | None:
    """Where pydantic could evaluate as an annotation a text that came after the import; None where it cannot."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inner = next((each for each in ast.walk(node) if isinstance(each, ast.ClassDef)), None)
            if inner is not None:
                return (
                    f"line {inner.lineno}: a class in a function, with pydantic, which evaluates annotations"
                )
        # the name of an import, behind a dot, or by itself
        name = getattr(node, "name", None) or getattr(node, "attr", None) or getattr(node, "id", None)
        if name in {"AnyStr", "Generic", "TypeVar"}:
            return f"line {getattr(node, 'lineno', 1)}: a generic class, with pydantic, which evaluates annotations"
    return None


def _exported(tree: ast.Module, is_module: Callable[[str], bool]) -> frozenset[str]:
    """The names that other modules may take from a source: what it binds outside of functions to anything but modules."""
    names: set[str] = set()
    modules: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                bound = modules if is_module(f"{node.module}.{alias.name}") else names
                bound.add(alias.asname or alias.name)
        elif isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        waiting += ast.iter_child_nodes(node)
    return frozenset(names - modules)


def _places(name: str) -> tuple[str | None, Iterable[str] | None] | None:
    """Where a module's source is, and where its submodules are; None if there is no such module. It imports nothing."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return getattr(loaded, "__file__", None), getattr(loaded, "__path__", None)
    parent = _places(name.rpartition(".")[0]) if "." in name else None
    if parent is None or parent[1] is None:
        return None
    try:
        spec = PathFinder.find_spec(name, list(parent[1]))
    except (ImportError, ValueError, OSError):
        return None
    return None if spec is None else (spec.origin, spec.submodule_search_locations)


def _parsed(name: str, file: str) -> ast.Module:
    """The source of a module.

    Raises:
        _Unreadable: When it has none that can be read.
    """
    if not file.endswith(".py"):
        raise _Unreadable(f"{name} has no Python source")
    try:
        source = Path(file).read_bytes()
        if len(source) > SOURCE_BYTES:
            raise _Unreadable(f"{name} is longer than {SOURCE_BYTES:,} bytes")
        return ast.parse(source)
    except (OSError, SyntaxError, ValueError, MemoryError) as error:
        raise _Unreadable(f"the source of {name} cannot be read: {error}") from None
