"""Grader files: read, loaded, and their mistakes shown with file and line."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from graders import ConfigurationError
from runtime.datasets import read_json
from service.cli.locate import line_of

T = TypeVar("T")


class GraderFile:
    """A grader's JSON in a file.

    Attributes:
        path: The file.
        config: Its content.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config, self._text = read_json(path)

    def line(self, path: tuple[str | int, ...]) -> int:
        """The line on which a field stands."""
        return line_of(self._text, path)

    def load(self, load: Callable[[Mapping[str, Any]], T]) -> T:
        """Load the grader.

        Raises:
            ConfigurationError: With one line for each mistake, each with file and line.
        """
        try:
            return load(self.config)
        except ConfigurationError as error:
            lines = [f"{self.path}:{self.line(problem.path)}: {problem}" for problem in error.problems]
            raise ConfigurationError("\n".join(lines)) from error
