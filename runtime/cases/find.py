"""Finds the case files among paths."""

from collections.abc import Sequence
from pathlib import Path

from graders import ConfigurationError
from runtime.cases.model import PATTERNS
from runtime.data.datasets import STDIN


def find_case_files(paths: Sequence[Path]) -> list[Path]:
    """The case files among paths: files as they are, and those below directories, in the order of their names.

    Raises:
        ConfigurationError: When a path is not there, or none of them has a case file.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = {file for pattern in PATTERNS for file in path.rglob(pattern)}
            hidden = {file for file in inside if any(p.startswith(".") for p in file.relative_to(path).parts)}
            found.update(dict.fromkeys(sorted(inside - hidden)))
        elif path == STDIN or path.exists():
            found[path] = None
        else:
            raise ConfigurationError(f"there is no file or directory {path}")
    if not found:
        where = ", ".join(map(str, paths))
        raise ConfigurationError(f"no case file in {where}; they are named {', '.join(PATTERNS)}")
    return list(found)
