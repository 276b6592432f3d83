"""`graders data import` and `graders data convert`: exports of other systems as rows, rows in another format."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from graders import ConfigurationError
from runtime.cases.plain_yaml import read_yaml
from runtime.data.converting import Conversion, convert_file
from runtime.data.datasets import read_whole
from runtime.data.importing.promptfoo_config import is_config
from runtime.data.importing.read import ImportReport, import_files, import_promptfoo_config
from runtime.data.output_files import is_standard_output
from runtime.data.records import record_file
from service.cli import terminal
from service.cli.validate import counted

_LISTED = 1_000
"""Parts that could not be read that stand in the JSON for programs."""


def import_exports(
    exports: Sequence[Path],
    output: Path,
    *,
    source: str | None,
    grader: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Write the rows of exports into a file, and list what could not be read; gives the exit code.

    Raises:
        ConfigurationError: When a file cannot be read or written.
    """
    listed: list[str] = []

    def reject(line: str) -> None:
        if not as_json:
            terminal.err(f"not imported: {line}\n")
        elif len(listed) < _LISTED:
            listed.append(line)

    config = _config(exports[0]) if len(exports) == 1 and source in (None, "promptfoo") else None
    if config is not None:
        report = import_promptfoo_config(config, exports[0], output, grader, force=force)
    else:
        report = import_files(exports, output, source=source, force=force, reject=reject)
    aside = is_standard_output(output)
    if as_json:
        shown: dict[str, Any] = {"output": str(output), **report.to_dict(), "not_imported": listed}
        terminal.out_json(shown, stderr=aside)
    else:
        (terminal.err if aside else terminal.out)("".join(f"{line}\n" for line in _lines(report, output)))
    return 1 if report.rejected else 0


def _config(path: Path) -> Any:
    """What stands in a file that is a configuration of promptfoo; None for any other file."""
    if path.suffix in (".yaml", ".yml"):
        try:
            value, _ = read_yaml(read_whole(path).decode("utf-8-sig", "replace"))
        except YAMLError as error:
            raise ConfigurationError(f"{path}: not YAML: {error}") from None
        if not is_config(value):
            raise ConfigurationError(f"{path}: YAML, and no configuration of promptfoo: it has no 'tests'")
        return value
    if path.suffix != ".json":
        return None
    with record_file(path) as file:
        first = next(iter(file), None)
    return first.value if first is not None and is_config(first.value) else None


def _lines(report: ImportReport, output: Path) -> Sequence[str]:
    kinds = ", ".join(f"{count:,} from {name}" for name, count in report.by_source.items())
    lines = [f"{counted(report.rows, 'row')} in {output}{f': {kinds}' if kinds else ''}"]
    if report.rows:
        lines.append(f"{report.with_sample:,} have an answer, {report.rows - report.with_sample:,} have none")
    if report.ungraded:
        lines.append(f"{report.ungraded:,} have the cause in its place: the model did not answer")
    lines += [f"{counted(count, 'recorded score')} of {name}" for name, count in report.recorded.items()]
    lines += [f"lost: {name} of {counted(count, 'row')}" for name, count in report.lost.items()]
    lines += [f"note: {note}" for note in report.notes]
    if report.rejected:
        lines.append(
            f"{counted(report.rejected, 'part')} of the exports could not be read: see 'not imported' above"
        )
    return lines


def convert(
    file: Path,
    output: Path,
    host: str,
    *,
    data_format: str | None,
    reference: str | None,
    data_source: str | None,
    allow_loss: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Write a file in another format unless something would be lost, which is listed; gives the exit code.

    Raises:
        ConfigurationError: When a file cannot be read or written, or there is no such format.
    """
    report = convert_file(
        file,
        output,
        host,
        row_format=data_format,
        reference=reference,
        data_source=data_source,
        allow_loss=allow_loss,
        force=force,
    )
    aside = is_standard_output(output)
    if as_json:
        terminal.out_json({"output": str(output), **report.to_dict()}, stderr=aside)
    else:
        (terminal.err if aside else terminal.out)(
            "".join(f"{line}\n" for line in _outcome(report, file, output))
        )
    return 0 if report.written else 1


def _outcome(report: Conversion, file: Path, output: Path) -> Iterator[str]:
    for line in _differences(report):
        yield from terminal.wrapped(line)
    refused = report.refused.total
    if report.written:
        left_out = f"; {counted(refused, 'row')} left out" if refused else ""
        yield f"{counted(report.rows, 'row')} in {output}{left_out}"
    elif report.rows:
        yield "nothing was written; --allow-loss writes what the format can hold"
    else:
        reason = "no row can be converted" if refused else "it has no rows"
        yield f"nothing was written: {file}: {reason}"


def _at(lines: Sequence[int], rows: int) -> str:
    """Where rows are: `line 8`, or `40 rows, lines 1, 2, …`."""
    if rows == 1:
        return f"line {lines[0]}"
    return f"{rows:,} rows, lines {', '.join(map(str, lines))}{', …' if rows > len(lines) else ''}"


def _differences(report: Conversion) -> Iterator[str]:
    for reason, rows in report.refused.rows.items():
        yield f"not converted: {_at(report.refused.lines[reason], rows)}: {reason}"
    if report.refused.left_out:
        yield f"not converted: {counted(report.refused.left_out, 'row')} more, for other reasons"
    for name, rows in report.losses.rows.items():
        yield f"lost: {name} in {counted(rows, 'row')}, first in line {report.losses.lines[name][0]}"
    if report.losses.left_out:
        yield f"lost: other fields, {report.losses.left_out:,} times"
    as_texts = "written as texts" if report.written else "--allow-loss writes texts"
    yield from (f"mixed: {each}; {as_texts}" for each in report.mixed)
    for name, rows in report.notes.items():
        yield f"note: {name} in {counted(rows, 'row')}; the templates of a grader name it so"
