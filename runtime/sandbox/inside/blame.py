"""Whose doing it is when test source raises: the code's, once the tests have used an answer of it, or their own.

What the tests raise after they have used an answer is the code's doing, with these exceptions, which no answer can bring
about: a name that stands nowhere else in the tests, an import that stands in the tests and fails, and an argument for the
code that cannot travel.
"""

import ast
import symtable
import types
from collections.abc import Iterator

from .rpc.proxy import NotTravelling

MAX_CHAIN = 100


class Blame:
    """What a test source binds and imports.

    Args:
        source: The source, which compiles.
        file: Its name in tracebacks.
    """

    def __init__(self, source: str, file: str) -> None:
        self._file = file
        self._bound = _all_bound_names(symtable.symtable(source, file, "exec"))
        body = ast.parse(source).body
        self._imported = _imported_modules(body)
        self._last_line = body[-1].lineno if body and isinstance(body[-1], (ast.Expr, ast.Raise)) else 0

    def is_the_codes(self, error: BaseException, errors: list[BaseException]) -> bool:
        """Whether the code may have brought an error about, after the tests have used an answer of it.

        Args:
            error: What the tests raised.
            errors: The exceptions that were raised in them in the code's stead.
        """
        if _follows(error, errors):
            return True
        if isinstance(error, ImportError) and error.name is not None and self._is_raised_by_tests(error):
            return error.name.partition(".")[0] not in self._imported
        if isinstance(error, NameError) and error.name is not None and self._is_raised_by_tests(error):
            return error.name in self._bound  # bound only where an answer lets it be
        return not isinstance(error, NotTravelling) or error.is_of_data

    def is_regular_end(self, error: BaseException, errors: list[BaseException]) -> bool:
        """Whether the tests end by `sys.exit(0)`, or by `sys.exit()` as their last statement.

        Elsewhere `sys.exit()` is also how a script ends that has found a fault.
        """
        if type(error) is not SystemExit or _follows(error, errors) or not self._is_raised_by_tests(error):
            return False
        if error.code is None:
            return [self._last_line] == list(self._lines(error))
        return type(error.code) is int and error.code == 0

    def _is_raised_by_tests(self, error: BaseException) -> bool:
        """Whether the last step to an error is in the tests' own source."""
        files = [step.tb_frame.f_code.co_filename for step in _steps(error)]
        return [file for file in files if "_sitebuiltins" not in file][-1:] == [
            self._file
        ]  # `exit()` stands there

    def _lines(self, error: BaseException) -> Iterator[int]:
        return (step.tb_lineno for step in _steps(error) if step.tb_frame.f_code.co_filename == self._file)


def _steps(error: BaseException) -> Iterator[types.TracebackType]:
    step = error.__traceback__
    while step is not None:
        yield step
        step = step.tb_next


def _follows(error: BaseException, errors: list[BaseException]) -> bool:
    """Whether an error is one of others, or was raised while one of them was handled."""
    following: BaseException | None = error
    for _ in range(MAX_CHAIN):
        if following is None:
            return False
        if any(following is other for other in errors):
            return True
        following = following.__cause__ or following.__context__
    return False


def _all_bound_names(table: symtable.SymbolTable) -> set[str]:
    """The names that are bound in a scope, or in one inside it."""
    found = {
        symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()
    }
    return found.union(*map(_all_bound_names, table.get_children()))


def _imported_modules(body: list[ast.stmt]) -> set[str]:
    found: set[str] = set()
    for node in (inner for statement in body for inner in ast.walk(statement)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found
