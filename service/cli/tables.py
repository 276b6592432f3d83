"""Tables that read in a narrow terminal, and that are one plain line for each row where they are piped."""

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from runtime.data.printable import printable

GAP = "  "
NARROWEST = 30
"""Columns of a terminal that a text needs to be broken into lines beside others."""

Cell = str | Text


def show_rows(
    console: Console, titles: Sequence[str], rows: Sequence[Sequence[Cell]], *, breaks: bool = False
) -> None:
    """Print rows: as a table where the terminal has room for it, otherwise as a block for each; piped, as a line for each.

    Args:
        console: Where to print.
        titles: Of the columns.
        rows: As many cells each; nothing in them is markup.
        breaks: Whether the last cell is a text that may take several lines.
    """
    cells = [[_one_line(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, [title, *(row[n].plain for row in cells)])) for n, title in enumerate(titles)]
    table = [[Text(title, "bold" if console.is_terminal else "") for title in titles], *cells]
    if not console.is_terminal:
        for row in table:
            _print(console, _aligned(row, widths))
        return
    room = console.width - sum(widths[:-1]) - len(GAP) * (len(titles) - 1)
    if room >= widths[-1] or (breaks and room >= NARROWEST):
        for row in table:
            _print_broken(console, row, widths, max(room, NARROWEST))
        return
    for row in cells:
        _print(console, row[0])
        for title, cell in zip(titles[1:], row[1:], strict=True):
            if cell.plain:
                _print_broken(
                    console, [Text(f"  {title}:"), cell], [len(title) + 3], console.width - len(title) - 5
                )


def _one_line(cell: Cell) -> Text:
    text = cell if isinstance(cell, Text) else Text(cell)
    return Text(" ".join(printable(text.plain, keep="\n").split("\n")), text.style)


def _aligned(row: Sequence[Text], widths: Sequence[int]) -> Text:
    """The cells of a row beside each other, each but the last as wide as its column."""
    line = Text()
    for cell, width in zip(row[:-1], widths, strict=False):
        line.append_text(cell)
        line.append(" " * (width - cell_len(cell.plain)) + GAP)
    line.append_text(row[-1])
    line.rstrip()
    return line


def _print_broken(console: Console, row: Sequence[Text], widths: Sequence[int], room: int) -> None:
    """Print a row whose last cell is broken into lines of at most `room` columns."""
    last = row[-1]
    first, *others = textwrap.wrap(last.plain, max(room, 1), break_on_hyphens=False) or [""]
    _print(console, _aligned([*row[:-1], Text(first, last.style)], widths))
    indent = sum(widths[: len(row) - 1]) + len(GAP) * (len(row) - 1)
    for line in others:
        _print(console, Text(" " * indent).append_text(Text(line, last.style)))


def _print(console: Console, line: Text) -> None:
    console.print(line, soft_wrap=True, highlight=False)
