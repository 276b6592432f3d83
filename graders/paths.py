"""Look-ups of `item.a.b[0]` and `sample.output_json.x`, compiled once.

Plain dotted paths become a chain of direct look-ups. Everything richer (`[*]`, slices, filters, `..`) goes through
jsonpath-ng, after its tree was checked against a closed set of nodes: its extensions can run regular expressions over
foreign text, and each `..` looks at everything below everything that the one before it found; both could stall a grading.
"""

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from graders.contract import CausedBy, FailureKind
from graders.errors import GradingError, TemplateError
from graders.samples.sample import FIELDS, Sample

Lookup = Callable[[Sample, Mapping[str, Any]], Any]
Step = str | int

_HEAD = re.compile(r"(item|sample)(?=[.\[]|$)")
_STEP = re.compile(
    r"""\.(?P<name>[^\s.\[\](){}*'"?,:@`|&]+)"""  # .name
    r"""|\[(?P<index>-?[0-9]{1,9})\]"""  # [0], [-1]
    r"""|\[(?P<quoted>'[^']*'|"[^"]*")\]"""  # ['any name']
)
_INDEX = re.compile(r"[0-9]{1,9}")
"""A name that stands for an element where the value is a list: `{{item.list.0}}` is `{{item.list[0]}}`."""
_NUMBERED = re.compile(r"(?<!\.)\.([0-9]{1,9})(?=[.\[]|$)")
_MISSING = object()
MAX_RICH = 500
"""Characters of a path beyond its plain beginning: jsonpath-ng's tree is as deep as the path is long."""
MAX_NAMED = 12
"""Fields that a message names."""


class CompiledPath(NamedTuple):
    """What stands between `{{` and `}}`, compiled.

    Attributes:
        namespace: `item` or `sample`.
        steps: The plain names and indices that the path begins with.
        is_plain: Whether the path is no more than those.
        look_up: Finds the value in a sample and its item.
    """

    namespace: str
    steps: tuple[Step, ...]
    is_plain: bool
    look_up: Lookup


def compile_path(text: str) -> CompiledPath:
    """Compile what stands between `{{` and `}}`.

    Raises:
        TemplateError: When it is not a path into `item` or `sample`.
    """
    head = _HEAD.match(text)
    if head is None:
        hint = "; a variable has two braces on each side" if "{" in text else ""
        raise TemplateError(
            f"{_shown(text)} must begin with 'item.' or 'sample.', for example {{{{item.answer}}}}{hint}"
        )
    namespace, position = head[1], head.end()
    steps: list[Step] = []
    while found := _STEP.match(text, position):
        name, index, quoted = found["name"], found["index"], found["quoted"]
        steps.append(name if name is not None else int(index) if index is not None else quoted[1:-1])
        position = found.end()
    plain, rest = tuple(steps), text[position:]
    lookup = _rich_lookup(namespace, plain, rest, text) if rest else _plain_lookup(namespace, plain, text)
    return CompiledPath(namespace, plain, not rest, lookup)


def _plain_lookup(namespace: str, steps: tuple[Step, ...], text: str) -> Lookup:
    """The fastest closure for these steps."""
    if namespace == "sample":
        return _sample_lookup(steps, text)
    if len(steps) == 1 and isinstance(steps[0], str):
        key = steps[0]

        def look_up_column(sample: Sample, item: Mapping[str, Any]) -> Any:
            try:
                return item[key]
            except KeyError:
                raise _missing("item", steps, text, item) from None

        return look_up_column

    def look_up_item(sample: Sample, item: Mapping[str, Any]) -> Any:
        value = walk(item, steps)
        if value is _MISSING:
            raise _missing("item", steps, text, item)
        return value if steps else dict(item)

    return look_up_item


