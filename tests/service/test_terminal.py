"""Nothing that a sample, a plugin, a dataset or a file name says drives the terminal of the command line."""

import ast
import contextlib
import io
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.table import Table

from graders.pattern import encodable
from runtime.data.printable import printable, printable_json
from service.cli import grader_types, keys, summary, terminal
from service.cli.validate import show as show_findings
from tests.conftest import ROOT

ESCAPES = (
    "\x1b[2J",
    "\x1b]8;;http://evil\x1b\\",
    "\x9b31m",
    "\r",
    "\b",
    "\x07",
    "\x00",
    "\u202e",
    "\u2066",
    "\u200b",
    "\u3164",
    "\ufe0f",
    "\U000e0041",
    "\ud800",
    "\x85",
    "\u2028",
)
HOSTILE = st.lists(
    st.sampled_from((*ESCAPES, "[red]", "[/]", "[link=http://evil]", ":smile:", "plain", "é", "猫"))
    | st.text(max_size=5),
    max_size=8,
).map("".join)


def is_safe(shown: str) -> bool:
    """Whether it has nothing but what is drawn, line ends and the colours of ours."""
    return not [c for c in shown if c != "\n" and (not c.isprintable() or unicodedata.category(c)[0] == "C")]


@given(text=HOSTILE | st.text())
def test_printable_text_is_one_harmless_line_that_can_be_encoded(text: str) -> None:
    shown = printable(text)
    assert is_safe(shown)
    assert "\n" not in shown
    assert printable(shown) == shown
    shown.encode()


@pytest.mark.parametrize("text", ["plain", "é 猫 😀 ½", "a\u0301"])
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3),
    max_leaves=8,
)


@given(data=JSON)
@example(data={"\x9b": "\u202e\ud800\x7f"})
def test_printable_json_is_the_same_json(data: Any) -> None:
    for options in ({}, {"indent": 2}):
        shown = printable_json(data, **options)
        assert is_safe(shown)
        # half of a surrogate pair is replaced: not every reader of JSON takes its escape
        assert json.loads(shown) == json.loads(encodable(json.dumps(data, ensure_ascii=False)))
        shown.encode()


def record(text: str) -> dict[str, Any]:
    failure = {"kind": "other_error", "caused_by": "grader", "message": text}
    return {
        "reward": None,
        "passed": None,
        "failure": failure,
        "sub_rewards": {text: None},
        "metrics": {"cached": 1},
        "usage": {text: {"prompt_tokens": 1, "completion_tokens": 1}},
    }


@given(text=HOSTILE)
def test_commands_show_what_strangers_say_without_obeying_it(text: str) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        console = terminal.console()
        summary.show(summary.summarize([record(text), {**record(text), "reward": 1.0}]), console)
        show_findings(
            [{"level": "error", "where": text, "path": text, "message": text, "hint": text}], console
        )
        grader_types.show(
            [{"name": text, "distribution": text, "version": text, "error": text}], console, whole=False
        )
        made = dict.fromkeys(("created_at", "last_used_at", "revoked_at", "requests_per_minute"))
        keys.show([{**made, "concurrency": None, "id": text, "name": text, "scopes": [text]}], console)
        table = Table(title=text)
        table.add_column(text)
        table.add_row(text)
        console.print(table)
        console.print(text, style="red")
        terminal.out(text)
        terminal.out_json({text: text})
        terminal.errors(text)
    assert is_safe(out.getvalue())
    out.getvalue().encode()


@pytest.mark.parametrize("path", sorted((ROOT / "service" / "cli").glob("*.py")), ids=lambda path: path.name)
def test_commands_print_by_one_way_only(path: Path) -> None:
    """Neither `print`, nor `sys.stdout`, nor a console of rich's own."""
    if path.name in {"terminal.py", "console.py"}:
        return
    tree = ast.parse(path.read_text())
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    forbidden = {"print", "Console", "sys.stdout.write", "sys.stderr.write", "typer.echo", "typer.secho"}
    assert not called & forbidden
