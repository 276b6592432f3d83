"""Writes an export and, beside it, where each of its rows comes from."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from graders import ConfigurationError
from graders.contract import brief
from graders.installation import install_command
from runtime.data.column_types import ONE_TYPE, ColumnTypes
from runtime.data.conversation import NoConversation, answer_of, prompt_of
from runtime.data.datasets import BYTE_ORDER_MARK, STDIN, bounded_lines, opened
from runtime.data.exporting.choosing import Wanted, choose, chosen_samples, prompt_digest
from runtime.data.exporting.hosts import HOSTS, Host, RftRow, checked
from runtime.data.graded.reading import GradedFile, GradedSample
from runtime.data.output_files import already_there, regular_place, writing, writing_by_name
from runtime.data.printable import printable_json

PROVENANCE = ".provenance.jsonl"
_ROLES = {"sft": ("answer",), "dpo": ("preferred", "non_preferred"), "rft": ("prompt",)}


@dataclass(frozen=True)
class Form:
    """The form of an export.

    Attributes:
        host: A name in `HOSTS`.
        bom: Begin the file with a byte order mark; None for what the host asks for.
        reference: The field of the item with the reference, for formats that name one.
        data_source: What verl is to call the data set.
    """

    host: str
    bom: bool | None = None
    reference: str | None = None
    data_source: str = "graded"


@dataclass
class Exported:
    """What was exported.

    Attributes:
        rows: How many rows.
        prompts: How many prompts the graded file has.
        left_out: How many prompts, samples or pairs are not in it, by reason.
        lost: In how many rows the format could not hold something as it is, by what it is.
    """

    rows: int = 0
    prompts: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        return {
            "rows": self.rows,
            "prompts": self.prompts,
            "left_out": dict(self.left_out.most_common()),
            "lost": dict(self.lost.most_common()),
        }


def export(file: GradedFile, wanted: Wanted, form: Form, output: Path, *, replace: bool = False) -> Exported:
    """Write an export, and its provenance beside it; nothing is written where there is no row.

    Args:
        file: The graded file.
        wanted: Which samples.
        form: In which form. A name that ends with `.parquet` gets a Parquet file, without a byte order mark.
        output: The file; `-` is the standard output, and has no provenance beside it.
        replace: Write over files that are there.

    Raises:
        ConfigurationError: When the host has no such format, a column has several types where the file is read into a table,
            or a file cannot be read or written.
    """
    host = HOSTS[form.host]
    if getattr(host, wanted.kind) is None:
        hosts = ", ".join(name for name, each in HOSTS.items() if getattr(each, wanted.kind))
        raise ConfigurationError(f"{form.host} has no format for {wanted.kind}; {hosts} have one")
    beside = None if regular_place(output) is None else output.with_name(output.name + PROVENANCE)
    for path in (output, beside):
        if path is not None and not replace and path.is_file():
            raise already_there(path)
    choice = choose(file, wanted)
    found = Exported(prompts=choice.prompts, left_out=choice.left_out)
    rows = _rows(chosen_samples(file, choice), wanted, form, found)
    first = next(rows, None)
    if first is None:
        return found
    with ExitStack() as stack:
        provenance = None if beside is None else stack.enter_context(writing(beside, replace=replace))
        units: Iterator[_Row] = chain([first], rows)
        if form.host in ONE_TYPE or output.suffix == ".parquet":
            units = _of_one_type(units, output)
        written = _Provenance(file, wanted, form, provenance).of(units)
        if output.suffix == ".parquet":
            _write_parquet(output, written, replace=replace)
        else:
            target = stack.enter_context(writing(output, replace=replace))
            if host.has_bom if form.bom is None else form.bom:
                target.write(BYTE_ORDER_MARK)
            for row in written:
                target.write(_line(row))
    return found


def prompts_of_export(path: Path) -> set[str]:
    """The prompts of an earlier export, out of its provenance file.

    Args:
        path: The export, or its provenance file.

    Raises:
        ConfigurationError: When it has none, or one that cannot be read.
    """
    if path == STDIN:
        raise ConfigurationError("--disjoint names a file that 'graders data export' has written")
    beside = path if path.name.endswith(PROVENANCE) else path.with_name(path.name + PROVENANCE)
    prompts: set[str] = set()
    if not beside.exists():
        raise ConfigurationError(
            f"cannot read {beside}: No such file or directory; `graders data export` writes it beside {path.name}"
        )
    with opened(beside) as file:
        for number, line in enumerate(bounded_lines(file), 1):
            try:
                found = json.loads(line)
                prompts.add(found["prompt"])
            except (ValueError, TypeError, KeyError):
                raise ConfigurationError(
                    f"{beside}:{number}: expected the provenance of a row, with its 'prompt'"
                ) from None
    return prompts


_Row = tuple[dict[str, Any], str, tuple[GradedSample, ...]]


def _rows(
    units: Iterator[tuple[GradedSample, ...]], wanted: Wanted, form: Form, found: Exported
) -> Iterator[_Row]:
    """The rows of the export, each with its prompt's digest and its samples; what has no place in the format is counted."""
    for samples in units:
        try:
            row, prompt = _built(samples, wanted, form, found)
        except NoConversation as error:
            found.left_out[f"rows: {error}"] += 1
            continue
        found.rows += 1
        yield row, prompt, samples


