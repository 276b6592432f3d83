"""Self-contained HTML pages: everything is escaped, and a page loads and runs nothing.

The pages of the service and the reports of the data commands are made here. Plots are SVG inside of the page; they need
matplotlib, which the extra `data` installs.
"""

import io
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from graders import ConfigurationError
from graders.installation import install_command
from runtime.data.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}"
    "h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2rem}h3{font-size:1rem;margin:1.5rem 0 .3rem}"
    "table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0;"
    "border-bottom:1px solid #d8dee4}pre,code{font:14px/1.4 ui-monospace,monospace}"
    "pre{background:#f3f4f6;padding:.6rem;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;margin:.3rem 0}"
    ".pass{color:#116329}.fail{color:#9a3412}.error{color:#6e40c9}"
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}pre{background:#161b22}"
    "th,td{border-color:#30363d}a{color:#79b8ff}.pass{color:#56d364}.fail{color:#ffa657}.error{color:#d2a8ff}}"
)
_REPORT_STYLE = (
    "svg{max-width:100%;height:auto;background:#fff}h1,h2,h3,p,td{overflow-wrap:anywhere}td{white-space:pre-wrap}"
    ".bar{display:block;background:#2f6f9f;height:.7rem;min-width:1px}"
    ".finding{border-left:4px solid #8884;padding:.1rem 1rem;margin:1rem 0}.finding p{margin:.3rem 0}.hint{opacity:.8}"
    ".finding.error{color:inherit;border-color:#c62828}.finding.warning{border-color:#b26a00}"
)
_BAR_REM = 20
"""Width of a bar that stands for everything."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What a report may load: nothing."""
_COLOUR = "#2f6f9f"
_BARS = 30
"""Bars of a plot at most; the rest are counted together."""
_BINS = 20
_COUNTED = ("count", "rows")
"""What an axis has whole numbers of."""
_SHOWN = 40
"""Characters of a bar's label."""
_ID = re.compile(r'(\bid="|url\(#|href="#)')
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """HTML that is safe to show as it is."""

    __slots__ = ()


def text(value: object) -> Markup:
    """A text of anybody's as HTML: escaped, and with control and invisible characters written out."""
    return Markup(escape(printable(str(value), keep="\n\t")))


