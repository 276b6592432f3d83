"""Whether a text is a program: an answer may be read in more ways than one, and the code is the reading that is Python."""

import ast

from .source_code import compiled

NAME = "candidate.py"


def judged(prelude: str, code: str) -> dict[str, bool]:
    """What a text is as a program; it is compiled and not run.

    Args:
        prelude: What stands before it; it may be the beginning of something that the text completes.
        code: The text.

    Returns:
        `compiles`; and `acts`: whether it does more than name something, as a single word of prose would.
    """
    try:
        compiled(prelude + code, NAME)
    except SyntaxError:
        return {"compiles": False, "acts": False}
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return {"compiles": True, "acts": True}  # it goes on with what the prelude began
    return {"compiles": True, "acts": any(map(_acts, body))}


def _acts(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return any(isinstance(inner, (ast.Call, ast.NamedExpr)) for inner in ast.walk(node))
    return not isinstance(node, ast.Pass) and not (isinstance(node, ast.AnnAssign) and node.value is None)
