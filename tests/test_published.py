"""Graders in the published shapes, and our own examples: they load, are found faultless, and are valid against the schema."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from graders import Registry
from graders.lint.lint import check_grader
from graders.schema import grader_schema
from tests.conftest import EXAMPLES, ROOT

INSTALLED = Registry.installed()
VALIDATOR = jsonschema_rs.Draft202012Validator(grader_schema(INSTALLED))
PUBLISHED = sorted((ROOT / "tests/published").glob("*.json"))


def in_documents() -> Iterator[Any]:
    """Every whole grader in README and docs."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for number, block in enumerate(
            re.findall(r"^```json\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)
        ):
            try:
                config = json.loads(block)
            except ValueError:
                continue  # a part of something, with an ellipsis
            if isinstance(config, dict) and config.get("type") in INSTALLED:
                yield pytest.param(config, id=f"{path.name}-{number}")


def in_examples() -> Iterator[Any]:
    for path in sorted(EXAMPLES.rglob("*.json")):
        yield pytest.param(json.loads(path.read_text()), id=path.name)


def errors_of(config: object) -> list[str]:
    return [f"{list(error.instance_path)}: {error.message}" for error in VALIDATOR.iter_errors(config)]


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_a_published_shape_loads_has_no_fault_and_is_valid_against_the_schema(path: Path) -> None:
    config = json.loads(path.read_text())
    loaded = INSTALLED.load(config)
    assert [finding.message for finding in check_grader(loaded) if finding.level == "error"] == []
    assert errors_of(config) == []


def test_the_published_shapes_are_of_every_published_type_and_their_origins_are_named() -> None:
    types = {json.loads(path.read_text())["type"] for path in PUBLISHED}
    assert types == {
        "string_check",
        "text_similarity",
        "score_model",
        "label_model",
        "python",
        "multi",
        "endpoint",
    }
    table = re.findall(
        r"^\| `(\w+\.json)` \| \w", (ROOT / "tests/published/README.md").read_text(), re.MULTILINE
    )
    assert table == [path.name for path in PUBLISHED]


@pytest.mark.parametrize("config", [*in_examples(), *in_documents()])
def test_our_own_examples_load_and_are_valid_against_the_schema(config: Any) -> None:
    INSTALLED.load(config)
    assert errors_of(config) == []
