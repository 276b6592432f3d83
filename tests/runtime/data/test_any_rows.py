"""Whatever stands in a file, a check says something about it and goes on; nothing personal is shown whole."""

import copy
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graders import ConfigurationError
from runtime.data.check import check_data
from runtime.data.check.page import page
from runtime.data.formats import FORMATS, HOSTS, format_of
from tests.runtime.data.sound_rows import SOUND

FIELDS = st.sampled_from(
    sorted(
        {name for each in FORMATS for name in each.fields}
        | {"role", "content", "tool_calls", "parts", "answer", "chosen", "type"}
    )
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
WORDS = st.sampled_from(
    ["user", "assistant", "tool", "system", "text", "function", "\ud800", "\x00", "a@b.org", "$x$ <b>"]
)
ANYTHING = st.recursive(
    SCALARS | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(FIELDS | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
ROWS = st.dictionaries(FIELDS | st.text(max_size=4), ANYTHING, max_size=5)


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A sound row in which one value is any other."""
    row: Any = copy.deepcopy(draw(st.sampled_from(SOUND))(draw(st.integers(0, 30))))  # rows share their tools
    place = row
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, (dict, list)) or not inner or draw(st.booleans()):
            place[key] = draw(ANYTHING)
            return row
        place = inner


LAST_IS_NONE = {"messages": [*SOUND[4](1)["messages"][:3], None]}


@given(row=ROWS | damaged())
@example(row=LAST_IS_NONE)
def test_every_format_reads_every_row(row: dict[str, Any]) -> None:
    format_of(row)
    for each in FORMATS:
        assert each.likeness(row) >= 0
        assert all(fault.code and fault.message for fault in each.faults(row))
        view = each.view(row)
        assert isinstance(view.prompt, str)
        assert view.answer is None or isinstance(view.answer, str)
        assert view.system is None or isinstance(view.system, str)
        assert all(isinstance(name, str) for name in view.references)


@pytest.mark.full
@given(rows=st.lists(ROWS | damaged() | ANYTHING, max_size=12), host=st.none() | st.sampled_from(HOSTS))
def test_a_check_never_fails_on_rows(rows: list[Any], host: str | None, tmp_path_factory: Any) -> None:
    file = Path(tmp_path_factory.mktemp("any")) / "rows.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    report = check_data(file, valid=file, host=host, by=["answer", "item.answer"])
    count = report.files[0].rows
    assert count == len(rows) or len(rows) == 1  # one list, or one page, has rows inside
    assert all(group.first.line is None or 1 <= group.first.line <= count for group in report.findings)
    json.dumps(report.to_dict())


@given(text=st.binary(max_size=200) | st.text(alphabet='[]{}",:\\ \n1a', max_size=60).map(str.encode))
def test_a_check_never_fails_on_bytes(text: bytes, tmp_path_factory: Any) -> None:
    file = Path(tmp_path_factory.mktemp("bytes")) / "rows.jsonl"
    file.write_bytes(text)
    with suppress(ConfigurationError):
        report = check_data(file)
        assert report.findings.errors or report.files[0].rows or not text.strip()


SECRETS = (
    "jane.roe@example.org",
    "+49 30 9876543",
    "(555) 123-4567",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "sk-" + "live-a1B2c3D4e5F6g7H8i9J0k1",
)


def test_personal_data_are_found_and_shown_nowhere_whole(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    for secret in SECRETS:
        rows += [
            {"messages": [{"role": secret, "content": secret}], "answer": secret, secret: secret},
            {
                "messages": [{"role": "user", "content": f"Say {secret} (the answer is {secret})"}],
                "answer": secret,
            },
            {"item": {secret: secret, "answer": secret}, "sample": secret, "recorded": {secret: [secret]}},
        ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    report = check_data(file, by=["answer", *SECRETS])
    personal = [
        each for group in report.findings if group.first.code == "personal-data" for each in group.findings
    ]
    assert {each.line for each in personal} == set(range(1, len(rows) + 1))
    for shown in (json.dumps(report.to_dict()), page(report).decode()):
        assert [secret for secret in SECRETS if secret in shown] == []


def test_the_page_runs_and_fetches_nothing_that_rows_say(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&$\\alpha$"
    rows = [
        {
            "messages": [{"role": hostile, "content": hostile * (number + 1)}],
            "answer": hostile,
            hostile: hostile,
        }
        for number in range(15)
    ]
    file = tmp_path / "<b>rows.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    written = page(check_data(file, by=["answer"])).decode()
    assert "<script" not in written
    assert "<img" not in written
    assert "<b>" not in written
    assert "&lt;script&gt;" in written
    assert "http://" not in written.replace("http://www.w3.org/", "").replace("http://purl.org/", "").replace(
        "http://creativecommons.org/", ""
    )
    assert "<svg" in written
