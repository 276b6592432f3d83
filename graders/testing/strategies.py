"""Hypothesis strategies: samples, items and tool calls of every shape, and texts that break what reads them.

::

    @given(samples(), items({"reference": "42", "unit": "cm"}))
    def test_a_reward_is_never_negative(sample: Sample, item: Item) -> None: …

They shrink to what is simplest: an empty sample, an item as it was given. Each function raises `ModuleNotFoundError`, and says
what to install, where Hypothesis is missing.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from graders.contract import Item
from graders.samples.sample import Sample
from graders.testing.changes import CHANGES, Change
from graders.testing.later import st

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    Texts: TypeAlias = SearchStrategy[str]

SCRIPTS: Final = {
    "latin": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789éüßñåİıſ",
    "cyrillic": "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЕЁЖ",
    "greek": "αβγδεζηθικλμνξοπρσςτυφχψωΑΣ",
    "cjk": "的一是不了人我在有他这为之大来以个中上们日本語かなカナ한국어",
    "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي٠١٢٣",
    "devanagari": "अआइईउऊएऐओऔकखगघचछजझटठडढणतथदधनपािीुू्०१२",
    "emoji": "😀😁🙏🏽👩‍🔬🇫🇷❤️",
}
"""Letters by script. Latin holds those whose case mapping is special."""

_BETWEEN: Final = "     \n\t\u00a0\u3000.,;:!?'\"-_()&*/<>$%"
"""White space (often) and punctuation, put between the letters of any script."""

HOSTILE_TEXTS: Final = (
    "", " ", "\n", "a", "-", ".", "0", "-1", "1/0", "1e999", "NaN", "Infinity", "inf", "1,5", "٣", "½",
    "null", "true", "[]", "{}", '""', '{"a":', '{"a": NaN}', '{"a": {"b": [null]}}', "{}{}", "[" * 150 + "]" * 150,
    "```", "```json\n", "```python\n", "<think>", "</think>", "<answer></answer>", r"\boxed{", r"\boxed{}", "####",
    "\\", "'", '"', "%s%d%n", "{0}{a.b}", "{{item.a}}", "{{", "$(id)", "'; --", "(", "[a-z", "*", "\\1", "(?P<a>",
    "\0", "a\0b", "\ud800", "\udcff", "\ufeff", "\u202etxt.exe", "\u200b", "\r", "a\r\nb", "\x85", "\u2028",
    "e\u0301", "ﬁ", "ß", "İ", "日本語", "👩‍🔬", "Z\u0351\u036b\u0343" * 20, "def f(:\n", "import os; os._exit(0)",
)  # fmt: skip
"""Short texts that break parsers: the empty text, half of a format, invalid numbers, unusual characters."""

REPEATED: Final = (
    "a", "0", "9", " ", "\n", "\t", "a ", "ab", "1,", "1.", ".", "-", "(", "()", "[", "{", "<", "<a>", '"', "'", "\\", "`",
    "*", "_", "=", "/", "aA", "é", "😀", "\u0301",
)  # fmt: skip
"""What a long text is a repetition of."""

HOLES: Final[tuple[Any, ...]] = (
    None, "", " ", "a", "1/0", "inf", 0, -1, 1.5, True, [], {}, [None], ["a", "b"], {"a": None}, math.nan, math.inf, 10**400,
    "\ud800",
)  # fmt: skip
"""What stands in an item where its author expects something else."""


BROKEN_CALLS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"type": "function"},
    {"type": "function", "function": None},
    {"type": "function", "function": {}},
    {"type": "function", "function": {"name": "search"}},
    {"type": "function", "function": {"name": None, "arguments": None}},
    {"type": "function", "function": {"name": "search", "arguments": {"city": "Paris"}}},
    {"id": "call_1", "type": "custom", "custom": {"name": "search", "input": "Paris"}},
)
"""Tool calls with parts missing, or of another kind than is expected."""


def texts(max_size: int = 120) -> Texts:
    """Text in one script, in several, or in any characters UTF-8 can carry."""
    one = [st.text(st.sampled_from(letters + _BETWEEN), max_size=max_size) for letters in SCRIPTS.values()]
    mixed = st.text(st.sampled_from("".join(SCRIPTS.values()) + _BETWEEN), max_size=max_size)
    return st.one_of(*one, mixed, st.text(max_size=max_size))


def any_str(max_size: int = 60) -> Texts:
    """Whatever a Python `str` can hold: lone surrogates and NULs too."""
    characters = st.characters() | st.characters(categories=["Cs"]) | st.sampled_from("\0 a\ud800\udfff")
    return st.text(characters, max_size=max_size)


def long_texts(max_length: int = 20_000) -> Texts:
    """One or a few characters over and over, and then, most often, one that ends it: what regular expressions backtrack on.

    Args:
        max_length: Characters of the longest, but for the one that ends it.
    """

    def repeated(unit: str, length: int, end: str) -> str:
        return (unit * length)[:length] + end

    units = st.sampled_from(REPEATED) | st.text(max_size=3).filter(bool)
    return st.builds(repeated, units, st.integers(0, max_length), st.sampled_from(["!", "", "\n", "\0"]))


def hostile_texts(like: Sequence[str] = (), *, max_length: int = 20_000) -> Texts:
    """Texts that break parsers: empty, long, of every script, broken formats, invalid numbers.

    Args:
        like: Texts that a grader may expect. They are given as they are, changed by `CHANGES`, cut, repeated and embedded.
        max_length: Characters of the longest text.
    """
    hostile = st.sampled_from(HOSTILE_TEXTS)
    values = json_values().map(_as_json)
    every = [hostile, texts(), any_str(), number_lookalikes(), values, long_texts(max_length)]
    if like:
        one = st.sampled_from(list(like))
        changes = st.sampled_from(list(CHANGES.values()))
        changed = st.builds(_changed, one, changes, st.integers(0, 4))
        cut = st.builds(lambda text, size: text[:size], one, st.integers(0, 20))
        repeated = st.builds(lambda text, times: text * times, one, st.integers(2, 5))
        embedded = st.builds(lambda before, text, after: before + text + after, hostile, one, hostile)
        every += [one, changed, cut, repeated, embedded]
    return st.one_of(*every).map(lambda text: text[: max_length + 1])


def number_lookalikes(max_size: int = 40) -> Texts:
    """Text out of the pieces that numbers, and what resembles them, are made of."""
    pieces = [
        *"0123456789.,'/:-–−+eE$€%^*()[]{}<>_ \n=x", "10", "000", " 1/2", "½", "²", "×10^", "\u00a0", "inf", "nan",
        r"\frac{1}{2}", r"\boxed{", r"\,", r"\sqrt{2}", r"\text{cm}", r"\%", r"\$", "####", " million", "kg", "nd",
    ]  # fmt: skip
    return st.lists(st.sampled_from(pieces), max_size=max_size).map("".join)


def integers_as_text() -> SearchStrategy[tuple[str, int]]:
    """A whole number in one of the ways that whole numbers are written, and its value."""

    def write(value: int, style: str) -> tuple[str, int]:
        sign, size = "-" if value < 0 else "", abs(value)
        grouped = f"{size:,}"
        written = {
            "plain": f"{sign}{size}",
            "minus": f"{sign.replace('-', '−')}{size}",
            "plus": f"{sign or '+'}{size}",
            "comma": sign + grouped,
            "apostrophe": sign + grouped.replace(",", "'"),
            "underscore": sign + grouped.replace(",", "_"),
            "narrow": sign + grouped.replace(",", "\u202f"),
            "nbsp": sign + grouped.replace(",", "\u00a0"),
            "latex": sign + grouped.replace(",", "{,}"),
            "dollar": f"{sign}${grouped}",
            "euro": f"{sign}{grouped} €",
            "code": f"{sign}USD {grouped}",
            "fullwidth": sign + "".join(chr(0xFF10 + int(digit)) for digit in str(size)),
            "arabic": sign + "".join(chr(0x660 + int(digit)) for digit in str(size)),
            "point": f"{sign}{size}.0",
            "thin latex": sign + grouped.replace(",", r"\,"),
            "scientific": f"{sign}{size}e0",
            "bold": f"**{sign}{size}**",
            "math": f"${sign}{size}$",
        }
        return written[style], value

    styles = [
        "plain", "minus", "plus", "comma", "apostrophe", "underscore", "narrow", "nbsp", "latex", "dollar", "euro", "code",
        "fullwidth", "arabic", "point", "thin latex", "scientific", "bold", "math",
    ]  # fmt: skip
    return st.builds(write, st.integers(-(10**20), 10**20), st.sampled_from(styles))


def json_values(max_leaves: int = 12) -> SearchStrategy[Any]:
    """Whatever a row or an option may hold as JSON, and numbers that JSON's parsers give and no one expects."""
    huge = st.sampled_from([400, 5000]).map(lambda digits: 10**digits)  # 5,000 digits have no repr
    numbers = st.integers() | huge | st.floats()
    leaves = st.none() | st.booleans() | numbers | any_str(12)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_str(6), inner, max_size=4),
        max_leaves=max_leaves,
    )


