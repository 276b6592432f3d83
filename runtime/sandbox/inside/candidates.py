"""Whether a text is a program: an answer may be read in more ways than one, and the code is the reading that is Python."""

import ast
from collections.abc import Sequence
from typing import Any

from .blocks import Choice, block_of
from .source_code import compiled

NAME = "candidate.py"


def judged(
    prelude: str, blocks: Sequence[str], chosen: int = 0, names: Sequence[str] = (), program: str = ""
) -> dict[str, Any]:
    """What one reading of an answer is as a program; it is compiled and not run.

    Args:
        prelude: What stands before it; it may be the beginning of something that the text completes.
        blocks: The code blocks of the answer, in order.
        chosen: Which of them most likely is the code.
        names: The functions and classes that tests use, the most important first.
        program: `reads` for a program that gets something on its standard input, `silent` for one that does not, empty for other code.

    Returns:
        `code`: the chosen block with others that it needs, None where it stands alone. `compiles`; `acts`: whether it does
        more than name something, as a single word of prose would; and `defines`: whether it has any of the names.
    """
    code = own = blocks[chosen]
    if len(blocks) > 1:
        choice = Choice(prelude, blocks, names)
        parts = choice.program(chosen, reads=program == "reads") if program else choice.parts(chosen)
        code = "\n\n\n".join([*(part.source.rstrip() for part in parts[:-1]), parts[-1].source])
    compiles = _compiles(prelude + code)
    if not compiles and code != own:
        code, compiles = own, _compiles(prelude + own)
    return {
        "code": None if code == own else code,
        "compiles": compiles,
        "acts": compiles and _acts_at_all(code),
        "defines": compiles and (not names or not block_of(prelude + code).bound.isdisjoint(names)),
    }


def _compiles(source: str) -> bool:
    try:
        compiled(source, NAME)
    except SyntaxError:
        return False
    return True


def _acts_at_all(code: str) -> bool:
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return True  # it goes on with what the prelude began
    return any(map(_acts, body))


def _acts(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return any(isinstance(inner, (ast.Call, ast.NamedExpr)) for inner in ast.walk(node))
    return not isinstance(node, ast.Pass) and not (isinstance(node, ast.AnnAssign) and node.value is None)