def _sample_lookup(steps: tuple[Step, ...], text: str) -> Lookup:
    if steps == ("output_text",):
        return lambda sample, item: sample.output_text
    if not steps:
        return lambda sample, item: sample.to_dict()
    field, rest = steps[0], steps[1:]
    if field not in FIELDS:

        def refuse(sample: Sample, item: Mapping[str, Any]) -> Any:
            raise _missing("sample", steps, text, dict.fromkeys(FIELDS))

        return refuse

    def look_up_sample(sample: Sample, item: Mapping[str, Any]) -> Any:
        if field == "output_json" and not sample.is_json:
            raise GradingError(
                f"{_shown(text)} needs a sample that is valid JSON, and this one is not",
                kind=FailureKind.SAMPLE_PARSE,
                caused_by="model",
                details={"variable": text},
            )
        value = walk(getattr(sample, field), rest)
        if value is _MISSING:
            raise _missing("sample", steps, text, sample.to_dict())
        return value

    return look_up_sample


def walk(value: Any, steps: tuple[Step, ...]) -> Any:
    """Follow plain steps through plain data; `_MISSING` where one leads nowhere. The name `0` is an index in a list."""
    for step in steps:
        if isinstance(value, (list, tuple)):
            index = int(step) if isinstance(step, str) and _INDEX.fullmatch(step) else step
            if not isinstance(index, int) or not -len(value) <= index < len(value):
                return _MISSING
            value = value[index]
        elif isinstance(step, str) and isinstance(value, Mapping) and step in value:
            value = value[step]
        else:
            return _MISSING
    return value


def has_path(value: Any, steps: tuple[Step, ...]) -> bool:
    """Whether plain steps lead somewhere in plain data."""
    return walk(value, steps) is not _MISSING


def _missing(namespace: str, steps: tuple[Step, ...], text: str, data: Mapping[str, Any]) -> GradingError:
    """The error for a variable that is not there: the model's doing when it is a part of what the model wrote."""
    reached = 0
    while reached < len(steps) and has_path(data, steps[: reached + 1]):
        reached += 1
    parent = namespace + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps[:reached])
    found = walk(data, steps[:reached])
    return GradingError(
        f"{_shown(text)} is not there: {_clipped(parent, 200)} {_content(found)}{_hint(found, steps[reached], parent)}",
        kind=FailureKind.INVALID_VARIABLE,
        caused_by=_writer(namespace, steps),
        details={"variable": text},
    )


def _hint(value: Any, step: Step, parent: str) -> str:
    """How to write a step that leads nowhere because the value is of another kind; empty where the value lacks it."""
    if isinstance(value, (list, tuple)) and isinstance(step, str):
        return f"; an element is written {{{{{_clipped(parent, 80)}[0]}}}} or .0, a field of each element [*].{_clipped(step, 40)}"
    if isinstance(value, str) and isinstance(step, str):
        return "; a field of JSON inside a text cannot be looked up: store it as an object"
    return ""


def _writer(namespace: str, steps: tuple[Step, ...]) -> CausedBy:
    """Whose doing it is that data lacks what a path asks for."""
    return "model" if namespace == "sample" and steps and steps[0] in FIELDS else "grader"


def _content(value: Any) -> str:
    if isinstance(value, Mapping):
        names = sorted(map(str, value))
        more = ["…"] if len(names) > MAX_NAMED else []
        return f"has {_clipped(', '.join(names[:MAX_NAMED] + more), 500)}" if names else "has no fields"
    if isinstance(value, (list, tuple)):
        return f"is a list of {len(value)}"
    return "is null" if value is None else f"is a {type(value).__name__}"


def _shown(text: str) -> str:
    return f"{{{{{_clipped(text, 80)}}}}}"