def tool_calls() -> SearchStrategy[dict[str, Any]]:
    """One tool call in the shape of a chat completion, its arguments JSON or broken, or a call with parts missing."""
    names = st.sampled_from(["search", "get_weather", "", "a.b", "日本"]) | any_str(8)
    arguments = st.sampled_from(
        ["{}", '{"city": "Paris"}', "", "{", "null", "[]", '{"a": NaN}', '"text"']
    ) | json_values().map(_as_json)
    functions = st.fixed_dictionaries({"name": names, "arguments": arguments})
    call = st.fixed_dictionaries(
        {"id": st.sampled_from(["call_1", ""]), "type": st.just("function"), "function": functions}
    )
    return call | st.sampled_from(BROKEN_CALLS).map(copy.deepcopy)


def samples(like: Sequence[str] = (), *, max_length: int = 20_000) -> SearchStrategy[Sample]:
    """Samples of every shape: text, text with tool calls, chat completions with several choices or an odd one, and more.

    Args:
        like: Texts that a grader may expect, as in `hostile_texts`.
        max_length: Characters of the longest text.
    """
    text = hostile_texts(like, max_length=max_length)
    calls = st.lists(tool_calls(), max_size=3)
    content = (
        st.none()
        | text
        | st.lists(st.fixed_dictionaries({"type": st.just("output_text"), "text": text}), max_size=2)
    )
    message = st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": content},
        optional={"tool_calls": st.none() | calls, "refusal": st.sampled_from([None, "I cannot."])},
    )
    ends = st.sampled_from(["stop", "length", "tool_calls", "content_filter", None])
    choice = st.fixed_dictionaries({"index": st.just(0), "message": message, "finish_reason": ends})
    completions = st.lists(choice, min_size=1, max_size=3).map(
        lambda choices: Sample.load({"model": "gpt-4.1", "choices": choices})
    )
    whole = st.builds(
        _odd_sample,
        text,
        output_tools=calls,
        model=st.sampled_from([None, "", "gpt-4.1"]),
        output_reasoning_summary=st.none() | any_str(20),
        choices=st.sampled_from([None, [], [{}], [{"message": None}]]),
    )
    return text.map(Sample) | st.builds(Sample, text, output_tools=calls) | completions | whole


