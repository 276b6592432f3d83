"""Whether gradings of a source may share a process: its text uses nothing but what is known to be harmless.

A sample that is executed in the process of its grader can change the grader, and so the rewards of the rows that come after
it. There are more ways to execute a text than anybody can list: so the list is of what cannot (`harmless`), and a source that
uses anything else has a process for each grading. It guards against a source that executes or unpickles its sample, which
its author has no reason to hide; what the author's own code does to its own rows, no list can judge.

A module stands before a dot and nowhere else, and what is behind the dot is on that module's list. Behind any other dot
stands a name of the list of attributes, or one that the source defines itself. A built-in name is on its list whatever it is
bound to.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .harmless import ATTRIBUTES, BUILTINS, DUNDER_NAMES, MODULES, NEVER, OTHER_BUILTINS

_ASYNCHRONOUS = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
_WITH_FIELDS = {"namedtuple", "NamedTuple", "SimpleNamespace", "TypedDict"}
"""What is called with the names of attributes."""


@dataclass(frozen=True)
class Listed:
    """A closed list.

    Attributes:
        modules: What may be imported, and what may be taken from each.
        attributes: What may stand behind a dot on anything that is not a module.
        dunder_names: Names with two underscores that may be read or bound.
        has_async: Whether there may be asynchronous code.
    """

    modules: Mapping[str, frozenset[str]]
    attributes: frozenset[str]
    dunder_names: frozenset[str]
    has_async: bool = False


OF_SOURCES = Listed(MODULES, ATTRIBUTES, DUNDER_NAMES)
"""What a source of a `python` grader may use."""


def unlisted(tree: ast.Module, listed: Listed = OF_SOURCES) -> str | None:
    """The first thing in a source that is not on a closed list, with its line; None when there is nothing."""
    return next(_Checked(tree, listed).findings(), None)


def defined_attributes(tree: ast.Module) -> set[str]:
    """The names that a source gives to attributes of its own: of its classes, and of their instances."""
    return {name for node in ast.walk(tree) for name in _attributes_defined_by(node)}


class _Checked:
    """A source, with the names that it binds."""

    def __init__(self, tree: ast.Module, listed: Listed) -> None:
        self._listed = listed
        self._nodes = list(ast.walk(tree))
        self._modules: dict[str, set[str]] = {}
        self._imported: set[str] = set()
        self._bound: set[str] = set()
        self._defined = defined_attributes(tree)
        self._allowed_bare: set[ast.AST] = set()
        self._formats = _constant_texts(tree)
        for node in self._nodes:
            self._note_names(node)
            self._note_uses(node)

    def findings(self) -> Iterator[str]:
        """What is not on the list, with its line."""
        for node in self._nodes:
            problem = self._problem(node)
            if problem is not None:
                yield f"line {getattr(node, 'lineno', 1)}: {problem}"

    def _note_names(self, node: ast.AST) -> None:
        """Keep the names that a node binds, and what each import gives."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                name, module = alias.asname or alias.name.partition(".")[0], alias.name
                self._modules.setdefault(name, set()).add(module if alias.asname else name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name, module = alias.asname or alias.name, f"{node.module}.{alias.name}"
                if module in self._listed.modules:
                    self._modules.setdefault(name, set()).add(module)
                else:
                    self._imported.add(name)
        else:
            self._bound.update(_names_bound_by(node))

    def _note_uses(self, node: ast.AST) -> None:
        """Keep the places where a module, `type` or `getattr` may stand although they may not stand anywhere."""
        if isinstance(node, ast.Attribute):
            self._allowed_bare.add(node.value)
        elif isinstance(node, ast.Compare) and all(
            isinstance(other, ast.Constant) and other.value is None for other in node.comparators
        ):
            self._allowed_bare.add(node.left)
        elif isinstance(node, ast.Call) and not node.keywords:
            is_type = (
                _called(node) == "type" and len(node.args) == 1 and not isinstance(node.args[0], ast.Starred)
            )
            if is_type or self._is_listed_getattr(node):
                self._allowed_bare.add(node.func)

    def _is_listed_getattr(self, node: ast.Call) -> bool:
        if not (isinstance(node.func, ast.Name) and node.func.id == "getattr" and len(node.args) in {2, 3}):
            return False
        subject, name = node.args[:2]
        return (
            not isinstance(subject, ast.Starred)
            and isinstance(name, ast.Constant)
            and isinstance(name.value, str)
            and name.value in self._listed.attributes
        )

    def _problem(self, node: ast.AST) -> str | None:
        """What is not on the list in one node; its children are looked at for themselves."""
        if isinstance(node, _ASYNCHRONOUS) and not self._listed.has_async:
            return "asynchronous code"
        if isinstance(node, ast.Name):
            return self._problem_of_name(node)
        if isinstance(node, ast.Attribute):
            return self._problem_of_attribute(node)
        if isinstance(node, ast.Import):
            return next(
                (f"import {alias.name}" for alias in node.names if alias.name not in self._listed.modules),
                None,
            )
        if isinstance(node, ast.ImportFrom):
            return self._problem_of_import_from(node)
        if isinstance(node, ast.MatchClass):
            return next((f".{name}" for name in node.kwd_attrs if not self._is_attribute(name)), None)
        return self._problem_of_binding(node)

    def _problem_of_name(self, node: ast.Name) -> str | None:
        name = node.id
        if name in self._modules and not isinstance(node.ctx, ast.Load):
            return None  # `name = None` where it could not be imported; what stands behind its dots stays on the list
        if name in self._modules or name in {"type", "getattr"}:
            return None if node in self._allowed_bare else f"{name} in a place where its use cannot be seen"
        if name in OTHER_BUILTINS and name not in self._listed.dunder_names:
            return name
        if name.startswith("__"):
            return None if name in self._listed.dunder_names else name
        known = name in self._bound or name in self._imported or name in BUILTINS
        return None if known else f"{name}, which it does not define"

    def _problem_of_attribute(self, node: ast.Attribute) -> str | None:
        paths = self._paths(node.value)
        if paths:
            if not isinstance(node.ctx, ast.Load):
                return f"{ast.unparse(node)} is changed"
            for path in paths:
                if f"{path}.{node.attr}" in self._listed.modules:
                    if node not in self._allowed_bare:
                        return f"{path}.{node.attr} in a place where its use cannot be seen"
                elif node.attr not in self._listed.modules.get(path, ()):
                    return f"{path}.{node.attr}"
            return None
        if not isinstance(node.ctx, ast.Load) and self._root(node) in self._imported | set(self._modules):
            return f"{ast.unparse(node)} is changed"
        if node.attr == "format":
            return (
                None if self._is_plain_format(node.value) else ".format on a text that is no plain constant"
            )
        return None if self._is_attribute(node.attr) else f".{node.attr}"

    def _problem_of_import_from(self, node: ast.ImportFrom) -> str | None:
        module = node.module or ""
        for alias in node.names:
            whole = f"{module}.{alias.name}"
            if node.level or (
                whole not in self._listed.modules and alias.name not in self._listed.modules.get(module, ())
            ):
                return f"from {'.' * node.level}{module} import {alias.name}"
        return None

    def _problem_of_binding(self, node: ast.AST) -> str | None:
        """A name that is bound without a `Name` node, and is a built-in's that is not on the list."""
        if isinstance(node, ast.arg):
            bound = node.arg
        elif isinstance(
            node,
            (
                ast.FunctionDef,
                ast.AsyncFunctionDef,
                ast.ClassDef,
                ast.ExceptHandler,
                ast.MatchAs,
                ast.MatchStar,
            ),
        ):
            bound = node.name or ""
        elif isinstance(node, ast.alias):
            bound = node.asname or ""
        elif isinstance(node, ast.keyword):
            return node.arg if node.arg in {"allow_pickle", "metaclass"} else None
        else:
            return None
        is_listed = bound in self._listed.dunder_names or bound not in OTHER_BUILTINS
        return None if is_listed else f"{bound} is bound to something else"

    def _is_plain_format(self, node: ast.expr) -> bool:
        """Whether it is a constant text, none of whose fields takes an attribute or an item of its value."""
        text = self._formats.get(node.id) if isinstance(node, ast.Name) else getattr(node, "value", None)
        if not isinstance(text, str):
            return False
        fields = [
            piece.replace("!", ":").partition(":")[0].partition("}")[0] for piece in text.split("{")[1:]
        ]
        return not any("." in field or "[" in field for field in fields)

    def _is_attribute(self, name: str) -> bool:
        if name in NEVER:
            return False
        return name in self._listed.attributes or (name in self._defined and not name.startswith("__"))

    def _paths(self, node: ast.expr) -> set[str]:
        """The modules that an expression may stand for."""
        if isinstance(node, ast.Name):
            return self._modules.get(node.id, set())
        if isinstance(node, ast.Attribute):
            return {
                whole
                for path in self._paths(node.value)
                if (whole := f"{path}.{node.attr}") in self._listed.modules
            }
        return set()

    def _root(self, node: ast.expr) -> str | None:
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            node = node.value
        return node.id if isinstance(node, ast.Name) else None


def _attributes_defined_by(node: ast.AST) -> Iterator[str]:
    """The names that one node gives to attributes."""
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield inner.name
            else:
                yield from _names_stored_in(inner)
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.attr
    elif isinstance(node, ast.Call) and _called(node) in _WITH_FIELDS:
        yield from (keyword.arg for keyword in node.keywords if keyword.arg)
        for found in ast.walk(node):
            if isinstance(found, ast.Constant) and isinstance(found.value, str):
                yield from found.value.replace(",", " ").split()


def _names_stored_in(node: ast.AST) -> Iterator[str]:
    for found in ast.walk(node):
        if isinstance(found, ast.Name) and isinstance(found.ctx, ast.Store):
            yield found.id


def _called(node: ast.Call) -> str:
    """The last name of what is called."""
    if isinstance(node.func, ast.Name):
        return node.func.id
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""


def _constant_texts(tree: ast.Module) -> dict[str, str]:
    """The names that are bound to a text once in the whole source, at its top, and to nothing else anywhere."""
    texts = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    bound: dict[str, int] = {}
    for node in ast.walk(tree):
        for name in _names_bound_by(node):
            bound[name] = bound.get(name, 0) + 1
    return {name: text for name, text in texts.items() if bound[name] == 1}


def _names_bound_by(node: ast.AST) -> list[str]:
    """The names that one node binds by itself."""
    if isinstance(node, ast.Name):
        return [] if isinstance(node.ctx, ast.Load) else [node.id]
    if isinstance(node, ast.alias):
        return [node.asname or node.name.partition(".")[0]]
    if isinstance(node, ast.keyword):
        return []
    found = [getattr(node, field, None) for field in ("arg", "name", "rest")]
    return [name for name in found if isinstance(name, str)]