def _built(
    samples: tuple[GradedSample, ...], wanted: Wanted, form: Form, found: Exported
) -> tuple[dict[str, Any], str]:
    host: Host = HOSTS[form.host]
    prompt = prompt_of(samples[0].row, wanted.template)
    answers = [] if wanted.kind == "rft" else [answer_of(sample.row.get("sample")) for sample in samples]
    row: dict[str, Any]
    if wanted.kind == "sft" and host.sft is not None:
        row = host.sft(prompt, answers[0])
    elif wanted.kind == "dpo" and host.dpo is not None:
        row = host.dpo(prompt, answers[0], answers[1])
    else:
        assert host.rft is not None  # noqa: S101  # `export` has looked
        made = RftRow(prompt, samples[0].item, form.reference, form.data_source, found.rows)
        row = host.rft(made)
        found.lost.update(made.lost)
    return checked(form.host, wanted.kind, row), prompt_digest(prompt)


def _of_one_type(rows: Iterator[_Row], output: Path) -> Iterator[_Row]:
    """The rows, of which each column has one type.

    Raises:
        ConfigurationError: After the last row, when a column has several.
    """
    types = ColumnTypes()
    for row, prompt, samples in rows:
        types.add(row, samples[0].line)
        yield row, prompt, samples
    if types.mixed:
        lines = "\n".join(f"  {each}" for each in types.mixed)
        raise ConfigurationError(
            f"{output} is not written:\n{lines}\nwrite one type in the graded rows, whose lines these are"
        )


@dataclass
class _Provenance:
    """Where rows come from; written to a file, where there is one."""

    file: GradedFile
    wanted: Wanted
    form: Form
    target: BinaryIO | None
    number: int = 0

    def of(self, rows: Iterable[_Row]) -> Iterator[dict[str, Any]]:
        """The rows, each after its provenance is written."""
        for row, prompt, samples in rows:
            self.number += 1
            if self.target is not None:
                self.target.write(_line(self._entry(prompt, samples)))
            yield row

    def _entry(self, prompt: str, samples: tuple[GradedSample, ...]) -> Mapping[str, Any]:
        return {
            "line": self.number,
            "to": self.wanted.kind,
            "format": self.form.host,
            "prompt": prompt,
            "graded": str(self.file.path),
            "samples": [
                {
                    "role": role,
                    "line": sample.line,
                    "row_line": sample.row_line,
                    "draw": sample.draw,
                    "key": sample.key,
                    "reward": sample.reward,
                    "passed": sample.passed,
                    "signature": sample.signature,
                    "model": sample.model,
                    "source": sample.row.get("source"),
                }
                for role, sample in zip(_ROLES[self.wanted.kind], samples, strict=True)
            ],
        }


def _line(data: Mapping[str, Any]) -> bytes:
    return printable_json(data, default=_plain).encode() + b"\n"


def _plain(value: object) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _write_parquet(output: Path, rows: Iterator[dict[str, Any]], *, replace: bool) -> None:
    """Write rows as Parquet; its columns have one type each.

    Raises:
        ConfigurationError: When pyarrow is not installed, or a column has values of several types.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415  # an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(f"Parquet needs pyarrow ({error}): {install_command('data')}") from None
    try:
        table = pa.Table.from_pylist([json.loads(_line(row)) for row in rows])
        with writing_by_name(output, replace=replace) as name:
            parquet.write_table(table, name)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        reason = brief(str(error))
        raise ConfigurationError(f"{output}: Parquet cannot hold these rows: {reason}; write JSONL") from None