def _odd_sample(text: str, *, choices: list[dict[str, Any]] | None, **fields: Any) -> Sample:
    """A sample whose choices say nothing where it has a text; with neither it would be no sample that can be read back."""
    return Sample(text, choices=choices if text else None, **fields)


def odd_samples() -> Iterator[Sample]:
    """Samples that are more than their text, or less: tool calls, sound and broken, and choices that say nothing."""
    sound = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "search", "arguments": '{"city": "Paris"}'},
    }
    yield Sample(output_tools=[copy.deepcopy(sound), copy.deepcopy(sound)])
    for call in BROKEN_CALLS:
        yield Sample("a", output_tools=[copy.deepcopy(call)])
    silent = {"role": "assistant", "content": None}
    odd: list[list[dict[str, Any]]] = [[], [{}], [{"message": None}], [{"message": silent}]]
    for choices in odd:
        yield Sample("a", choices=choices)
    yield Sample("a", model="", output_reasoning_summary="", input_tools=[])


def items(*examples: Item, holes: bool = True) -> SearchStrategy[dict[str, Any]]:
    """Dataset items: the examples, and what becomes of them when a field is missing or holds what nobody expects.

    Args:
        examples: Items as the grader expects them; without any, items of any JSON.
        holes: Whether to give others than the examples.
    """
    if not examples:
        names = st.sampled_from(["reference", "answer", "a", "messages", "名前"]) | any_str(6)
        return st.dictionaries(names, json_values(), max_size=4)
    whole = st.sampled_from([copy.deepcopy(dict(example)) for example in examples]).map(copy.deepcopy)
    return whole | whole.flatmap(with_holes) if holes else whole


def each_hole(item: Item) -> Iterator[dict[str, Any]]:
    """The item without one of its fields, for each of them; and no field at all."""
    for path in _paths(item):
        yield _without(item, path)
    if item:
        yield {}


def each_filling(item: Item) -> Iterator[dict[str, Any]]:
    """The item with each of `HOLES` in the place of each of its fields."""
    for path in _paths(item):
        yield from (_with(item, path, filling) for filling in HOLES)


def texts_in(value: object) -> Iterator[str]:
    """Every text and number inside an item, as text: what a sample may have in common with it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (int, float)):
        yield _as_json(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts_in(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from texts_in(inner)


def with_holes(item: dict[str, Any]) -> SearchStrategy[dict[str, Any]]:
    """The item without one of its fields, without any, or with another value in one of them, however deep inside."""
    paths = list(_paths(item))
    if not paths:
        return st.just(item)
    fillings = st.sampled_from(HOLES) | st.sampled_from(HOSTILE_TEXTS) | any_str(12)
    missing = st.builds(_without, st.just(item), st.sampled_from(paths))
    other = st.builds(_with, st.just(item), st.sampled_from(paths), fillings)
    return st.just({}) | missing | other


def _paths(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything inside plain data, the outer first."""
    keys: Any = ()
    if isinstance(value, Mapping):
        keys = list(value)
    elif isinstance(value, list):
        keys = range(len(value))
    for key in keys:
        yield (*path, key)
    for key in keys:
        yield from _paths(value[key], (*path, key))  # type: ignore[index]  # one of the two above


def _without(item: Item, path: tuple[Any, ...]) -> dict[str, Any]:
    changed = copy.deepcopy(dict(item))
    del _parent(changed, path)[path[-1]]
    return changed


def _with(item: Item, path: tuple[Any, ...], filling: object) -> dict[str, Any]:
    changed = copy.deepcopy(dict(item))
    _parent(changed, path)[path[-1]] = copy.deepcopy(filling)
    return changed


def _parent(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        value = value[step]
    return value


def _changed(text: str, change: Change, which: int) -> str:
    others = [*change(text), text]
    return others[which % len(others)]


def _as_json(value: object) -> str:
    try:
        return json.dumps(value)
    except ValueError:  # an integer of more than 4,300 digits
        return "1" + "0" * 5000
