"""Grader files: read, loaded, and their mistakes shown with file and line."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from graders import ConfigurationError
from runtime.data.datasets import STDIN, read_json
from runtime.data.file_kinds import not_a_grader
from runtime.data.grader_sources import references, with_sources
from runtime.data.json_lines import RepeatedKey, line_of, repeated_keys

T = TypeVar("T")


class GraderFile:
    """A grader's JSON in a file; sources that stand in files beside it are read, too.

    Attributes:
        path: The file.
        text: Its text.
        written: Its content.
        config: Its content with the text of every source.

    Raises:
        ConfigurationError: When it cannot be read, is not JSON, has a key twice, or refers to a source that is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written, self.text = read_json(path)
        if hint := not_a_grader(self.written):
            raise ConfigurationError(f"{path}:1: {hint}")
        if repeated := repeated_keys(self.text):
            raise ConfigurationError("\n".join(map(self._repeated, repeated)))
        self._sources: Mapping[tuple[str | int, ...], Path] = {}
        folder = Path() if path == STDIN else path.parent
        self.config: Any = self._told(lambda written: with_sources(written, folder), self.written)
        self._sources = references(self.written, folder)

    def _repeated(self, found: RepeatedKey) -> str:
        lines = " and ".join(map(str, found.lines))
        place = ".".join(map(str, found.path))
        return f"{self.path}:{found.lines[1]}: {place}: the key is there {len(found.lines)} times, on lines {lines}; keep one"

    def line(self, path: tuple[str | int, ...]) -> int:
        """The line on which a field stands."""
        return line_of(self.text, path)

    def where(self, path: tuple[str | int, ...]) -> str:
        """Where a field is to be mended: file and line, or the file of a source."""
        source = self._sources.get(path)
        return f"{self.path}:{self.line(path)}" if source is None else str(source)

    def load(self, load: Callable[[Mapping[str, Any]], T]) -> T:
        """Load the grader.

        Raises:
            ConfigurationError: With one line for each mistake, each with file and line.
        """
        return self._told(load, self.config)

    def _told(self, use: Callable[[Any], T], config: Any) -> T:
        try:
            return use(config)
        except ConfigurationError as error:
            lines = [f"{self.where(problem.path)}: {problem}" for problem in error.problems]
            raise ConfigurationError("\n".join(lines)) from error
