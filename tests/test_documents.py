"""What README and docs show is run as it stands."""

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from graders import FailureKind, FailureType, GraderResult
from runtime import Settings, SyncEvaluator
from runtime.data.datasets import parse_rows
from runtime.data.result_lines import DATA, record_of
from runtime.settings.judges import find_judge
from tests.conftest import ROOT
from tests.runtime.sandbox.isolation import ISOLATES
from tests.service.conftest import served

MARKED = re.compile(r"<!-- test(?:: (\w+))? -->\n```(\w+)\n(.*?)```", re.DOTALL)
SERVED = re.compile(r"<!-- served -->\n```python\n(.*?)```", re.DOTALL)
README = (ROOT / "README.md").read_text()
SNIPPETS = {name: code for name, _, code in MARKED.findall(README)}
DOCS = [
    pytest.param(
        code, id=f"{path.name}-{number}", marks=[ISOLATES] if path.name == "python_graders.md" else []
    )
    for path in sorted((ROOT / "docs").glob("*.md"))
    for number, (_, _, code) in enumerate(MARKED.findall(path.read_text()))
]


def run(code: str, name: str) -> dict[str, Any]:
    """Run a snippet as a module."""
    variables: dict[str, Any] = {"__name__": f"snippet_{name}"}
    module = type(sys)(variables["__name__"])
    sys.modules[variables["__name__"]] = module
    exec(compile(code, name, "exec", dont_inherit=True), module.__dict__)  # noqa: S102  # our own documents
    return module.__dict__


def test_the_plugin_of_the_readme_works_as_written() -> None:
    run(SNIPPETS["plugin"], "plugin")["test_keyword"]()


