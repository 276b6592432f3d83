"""YAML of strangers as plain data: no tag runs anything, and no alias or nesting makes a small text a large value."""

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    Event,
    NodeEvent,
    ScalarEvent,
)
from ruamel.yaml.nodes import Node
from ruamel.yaml.scanner import Scanner, ScannerError

MAX_DEPTH = 64
"""Levels of lists and maps inside one another."""
MAX_REPEATED = 1_000_000
"""Values and characters that all aliases of a text may stand for together."""

MAX_DIGITS = 1_000
"""Characters of a number."""

_CORE = "tag:yaml.org,2002:"
_TAGS = frozenset(f"{_CORE}{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null"))
_NUMBERS = (f"{_CORE}int", f"{_CORE}float")
_TOO_DEEP = f"lists and maps are nested more than {MAX_DEPTH} levels deep"


class NotPlainYaml(MarkedYAMLError):
    """Valid YAML that is more than plain data of bounded size."""


def read_yaml(text: str) -> tuple[Any, Node | None]:
    """The one document of a YAML text: its value, and its nodes, which know where they begin and end.

    Aliases in the value are the same object; the value has no cycles. An empty text is None.

    Raises:
        MarkedYAMLError: When it is no YAML, with the position; `NotPlainYaml` when it has a tag of its own, is nested more
            than 64 levels deep, or its aliases repeat more than 1,000,000 values and characters or contain themselves.
        YAMLError: When it has a character that YAML does not have.
    """
    _check(text)
    reader = _reader()
    node: Node | None = reader.compose(io.StringIO(text))
    return (None if node is None else reader.constructor.construct_document(node)), node


def _reader() -> YAML:
    # not "rt", which keeps comments with what they stand beside: it fails at some places where comments may stand
    reader = YAML(typ="safe", pure=True)
    reader.Scanner, reader.Constructor = _Scanner, _Constructor
    return reader


def _check(text: str) -> None:
    """Go through the events of a text, and stop at the first that makes it too large or more than plain data.

    Raises:
        MarkedYAMLError: See `read_yaml`.
    """
    sizes = _Sizes()
    for event in _reader().parse(io.StringIO(text)):
        if isinstance(event, NodeEvent):
            tag = getattr(event, "tag", None)
            if tag is not None and str(tag) not in _TAGS:
                written = str(tag).replace(_CORE, "!!")
                raise _not_plain(
                    f"the tag {written}: a case file has texts, numbers, true, false, null, lists and maps; "
                    "remove the tag",
                    event,
                )
        sizes.add(event)


class _Sizes:
    """Sizes of values in characters and values, with what their aliases stand for."""

    def __init__(self) -> None:
        self._open: list[tuple[str | None, int]] = []
        self._of: dict[str, int | None] = {}
        self._repeated = 0

    def add(self, event: Event) -> None:
        """Count one event.

        Raises:
            NotPlain: When it is beyond the limits.
        """
        if isinstance(event, CollectionStartEvent):
            if len(self._open) >= MAX_DEPTH:
                raise _not_plain(_TOO_DEEP, event)
            self._open.append((event.anchor, 1))
            if event.anchor is not None:
                self._of[event.anchor] = None  # not complete: an alias here would contain itself
        elif isinstance(event, CollectionEndEvent):
            self._ended(*self._open.pop())
        elif isinstance(event, AliasEvent):
            self._grow(self._repeat(event))
        elif isinstance(event, ScalarEvent):
            self._ended(event.anchor, 1 + len(event.value))

    def _repeat(self, event: AliasEvent) -> int:
        size = self._of.get(event.anchor, 0)  # one that is not defined is refused when it is composed
        if size is None:
            raise _not_plain(f"the alias *{event.anchor} stands inside its own anchor: it has no end", event)
        self._repeated += size
        if self._repeated > MAX_REPEATED:
            raise _not_plain(
                f"its aliases stand for more than {MAX_REPEATED:,} values and characters; write out what is meant",
                event,
            )
        return size

    def _ended(self, anchor: str | None, size: int) -> None:
        if anchor is not None:
            self._of[anchor] = size
        self._grow(size)

    def _grow(self, size: int) -> None:
        if self._open:
            anchor, before = self._open[-1]
            self._open[-1] = anchor, before + size


def _not_plain(problem: str, event: Event) -> NotPlainYaml:
    return NotPlainYaml(problem=problem, problem_mark=event.start_mark)


class _Scanner(Scanner):
    """Stops at deep nesting before it looks ahead, and says of every text that cannot be read where it stands."""

    def fetch_flow_collection_start(self, TokenClass: Any, to_push: str) -> None:  # noqa: N803  # as it is called
        """Begin a list or map in brackets.

        Raises:
            NotPlain: When it is nested too deeply.
        """
        if self.flow_level >= MAX_DEPTH:
            raise NotPlainYaml(problem=_TOO_DEEP, problem_mark=self.reader.get_mark())
        super().fetch_flow_collection_start(TokenClass, to_push)

    def fetch_flow_scalar(self, style: Any) -> None:
        """Read a quoted text.

        Raises:
            ScannerError: When it has an escape that stands for no character.
        """
        mark = self.reader.get_mark()
        try:
            super().fetch_flow_scalar(style)
        except ValueError as error:
            raise ScannerError(problem=f"an escape in this text: {error}", problem_mark=mark) from None


class _Constructor(SafeConstructor):
    """Says of every value that cannot be made where it stands."""

    def construct_object(self, node: Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002  # as it is called
        """The value of a node.

        Raises:
            MarkedYAMLError: When a value has not the form of its tag, as `!!int one`, or a number too many digits.
        """
        if node.tag in _NUMBERS and len(node.value) > MAX_DIGITS:
            raise NotPlainYaml(
                problem=f"a number of {len(node.value):,} characters; quote it where it is a text",
                problem_mark=node.start_mark,
            )
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            what = " ".join(str(error).split())[:200]
            raise ConstructorError(
                problem=f"no {str(node.tag).removeprefix(_CORE)}: {what}", problem_mark=node.start_mark
            ) from None