def _clipped(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _rich_lookup(namespace: str, steps: tuple[Step, ...], rest: str, text: str) -> Lookup:
    """A look-up that gives the list of everything the JSONPath finds below the plain beginning."""
    plain = _plain_lookup(namespace, steps, text)
    expressions = [_compile_jsonpath(rest, text)]
    if (
        _NUMBERED.search(rest) and "'" not in rest and '"' not in rest
    ):  # the same with indices, as in a plain path
        expressions.append(_compile_jsonpath(_NUMBERED.sub(r"[\1]", rest), text))

    def look_up_all(sample: Sample, item: Mapping[str, Any]) -> Any:
        start = plain(sample, item)
        try:
            found = (expression.find(start) for expression in expressions)
            return [match.value for match in next(filter(None, found), ())]
        except (TypeError, ValueError, AttributeError, RecursionError) as error:  # data that no JSON gives
            raise GradingError(
                f"{_shown(text)} does not fit the data: {error}",
                kind=FailureKind.INVALID_VARIABLE,
                caused_by="model" if namespace == "sample" else "grader",
                details={"variable": text},
            ) from error

    return look_up_all


# 500 characters of a path take up to 40 kB parsed, short ones up to 200 bytes a character: 5 MB in all
@lru_cache(maxsize=128)
def _parse_jsonpath(rest: str) -> Any:
    """Parse with jsonpath-ng: 0.2 ms a path, so once; what does not parse is not kept."""
    from jsonpath_ng.ext.parser import parse  # noqa: PLC0415  # 60 ms, and most graders never need it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # what its next version drops is an error then
        return parse("$" + rest)


def _compile_jsonpath(rest: str, text: str) -> Any:
    """The parsed path; every node outside the closed set is refused."""
    from jsonpath_ng import exceptions  # noqa: PLC0415

    hint = "a name with other characters than letters, digits, _ and - is written ['the name']"
    if len(rest) > MAX_RICH:
        raise TemplateError(f"{_shown(text)} is longer than {MAX_RICH} characters after its plain beginning")
    if "`" in rest:  # its functions, whose arguments the parser answers with errors of any kind
        raise TemplateError(f"{_shown(text)} is not a path: it has a '`'; {hint}")
    try:
        expression = _parse_jsonpath(rest)
    except (exceptions.JSONPathError, AttributeError, ValueError, TypeError) as error:
        why = " ".join(str(error).split())
        raise TemplateError(f"{_shown(text)} is not a path: {_clipped(why, 200)}; {hint}") from None
    _check_closed(list(_nodes(expression)), text)
    return expression


_ALLOWED = frozenset(
    {"Root", "This", "Child", "Descendants", "Fields", "Wildcard", "Index", "Slice", "Filter", "Expression"}
)
_COMPARISONS = frozenset({None, "==", "=", "!=", "<", ">", "<=", ">="})


def _check_closed(nodes: list[Any], text: str) -> None:
    kinds = [type(node).__name__ for node in nodes]
    for kind, node in zip(kinds, nodes, strict=True):
        if kind not in _ALLOWED or (kind == "Expression" and node.op not in _COMPARISONS):
            what = f"{kind} {node.op}" if kind == "Expression" else kind
            raise TemplateError(
                f"{_shown(text)} uses {what}, which templates do not have: they look values up by name, [n], [*], slice, "
                "'..' and comparing filters, and compute nothing"
            )
    if kinds.count("Root") > 1:
        raise TemplateError(
            f"{_shown(text)} has a '$' inside, which templates do not have; '@' is the element"
        )
    if kinds.count("Descendants") > 1:
        raise TemplateError(f"{_shown(text)} has more than one '..', and one is as far as a template looks")
    if not any(map(_finds_many, nodes)):
        raise TemplateError(
            f"{_shown(text)} leads to one value by a roundabout path: write names as .name or ['any name'], indices as [0]"
        )


def _finds_many(node: Any) -> bool:
    """Whether a node of a path may find more than one value."""
    single = {"Root": (), "This": (), "Child": (), "Fields": ("fields",), "Index": ("indices",)}
    found = single.get(type(node).__name__)
    return found is None or any(len(getattr(node, name)) != 1 for name in found)


def _nodes(expression: Any) -> Iterator[Any]:
    """Every node of a parsed path."""
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [getattr(node, name) for name in ("left", "right", "target") if hasattr(node, name)]
        waiting += getattr(node, "expressions", ())
        value = getattr(node, "value", None)  # what a filter compares with, which may be a path
        waiting += [value] if hasattr(value, "find") and not isinstance(value, str) else []
