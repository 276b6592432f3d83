"""Splits a file of rows in two: duplicates, near duplicates and groups stay on one side, and the same seed gives the same split."""

import hashlib
import json
from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from graders import ConfigurationError
from graders.installation import install_command
from runtime.data.check.base import CheckedRow, canonical, digest, normal, prompt_digest, without_identity
from runtime.data.check.labels import value_at
from runtime.data.datasets import BYTE_ORDER_MARK
from runtime.data.formats import Format, View, format_of, recognised
from runtime.data.near_duplicates import LEARNED_FROM, NearDuplicates
from runtime.data.output_files import same_file, writing, writing_by_name
from runtime.data.records import Record, RecordFile, record_file

_BATCH = 256
_NEITHER = -1


@dataclass(frozen=True, slots=True)
class Split:
    """What a split gave.

    Attributes:
        train: Rows of the training file.
        valid: Rows of the validation file.
        groups: How many groups of rows there were that had to stay together; a row on its own is one.
        largest: Rows of the largest group.
        unreadable: Lines that are in neither file, because they are no JSON object.
        missing: Rows without a field that groups rows, by its name.
    """

    train: int
    valid: int
    groups: int
    largest: int
    unreadable: tuple[int, ...]
    missing: dict[str, int]


def split_data(
    path: Path,
    train: Path,
    valid: Path,
    *,
    amount: float,
    by: Sequence[str] = (),
    seed: int = 0,
    force: bool = False,
) -> Split:
    """Write the rows of a file into two.

    Rows of JSONL are copied as they are written. Rows of a JSON list become JSONL, those of parquet parquet.

    Args:
        path: The file.
        train: Where the training rows go.
        valid: Where the validation rows go.
        amount: Below 1 the share of rows that goes to validation, otherwise how many; groups are never cut, so that there may
            be fewer.
        by: Fields whose values are groups.
        seed: Another seed gives another split.
        force: Write over files that are there.

    Raises:
        UnreadableFile: When the file cannot be read.
        ConfigurationError: When it cannot be split, or a file cannot be written.
    """
    if train == valid or same_file(train, valid):
        raise ConfigurationError(f"{train}: the training file and the validation file are to be two files")
    for target in (train, valid):
        if same_file(path, target):
            raise ConfigurationError(f"{target} is what is read; choose another name")
    with record_file(path) as file:
        groups = _Groups(file, by)
        chosen = _chosen(groups, amount, seed)
        sides = np.full(len(groups.readable), _NEITHER, np.int8)
        sides[np.array(groups.readable, np.bool_)] = chosen
        (_write_parquet if file.kind == "parquet" else _write_lines)(file, sides, (train, valid), force=force)
        in_valid = int(chosen.sum())
    sizes = np.bincount(groups.roots) if len(groups.roots) else np.zeros(1, np.int64)
    return Split(
        len(chosen) - in_valid,
        in_valid,
        int((sizes > 0).sum()),
        int(sizes.max()),
        tuple(groups.unreadable),
        groups.missing,
    )


class _Groups:
    """Which rows have to stay together.

    Attributes:
        roots: For each readable row, the position of the first row of its group.
        contents: For each readable row, the digest of its content.
        readable: For each row of the file, whether it is one.
        unreadable: Lines that are no JSON object.
        missing: Rows without a field of `by`.
    """

    def __init__(self, file: RecordFile, by: Sequence[str]) -> None:
        self._parents = array("q")
        self.contents = array("Q")
        self.readable = array("b")
        self.unreadable: list[int] = []
        self.missing = dict.fromkeys(by, 0)
        self._seen: dict[tuple[str, int], int] = {}
        records = iter(file)
        first = list(islice(records, LEARNED_FROM))
        rows = [record.value for record in first if isinstance(record.value, dict)]
        form = recognised(rows)
        try:
            self._near = NearDuplicates(map(near_text, (form.view(row) for row in rows)))
        except ImportError:
            raise ConfigurationError(f"splitting needs an extra: {install_command('data')}") from None
        self._near_rows = array("q")
        for record in chain(first, records):
            self.readable.append(isinstance(record.value, dict))
            if isinstance(record.value, dict):
                self._add(record, form, by)
            else:
                self.unreadable.append(record.number)
        for pair in self._near.pairs():
            self._join(self._near_rows[pair.first], self._near_rows[pair.second])
        self.roots: NDArray[np.int64] = np.array(
            [self._root(row) for row in range(len(self._parents))], np.int64
        )
        for name, missing in self.missing.items():
            if len(self._parents) and missing == len(self._parents):
                raise ConfigurationError(f"no row has the field {name!r} of --by")

    def _add(self, record: Record, form: Format, by: Sequence[str]) -> None:
        position = len(self._parents)
        self._parents.append(position)
        # a row of another format is still asked something
        view = (form if form.likeness(record.value) else format_of(record.value)).view(record.value)
        content = digest(without_identity(record.value))
        self.contents.append(content)
        self._same("row", content, position)
        text = near_text(view)
        if text.strip():
            key = prompt_digest(view) or digest(normal(text))
            if self._same("prompt", key, position):
                self._near_rows.append(position)
                self._near.add(text)
        row = CheckedRow(record.number, record.value, view)
        for name in by:
            value = value_at(row, name)
            if value is None:
                self.missing[name] += 1
            else:
                self._same(name, digest(canonical(value)), position)

    def _same(self, kind: str, key: int, position: int) -> bool:
        """Join a row with the first that has the same key; True where it is the first."""
        first = self._seen.setdefault((kind, key), position)
        self._join(first, position)
        return first == position

    def _root(self, row: int) -> int:
        parents = self._parents
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    def _join(self, one: int, other: int) -> None:
        first, second = sorted((self._root(one), self._root(other)))
        self._parents[second] = first


