"""What `graders run` says while it grades: lines where it is piped, what was taken over, what an interrupt leaves."""

import io
import json
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from runtime import Settings
from service.cli.ending import Interrupted
from service.cli.progress import Progress
from service.cli.run import RunOutcome, grade_file

CHECK = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}


class Piped(io.StringIO):
    """A stream that is no terminal, with an event that is set at each line."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        if "\n" in text:
            self.written.set()
        return count


def console(stream: io.StringIO) -> Console:
    return Console(file=stream, width=200, force_terminal=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "g.json").write_text(json.dumps(CHECK))
    rows = ({"item": {"answer": "a"}, "sample": "ab"[n % 2]} for n in range(8))
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return tmp_path


def run(folder: Path, *, limit: int | None = None, fresh: bool = False, output: str = "out") -> RunOutcome:
    return grade_file(
        folder / "g.json",
        folder / "rows.jsonl",
        folder / output,
        settings=Settings(),
        fresh=fresh,
        console=console(io.StringIO()),
        limit=limit,
    )


def test_lines_come_while_no_row_is_done_and_say_how_far_it_is() -> None:
    stream = Piped()
    with Progress(1_000, console(stream), every_s=0.01) as progress:
        assert stream.written.wait(60)
        for _ in range(150):
            progress.take_over()
        for n in range(100):
            progress.add(is_graded=n % 2 == 0)
        stream.written.clear()
        assert stream.written.wait(60)
        stream.written.clear()
        assert stream.written.wait(60)
    first, *_, last = stream.getvalue().splitlines()
    assert re.fullmatch(r"0 of 1,000 rows done after \d+ s", first)
    expected = r"250 of 1,000 rows done \(50 ungraded, 150 taken over from an earlier run\) after \d+ s, about .* left"
    assert re.fullmatch(expected, last)


def test_a_run_that_ends_before_the_first_line_prints_none() -> None:
    stream = Piped()
    with Progress(3, console(stream)) as progress:
        progress.add(is_graded=True)
    assert stream.getvalue() == ""
    assert progress.so_far == "1 of 3 rows done"


def test_a_run_says_how_many_rows_were_taken_over(folder: Path) -> None:
    assert run(folder, limit=3).taken_over == 0
    whole = run(folder)
    assert (whole.taken_over, len(whole.records), whole.bounds) == (3, 8, (0.0, 1.0))
    assert run(folder).taken_over == 8
    assert run(folder, fresh=True).taken_over == 0


def test_a_limited_run_grades_the_first_rows_and_leaves_the_results_of_others(folder: Path) -> None:
    run(folder)
    before = (folder / "out").read_bytes()
    limited = run(folder, limit=2)
    assert [record["row"] for record in limited.records] == [0, 1]
    assert (folder / "out").read_bytes() == before
    assert len(run(folder, limit=100, output="other").records) == 8


@pytest.mark.parametrize(
    ("output", "fresh", "expected"),
    [
        (
            None,
            False,
            r"interrupted, \d of 8 rows done.*: nothing is kept; with -o FILE a run can be resumed",
        ),
        (
            "out",
            False,
            r"interrupted, \d of 8 rows done.*: 4 results are kept; run the same command again to .*",
        ),
        ("out", True, r"interrupted, \d of 8 rows done.*: \d results are kept; .* without --fresh to resume"),
        ("/dev/null", False, r"interrupted, .*: what was written to /dev/null cannot be taken over; .*"),
    ],
)
def test_an_interrupt_says_what_is_kept_and_how_to_go_on(
    folder: Path, output: str | None, *, fresh: bool, expected: str
) -> None:
    run(folder, limit=4)
    console = AskedConsole()
    Progress(8, console)
    with pytest.raises(Interrupted) as raised:
        grade_file(
            folder / "g.json",
            folder / "rows.jsonl",
            None if output is None else folder / output,
            settings=Settings(),
            fresh=fresh,
            console=AskedConsole(console.asked + 1),
        )
    assert re.fullmatch(expected, str(raised.value)), str(raised.value)


class AskedConsole(Console):
    """A console that is no terminal, and at which Ctrl-C is pressed when it is asked for the so-manieth time.

    Args:
        interrupted_at: That time; None for never.
    """

    def __init__(self, interrupted_at: int | None = None) -> None:
        self.asked, self._interrupted_at = 0, interrupted_at
        super().__init__(file=io.StringIO())

    @property
    def is_terminal(self) -> bool:
        self.asked += 1
        if self.asked == self._interrupted_at:
            signal.raise_signal(signal.SIGINT)
        return False


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """SIGINT raises `KeyboardInterrupt`, whatever the shell that started the tests made of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
