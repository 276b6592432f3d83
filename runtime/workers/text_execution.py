"""Whether a plugin's source executes text: a sample that it executes could change how other samples are graded.

The modules of the plugin's own package are read, as far as they are loaded or imported by one that is. What they use of other
packages is known by name only, so a plugin that executes text through a package that is not listed here is not found; its
author declares `isolation="grading"`.
"""

import ast
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

MODULES = 500
"""Modules of one package that are read, at most."""
SOURCE_BYTES = 1 << 20
"""Longer sources are not read."""


def _words(*texts: str) -> frozenset[str]:
    return frozenset(word for text in texts for word in text.split())


_IMPORTS = _words(
    # the standard library: code out of text, and pickles
    "builtins bdb cProfile code codeop doctest imp marshal pdb pickle _pickle profile runpy shelve timeit trace",
    # pickles under other names
    "cloudpickle dill hickle joblib jsonpickle pandas.io.pickle",
    # expressions and templates that become Python code
    "asteval evalidate jinja2 latex2sympy2 latex2sympy2_extended mako math_verify numexpr py_expression_eval",
    "RestrictedPython sage simpleeval sympy symengine",
    # other interpreters inside the process
    "IPython dukpy execjs hy js2py lupa py_mini_racer quickjs STPyV8",
)
_NAMES = _words("eval exec compile execfile __import__ __builtins__")
_ATTRIBUTES = _words(
    "eval exec sympify parse_expr lambdify read_pickle to_pickle unsafe_load unsafe_load_all full_load full_load_all",
    "run_path run_module runsource runcode runctx exec_module load_source",
    "__builtins__ __code__ __globals__ __import__ __subclasses__ f_globals f_builtins",
)
_WITH_MODULE = {"query": "pandas", "load": "torch"}
"""Attributes that execute text only where a module is imported."""


def executed_text(module: str) -> str | None:
    """Where a plugin's source executes text.

    Args:
        module: The plugin's module, which is imported.

    Returns:
        The first place that was found, as `file line 3: eval`; None when nothing was found.
    """
    package = module.partition(".")[0]
    waiting = [
        module,
        *sorted(name for name in sys.modules if name == package or name.startswith(f"{package}.")),
    ]
    seen: set[str] = set()
    for name in waiting:  # it grows while it is read
        if name in seen or len(seen) >= MODULES:
            continue
        seen.add(name)
        path = _source_of(name)
        tree = None if path is None else _parsed(path)
        if path is None or tree is None:
            continue
        found = next(findings(tree), None)
        if found is not None:
            return f"{path.name} {found}"
        base = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting += [each for each in _imported(tree, base) if each.partition(".")[0] == package]
    return None


def findings(tree: ast.Module) -> Iterator[str]:
    """What in a source executes text, each with its line."""
    nodes = list(ast.walk(tree))
    imported = {name.partition(".")[0] for name in _imported(tree, "")}
    without_arguments = {
        node.func for node in nodes if isinstance(node, ast.Call) and not node.args and not node.keywords
    }
    for node in nodes:
        found = _problem(node, imported, calls_nothing=node in without_arguments)
        if found is not None:
            yield f"line {getattr(node, 'lineno', 1)}: {found}"


def _problem(node: ast.AST, imported: set[str], *, calls_nothing: bool) -> str | None:
    match node:
        case ast.Import(names=names):
            return next((f"import {each.name}" for each in names if _is_listed(each.name)), None)
        case ast.ImportFrom(module=str(module), level=0) if _is_listed(module):
            return f"import {module}"
        case ast.ImportFrom(names=names):
            return next((each.name for each in names if each.name in _ATTRIBUTES), None)
        case ast.Name(id=name) if name in _NAMES:
            return name
        case ast.Attribute(attr=name) if not (calls_nothing and name == "eval"):  # `model.eval()` is no such
            needed = _WITH_MODULE.get(name)
            return f".{name}" if name in _ATTRIBUTES or needed in imported else None
        case ast.keyword(arg="allow_pickle", value=value):
            return None if isinstance(value, ast.Constant) and not value.value else "allow_pickle"
        case ast.Call():
            return _problem_of_call(node, imported)
    return None


def _problem_of_call(node: ast.Call, imported: set[str]) -> str | None:
    """A name that is looked up by a text which the source does not spell out."""
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    place = {"import_module": 0, "getattr": 1}.get(called)
    if place is None or len(node.args) <= place or isinstance(node.args[place], ast.Constant):
        return None
    # code that walks a syntax tree and looks up its names gives a sample access to every attribute
    return called if called == "import_module" or "ast" in imported else None


def _is_listed(module: str) -> bool:
    return module in _IMPORTS or module.partition(".")[0] in _IMPORTS


def _imported(tree: ast.Module, base: str) -> list[str]:
    """The modules that a source imports, and what may be modules among what it imports from them.

    Args:
        tree: The source.
        base: The package that its relative imports begin at.
    """
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = base.split(".")[: len(base.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            found += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return found


def _source_of(name: str) -> Path | None:
    """The file of a module's source; None if it has no such file, or the module does not exist."""
    loaded = sys.modules.get(name)
    file = getattr(loaded, "__file__", None)
    if loaded is None:
        parent = sys.modules.get(name.rpartition(".")[0])
        spec = _found_below(name, getattr(parent, "__path__", None))
        file = None if spec is None else spec.origin
    return Path(file) if isinstance(file, str) and file.endswith(".py") else None


def _found_below(name: str, path: Any) -> Any:
    """Where the import system finds a module; it imports nothing."""
    if path is None:
        return None
    try:
        return PathFinder.find_spec(name, path)
    except (ImportError, ValueError, OSError):
        return None


def _parsed(path: Path) -> ast.Module | None:
    try:
        source = path.read_bytes()
        return ast.parse(source) if len(source) <= SOURCE_BYTES else None
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
