"""Plain data comes out as it went in, with its types, and no bytes at all can do more than be refused."""

import datetime as dt
import enum
import inspect
import math
import struct
import sys
from collections import Counter, OrderedDict, defaultdict, namedtuple
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sandbox.inside.rpc.codec import MAX_BYTES, MAX_DEPTH, MAX_PARTS, NotPlain, decode, encode
from tests.strategies import any_str, plain_values


def with_types(value: Any) -> Any:
    """A value in a form that tells True from 1, 0.0 from -0.0, and equals itself if it is NaN."""
    kind = type(value)
    if kind is float:
        return kind, struct.pack("d", value) if not math.isnan(value) else "nan"
    if kind is complex:
        return kind, with_types(value.real), with_types(value.imag)
    if kind in (list, tuple):
        return kind, [with_types(inner) for inner in value]
    if kind in (set, frozenset):
        return kind, sorted(map(repr, map(with_types, value)))
    if kind is dict:
        return kind, [(with_types(key), with_types(inner)) for key, inner in value.items()]
    return kind, value


@given(plain_values())
def test_what_goes_in_comes_out_with_its_types(value: Any) -> None:
    assert with_types(decode(encode(value))) == with_types(value)


class Pair(NamedTuple):
    first: int
    second: object


STANDARD = st.one_of(
    st.decimals(),
    st.fractions(),
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(dt.UTC)),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.builds(range, st.integers(), st.integers(), st.integers(1)),
    st.builds(dt.timezone, st.timedeltas(dt.timedelta(-1, 1), dt.timedelta(1, -1))),
    st.builds(Pair, st.integers(), st.decimals() | st.text()),
)


@given(st.recursive(STANDARD, lambda inner: st.lists(inner, max_size=3) | st.tuples(inner)))
def test_values_of_the_standard_library_travel_where_objects_do(value: Any) -> None:
    def refuse(value: object) -> int:
        raise NotPlain("an object")

    back = decode(encode(value, refuse), lambda number: number)
    assert repr(back) == repr(value)
    assert type(back) is type(value) or back._fields == value._fields


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_refused(body: bytes) -> None:
    with suppress(NotPlain):
        decode(body)


JSON_PIECES = [
    *(b'{"%b":' % tag for tag in (b"t", b"s", b"f", b"d", b"o", b"i", b"b", b"c", b"r", b"v", b"x")),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b":",
        b'"',
        b"\\",
        b'"a"',
        b"1",
        b"-1.5",
        b"NaN",
        b"null",
        b"true",
        b"[[1,2]]",
    ),
    *(
        b'"%b",' % name
        for name in (b"namedtuple", b"decimal.Decimal", b"fractions.Fraction", b"builtins.range")
    ),
    *(b'"0x1f"', b'"YQ=="', b"\xff", b'"\xed\xa0\x80"', b"1e999", b"9" * 5000),
]


@given(st.lists(st.sampled_from(JSON_PIECES), max_size=30).map(b"".join))
def test_pieces_of_values_are_a_value_or_refused(body: bytes) -> None:
    with suppress(NotPlain):
        decode(body, lambda number: number)
    try:
        value = decode(body)
    except NotPlain:
        return
    assert with_types(decode(encode(value))) == with_types(value)


@given(plain_values(), st.data())
def test_damaged_bytes_are_a_value_or_refused(value: Any, data: st.DataObject) -> None:
    body = bytearray(encode(value))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] = data.draw(st.integers(0, 255))
    with suppress(NotPlain):
        decode(bytes(body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"{}",
        b'{"x":1}',
        b'{"t":1}',
        b'{"t":{"o":{}}}',
        b'{"s":[[]]}',
        b'{"d":{"ab":1}}',
        b'{"d":[[1]]}',
        b'{"d":[[[],1]]}',
        b'{"o":[]}',
        b'{"i":1}',
        b'{"i":"zz"}',
        b'{"b":"?"}',
        b'{"b":1}',
        b'{"c":[1,2]}',
        b'{"c":1.5}',
        b'{"r":1}',
        b'{"t":[],"s":[]}',
        b"9" * 5000,
        b"\xff",
        b"[" * 100_000,
        b"[" * 400 + b"]" * 400,
        b'"' + b"x" * MAX_BYTES + b'"',
        b"[" + b"[]," * MAX_PARTS + b"1]",
        b'{"s":[' + b",".join(b"%d" % (n * (2**61 - 1)) for n in range(100)) + b"]}",
        b'{"d":[' + b",".join(b"[%d,1]" % (n * (2**61 - 1)) for n in range(100)) + b"]}",
    ],
    ids=lambda body: repr(body[:30]),
)
def test_what_is_no_value_is_refused(body: bytes) -> None:
    with pytest.raises(NotPlain):
        decode(body)


