"""Values of numpy, pandas and the standard library become JSON's own types; what cannot is refused with its path."""

import json
import math
import re
from collections import OrderedDict, UserDict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from openai.types.chat import ChatCompletionMessage

from graders import ConfigurationError, Sample
from graders.samples.plain_data import item, json_problem, plain, rows
from tests.strategies import json_values


def shown(value: object) -> str:
    """The name of a case: without addresses, which differ between the processes that collect the tests."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value), flags=re.IGNORECASE)


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Pair(NamedTuple):
    a: int
    b: int


class Text(str):
    __slots__ = ()


class List(list[Any]):
    """A list of a library's own."""


def of_library(module: str, name: str, **methods: Any) -> Any:
    """A value as a library that is not installed here gives it; pandas 2.3 and pyarrow 21 were looked at for these."""

    def answering(value: Any) -> Any:
        return lambda self: value

    found = {key: answering(value) for key, value in methods.items() if key != "columns"}
    if "columns" in methods:
        found["columns"] = methods["columns"]
        found["__getitem__"] = lambda self, key: methods["data"][key]
    return type(name, (), {**found, "__module__": module})()


COLUMN = of_library("pandas.core.series", "Series", to_numpy=np.array([0.1, 0.2], dtype=np.float32))
FRAME = of_library("pandas.core.frame", "DataFrame", columns=["a", "b"], data={"a": COLUMN, "b": COLUMN})
ROW = of_library("pandas.core.series", "Series", items=[("a", np.int64(1)), ("b", "x")], to_numpy=None)
MOMENT = of_library("pandas._libs.tslibs.timestamps", "Timestamp", isoformat="2024-01-02T03:04:05")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(3), 3), (np.uint8(3), 3), (np.float64(1.5), 1.5), (np.float32(0.1), 0.1), (np.float16(0.1), 0.1),
        (np.longdouble(1.5), 1.5), (np.bool_(True), True), (np.str_("a"), "a"), (np.bytes_(b"a"), b"a"),
        (np.complex64(1j), 1j), (np.array(5), 5), (np.array([1, 2]), [1, 2]), (np.array([[True]]), [[True]]),
        (np.array(["a", "b"]), ["a", "b"]), (np.array([0.1], dtype=np.float32), [0.1]), (np.array([0.1]), [0.1]),
        (np.array([{"a": np.int8(1)}, None], dtype=object), [{"a": 1}, None]), (np.array([]), []),
        (np.datetime64("2024-01-02"), "2024-01-02"), (np.datetime64("2024-01-02T03:04:05", "ns"), "2024-01-02T03:04:05"),
        (np.datetime64("2024-01-02T03:04:05.250", "ns"), "2024-01-02T03:04:05.25"), (np.datetime64("NaT"), None),
        (np.array(["2024-01-02"], dtype="M8[D]"), ["2024-01-02"]), (np.ma.masked, None),
        (np.ma.array([1, 2], mask=[False, True]), [1, None]), (np.array([(1, 2.0)], dtype="i4,f8")[0], (1, 2.0)),
        (Decimal(3), 3), (Decimal("1.50"), 1.5), (Decimal("0.1"), 0.1), (Decimal("1e3"), 1000), (Decimal("1e-3"), 0.001),
        (Decimal("0.12345678901234567890"), "0.12345678901234567890"), (Decimal("1e999"), "1E+999"),
        (Decimal("Infinity"), math.inf), (date(2024, 1, 2), "2024-01-02"), (time(3, 4), "03:04:00"),
        (datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02T00:00:00+00:00"), (UUID(int=1), str(UUID(int=1))),
        (Colour.RED, "red"), (Level.HIGH, 3), (Text("a"), "a"), (List([np.int8(1)]), [1]), (Pair(1, 2), (1, 2)),
        (OrderedDict(a=1), {"a": 1}), (UserDict({"a": np.int8(1)}), {"a": 1}), (MappingProxyType({"a": 1}), {"a": 1}),
        ({np.str_("a"): 1}, {"a": 1}), ({"a": [np.int8(1), ({"b": np.int8(2)},)]}, {"a": [1, ({"b": 2},)]}),
        (COLUMN, [0.1, 0.2]), (FRAME, [{"a": 0.1, "b": 0.1}, {"a": 0.2, "b": 0.2}]), (MOMENT, "2024-01-02T03:04:05"),
        (of_library("pandas._libs.missing", "NAType"), None), (of_library("pandas._libs.tslibs.nattype", "NaTType"), None),
        (of_library("pyarrow.lib", "Int64Scalar", as_py=3), 3), (of_library("pyarrow.lib", "Table", to_pylist=[1]), [1]),
        (of_library("torch", "Tensor", tolist=[1, 2]), [1, 2]), (of_library("jaxlib._jax", "ArrayImpl", tolist=1), 1),
        (ChatCompletionMessage(role="assistant", content="a"), {"role": "assistant", "content": "a"}),
    ],
    ids=shown,
)  # fmt: skip
def test_a_value_becomes_plain(value: object, expected: object) -> None:
    found = plain(value)
    assert found == expected
    assert type(found) is type(expected)
    if not isinstance(expected, (bytes, complex)):
        json.dumps(found)


