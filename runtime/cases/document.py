"""Reads the text of a case file, YAML or JSONL, as plain data that remembers its lines."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from graders import ConfigurationError
from runtime.cases.model import Steps
from runtime.cases.plain_yaml import NotPlainYaml, read_yaml
from runtime.data.datasets import read_whole
from runtime.data.json_text import NotJson, named_path, read_text, unreadable_parts


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a case file.

    Attributes:
        path: The file.
        text: Its text.
        data: Its content as plain data, in the shape of a YAML file: of a JSONL file, the head with the rows as `cases`.
        line: The line, from 1, on which something stands; that of its nearest parent when it is not there.
    """

    path: Path
    text: str
    data: Any
    line: Callable[[Steps], int]


def read_document(path: Path) -> Document:
    """Read a case file; `-` is YAML from the standard input.

    Raises:
        ConfigurationError: When it cannot be read, or is not YAML or JSONL; says the line.
    """
    try:
        text = read_whole(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8: byte {error.start}; save it as UTF-8") from None
    return _jsonl(path, text) if path.suffix == ".jsonl" else _yaml(path, text)


def _yaml(path: Path, text: str) -> Document:
    try:
        data, root = read_yaml(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        what = " ".join(str(error.problem or error.context or "it does not parse").split())
        hint = (
            ""
            if isinstance(error, (DuplicateKeyError, NotPlainYaml))
            else "; quote a text that has : or # or begins with {"
        )
        raise ConfigurationError(f"{where}: not YAML: {what}{hint}") from None
    except YAMLError as error:
        raise ConfigurationError(f"{path}: not YAML: {' '.join(str(error).split())}") from None

    def line(steps: Steps) -> int:
        return _line_in(root, steps)

    return Document(path, text, _plain(data, (), path, line), line)


def _jsonl(path: Path, text: str) -> Document:
    head: dict[str, Any] = {}
    head_line = 1
    rows: list[Any] = []
    lines: list[int] = []
    for number, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            data, has_unreadable = read_text(row.encode("utf-8", "surrogatepass"))
        except NotJson as error:
            raise ConfigurationError(f"{path}:{number}: {error.reason} at column {error.column}") from None
        if has_unreadable:
            steps, part = next(unreadable_parts(data))
            raise ConfigurationError(f"{path}:{number}: {named_path(steps)}: {part.reason}")
        if not rows and not head and isinstance(data, dict) and "sample" not in data:
            head, head_line = data, number
        else:
            rows.append(data)
            lines.append(number)
    if "cases" in head:
        raise ConfigurationError(
            f"{path}:{head_line}: 'cases' has no place here: each further line is a case"
        )

    def line(steps: Steps) -> int:
        if len(steps) > 1 and steps[0] == "cases" and isinstance(steps[1], int):
            return lines[steps[1]]
        return head_line

    return Document(path, text, {**head, "cases": rows}, line)


def _plain(value: Any, steps: Steps, path: Path, line: Callable[[Steps], int]) -> Any:
    """Plain data, as JSON has it, out of what YAML gives.

    Raises:
        ConfigurationError: At what JSON does not have: a date, a key that is no text, a number that is not finite.
    """
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                where = line((*steps, key))
                raise ConfigurationError(f"{path}:{where}: a key is a text; quote it: '{key}'")
        return {key: _plain(inner, (*steps, key), path, line) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, (*steps, index), path, line) for index, inner in enumerate(value)]
    if value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    field = ".".join(map(str, steps))
    raise ConfigurationError(
        f"{path}:{line(steps)}: {field}: {value} is nothing that JSON has; quote it where it is a text"
    )


def _line_in(node: Node | None, steps: Steps) -> int:
    line = 0 if node is None else node.start_mark.line
    for step in steps:
        if isinstance(node, MappingNode):
            found = next((pair for pair in node.value if pair[0].value == str(step)), None)
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            found = (node.value[step], node.value[step])
        else:
            found = None
        if found is None:
            break
        line, node = found[0].start_mark.line, found[1]
    return int(line) + 1
