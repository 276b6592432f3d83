"""What the names in a test source mean, found without running it."""

import ast
import builtins
import symtable
import sys

_GIVEN = frozenset(dir(builtins)) | {"__name__", "__file__", "__builtins__"}
_ALIASES = {"np": "numpy", "pd": "pandas", "plt": "matplotlib.pyplot"}


def bound_names(source: str, name: str) -> set[str]:
    """The names that a module's top level binds.

    Raises:
        SyntaxError: When the source does not compile.
    """
    return _bound(symtable.symtable(source, name, "exec"))


def free_names(source: str, name: str) -> set[str]:
    """The names that a source uses and does not define.

    Raises:
        SyntaxError: When the source does not compile.
    """
    top = symtable.symtable(source, name, "exec")
    used: set[str] = set()
    bound = _bound(top)
    tables = [top]
    while tables:
        table = tables.pop()
        for symbol in table.get_symbols():
            if table is top or symbol.is_global():
                if symbol.is_referenced():
                    used.add(symbol.get_name())
                if symbol.is_declared_global() and symbol.is_assigned():
                    bound.add(symbol.get_name())
        tables.extend(table.get_children())
    return used - bound - _GIVEN


def modules_meant(source: str, free: set[str]) -> dict[str, str]:
    """Free names that can only mean a module of the standard library, or a usual alias of another: name to module.

    `math.isclose(…)` in a test without `import math` means the module, whatever the code under test calls by that name;
    a name that is called, `bisect(…)`, is the code's.
    """
    looked_into: set[str] = set()
    all_uses: dict[str, int] = {}
    uses: dict[str, int] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            all_uses[node.id] = all_uses.get(node.id, 0) + 1
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            looked_into.add(node.value.id)
            uses[node.value.id] = uses.get(node.value.id, 0) + 1
    return {
        name: _ALIASES.get(name, name)
        for name in free & looked_into
        if uses[name] == all_uses[name] and (name in _ALIASES or name in sys.stdlib_module_names)
    }


def names_of_module(source: str, module: str) -> set[str]:
    """The names that a source takes from a module: `from module import name`, `module.name`."""
    nodes = list(ast.walk(ast.parse(source)))
    aliases = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == module
    }
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module == module:
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found |= {node.attr} if node.value.id in aliases else set()
    return found


def complete_names(source: str, kind: type[ast.FunctionDef | ast.ClassDef]) -> set[str]:
    """The functions or classes of a module that have a body: fields, or a method that does something.

    A class that is only the beginning of one, with empty methods, is for the code to complete.
    """
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return set()
    return {node.name for node in body if isinstance(node, kind) and any(map(_does_something, node.body))}


def empty_methods(source: str) -> set[str]:
    """The methods of a module's classes, as `Class.method`, that have no body yet: the code completes them."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return set()
    return {
        f"{node.name}.{inner.name}"
        for node in body
        if isinstance(node, ast.ClassDef)
        for inner in node.body
        if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)) and not _does_something(inner)
    }


def _does_something(node: ast.stmt) -> bool:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return any(map(_does_something, node.body))
    is_empty = isinstance(node, (ast.Pass, ast.Raise)) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )
    return not is_empty


def _bound(top: symtable.SymbolTable) -> set[str]:
    return {
        symbol.get_name()
        for symbol in top.get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }
