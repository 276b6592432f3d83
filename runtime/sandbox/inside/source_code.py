"""Foreign source: compiled under a name of its own, and its errors told with its own line numbers and no host path."""

import linecache
import types
from typing import Any

MAX_TEXT = 2_000
_traceback_of = vars(BaseException)["__traceback__"].__get__


def compiled(source: str, name: str) -> types.CodeType:
    """Compile a source whose lines tracebacks can show.

    Raises:
        SyntaxError: When it does not compile, whatever the reason.
    """
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    try:
        return compile(source, name, "exec", dont_inherit=True)
    except (
        ValueError,
        MemoryError,
        RecursionError,
    ) as error:  # a NUL byte, a lone surrogate, or nested too deeply
        raise SyntaxError(str(error) or "nested too deeply") from None


def described(error: BaseException, name: str) -> dict[str, Any]:
    """An exception as plain data, however hostile it is.

    Args:
        error: The exception.
        name: The file name of the source whose lines matter.

    Returns:
        Its `type` and `message`, and the `line` and `text` of the last step in that source; 0 and empty without one.
    """
    kind = _text(lambda: type(error).__name__)[:200] or "Exception"
    if isinstance(error, SyntaxError) and error.filename == name:
        line = error.lineno if type(error.lineno) is int else 0
        return {"type": kind, "message": _text(lambda: error.msg), "line": line, "text": _line(name, line)}
    line = 0
    step = _traceback_of(error)  # not what a subclass says that it is
    while step is not None:
        if step.tb_frame.f_code.co_filename == name:
            line = step.tb_lineno
        step = step.tb_next
    return {"type": kind, "message": _text(lambda: str(error)), "line": line, "text": _line(name, line)}


def traceback_of(error: BaseException, name: str) -> str:
    """What the interpreter would write of an exception, with the frames of one source only."""
    told = described(error, name)
    where = f'  File "{name}", line {told["line"]}\n    {told["text"]}\n' if told["line"] else ""
    said = f": {told['message']}" if told["message"] else ""
    return f"Traceback (most recent call last):\n{where}{told['type']}{said}\n"


def _text(say: Any) -> str:
    try:
        return str.__str__(say())[:MAX_TEXT]
    except BaseException:  # noqa: BLE001  # a stranger's __str__ or metaclass
        return ""


def _line(name: str, line: int) -> str:
    return linecache.getline(name, line).strip()[:200] if line else ""
