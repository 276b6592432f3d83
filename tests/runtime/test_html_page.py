"""Pages are self-contained, and no text of others is markup in them."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.data.html_page import bars, element, histogram, report, scatter, table

HOSTILE = [
    "<script>alert(1)</script>",
    "$x^{$",
    "$$",
    "\\frac$a$",
    "a\x00b",
    "\u202e",
    "日本語",
    "]]>",
    "a" * 500,
    '" x="',
    "\ud800",
]


@pytest.mark.few(3)
@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_of_others_is_markup_in_a_page(name: str) -> None:
    plots = [bars({name: 1, "b": 2}, name), histogram([0.0, 1.0], name, name, marks={name: 0.5})]
    whole = report(name, element("p", name), table([name], [[name]]), *plots).decode()
    assert "<script" not in whole
    for plot in plots:
        ET.fromstring(plot)  # noqa: S314  # we made it


@pytest.mark.full
@settings(max_examples=15, deadline=None)
@given(st.text(max_size=30))
def test_any_text_can_label_a_bar(name: str) -> None:
    ET.fromstring(bars({name: 3}, "counts"))  # noqa: S314  # we made it


def test_a_page_loads_nothing_and_its_names_are_unique() -> None:
    plots = [
        histogram([1, 2, 2], "one", "x"),
        histogram([1, 2, 2], "two", "x"),
        scatter([1], [2], "three", "x", "y"),
    ]
    whole = report("plots", *plots).decode()
    ids = re.findall(r'\bid="([^"]*)"', whole)
    assert len(ids) == len(set(ids))
    for name in re.findall(r"url\(#([^)]*)\)", whole):
        assert name in ids
    assert not re.search(
        r'(src|href)="(?!#|data:image/png)', re.sub(r'xlink:href="http://www\.w3\.org', "", whole)
    )


def test_the_same_plot_has_the_same_bytes() -> None:
    assert histogram([0.1, 0.2], "t", "x") == histogram([0.1, 0.2], "t", "x")


@pytest.mark.full
def test_a_plot_of_nothing_and_of_many_names_is_drawn() -> None:
    ET.fromstring(histogram([], "none", "x"))  # noqa: S314  # we made it
    assert "71 others" in bars({str(number): 1 for number in range(100)}, "many")
