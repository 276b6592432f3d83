"""A check of training data as one self-contained page: findings, shares and plots."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runtime.data.check.checking import CheckedFile, CheckReport
from runtime.data.findings import Group
from runtime.data.html_page import Markup, bar, counted_histogram, element, report, table
from runtime.data.personal_data import masked

_SHOWN = 10
"""Messages of a group that are listed."""
_FIELDS = 60
_FIELD_NAME = 200


def page(checked: CheckReport) -> bytes:
    """The page; personal data in it are masked.

    Raises:
        ConfigurationError: When matplotlib is missing.
    """
    return report(f"Data check: {masked(checked.files[0].name)}", *_body(checked))


def _safe(value: object) -> str:
    return masked(str(value))


def _body(checked: CheckReport) -> Iterator[str]:
    findings = checked.findings
    aim = f" for {checked.host}" if checked.host else ""
    yield element("p", f"{findings.errors:,} errors and {findings.warnings:,} warnings{aim}.")
    units = {file.name: file.unit for file in checked.files}
    for level in ("error", "warning"):
        groups = [group for group in findings if group.first.level == level]
        if groups:
            yield element("h2", f"{level.capitalize()}s")
        for group in groups:
            yield _group(group, units[group.file])
    if findings.left_out:
        yield element("p", f"{findings.left_out:,} more findings of other kinds are not shown.")
    for file in checked.files:
        yield from _file(file)


def _group(group: Group, unit: str) -> Markup:
    first, lines = group.first, group.lines
    where = f"{unit}s {', '.join(map(str, lines))}" if lines else "the whole file"
    more = " and more" if group.count > len(group.findings) else ""
    messages = list(dict.fromkeys(each.message for each in group.findings))[:_SHOWN]
    return element(
        "div",
        element("h3", f"{_safe(first.code)}: {group.count:,} in {_safe(group.file)}"),
        *(element("p", _safe(message)) for message in messages),
        *([element("p", _safe(first.hint), class_="hint")] if first.hint else []),
        element("p", f"{where}{more}", class_="hint"),
        class_=f"finding {first.level}",
    )


def _file(file: CheckedFile) -> Iterator[str]:
    figures = file.figures
    yield element("h2", _safe(file.name))
    yield element("p", f"{file.rows:,} rows, {file.size / 1e6:,.2f} MB; {_safe(file.title)}.")
    for name, found in figures.get("lengths", {}).items():
        title = f"Length of the {name}s"
        yield counted_histogram(
            found["histogram"]["counts"], found["histogram"]["edges"], title, "characters", "rows"
        )
        yield table(
            [f"{10 * number} %" for number in range(11)], [[f"{value:,}" for value in found["deciles"]]]
        )
    for title, field in (("References", "references"), ("Shares", "by")):
        for name, shares in figures.get(field, {}).items():
            yield element("h3", f"{title}: {_safe(name)}, {shares['different']:,} different")
            yield _shares((each["value"], each["rows"], each["share"]) for each in shares["values"])
    answers = figures.get("constant_by_grader", {}).get("answers", ())
    if answers:
        yield element("h3", "What constant answers get from the grader")
        yield _constant_answers(answers)
    languages = figures.get("languages", {})
    if languages.get("rows"):
        total = languages["looked_at"]
        yield element("h3", f"Languages of {total:,} rows")
        yield _shares((name, rows, rows / total) for name, rows in languages["rows"].items())
    personal = figures.get("personal_data", {})
    if personal:
        yield element("h3", "Rows with personal data")
        yield _shares((kind, rows, rows / file.rows) for kind, rows in personal.items())
    yield element("h3", "Fields")
    yield _fields(figures.get("fields", {}), file.rows)


def _fields(fields: Mapping[str, Any], rows: int) -> Markup:
    return table(
        ["field", "rows", "types"],
        [
            [
                _safe(name[:_FIELD_NAME]),
                f"{found['rows']:,} of {rows:,}",
                _safe(", ".join(f"{kind} {count:,}" for kind, count in found["types"].items())),
            ]
            for name, found in list(fields.items())[:_FIELDS]
        ],
    )


def _constant_answers(answers: Sequence[Mapping[str, Any]]) -> Markup:
    return table(
        ["answer", "mean reward", "graded", "ungraded"],
        [
            [
                _safe(each["answer"][:_FIELD_NAME] or "(empty)"),
                "none" if each["score"] is None else f"{each['score']:.2f}",
                f"{each['graded']:,}",
                _safe(", ".join(f"{count:,} {kind}" for kind, count in each["ungraded"].items())),
            ]
            for each in answers
        ],
    )


def _shares(values: Iterator[tuple[Any, int, float]]) -> Markup:
    return table(
        [], [[_safe(value), f"{rows:,}", f"{share:.1%}", bar(share)] for value, rows, share in values]
    )
