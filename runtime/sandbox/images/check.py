"""Trying an image: everything that it is there for is imported in the sandbox, as a grading would."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from graders import GradingError
from runtime.sandbox.images.images import Image
from runtime.sandbox.local_sandbox import LocalSandbox
from runtime.sandbox.processes.worker_group import Answer

SOURCE = """
import importlib

def grade(sample, item):
    if "module" in item:
        importlib.import_module(item["module"])
    else:
        import nltk
        try:
            nltk.data.find(item["nltk_data"])
        except LookupError:
            return 0
    return 1
"""


@dataclass(frozen=True, slots=True)
class ImageTrial:
    """What came of one thing that an image should hold.

    Attributes:
        name: The distribution's, or the path of a part of NLTK's data.
        wanted: Its version: as a requirement says it, and empty when any will do.
        found: The version that is there; None when none is.
        modules: The names that were imported.
        problem: What is wrong; None when nothing is.
    """

    name: str
    wanted: str
    found: str | None
    modules: tuple[str, ...]
    problem: str | None


async def check(sandbox: LocalSandbox, name: str) -> list[ImageTrial]:
    """Try everything that an image is there for.

    Raises:
        ConfigurationError: When this machine does not have it, or its interpreter does not run.
        GradingError: When this machine has no safe place to try it in.
    """
    image = sandbox.images.find(name)
    requirements = image.declared
    await sandbox.check(SOURCE, image=name)
    modules = [_importable(image, each) for each in requirements]
    data = image.manifest.nltk_data if image.manifest else ()
    imports = [{"module": module} for each in modules for module in each]
    answers = iter(await _grade(sandbox, name, [*imports, *({"nltk_data": path} for path in data)]))
    trials = [_package(image, each, m, answers) for each, m in zip(requirements, modules, strict=True)]
    return [*trials, *(_nltk_data(image, path, next(answers)) for path in data)]


async def _grade(sandbox: LocalSandbox, name: str, items: list[dict[str, Any]]) -> list[Answer]:
    """An answer for each item, each in a process of its own: one import must not hide what another needs."""
    answers = await sandbox.grade(SOURCE, [({}, item) for item in items], image=name, isolation="grading")
    for answer in answers:
        if isinstance(answer, GradingError) and answer.failure.caused_by == "infrastructure":
            raise answer
    return answers


def _importable(image: Image, requirement: Requirement) -> tuple[str, ...]:
    """The modules to import for a distribution: the one that is named like it, or all that are meant for others."""
    name = canonicalize_name(requirement.name)
    modules = image.modules_of.get(name, frozenset())
    alike = [module for module in modules if canonicalize_name(module) == name]
    return tuple(alike or sorted(module for module in modules if not module.startswith("_")))


def _package(
    image: Image, requirement: Requirement, modules: tuple[str, ...], answers: Iterator[Answer]
) -> ImageTrial:
    found = image.versions.get(canonicalize_name(requirement.name))
    # every module has an answer, in order, and all of them are taken
    raised = [answer for answer in (next(answers) for _ in modules) if isinstance(answer, GradingError)]
    if found is None:
        problem: str | None = "it is not installed"
    elif not requirement.specifier.contains(found, prereleases=True):
        problem = "it has another version"
    else:
        problem = str(raised[0]).removeprefix("python: ") if raised else None
    if found is None and image.manifest is not None:
        problem = image.manifest.missing.get(str(requirement), problem)
    return ImageTrial(requirement.name, str(requirement.specifier), found, modules, problem)


def _nltk_data(image: Image, path: str, answer: Answer) -> ImageTrial:
    problem = None
    if isinstance(answer, GradingError):
        problem = str(answer).removeprefix("python: ")
    elif not answer:
        package, share = path.rpartition("/")[2], image.directory / "share" / "nltk_data"
        problem = f"it is not there; put it in with `{image.python} -m nltk.downloader -d {share} {package}`"
    return ImageTrial(f"nltk_data {path}", "", None if problem else "there", (), problem)
