"""What the documentation site is made of holds; the site as a whole is built by `make check`."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from graders import Grader, GraderResult, Registry, Sample
from graders.context import HttpReply
from graders.schema import COMMON, grader_schema
from graders.testing import FakeContext, FakeHttp, FakeJudge
from runtime import SyncEvaluator
from tests.conftest import ROOT
from tests.runtime.sandbox.isolation import ISOLATES
from tools.docs.examples import EXAMPLES, OPTIONS, Example, Row
from tools.docs.http_pages import http_pages
from tools.docs.type_pages import built_in, json_text, type_pages

SHOWN = re.compile(r"Text ([0-9a-f]+):\n(===== [0-9a-f]{16} =====)\n(.*?)\n\2(?:\n|$)", re.DOTALL)
WORKED = [
    pytest.param(example, id=f"{name}-{number}", marks=[ISOLATES] if name in {"python", "code_tests"} else [])
    for name, examples in EXAMPLES.items()
    for number, example in enumerate(examples)
]


@pytest.mark.few(11)
@pytest.mark.parametrize("example", WORKED)
def test_an_example_gives_the_rewards_that_its_page_shows(example: Example) -> None:
    grader = Registry.installed().load(example.grader)
    if grader.type.form == "group":
        results = ranked(grader, example.rows)
    elif any(row.answers for row in example.rows):
        results = [asyncio.run(answered(grader, row)) for row in example.rows]
    else:
        with SyncEvaluator() as evaluator:
            results = [evaluator.grade(grader, row.sample, row.item) for row in example.rows]
    assert [result.reward for result in results] == [row.reward for row in example.rows]


async def answered(grader: Grader, row: Row) -> GraderResult:
    """One grading whose judge, or endpoint, answers as the row says, and is asked no less and no more."""
    http = FakeHttp([HttpReply(*answer) for answer in row.answers] if grader.type.name == "endpoint" else [])
    judge = FakeJudge([] if grader.type.name == "endpoint" else row.answers)
    result = await FakeContext(judge=judge, http=http).grade(grader, Sample(row.sample), row.item)
    assert len(http.calls) + len(judge.calls) == len(row.answers)
    return result


def ranked(grader: Grader, rows: Sequence[Row]) -> list[GraderResult]:
    """The gradings of a group whose judge gives each text the score that its row says."""
    scores = {row.sample: row.answers[0] for row in rows}

    def answer(messages: Sequence[Mapping[str, Any]], **_: Any) -> dict[str, Any]:
        texts = SHOWN.findall(messages[1]["content"])
        return {name: {"reason": "", "score": scores[text]} for name, _, text in texts}

    context = FakeContext(judge=FakeJudge(answer))
    return asyncio.run(context.grade_group(grader, [Sample(row.sample) for row in rows], {}))


def test_every_built_in_type_has_a_page_with_an_example() -> None:
    assert set(EXAMPLES) == set(built_in())
    assert set(type_pages()) == {"index.md", *(f"{name}.md" for name in built_in())}


def test_every_option_is_described_and_nothing_else_is() -> None:
    definitions = grader_schema(built_in())["$defs"]
    for name in built_in():
        fields = definitions[f"type:{name}"]["properties"]
        undescribed = {
            option
            for option, field in fields.items()
            if option not in COMMON and option != "type" and "description" not in field
        }
        assert set(OPTIONS[name]) == undescribed, name


def test_a_page_of_a_type_shows_its_options_and_its_example() -> None:
    page = type_pages()["string_check.md"]
    assert '| `operation` | `"eq"`, `"ne"`, `"neq"`, `"like"`, `"ilike"` | required |' in page
    assert '| `"It is Lyon."` | `{"capital": "Paris"}` | **0** |  |' in page
    assert "* **Rewards** from 0 to 1.\n* **Asks** nothing" in page


def test_a_plugin_that_is_installed_here_is_in_no_page() -> None:
    assert "countdown" in Registry.installed()
    assert "countdown" not in built_in()


def test_json_is_broken_where_a_line_would_be_too_long() -> None:
    short, long = [[0, 5], [1, 4]], ["x" * 50, "y" * 50]
    assert json_text({"a": short}) == '{"a": [[0, 5], [1, 4]]}'
    assert json_text({"a": long}) == f'{{\n  "a": [\n    "{long[0]}",\n    "{long[1]}"\n  ]\n}}'


def test_the_reference_has_every_operation_of_the_service_with_its_fields_and_errors() -> None:
    pages = http_pages()
    grade = pages["grade.md"]
    assert "## `POST /v1/grade/batch` { #post-v1-grade-batch }" in grade
    assert "| `rows[].sample` (required) | string or object or list of anything |" in grade
    assert "| 413 | [Error](objects.md#error) |" in grade
    assert "| `Idempotency-Key` | header | string |" in grade
    assert "| `error.message` (required) | string |" in pages["objects.md"]
    every = "".join(pages.values())
    for operation in ("PUT /v1/graders/{name}", "DELETE /v1/files/{file_id}", "GET /metrics"):
        assert f"## `{operation}` " in every


FETCHED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=\"?((?:https?:)?//[^\"\s>]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    made = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(made)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return made


@pytest.mark.full
def test_the_site_has_the_pages_that_are_written_and_those_that_are_made(site: Path) -> None:
    written = {f"{page.stem}.html" for page in (ROOT / "docs").glob("*.md")}
    made = {f"types/{name}.html" for name in built_in()} | {
        f"http/{Path(name).stem}.html" for name in http_pages()
    }
    assert {str(page.relative_to(site)) for page in site.rglob("*.html")} == {
        "404.html",
        "types/index.html",
        "examples/finetuning/index.html",  # a page links to its README
        *written,
        *made,
    }
    assert "<td><strong>ungraded</strong></td>" in (site / "types/numeric_check.html").read_text()


def test_a_page_fetches_nothing_from_elsewhere(site: Path) -> None:
    assert FETCHED.findall('<script src="https://cdn.example/x.js"></script>') == ["https://cdn.example/x.js"]
    fetched = {str(page): FETCHED.findall(page.read_text()) for page in site.rglob("*.html")}
    assert {page: found for page, found in fetched.items() if found} == {}


@pytest.mark.full
def test_a_file_of_the_project_that_a_page_links_to_is_in_the_site(site: Path) -> None:
    for name in ("examples/evals_countdown.py", "deploy/graders.service", "Containerfile"):
        assert (site / name).read_bytes() == (ROOT / name).read_bytes()
        assert name in (ROOT / "docs/deploying.md").read_text() + (ROOT / "docs/service.md").read_text()
