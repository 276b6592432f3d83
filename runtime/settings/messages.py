"""Messages about settings: which file, variable or argument a wrong value stands in, and which name was probably meant."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from graders.wording import in_words
from runtime.settings.variables import CONFIG_VARIABLE, PREFIX

_TESTS = "GRADERS_TEST_"
"""What variables of our own test suite begin with."""

_UNREADABLE = re.compile(r'field "(?P<field>\w+)"')


class Origins:
    """Where the values of settings come from, in the order in which they count.

    Args:
        arguments: Values that were given in code or on the command line.
        environment: The process's environment variables.
        file: The TOML file, whether it is there or not.
        content: What it holds.
    """

    def __init__(
        self,
        arguments: Mapping[str, Any],
        environment: Mapping[str, str],
        file: Path,
        content: Mapping[str, Any],
    ) -> None:
        self._sources: list[tuple[Mapping[str, Any], str]] = [(arguments, "argument {}")]
        for name, text in environment.items():
            field = name.lower().removeprefix(PREFIX.lower())
            self._sources.append(({field: _json_or_text(text)}, name))
        self._sources.append((content, str(file)))

    def of(self, path: tuple[int | str, ...]) -> tuple[str, bool]:
        """Where the value at a path was written, and whether that place names the setting already."""
        for length in range(len(path), 0, -1):
            for source, label in self._sources:
                if _has(source, path[:length]):
                    is_file = source is self._sources[-1][0]
                    return label.format(path[0]), not is_file
        return "settings", False


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _has(value: Any, path: tuple[int | str, ...]) -> bool:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def messages(error: ValidationError, fields: Mapping[str, FieldInfo], origins: Origins) -> list[str]:
    """One line for each wrong or unknown setting: where it stands, what is wrong, and the nearest name.

    No value is repeated: it may be a secret.

    Args:
        error: What pydantic found.
        fields: The settings.
        origins: Where their values come from.
    """
    return [_message(found, fields, origins) for found in error.errors()]


def _message(found: ErrorDetails, fields: Mapping[str, FieldInfo], origins: Origins) -> str:
    path = found["loc"]
    where, names_setting = origins.of(path)
    if found["type"] == "extra_forbidden":
        known = fields if len(path) == 1 else _inner_fields(fields.get(str(path[0])))
        unknown = f"unknown setting {_dotted(path)!r}"
        if (name := _unquoted(path, found["input"], fields)) is not None:
            return (
                f"{where}: {unknown}; a name with dots is written in quotes: [{path[0]}.{json.dumps(name)}]"
            )
        return f"{where}: {unknown}{_hint(str(path[-1]), found['input'], known)}"
    what = in_words(found)
    if names_setting and len(path) == 1:
        return f"{where}: {what}"
    return f"{where}: {_dotted(path)}: {what}"


def _dotted(path: tuple[int | str, ...]) -> str:
    return ".".join(map(str, path))


def _hint(name: str, value: object, known: Mapping[str, FieldInfo]) -> str:
    if near := nearest(name, known):
        return f"; did you mean {near!r}?"
    if isinstance(value, Mapping) and value.keys() & known.keys():
        return "; write its keys at the beginning of the file, outside of any table"
    return f"; known are {', '.join(known)}" if len(known) <= 20 else ""


def _unquoted(path: tuple[int | str, ...], value: object, fields: Mapping[str, FieldInfo]) -> str | None:
    """The name that a table was to have, where TOML has split it at its dots: `[judges.gpt-6.1-sol]`; None elsewhere."""
    known = _inner_fields(fields.get(str(path[0])))
    if len(path) < 3 or not known:
        return None
    names = list(map(str, path[1:]))
    while isinstance(value, Mapping) and len(value) == 1 and not value.keys() & known.keys():
        name, value = next(iter(value.items()))
        names.append(str(name))
    return ".".join(names) if isinstance(value, Mapping) else None


def nearest(name: str, known: Mapping[str, object]) -> str | None:
    """The setting whose name is most like this one; None when none is."""
    plain = name.lower().replace("-", "_").removeprefix(PREFIX.lower())
    return next(iter(get_close_matches(plain, list(known), n=1)), None)


def _inner_fields(field: FieldInfo | None) -> Mapping[str, FieldInfo]:
    """The fields of the model that a setting maps names to; empty where it holds no model."""
    annotation = None if field is None else field.annotation
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each.model_fields
    return {}


def unreadable(error: Exception, fields: Mapping[str, FieldInfo]) -> str:
    """What to say of an environment variable that should hold JSON and does not."""
    found = _UNREADABLE.search(str(error))
    if found is None or found["field"] not in fields:
        return f"settings: {error}; lists and maps are written as JSON"
    is_map = "dict" in str(fields[found["field"]].annotation)
    example = '{"name": …}' if is_map else '["one", "two"]'
    kind = "map" if is_map else "list"
    return (
        f"{PREFIX}{found['field'].upper()}: expected a JSON {kind} for {found['field']}, such as '{example}'"
    )


def unread_variables(
    fields: Mapping[str, object], environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A line for each variable `GRADERS_…` that is not a setting, and therefore has no effect.

    Args:
        fields: The settings.
        environment: Variables; defaults to the process's.
    """
    for name in sorted(os.environ if environment is None else environment):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper == CONFIG_VARIABLE or upper.startswith(_TESTS):
            continue
        field = upper.removeprefix(PREFIX).lower()
        if field in fields:
            continue
        near = nearest(field, {**fields, "config_file": None})
        hint = f"; did you mean {PREFIX}{near.upper()}?" if near else ""
        yield f"the environment variable {name} is not a setting and has no effect{hint}"
