"""Which blocks of an answer make up its code: the chosen one, and those that define what it lacks.

The blocks are parsed and not run.
"""

import ast
import builtins
import symtable
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FALLBACK_CLASS = "Solution"
"""The class whose methods count as functions of the code."""
_DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_PASSIVE = (*_DEFINITION, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.AugAssign)
_INPUT = ("input", "stdin")


class Block(NamedTuple):
    """What a block defines and uses, by name.

    Attributes:
        bound: What it binds in its module, and the methods of a class `Solution`.
        defined: Its functions and classes.
        missing: What it uses and does not bind, and is not built in.
        at_once: Those of them that are used as soon as it is run, and not in a function.
        runs: Whether it calls something when it is run, beside what it assigns.
        reads: Whether it names something that reads the standard input.
    """

    bound: frozenset[str] = frozenset()
    defined: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    at_once: frozenset[str] = frozenset()
    runs: bool = False
    reads: bool = False


def block_of(source: str) -> Block:
    """Parse a block; one that is not Python defines and uses nothing."""
    try:
        body = ast.parse(source).body
        top = symtable.symtable(source, "block.py", "exec")
        tables = list(_within(top))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return Block()
    bound = {
        symbol.get_name()
        for table in tables
        for symbol in table.get_symbols()
        if (symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace())
        and (table is top or symbol.is_declared_global())
    }
    for table in top.get_children():
        if table.get_name() == FALLBACK_CLASS and table.get_type() == "class":
            bound.update(child.get_name() for child in table.get_children())
    used = {
        symbol.get_name()
        for table in tables
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (table is top or symbol.is_global())
    }
    known = bound.union(dir(builtins), ("__file__", "__name__"))
    at_once = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()}
    return Block(
        frozenset(bound),
        frozenset(node.name for node in body if isinstance(node, _DEFINITION)),
        frozenset(used - known),
        frozenset(at_once - known),
        any(_runs(node) for node in body),
        any(_reads(node) for statement in body for node in ast.walk(statement)),
    )


def _within(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _within(child)


def _runs(node: ast.stmt) -> bool:
    return not isinstance(node, _PASSIVE) and any(isinstance(inner, ast.Call) for inner in ast.walk(node))


def _reads(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
        return any(isinstance(argument, ast.Constant) and argument.value == 0 for argument in node.args)
    return (isinstance(node, ast.Name) and node.id in _INPUT) or (
        isinstance(node, ast.Attribute) and node.attr in _INPUT
    )


class Part(NamedTuple):
    """A block of the code.

    Attributes:
        source: Its text.
        block: What it defines and uses.
    """

    source: str
    block: Block


class Choice:
    """Chooses among the blocks of an answer.

    Args:
        prelude: What stands before the code.
        sources: The blocks, in order.
        names: What the tests use of the code.
    """

    def __init__(self, prelude: str, sources: Sequence[str], names: Sequence[str]) -> None:
        self._prelude, self._names = prelude, names
        self._parts = [Part(source, block_of(source)) for source in sources]
        self._imports = [_imports(part) if part.block.at_once else part for part in self._parts]

    def parts(self, chosen: int) -> list[Part]:
        """The blocks that define what one lacks, directly or not, in order, and that one, which stands last.

        A name is taken from the nearest block before it that defines it, else from the nearest one behind it. Of a block that
        needs the chosen one at once, and so is a use of it, only the imports count.
        """
        own = self._parts[chosen]
        whole = block_of(self._prelude + own.source)
        if not whole.bound and not whole.missing:
            return [own]
        givers = [
            imports if part.block.at_once & own.block.bound else part
            for part, imports in zip(self._parts, self._imports, strict=True)
        ]
        order = [*range(chosen - 1, -1, -1), *range(chosen + 1, len(givers))]
        found: set[int] = set()
        known = set(whole.bound)
        wanted = [*sorted(whole.missing), *self._names]
        while wanted:
            name = wanted.pop()
            place = next((place for place in order if name in givers[place].block.bound), None)
            if name in known or place is None:
                continue
            found.add(place)
            known |= givers[place].block.bound
            wanted += sorted(givers[place].block.missing)
        return [*(givers[place] for place in sorted(found)), own]

    def program(self, chosen: int, *, reads: bool) -> list[Part]:
        """The blocks of a program: the last one that does something, and is not a use of another program.

        Args:
            chosen: The block that most likely is it.
            reads: Whether it gets something on its standard input, which it then has to read.
        """
        order = [chosen, *(place for place in range(len(self._parts) - 1, -1, -1) if place != chosen)]
        for place in order:
            parts = self.parts(place)
            is_read = any(part.block.reads for part in parts)
            if parts[-1].block.runs and not _is_use(parts) and (is_read or not reads):
                return parts
        return self.parts(chosen)


def _is_use(parts: Sequence[Part]) -> bool:
    """Whether the last block only calls a function of another one that is a program itself."""
    *others, last = (part.block for part in parts)
    return not last.reads and any(other.runs and other.defined & last.missing for other in others)


def _imports(part: Part) -> Part:
    nodes = [node for node in ast.parse(part.source).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    source = "".join(f"{ast.unparse(node)}\n" for node in nodes)
    return Part(source, block_of(source))