def test_the_call_of_the_readme_works_as_written(quick: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with served(quick) as address:
        code = SNIPPETS["http"].replace("http://127.0.0.1:8000", address)
        client: OpenAI = run(code, "http")["client"]
        client.close()
    assert capsys.readouterr().out.startswith("1.0 MetadataErrors(")


def test_the_trainer_of_the_readme_works_as_written() -> None:
    found = run(SNIPPETS["trainer"], "trainer")
    rewards = found["reward"](completions=[r"\boxed{4}", r"\boxed{5}"], answer=["4", "4"])
    ungraded = found["reward"](completions=["4"], answer=["no number"])
    found["evaluator"].close()
    assert (rewards, ungraded) == ([1.0, 0.0], [None])


def test_the_grader_of_the_readme_is_valid(tmp_path: Path) -> None:
    block = re.search(r"```json\n(.*?)```", README, re.DOTALL)
    assert block
    (tmp_path / "grader.json").write_text(block[1])
    (tmp_path / "rows.jsonl").write_text('{"item": {"answer": "1", "solution": "s"}, "sample": "#### 1"}\n')
    graders = Path(sys.executable).with_name("graders")
    done = subprocess.run(
        [graders, "validate", "grader.json", "--data", "rows.jsonl"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    assert done.stdout == b"grader.json: 0 errors, 0 warnings\n"


@pytest.mark.parametrize("code", DOCS)
def test_a_snippet_of_the_documents_works_as_written(code: str, request: pytest.FixtureRequest) -> None:
    run(code, re.sub(r"\W", "_", request.node.callspec.id))


SERVED_PAGES = sorted(path for path in (ROOT / "docs").glob("*.md") if SERVED.search(path.read_text()))


@pytest.mark.parametrize("page", SERVED_PAGES, ids=lambda page: page.stem)
def test_what_a_page_asks_the_service_is_answered_as_it_says(
    page: Path, quick: Settings, tmp_path: Path
) -> None:
    text = page.read_text()
    settings = {"database": str(tmp_path / "service.sqlite"), "files_dir": tmp_path / "files"}
    grader = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    (tmp_path / "grader.json").write_text(grader[1] if grader else "")
    with served(quick.model_copy(update=settings)) as address, contextlib.chdir(tmp_path):
        for number, code in enumerate(SERVED.findall(text)):
            here = re.sub("http://127.0.0.1:8000|https://old.example", address, code)
            found = run(here, f"{page.stem}_{number}")
            for client in found.values():
                if isinstance(client, OpenAI):
                    client.close()


def test_the_quickstart_prints_what_it_says(tmp_path: Path) -> None:
    text = (ROOT / "docs/quickstart.md").read_text()
    grader, rows, printed = (
        re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)[0] for kind in ("json", "jsonl", "text")
    )
    (tmp_path / "grader.json").write_text(grader)
    (tmp_path / "rows.jsonl").write_text(rows)
    graders = Path(sys.executable).with_name("graders")
    commands = {
        command.split()[1]: command.split()[1:]
        for command in re.findall(r"^graders .*$", text, re.MULTILINE)
        if command != "graders serve"
    }
    assert list(commands) == ["validate", "run"]
    validated, done = (
        subprocess.run([graders, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        for command in commands.values()
    )
    assert (validated.stdout, validated.returncode) == (printed, 1)
    results = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert ([result["reward"] for result in results], done.returncode) == ([1.0, 0.0, None], 1)


def test_every_kind_of_failure_is_documented() -> None:
    table = (ROOT / "docs/failures.md").read_text().partition("<!-- kinds -->")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(FailureKind)


def test_every_type_of_failure_is_documented() -> None:
    table = (ROOT / "docs/failures.md").read_text().partition("<!-- types -->")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == sorted(FailureType)


@ISOLATES
def test_every_form_of_tests_in_the_documents_is_passed_by_the_answer_in_them() -> None:
    text = (ROOT / "docs/python_graders.md").read_text()
    answer = re.search(r"^````text\n(.*?)^````", text, re.DOTALL | re.MULTILINE)
    graders = re.findall(r"^```json\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert answer
    with SyncEvaluator() as evaluator:
        results = [evaluator.grade(json.loads(grader), answer[1]) for grader in graders]
    assert [result.reward for result in results] == [1.0] * 8, [result.explanation for result in results]


def test_every_setting_is_documented() -> None:
    table = (ROOT / "docs/service.md").read_text().partition("## Settings")[2]
    documented = {
        name
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert documented == set(Settings.model_fields)


def test_every_field_of_a_result_is_documented() -> None:
    table = (ROOT / "docs/running.md").read_text().partition("## Results")[2].partition("## Runs")[0]
    documented = {
        name
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    (row,) = parse_rows([b'{"samples": [""]}'])
    assert documented == {DATA, *record_of(0, row, GraderResult(1.0))}


def test_names_of_models_that_are_gone_are_answered_for_by_models_that_exist(tmp_path: Path) -> None:
    page = (ROOT / "docs/judges.md").read_text()
    mapping = page.partition("<!-- retired -->\n```toml\n")[2].partition("```")[0]
    (tmp_path / "graders.toml").write_text(mapping)
    judges = Settings.load(tmp_path / "graders.toml").judges
    expected = {
        "o3-mini-2025-01-31": "gpt-6.1-sol",
        "o4-mini": "gpt-6.1-terra",
        "gpt-4.1-nano-2025-04-14": "gpt-6-luna",
        "o3-2025-04-16": "gpt-6.1-sol",
        "gpt-5-mini-2025-08-07": "gpt-6.1-terra",
        "gpt-4o-mini": "gpt-6-luna",
        "gpt-4.1-mini": "gpt-6-luna",
        "gpt-6-luna": None,
    }
    for name, model in expected.items():
        found = find_judge(judges, name)
        assert found is not None
        assert found.model == model


GONE = re.compile(r"o1|o3|o4|gpt-4|gpt-5(?![.])|gpt-3")


def test_examples_name_no_judge_that_is_gone() -> None:
    pages = [ROOT / "README.md", ROOT / "tools/docs/examples.py", *(ROOT / "docs").glob("*.md")]
    pages += (ROOT / "service/cli/templates").rglob("*.tmpl")
    for page in pages:
        for name in re.findall(r'"model": "([^"]+)"', page.read_text()):
            assert not GONE.match(name), (page, name)
