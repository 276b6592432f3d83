"""What `graders types` and `graders doctor` say of a plugin that cannot be used."""

import io

import pytest
from rich.console import Console

from graders import Registry, UnknownGraderType
from graders.registry import Entry
from runtime import Settings
from service.cli import catalogue
from service.cli.doctor import examine, show

BROKEN = Registry([Entry("gone", "hostile_graders.unimportable:nothing", "some-plugin", "2.0")])


def test_a_type_that_does_not_load_is_listed_with_its_reason() -> None:
    (found,) = catalogue.describe(BROKEN, None)
    assert (found["name"], found["distribution"]) == ("gone", "some-plugin")
    assert "libmissing.so is not there" in found["error"]
    console = Console(file=io.StringIO(), width=200)
    catalogue.show([found], console, whole=True)
    assert "libmissing.so is not there" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_type_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UnknownGraderType, match="no grader type 'nothing' is installed; there are gone"):
        catalogue.describe(BROKEN, "nothing")


def test_a_machine_with_a_broken_plugin_is_not_well(quick: Settings) -> None:
    found = examine(quick, BROKEN)
    assert not found["well"]
    console = Console(file=io.StringIO(), width=200)
    show({**found, "workers": [{**found["workers"][0], "active": False}]}, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "broken  gone from some-plugin 2.0" in text
    assert "missing memory limit" in text
