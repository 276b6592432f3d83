"""A check of training data as one self-contained page: findings, shares and plots; nothing is fetched and nothing is executed.

Whatever stands in rows is escaped; plots have no text from rows.
"""

import io
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from graders import ConfigurationError
from graders.installation import install_command
from runtime.data.check.checking import CheckedFile, CheckReport
from runtime.data.findings import Group
from runtime.data.personal_data import masked
from runtime.data.printable import printable

_SHOWN = 10
"""Findings of a group that are listed."""
_FIELDS = 60
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --error: #c62828; --warning: #b26a00; --bar: #5c6bc0; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.2rem; margin-top: 2.5rem; overflow-wrap: anywhere; } h3 { font-size: 1rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
td.number, th.number { text-align: right; white-space: nowrap; } .bar { background: var(--bar); height: .7rem; min-width: 1px; }
.finding { border-left: 4px solid var(--line); padding: .1rem 1rem; margin: 1rem 0; overflow-wrap: anywhere; }
.finding.error { border-color: var(--error); } .finding.warning { border-color: var(--warning); }
.finding h3 { margin: .3rem 0; } .finding p { margin: .3rem 0; } .hint { opacity: .8; } svg { max-width: 100%; height: auto; background: #fff; }
"""


def page(report: CheckReport) -> str:
    """The page.

    Raises:
        ConfigurationError: When matplotlib is missing.
    """
    title = f"Data check: {report.files[0].name}"
    body = "".join(_body(report, title))
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_safe(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def _safe(text: object) -> str:
    return escape(printable(masked(str(text)), keep="\n"))


def _body(report: CheckReport, title: str) -> Iterator[str]:
    findings = report.findings
    yield f"<h1>{_safe(title)}</h1>\n"
    aim = f" for {_safe(report.host)}" if report.host else ""
    yield f"<p>{findings.errors:,} errors and {findings.warnings:,} warnings{aim}.</p>\n"
    units = {file.name: file.unit for file in report.files}
    for level in ("error", "warning"):
        groups = [group for group in findings if group.first.level == level]
        if groups:
            yield f"<h2>{level.capitalize()}s</h2>\n"
        for group in groups:
            yield from _group(group, units[group.file])
    if findings.left_out:
        yield f"<p>{findings.left_out:,} more findings of other kinds are not shown.</p>\n"
    for file in report.files:
        yield from _file(file)


def _group(group: Group, unit: str) -> Iterator[str]:
    first = group.first
    lines = group.lines
    where = f"{unit}s {', '.join(map(str, lines))}" if lines else "the whole file"
    more = " and more" if group.count > len(group.findings) else ""
    yield f'<div class="finding {first.level}"><h3>{_safe(first.code)}: {group.count:,} in {_safe(group.file)}</h3>\n'
    messages = list(dict.fromkeys(each.message for each in group.findings))
    for message in messages[:_SHOWN]:
        yield f"<p>{_safe(message)}</p>\n"
    if first.hint:
        yield f'<p class="hint">{_safe(first.hint)}</p>\n'
    yield f'<p class="hint">{_safe(where)}{more}</p></div>\n'


def _file(file: CheckedFile) -> Iterator[str]:
    figures = file.figures
    yield f"<h2>{_safe(file.name)}</h2>\n<p>{file.rows:,} rows, {file.size / 1e6:,.2f} MB; {_safe(file.title)}.</p>\n"
    for name, found in figures.get("lengths", {}).items():
        yield f"<h3>Length of the {_safe(name)}s, in characters</h3>\n{_histogram(found['histogram'])}\n"
        cells = "".join(f'<td class="number">{value:,}</td>' for value in found["deciles"])
        heads = "".join(f'<th class="number">{10 * number} %</th>' for number in range(11))
        yield f"<table><tr>{heads}</tr><tr>{cells}</tr></table>\n"
    for title, field in (("References", "references"), ("Shares", "by")):
        for name, shares in figures.get(field, {}).items():
            yield f"<h3>{title}: {_safe(name)}, {shares['different']:,} different</h3>\n{_shares(shares['values'])}\n"
    languages = figures.get("languages", {})
    if languages.get("rows"):
        total = languages["looked_at"]
        values = [
            {"value": name, "rows": rows, "share": rows / total} for name, rows in languages["rows"].items()
        ]
        yield f"<h3>Languages of {total:,} rows</h3>\n{_shares(values)}\n"
    personal = figures.get("personal_data", {})
    if personal:
        values = [{"value": kind, "rows": rows, "share": rows / file.rows} for kind, rows in personal.items()]
        yield f"<h3>Rows with personal data</h3>\n{_shares(values)}\n"
    yield from _fields(figures.get("fields", {}), file.rows)


def _fields(fields: Mapping[str, Any], rows: int) -> Iterator[str]:
    yield '<h3>Fields</h3>\n<table><tr><th>field</th><th class="number">rows</th><th>types</th></tr>\n'
    for name, found in list(fields.items())[:_FIELDS]:
        types = ", ".join(f"{kind} {count:,}" for kind, count in found["types"].items())
        yield f'<tr><td>{_safe(name[:200])}</td><td class="number">{found["rows"]:,} of {rows:,}</td><td>{_safe(types)}</td></tr>\n'
    yield "</table>\n"


def _shares(values: list[dict[str, Any]]) -> str:
    lines = [
        f'<tr><td>{_safe(each["value"])}</td><td class="number">{each["rows"]:,}</td><td class="number">{each["share"]:.1%}</td>'
        f'<td style="width:40%"><div class="bar" style="width:{100 * each["share"]:.1f}%"></div></td></tr>'
        for each in values
    ]
    return f"<table>{''.join(lines)}</table>"


def _histogram(histogram: Mapping[str, Any]) -> str:
    """A histogram as SVG; all its texts are numbers."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  # an optional extra
    except ImportError:
        raise ConfigurationError(f"--html needs an extra: {install_command('data')}") from None
    figure = Figure(figsize=(7, 2.2), layout="tight")
    axes = figure.subplots()
    axes.stairs(histogram["counts"], histogram["edges"], fill=True, color="#5c6bc0")
    axes.set_ylabel("rows")
    axes.spines[["top", "right"]].set_visible(False)
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    svg = written.getvalue()
    return svg[svg.index("<svg") :]
