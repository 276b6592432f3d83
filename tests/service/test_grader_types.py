"""What `graders types` and `graders doctor` say of a plugin that cannot be used."""

import io

import pytest
from rich.console import Console

from graders import Item, Registry, Sample, UnknownGraderType, grader
from graders.registry import Entry
from runtime import Settings
from service.cli import grader_types
from service.cli.doctor import examine, show

BROKEN = Registry([Entry("gone", "hostile_graders.unimportable:nothing", "some-plugin", "2.0")])


def test_a_type_that_does_not_load_is_listed_with_its_reason() -> None:
    (found,) = grader_types.describe(BROKEN, None)
    assert (found["name"], found["distribution"]) == ("gone", "some-plugin")
    assert "libmissing.so is not there" in found["error"]
    console = Console(file=io.StringIO(), width=200)
    grader_types.show([found], console, whole=True)
    assert "libmissing.so is not there" in console.file.getvalue()  # type: ignore[attr-defined]


@grader("fetch", needs={"network", "files"})
def fetch(sample: Sample, item: Item) -> float:
    """Look it up."""
    return 1.0


def test_a_type_that_needs_something_says_what_and_how_it_is_allowed() -> None:
    (found,) = grader_types.describe(Registry().including(fetch), None)
    assert found["needs"] == ["files", "network"]
    console = Console(file=io.StringIO(), width=200)
    grader_types.show([found], console, whole=True)
    table, _, explained = console.file.getvalue().partition("rewards from 0 to 1\n")  # type: ignore[attr-defined]
    assert "files, network" in table
    allowed = (
        """it runs where GRADERS_PLUGIN_NEEDS='{"fetch": ["files", "network"]}' is set, """
        """or graders.toml says plugin_needs = { "fetch" = ["files", "network"] }"""
    )
    isolation, *needs = explained.splitlines()
    assert isolation.startswith(
        "isolation grading: each grading has a process of its own, because its source uses "
    )
    assert needs[:3] == [
        "needs files: it reads and writes whatever the user who starts it may",
        "needs network: it connects to other machines, and to the services of this one",
        allowed,
    ]


def test_a_type_that_needs_nothing_says_nothing_of_needs() -> None:
    (found,) = grader_types.describe(Registry.installed(), "keyword")
    assert found["needs"] == []
    console = Console(file=io.StringIO(), width=200)
    grader_types.show([found], console, whole=True)
    assert "needs files" not in console.file.getvalue()  # type: ignore[attr-defined]


HARMLESS = "known to be harmless"
MANY = "worker: a process has many gradings of one client and grader"
ONE = "grading: each grading has a process of its own"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("keyword", f"{MANY}, because its author declares it"),
        ("countdown", f"{MANY}, because its source uses only what is {HARMLESS}"),
        ("evaluates", f"{ONE}, because its source uses what is not {HARMLESS}: executing.py line 8: eval"),
        ("string_check", None),
    ],
)
def test_a_type_says_how_its_gradings_are_isolated_and_why(name: str, shown: str | None) -> None:
    (found,) = grader_types.describe(Registry.installed(), name)
    console = Console(file=io.StringIO(), width=200)
    grader_types.show([found], console, whole=True)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    expected = [] if shown is None else [f"isolation {shown}"]
    assert [line for line in lines if line.startswith("isolation ")] == expected
    assert (found["isolation"] is None) == (shown is None)


def test_a_type_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UnknownGraderType, match="no grader type 'nothing' is installed; there are gone"):
        grader_types.describe(BROKEN, "nothing")


@pytest.mark.full
def test_a_machine_with_a_broken_plugin_is_not_well(quick: Settings) -> None:
    found = examine(quick, BROKEN)
    assert not found["well"]
    console = Console(file=io.StringIO(), width=200)
    show({**found, "workers": [{**found["workers"][0], "active": False}]}, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "broken  gone from some-plugin 2.0" in text
    assert "missing memory limit" in text