def nested(levels: int, empty: Any = None) -> Any:
    value: Any = [] if empty is None else empty
    for _ in range(levels - 1):
        value = {(1,): value}
    return value


def test_a_hundred_levels_travel_and_one_more_does_not() -> None:
    deep = nested(MAX_DEPTH)
    assert decode(encode(deep)) == deep
    with pytest.raises(NotPlain, match="deeper than 100 levels"):
        encode([deep])
    with pytest.raises(NotPlain, match="deeper"):
        decode(b"[" + encode(deep) + b"]")


@pytest.mark.full
def test_a_value_that_holds_itself_is_refused_and_so_is_one_that_doubles_itself() -> None:
    loop: list[Any] = []
    loop += [loop, loop]
    with pytest.raises(NotPlain, match=r"deeper|more values"):
        encode(loop)
    doubled: list[Any] = ["x"] * 1000
    for _ in range(60):
        doubled = [doubled, doubled]
    with pytest.raises(NotPlain, match="more values"):
        encode(doubled)


@pytest.mark.full
def test_too_much_is_refused() -> None:
    with pytest.raises(NotPlain, match="bytes of plain data; at most 16,777,216 travel"):
        encode("x" * MAX_BYTES)
    with pytest.raises(NotPlain, match="more than 1,000,000 lists"):
        encode([[]] * (MAX_PARTS + 1))


def test_brackets_in_texts_are_no_levels() -> None:
    text = '[{"\\' * 100_000
    assert decode(encode([text, {"[": text}])) == [text, {"[": text}]


def test_little_is_left_of_the_stack() -> None:
    def sink(levels: int) -> bytes:
        return sink(levels - 1) if levels else encode(nested(90))

    with pytest.raises(NotPlain, match="stack"):
        sink(sys.getrecursionlimit() - len_of_stack() - 60)


def len_of_stack() -> int:
    return len(inspect.stack())


class Liar(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__

    def __int__(self) -> int:
        return 99

    __index__ = __int__

    def __repr__(self) -> str:
        return "99"


class Lists(list[Any]):
    def __iter__(self) -> Any:
        return iter([99])

    def __len__(self) -> int:
        return 99


class Dicts(dict[Any, Any]):
    def items(self) -> Any:
        return [("x", 99)]


class Floats(float):
    def __float__(self) -> float:
        return 99.0


class Texts(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "99"


class Bytes(bytes):
    def __getitem__(self, key: Any) -> Any:
        return b"99"


class Complexes(complex):
    def __complex__(self) -> complex:
        return 99j


class Colour(enum.IntEnum):
    RED = 1


Point = namedtuple("Point", "x y")  # noqa: PYI024  # the plain one


@pytest.mark.parametrize(
    ("value", "travels_as"),
    [
        (Liar(1), 1),
        (Liar(2**70), 2**70),
        (Lists([1]), [1]),
        (Dicts(a=1), {"a": 1}),
        (Floats(1.5), 1.5),
        (Texts("a"), "a"),
        ({Texts("a"): 1}, {"a": 1}),
        (Bytes(b"a"), b"a"),
        (Complexes(1j), 1j),
        (Colour.RED, 1),
        (Point(1, 2), (1, 2)),
        (Counter("aab"), {"a": 2, "b": 1}),
        (defaultdict(list, {1: [2]}), {1: [2]}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (np.int64(3), 3),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([None, "a"], dtype=object), [None, "a"]),
    ],
    ids=repr,
)
def test_a_subclass_travels_as_its_base_whatever_it_says_of_itself(value: Any, travels_as: Any) -> None:
    assert with_types(decode(encode(value))) == with_types(travels_as)


@pytest.mark.parametrize(
    "value", [object(), len, int, sys, ..., iter([]), bytearray(b"a"), range(3), [{"a": {1: object()}}]]
)
def test_anything_else_is_refused_by_name(value: Any) -> None:
    with pytest.raises(
        NotPlain,
        match=r"a value of type (object|builtin_function_or_method|type|module|ellipsis|\w+) is not plain",
    ):
        encode(value)


def test_what_is_not_plain_can_travel_by_number() -> None:
    held: list[object] = []

    def number(value: object) -> int:
        held.append(value)
        return len(held) - 1

    body = encode([len, {"a": (object, 1)}], number)
    assert decode(body, held.__getitem__) == [len, {"a": (object, 1)}]
    with pytest.raises(NotPlain):
        decode(body)
    with pytest.raises(NotPlain):
        decode(b'{"r":"x"}', held.__getitem__)


@given(any_str())
def test_any_text_travels(text: str) -> None:
    assert decode(encode({text: [text]})) == {text: [text]}