def element(name: str, *content: str, **attributes: str) -> Markup:
    """An element; content that is no `Markup`, and attributes, are escaped.

    Args:
        name: Of the element, such as `td`.
        content: What is inside.
        attributes: With a `_` behind names that mean something to Python, such as `class_`.
    """
    given = "".join(f' {key.rstrip("_")}="{text(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{given}>{joined(content)}</{name}>")


def joined(parts: Iterable[str]) -> Markup:
    """Parts one after the other; those that are no `Markup` are escaped."""
    return Markup("".join(part if isinstance(part, Markup) else text(part) for part in parts))


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> Markup:
    """A table; no titles for none."""
    head = joined(element("th", title) for title in titles)
    body = joined(element("tr", *(element("td", cell) for cell in row)) for row in rows)
    return element("table", *([element("tr", head)] if head else []), body)


def page(title: str, *body: str, style: str = STYLE, head: Iterable[str] = ()) -> bytes:
    """A whole page; `head` is what its head has beside the title and the style."""
    whole_head = joined(
        [
            Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width">'),
            *head,
            element("title", title),
            Markup(f"<style>{style}</style>"),
        ]
    )
    whole = element(
        "html", element("head", whole_head), element("body", element("h1", title), *body), lang="en"
    )
    return b"<!doctype html>\n" + whole.encode("utf-8", "replace")


def report(title: str, *body: str) -> bytes:
    """A whole page with plots, to be kept as a file."""
    policy = Markup(f'<meta http-equiv="content-security-policy" content="{_POLICY}">')
    return page(title, *body, style=STYLE + _REPORT_STYLE, head=[policy])


def histogram(
    values: Sequence[float], title: str, x: str, *, marks: Mapping[str, float] | None = None
) -> Markup:
    """A plot of how often values occur.

    Args:
        values: Finite numbers; none give a plot without bars.
        title: Above the plot.
        x: What the values are.
        marks: Values to mark with a line, by what they are called.

    Raises:
        ConfigurationError: If matplotlib is not installed.
    """
    figure, axes = _plot(title, x, "count")
    if values:
        axes.hist(list(values), bins=_BINS, color=_COLOUR)
    for style, (name, value) in zip(
        ("--", ":", "-.") * len(marks or ()), (marks or {}).items(), strict=False
    ):
        axes.axvline(value, color="#9a3412", linestyle=style, label=_label(name))
    if marks:
        axes.legend(frameon=False)
    return svg(figure, title)


def counted_histogram(counts: Sequence[int], edges: Sequence[float], title: str, x: str, y: str) -> Markup:
    """A plot of a histogram that is counted already.

    Args:
        counts: How often values occur, bin by bin.
        edges: Of the bins, one more than counts.
        title: Above the plot.
        x: What the values are.
        y: What is counted.

    Raises:
        ConfigurationError: If matplotlib is not installed.
    """
    figure, axes = _plot(title, x, y, height=2.4)
    axes.stairs(counts, edges, fill=True, color=_COLOUR)
    return svg(figure, title)


def bar(share: float) -> Markup:
    """A bar as long as a share, from 0 to 1, in a line of text."""
    return Markup(f'<span class="bar" style="width:{_BAR_REM * min(max(share, 0.0), 1.0):.2f}rem"></span>')


def bars(counts: Mapping[str, float], title: str, x: str = "count") -> Markup:
    """A plot of one horizontal bar for each name, from top to bottom; of more than thirty, the rest together.

    Args:
        counts: Numbers, by name.
        title: Above the plot.
        x: What the numbers are.

    Raises:
        ConfigurationError: If matplotlib is not installed.
    """
    shown = list(counts.items())
    if len(shown) > _BARS:
        rest = shown[_BARS - 1 :]
        shown = [*shown[: _BARS - 1], (f"{len(rest):,} others", sum(number for _, number in rest))]
    figure, axes = _plot(title, x, "", height=1 + 0.28 * max(len(shown), 1))
    axes.barh(range(len(shown)), [number for _, number in shown], color=_COLOUR)
    axes.set_yticks(range(len(shown)), [_label(name) for name, _ in shown])
    axes.invert_yaxis()
    return svg(figure, title)


def scatter(x: Sequence[float], y: Sequence[float], title: str, x_name: str, y_name: str) -> Markup:
    """A plot of points.

    Args:
        x: First coordinates.
        y: As many second coordinates.
        title: Above the plot.
        x_name: What the first coordinates are.
        y_name: What the second coordinates are.

    Raises:
        ConfigurationError: If matplotlib is not installed.
    """
    figure, axes = _plot(title, x_name, y_name)
    axes.scatter(list(x), list(y), s=8, alpha=0.4, color=_COLOUR, linewidths=0, rasterized=len(x) > 2_000)
    return svg(figure, title)


def _plot(title: str, x: str, y: str, *, height: float = 3.2) -> "tuple[Figure, Axes]":
    """A figure, in inches of 72 units, and its axes."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ConfigurationError(f"plots need matplotlib ({error}): {install_command('data')}") from None
    figure = Figure(figsize=(7.2, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(_label(title))
    axes.set_xlabel(_label(x))
    axes.set_ylabel(_label(y))
    axes.locator_params(axis="y", min_n_ticks=1, integer=y in _COUNTED)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def svg(figure: "Figure", title: str) -> Markup:
    """A figure of matplotlib as an image with a text for screen readers; the same figure gives the same bytes.

    Args:
        figure: Texts in it that others wrote have passed through `_label`.
        title: What screen readers say; different titles keep the names inside of two images apart.
    """
    from matplotlib import rc_context  # noqa: PLC0415  # an extra

    file = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "graders"}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a script that the font lacks is drawn by the browser
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    drawing = file.getvalue()
    prefix = re.sub(r"\W+", "-", title.lower())
    drawing = _ID.sub(rf"\g<1>{prefix}-", drawing[drawing.index("<svg") :])
    return Markup(drawing.replace("<svg", f'<svg role="img" aria-label="{text(title)}"', 1))


def _label(name: str) -> str:
    """A text of anybody's in a plot: short, on one line, no formula and no control characters."""
    shown = printable(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(name).replace("\n", " ")))
    shown = shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"
    return shown.replace("\\", "\\\\").replace("$", r"\$") if "$" in shown else shown
