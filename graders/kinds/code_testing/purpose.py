"""What tests use of the code, which decides between the blocks of an answer."""

import builtins
import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass

from graders.kinds.code_testing.forms import AssertTest, CallTest, ProgramTest, SourceTest, Test

MAX_SOURCE = 20_000
"""Characters at either end of a test source in which names are looked for."""
_CALLED = re.compile(r"(?<![\w.])([^\W\d]\w*)[ \t]*\(")
_OWN = re.compile(r"\b(?:def|class)[ \t]+([^\W\d]\w*)")
_KNOWN = {*dir(builtins), *keyword.kwlist}


@dataclass(frozen=True, slots=True)
class Purpose:
    """What tests use of the code.

    Attributes:
        names: The functions and classes that they use, the entry point first; empty when they name none.
        is_program: Whether the code is run as a program, and no name of it is used.
        reads: Whether a program gets anything on its standard input.
    """

    names: tuple[str, ...] = ()
    is_program: bool = False
    reads: bool = False


NOTHING_KNOWN = Purpose()


def purpose_of(tests: Sequence[Test], entry_point: str | None, module: str) -> Purpose:
    """What tests use of the code.

    Args:
        tests: The tests.
        entry_point: The function under test. Without one, names are those that calls, assertions and test source use.
        module: The name by which test source imports the code.
    """
    calls = [test.function for test in tests if isinstance(test, CallTest)]
    used = [entry_point, *calls]
    if entry_point is None:
        used += [name for test in tests for name in _used(test, module)]
    names = tuple(dict.fromkeys(name.partition(".")[0] for name in used if name))
    programs = [test for test in tests if isinstance(test, ProgramTest)]
    return Purpose(names, not names and bool(programs), any(test.input.strip() for test in programs))


def _used(test: Test, module: str) -> list[str]:
    """The names that a test source calls and does not define."""
    if not isinstance(test, (AssertTest, SourceTest)):
        return []
    source = test.source
    if len(source) > 2 * MAX_SOURCE:
        source = f"{source[:MAX_SOURCE]}\n{source[-MAX_SOURCE:]}"
    called = _CALLED.findall(re.sub(rf"(?<![\w.]){module}\.", "", source))
    return [name for name in called if name not in _KNOWN.union(_OWN.findall(source))]