def test_numbers_that_are_not_finite_stay() -> None:
    assert math.isnan(plain(np.float32("nan")))
    assert math.isnan(plain(Decimal("nan")))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [1, object()]}, "a.1: expected a text, a number, .*, got object"),
        ({"a": Fraction(1, 3)}, "a: expected .*, got fractions.Fraction; convert it"),
        (timedelta(1), "^expected .*, got datetime.timedelta"),
        (np.timedelta64(1, "s"), "got numpy.timedelta64"),
        (np.array([1], dtype="m8[s]"), "0: expected .* got numpy.timedelta64"),
        ({"a": {(1, 2): 3}}, "a: a key is a text, got tuple"),
        (len, "got builtin_function_or_method"),
        (np.random.default_rng(0), "got numpy.random._generator.Generator"),
        (of_library("pandas._libs.tslibs.period", "Period"), "got pandas._libs.tslibs.period.Period"),
        (of_library("pyarrow.lib", "Schema"), "got pyarrow.lib.Schema"),
        (of_library("torch", "Generator"), "got torch.Generator"),
    ],
    ids=shown,
)
def test_what_cannot_become_plain_is_refused_with_its_path(value: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        plain(value)


@given(json_values(10))
def test_json_stays_the_same_object(value: Any) -> None:
    assert plain(value) is value
    assert plain({"a": [value]}) == {"a": [value]}


@pytest.mark.parametrize(
    "value", [b"a", bytearray(b"a"), {1}, frozenset({1}), 1j, (1, "a"), {"a": ({1},)}, {1: 2}]
)
def test_what_a_python_grader_can_be_given_stays(value: object) -> None:
    assert plain(value) is value


def test_elements_of_sets_become_plain_data() -> None:
    assert plain({"a": {np.int64(1), "b"}}) == {"a": {1, "b"}}
    (number,) = plain({np.int64(1)})
    assert type(number) is int
    assert plain(frozenset({Decimal("1.5")})) == frozenset({1.5})


class Frozen(dict[str, int]):
    """A map that a set can hold."""

    def __hash__(self) -> int:  # type: ignore[override]
        return 1


def test_a_set_of_maps_is_refused_with_its_path() -> None:
    with pytest.raises(ConfigurationError, match=r"^a: a set has texts and numbers"):
        plain({"a": {Frozen(b=1)}})


@given(json_values())
def test_what_python_writes_as_json_has_no_problem(value: Any) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        assert json_problem(value) is not None
    else:
        assert json_problem(value) is None


@pytest.mark.parametrize(
    ("odd", "got"),
    [
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        ({1}, "set"),
        (frozenset(), "frozenset"),
        (b"", "bytes"),
        (1j, "complex"),
    ],
)
@pytest.mark.parametrize(("wrap", "path"), [("list", "a.1.b"), ("map", "a.b")])
def test_what_is_not_json_is_named_with_its_path(odd: Any, got: str, wrap: str, path: str) -> None:
    value = {"a": [1, {"b": odd}]} if wrap == "list" else {"c": None, "a": {"b": odd, "c": odd}}
    found = json_problem(value)
    assert found is not None
    assert found.startswith(f"{path}: expected ")
    assert found.endswith(f"got {got}")


def test_whole_numbers_and_levels_have_limits() -> None:
    assert json_problem(10**4300 - 1) is None
    assert (
        json_problem(-(10**4300))
        == "expected a whole number of at most 4,300 digits; write longer ones as text"
    )
    endless: list[Any] = []
    endless.append(endless)
    assert str(json_problem(endless)).endswith("it is nested too deep")


def test_an_item_may_be_a_row_of_a_frame() -> None:
    assert item(ROW) == {"a": 1, "b": "x"}
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ConfigurationError, match="nested too deep"):
        item({"a": endless})


def numbers() -> Iterator[str]:
    yield from ("a", "b")


class Dataset:
    """A sequence of rows that is no `Sequence`, such as that of a library for datasets."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> str:
        return "ab"[index]


@pytest.mark.parametrize(
    "column",
    [["a", "b"], ("a", "b"), numbers(), np.array(["a", "b"]), Dataset(), {"a": 1, "b": 2}.keys()],
    ids=shown,
)
def test_a_column_is_read_as_a_sequence(column: object) -> None:
    found = rows(column, "samples")
    assert len(found) == 2
    assert [plain(found[0]), plain(found[1])] == ["a", "b"]


def test_a_frame_is_read_as_its_rows() -> None:
    assert rows(FRAME, "items") == [{"a": 0.1, "b": 0.1}, {"a": 0.2, "b": 0.2}]


async def later() -> Any:
    yield "a"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("ab", "samples: expected a list with one for each row, got a single str"),
        ({"output_text": "a"}, "got a single dict; write it in brackets"),
        (5, "samples: expected a list with one for each row, got int"),
        ({"a"}, "samples: expected a list with one for each row; a set has no order"),
        (frozenset({"a"}), "a set has no order"),
        (later(), "an asynchronous generator cannot be read here"),
    ],
    ids=shown,
)
def test_what_is_no_column_is_refused(value: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        rows(value, "samples")


def test_a_sample_may_be_made_of_such_values() -> None:
    assert Sample.load(np.str_("a")) == Sample("a")
    messages = np.array(
        [{"role": "user", "content": "q"}, {"role": "assistant", "content": np.str_("a")}], dtype=object
    )
    assert Sample.load(messages) == Sample("a")
