"""Hypothesis strategies the tests share: those that users have too, and more. What takes new input adds its strategy here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hypothesis import strategies as st

from graders.testing.strategies import any_str, integers_as_text, json_values, number_lookalikes, texts

__all__ = [
    "any_str",
    "formula_soup",
    "formulas",
    "integers_as_text",
    "json_values",
    "number_lookalikes",
    "plain_values",
    "rows",
    "steps",
    "text_pairs",
    "texts",
    "word_salad",
]

WORDS: Final = (
    "the", "a", "is", "was", "had", "of", "to", "that", "which", "no", "The", "Party", "party,", "cat", "cats",
    "car", "cars", "automobile", "auto", "machine", "machines", "run", "runs", "running", "ran", "running.",
    "quick", "quickly", "fast", "speedy", "begin", "began", "start", "started", "commence", "buy", "bought",
    "purchase", "purchased", "child", "children", "kid", "kids", "mouse", "mice", "ox", "oxen", "men", "man",
    "happy", "happily", "glad", "large", "larger", "big", "biggest", "ensures", "insure", "assure", "obeys",
    "heed", "commands", "command", "nation", "national", "nationally", "ice_cream", "icecream", "don't", "U.S.",
    "1,000", "3.14", "10-20", "well-being", "é", "кошка", "猫", "😀",
)  # fmt: skip
"""Inflected forms, irregular ones, synonyms of each other, and tokens tokenizers disagree about."""


def word_salad(words: Sequence[str] = WORDS, max_size: int = 25) -> st.SearchStrategy[str]:
    """Words out of a small vocabulary, so that two such texts share words, stems and synonyms."""
    return st.lists(st.sampled_from(words), max_size=max_size).map(" ".join)


def text_pairs() -> st.SearchStrategy[tuple[str, str]]:
    """Two texts: unrelated, out of one vocabulary, or the second an edit of the first."""
    few = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6, unique=True)
    overlapping = few.flatmap(lambda words: st.tuples(word_salad(words), word_salad(words)))
    salad = st.tuples(word_salad(), word_salad())
    cut = st.tuples(texts(), st.integers(0, 120), texts(20)).map(lambda t: (t[0], t[0][: t[1]] + t[2]))
    return st.one_of(st.tuples(texts(), texts()), salad, overlapping, cut)


def rows() -> st.SearchStrategy[dict[str, Any]]:
    """Dataset rows of finite JSON, with names that a plain path can spell: numeric ones and foreign scripts too."""
    names = st.sampled_from(["a", "b", "0", "1", "é", "ключ", "a-b", "x_1", "名前"])
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    values = st.recursive(
        leaves | any_str(8) | st.sampled_from(["{{item.a}}", "{{", "}}", "{{sample.output_text}}"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=10,
    )
    return st.dictionaries(names, values, max_size=4)


def steps() -> st.SearchStrategy[tuple[str | int, ...]]:
    """The names and indices of a plain path into such a row, which may lead nowhere."""
    names = st.sampled_from(["a", "b", "0", "1", "é", "ключ", "a-b", "x_1", "名前"])
    return st.tuples(names, st.lists(names | st.integers(-3, 3), max_size=3)).map(lambda t: (t[0], *t[1]))


def formulas(names: Sequence[str] = ("a", "b", "c")) -> st.SearchStrategy[tuple[str, str]]:
    """A formula, and the same in Python over floats."""
    numbers = st.sampled_from(["0", "1", "2", "3", "0.5", ".25", "1e-9", "2E1", "007", "10."])
    leaves = st.sampled_from(names).map(lambda name: (name, name)) | numbers.map(
        lambda text: (text, repr(float(text)))
    )
    spaces = st.sampled_from(["", " "])

    def grow(inner: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[tuple[str, str]]:
        def binary(
            left: tuple[str, str], operator: str, right: tuple[str, str], space: str
        ) -> tuple[str, str]:
            python = {"^": "**"}.get(operator, operator)
            return (
                f"{left[0]}{space}{operator}{space}{right[0]}",
                f"{left[1]} {python} {right[1]}",
            )

        def call(name: str, arguments: list[tuple[str, str]]) -> tuple[str, str]:
            return tuple(f"{name}({', '.join(argument[i] for argument in arguments)})" for i in (0, 1))  # type: ignore[return-value]  # two of them

        def wrap(form: str, expression: tuple[str, str]) -> tuple[str, str]:
            return form.format(expression[0]), form.format(expression[1])

        one = st.sampled_from(["abs", "floor", "ceil", "exp", "sqrt", "log"])
        return st.one_of(
            st.builds(binary, inner, st.sampled_from("+-*/^"), inner, spaces),
            st.builds(wrap, st.sampled_from(["({})", "-{}", "+{}", "- {}"]), inner),
            st.builds(call, one, st.lists(inner, min_size=1, max_size=1)),
            st.builds(call, st.sampled_from(["min", "max"]), st.lists(inner, min_size=1, max_size=3)),
        )

    return st.recursive(leaves, grow, max_leaves=8)


def formula_soup() -> st.SearchStrategy[str]:
    """Text out of the pieces of formulas, of Python, and of letters that look like either."""
    pieces = [
        *"abc()+-*/^,. 0189_[]{}'\"=:;@%&|~<>!#\\\n\t",
        "**", "//", "min", "max(", "abs(", "log(", "1e5", "1_0", "0x1", "1j", "lambda x:", " if ", " else ", " for x in ",
        "__import__", "__class__", ".real", "(yield)", "await ", ":=", "f'{a}'", "None", "True", "not ", " and ", "*a",
        "**a", "ａ", "＿", "（", "²", "٣", "１", "𝐚", "ﬁ", "e\u0301", "−", "×", "\ud800", "\0", "\u2028", "\ufeff",
    ]  # fmt: skip
    return st.lists(st.sampled_from(pieces), max_size=12).map("".join)


def plain_values(max_leaves: int = 12) -> st.SearchStrategy[Any]:
    """Whatever may travel between sandboxed processes: Python's own data, with any hashable part as key or element."""
    huge = st.sampled_from([2**63, -(2**63), 2**64 + 1, 10**4000])
    scalars = (
        st.none() | st.booleans() | st.integers() | huge | st.floats() | any_str(12) | st.binary(max_size=8)
    )
    keys = st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
        max_leaves=4,
    )
    return st.recursive(
        scalars | st.complex_numbers() | st.sets(keys, max_size=4) | keys,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.lists(inner, max_size=4).map(tuple),
            st.dictionaries(keys | any_str(6), inner, max_size=4),
        ),
        max_leaves=max_leaves,
    )
