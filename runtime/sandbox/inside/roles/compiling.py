"""Role `compiling`: turns a source into code once, and says what is wrong with it; it runs nothing of it."""

import ast
import json
import marshal

from ..rpc.channel import Channel
from ..sharing import unlisted

FILE = "grader.py"
FUNCTION = "grade"


def serve(channel: Channel) -> None:
    """Answer `{"problem": …}`, or `{"imports": […], "unlisted": …}` and then a frame with the marshalled code.

    `unlisted` is the first construct in the source that is not known to be harmless, with its line; null if
    all are.
    """
    source = channel.receive()
    if source is None:
        return
    try:
        tree = ast.parse(source, FILE)
        problem = _problem(tree)
        code = marshal.dumps(compile(source, FILE, "exec", dont_inherit=True))
        found = {"imports": sorted(_imports(tree)), "unlisted": unlisted(tree)}
    except SyntaxError as error:
        problem = _syntax_problem(source, error)
    except (ValueError, MemoryError, RecursionError) as error:
        problem = "nested too deeply" if isinstance(error, (MemoryError, RecursionError)) else str(error)
    if problem:
        channel.send(json.dumps({"problem": problem}).encode())
        return
    channel.send(json.dumps(found).encode())
    channel.send(code)


def _syntax_problem(source: bytes, error: SyntaxError) -> str:
    if b"\0" in source:  # Python does not say where
        line = source.count(b"\n", 0, source.index(b"\0")) + 1
        return f"line {line}: it has a null character; expected text"
    return f"line {error.lineno}: {error.msg}"


def _problem(tree: ast.Module) -> str | None:
    """What is wrong with the source as a grader; None as far as can be seen without running it."""
    for node in reversed(tree.body):
        if isinstance(node, ast.AsyncFunctionDef) and node.name == FUNCTION:
            return f"line {node.lineno}: {FUNCTION} is async; write: def {FUNCTION}(sample, item)"
        if isinstance(node, ast.FunctionDef) and node.name == FUNCTION:
            return _wrong_arguments(node)
    if any(FUNCTION in _bound_names(node) for node in tree.body):
        return None
    return f"it defines no function {FUNCTION}; write: def {FUNCTION}(sample, item)"


def _wrong_arguments(node: ast.FunctionDef) -> str | None:
    arguments = node.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    if positional == 2 and not (arguments.vararg or arguments.kwonlyargs or arguments.kwarg):
        return None
    return f"line {node.lineno}: {FUNCTION} takes exactly two arguments; write: def {FUNCTION}(sample, item)"


def _bound_names(node: ast.stmt) -> set[str]:
    """Names that a statement may bind, inside its blocks too; a function or class within it binds none outside."""
    names = {
        found.id
        for found in ast.walk(node)
        if isinstance(found, ast.Name) and isinstance(found.ctx, ast.Store)
    }
    for found in ast.walk(node):
        if isinstance(found, (ast.FunctionDef, ast.ClassDef)):
            names.add(found.name)
        elif isinstance(found, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in found.names}
    return names


def _imports(tree: ast.Module) -> set[str]:
    """The modules that it imports somewhere; `from a import b` counts as `a`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found
