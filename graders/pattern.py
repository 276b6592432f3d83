"""Regular expressions that a grader's author writes and a model's text is matched against.

Python's `re` may backtrack for ever on a hostile text, so the engine is RE2: time linear in the text. What RE2 lacks
(back-references, look-around) is refused when the grader is loaded.
"""

import re
from typing import Any

import re2
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from graders.contract import brief
from graders.errors import ConfigurationError
from graders.options import option_schema

MEMORY = 1 << 20
"""Bytes that a compiled expression may take with what RE2 remembers of texts; it works more slowly where that is used up."""
MAX_MEMORY = 8 << 20
"""The same of an expression that is too large to be compiled in less."""

QUICK = 5_000_000
"""Characters times program size that RE2 gets through in about 10 ms at its slowest (measured: 1.7 ns each)."""


_SURROGATE = re.compile("[\ud800-\udfff]")


class Pattern:
    """A compiled RE2 expression.

    Attributes:
        source: The expression as the author wrote it.
        groups: Number of capturing groups.
        names: Name of each named group and its number.
        memory: Bytes that it takes at most.

    Raises:
        ConfigurationError: When RE2 cannot compile it.
    """

    __slots__ = ("_compiled", "groups", "memory", "names", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        try:
            self._compiled, self.memory = _compile(source)
        except (re2.error, UnicodeEncodeError) as error:
            raise ConfigurationError(_explain(source, error)) from None
        self.groups: int = self._compiled.groups
        self.names: dict[str, int] = dict(self._compiled.groupindex)

    def search(self, text: str) -> Any:
        """The first match anywhere in the text, or None."""
        return self._compiled.search(encodable(text))

    def fullmatch(self, text: str) -> Any:
        """The match of the whole text, or None."""
        return self._compiled.fullmatch(encodable(text))

    def finditer(self, text: str) -> Any:
        """Every match, left to right."""
        return self._compiled.finditer(encodable(text))

    def is_quick_on(self, text: str, *, every: bool = False) -> bool:
        """Whether one search of the text takes about 10 ms at worst: linear time is long for a large expression.

        Args:
            text: What is searched.
            every: Every match is looked for: each search may read the rest of the text in vain, as `a(.*b)?` does.
        """
        size: int = self._compiled.programsize
        searches = len(text) if every else 1
        return len(text) * size * searches <= QUICK

    def __repr__(self) -> str:
        return f"Pattern({self.source!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return option_schema(cls, core_schema.str_schema(strict=True), write=lambda pattern: pattern.source)


def _compile(source: str) -> tuple[Any, int]:
    """An expression, compiled in as little memory as it can be, and how much that is."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY
    try:
        return re2.compile(source, options), MEMORY
    except re2.error:
        options.max_mem = MAX_MEMORY
        return re2.compile(source, options), MAX_MEMORY


def encodable(text: str) -> str:
    """The text with U+FFFD in place of each lone surrogate, which no encoder takes; it stays as long as it was."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    return text


def _explain(source: str, error: Exception) -> str:
    is_text = not isinstance(error, UnicodeEncodeError)
    reason = error.args[0].decode(errors="replace") if is_text else "half a surrogate pair is no character"
    lacking = "; RE2 has no look-around and no back-references"
    hint = lacking if reason.startswith(("invalid perl operator", "invalid escape sequence")) else ""
    return f"{brief(source)} is not a regular expression that RE2 takes: {reason}{hint}"
