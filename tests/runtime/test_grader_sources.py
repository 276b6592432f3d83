"""Sources of Python graders in files: what a reference is, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from graders import InvalidOptions, Registry
from runtime.data.grader_sources import references, sources, with_sources

SOURCE = "def grade(sample, item):\r\n    return 1.0  # é\n"


def python(source: Any) -> dict[str, Any]:
    return {"type": "python", "source": source}


def nested(**graders: Any) -> dict[str, Any]:
    return {"type": "multi", "graders": graders, "calculate_output": "+".join(graders)}


def test_every_python_grader_has_a_source_wherever_it_stands() -> None:
    config = [nested(a=python("x"), b={"type": "string_check", "source": "y"}), python({"file": "z"})]
    assert list(sources(config)) == [((0, "graders", "a", "source"), "x"), ((1, "source"), {"file": "z"})]


def test_json_that_is_nested_too_deeply_ends_the_search() -> None:
    config: Any = python("x")
    for _ in range(100):
        config = [config]
    assert list(sources(config)) == []


def test_a_reference_becomes_the_text_of_its_file_to_the_byte(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "grade.py").write_bytes(SOURCE.encode())
    config = nested(a=python({"file": "below/grade.py"}), b=python("def grade(s, i): return 2"))
    found = with_sources(config, tmp_path)
    assert found["graders"]["a"]["source"] == SOURCE
    assert found["graders"]["b"] is not None
    assert config["graders"]["a"]["source"] == {"file": "below/grade.py"}
    assert references(config, tmp_path) == {("graders", "a", "source"): tmp_path / "below" / "grade.py"}
    assert Registry.installed().load(found).info.type == "multi"


@pytest.mark.parametrize(
    "config", [python("x"), None, [], "text", {"type": "python"}, {"source": {"file": "a"}}]
)
def test_what_has_no_reference_is_left_as_it_is(config: Any, tmp_path: Path) -> None:
    assert with_sources(config, tmp_path) is config


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../grade.py", "a/../../grade.py", "..\\grade.py", "C:grade.py"]
)
def test_a_file_outside_the_graders_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="must stand beside the grader's JSON or below it") as caught:
        with_sources(python({"file": name}), tmp_path)
    assert caught.value.problems[0].path == ("source",)


@pytest.mark.parametrize("source", [{}, {"file": ""}, {"file": 1}, {"file": "a.py", "encoding": "utf-8"}])
def test_a_map_that_is_no_reference_says_what_one_is(source: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match=r"the file that it stands in: \{\"file\": \"grade\.py\"\}"):
        with_sources(python(source), tmp_path)


def test_every_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(b"# \xe9")
    config = nested(a=python({"file": "gone.py"}), b=python({"file": "latin.py"}), c=python({"file": "."}))
    with pytest.raises(InvalidOptions) as caught:
        with_sources(config, tmp_path)
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [
        (("graders", "a", "source"), f"cannot read {tmp_path}/gone.py: No such file or directory"),
        (("graders", "b", "source"), f"{tmp_path}/latin.py is not UTF-8"),
        (("graders", "c", "source"), f"cannot read {tmp_path}: Is a directory"),
    ]


def test_a_reference_is_no_source_without_a_folder() -> None:
    with pytest.raises(InvalidOptions, match="source: expected a text"):
        Registry.installed().load(python({"file": "grade.py"}))
