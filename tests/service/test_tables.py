"""Tables of commands: readable at 80 columns, one plain line a row where they are piped, and nothing in them is markup."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from graders import Item, Registry, Sample, grader
from service.cli import grader_types, keys
from service.cli.tables import show_rows

HOSTILE = "[bold]x[/] [link=http://evil]y[/link] [/]"


def printed(
    width: int, titles: list[str], rows: list[list[str | Text]], *, is_terminal: bool, breaks: bool
) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=is_terminal, color_system=None)
    show_rows(console, titles, rows, breaks=breaks)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


def test_there_is_one_line_a_row_where_it_is_piped_however_long() -> None:
    rows: list[list[str | Text]] = [["a", "x" * 300, HOSTILE], ["longer", "two\nlines", Text("red", "red")]]
    assert printed(80, ["one", "two", "three"], rows, is_terminal=False, breaks=True) == [
        f"one     two{' ' * 297}  three",
        f"a       {'x' * 300}  {HOSTILE}",
        f"longer  two lines{' ' * 291}  red",
    ]


def test_the_last_cell_is_broken_into_lines_where_a_terminal_has_room_for_it() -> None:
    rows: list[list[str | Text]] = [["name", "word " * 20]]
    found = printed(40, ["title", ""], rows, is_terminal=True, breaks=True)
    assert found[1:] == [
        "name   word word word word word word",
        *["       word word word word word word"] * 2,
        "       word word",
    ]


def test_where_a_terminal_has_no_room_each_row_is_a_block() -> None:
    rows: list[list[str | Text]] = [["key_1", "a" * 20, "", "b" * 20]]
    found = printed(40, ["id", "first", "second", "third"], rows, is_terminal=True, breaks=False)
    assert found == ["key_1", f"  first:  {'a' * 20}", f"  third:  {'b' * 20}"]


TEXTS = st.text(max_size=40) | st.just(HOSTILE)


@given(
    rows=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=5),
    width=st.integers(20, 200),
    is_terminal=st.booleans(),
    breaks=st.booleans(),
)
def test_any_texts_are_shown_as_they_are(
    rows: list[tuple[str, str, str]], width: int, *, is_terminal: bool, breaks: bool
) -> None:
    titles = ["a", "b", "c"]
    found = printed(width, titles, [list(row) for row in rows], is_terminal=is_terminal, breaks=breaks)
    if not is_terminal:
        assert len(found) == len(rows) + 1
    whole = "".join("".join(found).split())
    for row in rows:
        for cell in row:
            if cell.isascii() and cell.isprintable():
                assert "".join(cell.split()) in whole


@grader("bare")
def bare(sample: Sample, item: Item, *, words: list[str], most: int = 1) -> float:
    return 1.0


@grader("marked")
def marked(sample: Sample, item: Item) -> float:
    """Reward [bold]this[/] and [/]that [red].

    See [link=http://evil]here[/link], `[0, 1]` and [/nothing].
    """
    return 1.0


@pytest.mark.parametrize("is_terminal", [False, True])
@pytest.mark.parametrize("name", [None, "bare", "marked"])
def test_types_without_a_docstring_or_with_one_like_markup_are_shown(
    name: str | None, *, is_terminal: bool
) -> None:
    registry = Registry().including(bare, marked)
    console = Console(file=io.StringIO(), width=80, force_terminal=is_terminal, color_system=None)
    grader_types.show(grader_types.describe(registry, name), console, whole=name is not None)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    if name != "marked":
        assert re.search(r"^bare ", text, re.MULTILINE)
    if name != "bare":
        assert "Reward [bold]this[/] and [/]that [red]." in " ".join(text.split())
    if name == "marked":
        assert "See [link=http://evil]here[/link], `[0, 1]` and [/nothing]." in text
    assert not is_terminal or max(map(len, text.splitlines())) <= 80


def test_installed_types_and_keys_fit_80_columns() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    grader_types.show(grader_types.describe(Registry.installed(), None), console, whole=False)
    made = dict.fromkeys(("created_at", "last_used_at", "revoked_at"), 1_800_000_000)
    limits = {"requests_per_minute": 600, "concurrency": None}
    keys.show(
        [
            {
                "id": "key_06611d590a32fcbf260a75e8",
                "name": HOSTILE,
                "scopes": ["grade", "read"],
                **made,
                **limits,
            }
        ],
        console,
    )
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 80
    assert "  scopes:  grade read" in text.splitlines()
    assert f"  name:  {HOSTILE}" in text.splitlines()
