"""The schema of graders as a command and over HTTP."""

import json
from pathlib import Path

import httpx2
import jsonschema_rs

from graders import Registry
from graders.registry import Entry
from graders.schema import grader_schema
from service.cli.schema import file_schema
from tests.service.test_cli import graders

CHECK = {"type": "string_check", "input": "a", "reference": "b", "operation": "eq"}
IN_A_FILE = {"type": "python", "source": {"file": "grade.py"}}


def test_the_command_writes_the_schema_of_grader_files(tmp_path: Path) -> None:
    done = graders("schema", "-o", tmp_path / "grader.schema.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = json.loads((tmp_path / "grader.schema.json").read_text())
    assert found == file_schema()[0]
    assert json.loads(graders("schema").stdout) == found


def test_a_file_may_refer_to_a_source_and_a_request_may_not(url: str) -> None:
    in_files = jsonschema_rs.Draft202012Validator(file_schema()[0])
    assert in_files.is_valid(IN_A_FILE)
    assert in_files.is_valid({"type": "multi", "graders": {"a": IN_A_FILE}, "calculate_output": "a"})
    assert not in_files.is_valid({**IN_A_FILE, "source": {"path": "grade.py"}})
    assert not in_files.is_valid({**CHECK, "input": {"file": "input.txt"}})

    answer = httpx2.get(f"{url}/v1/graders/schema")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == grader_schema(Registry.installed())
    served = jsonschema_rs.Draft202012Validator(answer.json())
    assert served.is_valid(CHECK)
    assert not served.is_valid(IN_A_FILE)
    assert httpx2.get(f"{url}/v1/graders/schema").content == answer.content


def test_a_type_that_does_not_load_is_left_out_and_named() -> None:
    broken = Entry("gone", "hostile_graders.unimportable:nothing", "some-plugin", "2.0")
    found, left_out = file_schema(Registry([broken]))
    assert found["$defs"]["grader"]["properties"]["type"]["enum"] == []
    assert ["libmissing.so is not there" in str(error) for error in left_out] == [True]
