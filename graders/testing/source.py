"""Values as Python source, ready to paste into a test, including values whose `repr` is not valid source."""

import math
import re
from collections.abc import Mapping

from graders.samples.sample import Sample

_LONG = 60
_RUN = re.compile(r"(.{1,12}?)\1{9,}(.{0,40})", re.DOTALL)


def source(value: object) -> str:
    """An expression that makes an equal value, with `Sample` imported: a text that repeats is a product, NaN a call.

    A value that is neither plain data nor a `Sample` is its `repr`.
    """
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, Sample):
        stored = value.to_stored()
        return f"Sample({source(stored)})" if isinstance(stored, str) else f"Sample.load({source(stored)})"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, int) and not isinstance(value, bool):
        return _of_integer(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{source(key)}: {source(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, (list, tuple)):
        inside = ", ".join(map(source, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' * (len(value) == 1)})"
    return repr(value)


def _of_text(text: str) -> str:
    if len(text) > _LONG and (found := _RUN.fullmatch(text)):
        unit, rest = found.groups()
        times = (len(text) - len(rest)) // len(unit)
        return f"{unit!r} * {times}" + (f" + {rest!r}" if rest else "")
    return repr(text)


def _of_integer(value: int) -> str:
    # more than 4,300 digits have no repr, and more than 60 no reader
    return repr(value) if abs(value) < 10**_LONG else hex(value)
