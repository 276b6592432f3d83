"""`graders pack` and `graders unpack`: code is edited in a file of its own, and nothing else of the JSON changes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import ConfigurationError, Registry
from runtime.data.grader_file import GraderFile
from service.cli.packing import pack, unpack
from tests.runtime.sandbox.isolation import ISOLATES
from tests.service.test_cli import graders, write

SOURCE = "def grade(sample, item):\n    return float(sample['output_text'] == 'é')\n"
PACKED = json.dumps({"type": "python", "name": "own", "source": SOURCE}, ensure_ascii=False, indent=3)
NESTED = """{"type": "multi",   "calculate_output": "a + b-1e-9",
 "graders": {"a": {"source": "def grade(s, i): return 1", "type": "python"},
   "b": {"type": "python", "source":
      "def grade(s, i): return 2"}}}\r
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "own.json"
    path.write_bytes(PACKED.encode())
    return path


def test_a_source_goes_into_a_file_and_comes_back_with_every_byte_as_it_was(path: Path) -> None:
    assert unpack(path, force=False) == [{"grader": "", "file": "own.py"}]
    assert path.with_name("own.py").read_text() == SOURCE
    assert json.loads(path.read_text())["source"] == {"file": "own.py"}
    text, done = pack(path)
    assert (text, done) == (PACKED, [{"grader": "", "file": "own.py"}])


def test_graders_inside_others_get_files_of_their_own_and_the_layout_stays(path: Path) -> None:
    path.write_bytes(NESTED.encode())
    assert unpack(path, force=False) == [
        {"grader": "graders.a", "file": "own_a.py"},
        {"grader": "graders.b", "file": "own_b.py"},
    ]
    assert path.read_bytes().decode() == NESTED.replace(
        '"def grade(s, i): return 1"', '{"file": "own_a.py"}'
    ).replace('"def grade(s, i): return 2"', '{"file": "own_b.py"}')
    assert pack(path)[0] == NESTED
    assert unpack(path, force=False) == []


def test_two_sources_never_share_a_file(path: Path) -> None:
    inner = {"type": "python", "source": "1"}
    other = {"type": "python", "source": {"file": "own_a_b.py"}}
    config = {"type": "best_of", "graders": {"a b": inner, "a-b": inner, "c": other}}
    write(path, config)
    write(path.with_name("own_a_b.py"), "2")
    assert [done["file"] for done in unpack(path, force=False)] == ["own_a_b_2.py", "own_a_b_3.py"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_source_comes_back(tmp_path_factory: pytest.TempPathFactory, source: str) -> None:
    path = tmp_path_factory.mktemp("packing") / "g.json"
    path.write_text(json.dumps({"type": "python", "source": source}))
    unpack(path, force=False)
    assert json.loads(pack(path)[0]) == {"type": "python", "source": source}


def test_a_file_that_holds_something_else_is_not_written_over_unless_forced(path: Path) -> None:
    source = path.with_name("own.py")
    source.write_text("mine")
    with pytest.raises(
        ConfigurationError, match=r"own\.py is there and holds something else; --force writes over it"
    ):
        unpack(path, force=False)
    assert (source.read_text(), path.read_text()) == ("mine", PACKED)
    unpack(path, force=True)
    assert source.read_text() == SOURCE


def test_the_standard_input_has_nothing_beside_it() -> None:
    with pytest.raises(ConfigurationError, match="`graders unpack` wants a file"):
        unpack(Path("-"), force=False)


def test_a_mistake_in_a_source_is_told_with_its_file(path: Path) -> None:
    unpack(path, force=False)
    path.with_name("own.py").write_text("x" * 256_000)
    file = GraderFile(path)
    with pytest.raises(ConfigurationError, match=r"own\.py: source: a source has fewer than 256000 bytes"):
        file.load(Registry.installed().load)


def test_a_reference_that_leads_nowhere_is_told_with_the_line_of_the_json(path: Path) -> None:
    unpack(path, force=False)
    path.with_name("own.py").unlink()
    with pytest.raises(ConfigurationError, match=r"own\.json:4: source: cannot read .*own\.py: No such file"):
        GraderFile(path)


@pytest.mark.full
@ISOLATES
def test_every_command_reads_a_grader_whose_source_stands_beside_it(path: Path, tmp_path: Path) -> None:
    done = graders("unpack", "own.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "own.json: the source is now in own.py\n")
    rows = write(tmp_path / "rows.jsonl", {"item": {}, "sample": "é"}, {"item": {}, "sample": "e"})
    assert json.loads(graders("run", path, rows, "--json").stdout)["reward"]["mean"] == 0.5
    found = json.loads(graders("validate", "own.json", "--json", cwd=tmp_path).stdout)
    assert (found["errors"], [each["path"] for each in found["findings"]]) == (0, ["invalid_grade"])
    printed = graders("pack", path, "-o", "-")
    assert (printed.returncode, printed.stdout, printed.stderr) == (0, PACKED, "")
    packed = graders("pack", "own.json", cwd=tmp_path)
    assert packed.stderr == "own.json: the source is put in from own.py\n"
    assert path.read_text() == PACKED
    again = graders("pack", "own.json", "-o", "copy.json", cwd=tmp_path)
    assert again.stderr == "own.json: no source to put in: nothing in it refers to a file\n"
    assert (tmp_path / "copy.json").read_text() == PACKED
