"""`graders new`: a small project for a grader of one's own, which works as it is made."""

import re
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from typing import Any

from rich.console import Console

from graders import ConfigurationError, Registry
from graders.installation import install_command
from runtime.data.output_files import write_file

TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "function": ("package", "function"),
    "class": ("package", "class"),
    "group": ("package", "group"),
    "judge": ("package", "judge"),
    "python-source": ("python-source",),
}
"""The directories of `service/cli/templates` that each template is made of."""

SUFFIX = ".tmpl"
"""Behind the name of every template file, so that no tool takes one for the file that it becomes."""

_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?", re.ASCII)
_TAKEN = frozenset({"tests", "grader"})
"""Names that a generated file has for something else."""


def create(name: str, template: str, into: Path) -> dict[str, Any]:
    """Make a project in a directory of its own.

    Args:
        name: Of the project, such as `my-grader`; its package and its grader type are called `my_grader`.
        template: One of `TEMPLATES`.
        into: Where the directory is made.

    Returns:
        The `directory`, the `template`, the name of the `package` and the `files`, as plain data.

    Raises:
        ConfigurationError: When the name cannot be one, or is taken; when the directory is there or cannot be made; when
            there is no such template.
    """
    if template not in TEMPLATES:
        raise ConfigurationError(f"unknown template {template!r}; there are {', '.join(TEMPLATES)}")
    package = _package(name)
    if "package" in TEMPLATES[template] and package in (registry := Registry.installed()):
        origin = registry[package].origin
        raise ConfigurationError(
            f"the grader type {package!r} is there already, from {origin}; choose another name"
        )
    directory = into / name
    words = {
        "project": name,
        "package": package,
        "object": _class_name(package) if template == "class" else package,
        "version": version("rft-graders"),
        "install": install_command(),
    }
    made: dict[str, str] = {}
    for part in TEMPLATES[template]:
        made |= _filled(files("service.cli") / "templates" / part, words)
    try:
        directory.mkdir(parents=True)
        for path, text in made.items():
            (directory / path).parent.mkdir(exist_ok=True)
            write_file(directory / path, text.encode(), replace=False, follow=False)
    except FileExistsError:
        raise ConfigurationError(f"{directory} is there already; choose another name, or remove it") from None
    except OSError as error:
        raise ConfigurationError(f"cannot make {directory}: {error.strerror or error}") from None
    return {"directory": str(directory), "template": template, "package": package, "files": sorted(made)}


def show(made: Mapping[str, Any], console: Console) -> None:
    """Print what was made, and what comes next."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    say(f"made {made['directory']}/ from the template {made['template']!r}")
    for path in made["files"]:
        say(f"  {path}")
    say("\nnext:")
    say(f"  cd {made['directory']}")
    if made["template"] != "python-source":
        say("  pip install -e '.[dev]'")
    say("  graders test .")


def _package(name: str) -> str:
    """The name of the package and of the grader type of a project.

    Raises:
        ConfigurationError: When there can be none.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot be a name: it has 1 to 64 of the characters A-Z a-z 0-9 - _, begins with a letter and ends "
            "with a letter or digit; the directory to make it in is --into"
        )
    package = re.sub("[-_]+", "_", name).lower()
    if iskeyword(package) or package in _TAKEN:
        raise ConfigurationError(f"{name!r} means something else to Python or to us; choose another name")
    if find_spec(package) is not None:
        raise ConfigurationError(f"there is a Python module {package!r} already; choose another name")
    return package


def _class_name(package: str) -> str:
    name = "".join(word.capitalize() for word in package.split("_"))
    return name if name.endswith("Grader") else f"{name}Grader"


def _filled(folder: Traversable, words: Mapping[str, str]) -> dict[str, str]:
    """The files of a template by their paths, with the words put in."""
    found: dict[str, str] = {}
    for each in folder.iterdir():
        name = each.name.replace("PACKAGE", words["package"])
        if each.is_dir():
            found |= {f"{name}/{path}": text for path, text in _filled(each, words).items()}
        elif name.endswith(SUFFIX):
            text = re.sub(r"%%(\w+)%%", lambda word: words[word[1]], each.read_text(encoding="utf-8"))
            found[name.removesuffix(SUFFIX)] = text
    return found
