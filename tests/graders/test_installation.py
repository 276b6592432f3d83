"""The command that installs an extra is the one for how this copy was installed."""

import json
import shlex
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from graders.installation import command_for, install_command

PLACE = "file:///home/me/rft%20graders"
GIT = {"vcs": "git", "commit_id": "0123abc"}


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, "pip install 'rft-graders[otel]'"),
        ({"url": PLACE, "dir_info": {"editable": True}}, "pip install -e '/home/me/rft graders[otel]'"),
        ({"url": PLACE, "dir_info": {}}, "pip install '/home/me/rft graders[otel]'"),
        ({"url": PLACE, "dir_info": {"editable": False}}, "pip install '/home/me/rft graders[otel]'"),
        (
            {"url": "file:///tmp/rft_graders-0.1.0-py3-none-any.whl", "archive_info": {"hash": "sha256=0"}},
            "pip install 'rft-graders[otel] @ file:///tmp/rft_graders-0.1.0-py3-none-any.whl'",
        ),
        (
            {"url": "https://u:secret@pkgs.example/rft.whl?x=1#sha256=0", "archive_info": {}},
            "pip install 'rft-graders[otel] @ https://pkgs.example/rft.whl?x=1'",
        ),
        (
            {"url": "https://git.example/rft.git", "vcs_info": {**GIT, "requested_revision": "main"}},
            "pip install 'rft-graders[otel] @ git+https://git.example/rft.git@main'",
        ),
        (
            {"url": "ssh://git@git.example/rft", "vcs_info": GIT, "subdirectory": "py"},
            "pip install 'rft-graders[otel] @ git+ssh://git.example/rft@0123abc#subdirectory=py'",
        ),
        (
            {"url": "https://git.example/rft.git", "vcs_info": {"vcs": "hg"}},
            "pip install 'rft-graders[otel] @ hg+https://git.example/rft.git'",
        ),
    ],
)
def test_an_extra_is_installed_as_this_copy_was(origin: dict[str, Any] | None, expected: str) -> None:
    text = None if origin is None else json.dumps(origin)
    assert command_for(text, "pip\n", "otel") == expected
    assert command_for(text, "uv\n", "otel") == f"uv {expected}"
    without = command_for(text, None)
    assert "[otel]" not in without
    (requirement,) = [word for word in shlex.split(without)[2:] if word != "-e"]
    if not requirement.startswith("/"):
        assert Requirement(requirement).name == "rft-graders"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"url": 5}', "{}"])
def test_what_cannot_be_read_counts_as_an_index(text: str) -> None:
    assert command_for(text, "", "postgres") == "pip install 'rft-graders[postgres]'"


NOTES = (
    st.none()
    | st.booleans()
    | st.text()
    | st.lists(st.text())
    | st.dictionaries(st.text(), st.text() | st.booleans())
)


@given(NOTES, st.text())
def test_any_text_gives_a_command_that_a_shell_reads_as_one_requirement(origin: Any, url: str) -> None:
    for found in (
        origin,
        {"url": f"file:///{url}", "dir_info": origin},
        {"url": "https://h/", "vcs_info": origin},
    ):
        words = shlex.split(command_for(json.dumps(found), "pip"))
        assert words[:2] == ["pip", "install"]
        assert len([word for word in words[2:] if word != "-e"]) == 1


def test_the_command_of_this_copy_installs_this_copy() -> None:
    origin = json.loads(distribution("rft-graders").read_text("direct_url.json") or "{}")
    words = shlex.split(install_command("testing"))
    if origin.get("dir_info", {}).get("editable"):
        assert words[2] == "-e"
        assert Path(words[3].removesuffix("[testing]")).is_dir()


def test_a_copy_that_was_not_installed_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])  # no distribution is found
    assert install_command("otel") == "pip install 'rft-graders[otel]'"
