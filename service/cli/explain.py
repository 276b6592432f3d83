"""`graders explain`: one grading laid open."""

import re
from itertools import chain, repeat
from pathlib import Path

from graders import ConfigurationError
from runtime import Settings, SyncEvaluator
from runtime.data.datasets import STDIN, Row, opened, parse_rows
from runtime.data.grader_file import GraderFile
from runtime.explain.explanation import Explanation
from service.cli.run import stored_sample

_NAMES_A_LINE = re.compile(r":[0-9]{1,11}\Z")
_LINE_ZERO = re.compile(r"(?P<path>.+?):0+(:[0-9]{1,11})?", re.DOTALL)
_LINE = re.compile(r"(?P<path>.+?):(?P<line>[1-9][0-9]{0,11})(:(?P<draw>[0-9]{1,11}))?", re.DOTALL)


def explain_row(grader_path: Path, place: str, settings: Settings, *, full: bool = False) -> Explanation:
    """Grade one row as `graders run` does, and lay that open.

    Args:
        grader_path: The grader's JSON.
        place: The row: a JSON file, a line of a JSONL file such as `data.jsonl:17`, one of the samples in a line such as
            `data.jsonl:17:2`, or `-` for standard input.
        settings: The runtime's settings.
        full: Keep long texts whole.

    Raises:
        ConfigurationError: When the grader is wrong, or there is no such row.
    """
    if grader_path == STDIN and place in ("-", str(STDIN)):
        raise ConfigurationError("the grader and the row cannot both come from the standard input")
    file = GraderFile(grader_path)
    row = read_row(place)
    if row.sample is None and row.failure is None:
        raise ConfigurationError(
            f"{place}: the row has no 'sample', so there is nothing to grade; expected "
            '{"item": {…}, "sample": {"output_text": "…"}}'
        )
    if settings.python_isolation is None:  # a file of the operator's own, as in `graders run`
        settings = settings.model_copy(update={"python_isolation": "worker"})
    with SyncEvaluator(settings=settings) as evaluator:
        grader = file.load(evaluator.prepare)
        return evaluator.explain(grader, stored_sample(row), row.item, full=full)


def read_row(place: str) -> Row:
    """One row `{item, sample}`.

    Args:
        place: A JSON file, a line of a JSONL file such as `data.jsonl:17`, one of the samples in a line such as
            `data.jsonl:17:2`, or `-` for standard input.

    Raises:
        ConfigurationError: When the file cannot be read, or has several rows; says which line to name.
    """
    zero = _LINE_ZERO.fullmatch(place)
    if zero is not None and not _NAMES_A_LINE.search(zero["path"]) and not Path(place).exists():
        raise ConfigurationError(f"{place}: lines count from 1; the first row is {zero['path']}:1")
    named = _LINE.fullmatch(place)
    if named is None or Path(place).exists():
        return _only_row(Path(place))
    path, line, draw = Path(named["path"]), int(named["line"]), named["draw"]
    if draw is not None and Path(f"{path}:{line}").exists():
        return _row_at(Path(f"{path}:{line}"), int(draw))
    return _row_at(path, line, None if draw is None else int(draw))


def _only_row(path: Path) -> Row:
    with opened(path) as file:
        data = file.read()
    row = next(parse_rows([data]), None)
    if row is None:
        raise ConfigurationError(f"{path} is empty; expected a row {{item, sample}} as JSON")
    if row.failure is None:
        return row
    lines = data.splitlines()
    if len(lines) < 2 or not _is_row(lines[0]):
        return row
    where = f"{path}:2" if path != STDIN else "one of them"
    raise ConfigurationError(f"{path} has {len(lines)} lines, each a row; name one, such as {where}")


def _is_row(line: bytes) -> bool:
    row = next(parse_rows([line]), None)
    return row is not None and row.failure is None


def _row_at(path: Path, number: int, draw: int | None = None) -> Row:
    last = 0
    with opened(path) as file:
        for last, line in enumerate(file, 1):
            if last == number:
                # the lines before it are passed over as empty ones are, so that a mistake is named by its line
                found = list(parse_rows(chain(repeat(b"", number - 1), [line])))
                if not found:
                    raise ConfigurationError(f"{path}:{number} is an empty line; name one with a row")
                return _drawn(found, f"{path}:{number}", draw)
    raise ConfigurationError(f"{path} has {last} lines, so there is no line {number}")


def _drawn(rows: list[Row], place: str, draw: int | None) -> Row:
    """The only sample of a row, or one of several."""
    if draw is None and len(rows) == 1:
        return rows[0]
    if draw is None:
        raise ConfigurationError(f"{place} has {len(rows)} samples; name one, such as {place}:0")
    found = next((row for row in rows if row.draw == draw), None)
    if found is None:
        has = (
            "one sample and no list of them" if rows[0].draw is None else f"the samples 0 to {len(rows) - 1}"
        )
        raise ConfigurationError(f"{place} has {has}, so there is no sample {draw}")
    return found