def near_text(view: View) -> str:
    """By what two rows are near duplicates for a split: what they ask, or, without a prompt, what they answer."""
    return view.prompt if view.prompt.strip() else view.answer or ""


def _chosen(groups: _Groups, amount: float, seed: int) -> NDArray[np.bool_]:
    """For each readable row, whether it goes to validation: whole groups, in an order that the seed decides.

    Raises:
        ConfigurationError: When there are not enough groups.
    """
    roots, total = groups.roots, len(groups.roots)
    if total < 2:
        raise ConfigurationError(f"{total} rows cannot be split in two")
    wanted = max(1, round(amount * total)) if amount < 1 else int(amount)
    if wanted >= total:
        raise ConfigurationError(f"{wanted:,} validation rows of {total:,} leave none for training")
    sizes = np.bincount(roots, minlength=total)
    contents = groups.contents
    order = sorted(
        (int(root) for root in np.flatnonzero(sizes)), key=lambda root: (_draw(seed, contents[root]), root)
    )
    taken: list[int] = []
    left = wanted
    for root in order:
        if sizes[root] <= left:
            taken.append(root)
            left -= int(sizes[root])
            if not left:
                break
    if not taken:
        message = f"the smallest group has {int(sizes[sizes > 0].min()):,} rows and {wanted:,} are to be drawn: groups, copies and near copies stay together"
        raise ConfigurationError(f"{message}; draw more rows, or leave --by out")
    return np.isin(roots, np.array(taken, np.int64))


def _draw(seed: int, content: int) -> bytes:
    return hashlib.blake2b(f"{seed} {content}".encode(), digest_size=16).digest()


def _write_lines(
    file: RecordFile, sides: NDArray[np.int8], targets: tuple[Path, Path], *, force: bool
) -> None:
    with ExitStack() as stack:
        outputs = [stack.enter_context(writing(target, replace=force)) for target in targets]
        if file.has_mark:
            for output in outputs:
                output.write(BYTE_ORDER_MARK)
        for side, record in zip(sides, file, strict=True):
            if side != _NEITHER:
                _write_line(outputs[side], record)


def _write_line(output: BinaryIO, record: Record) -> None:
    """Write a row as it stands in its file; line ends in it are between its values, for in a text they are escaped."""
    text = record.text.replace(b"\n", b" ").replace(b"\r", b" ")
    if not text:
        try:
            text = json.dumps(record.value, ensure_ascii=False).encode()
        except UnicodeEncodeError:  # half of a surrogate pair
            text = json.dumps(record.value).encode()
    output.write(text + b"\n")


def _write_parquet(
    file: RecordFile, sides: NDArray[np.int8], targets: tuple[Path, Path], *, force: bool
) -> None:
    import pyarrow as pa  # noqa: PLC0415  # an optional extra
    from pyarrow import parquet  # noqa: PLC0415

    table = file.parquet()
    with ExitStack() as stack:
        names = [stack.enter_context(writing_by_name(target, replace=force)) for target in targets]
        outputs = [
            stack.enter_context(parquet.ParquetWriter(str(name), table.schema_arrow)) for name in names
        ]
        start = 0
        for batch in table.iter_batches(batch_size=_BATCH):
            part = sides[start : start + len(batch)]
            start += len(batch)
            for side, output in enumerate(outputs):
                output.write_batch(batch.filter(pa.array(part == side)))
