"""Sources of Python graders in files beside the grader's JSON: `"source": {"file": "grade.py"}`.

Nobody should edit code inside a JSON string. A reference is understood where a grader is read from disk, and nowhere else:
over HTTP it is a wrong option, so that no request can name a file of this machine.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from graders import ConfigurationError, InvalidOptions, Problem
from graders.registry import MAX_DEPTH
from runtime.data.datasets import read_whole

Place: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the root of a grader's JSON."""


def sources(config: object, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """The `source` of every Python grader in a grader's JSON, texts and references alike, each with its place."""
    if len(place) > MAX_DEPTH:  # loading refuses it
        return
    if isinstance(config, Mapping):
        if config.get("type") == "python" and "source" in config:
            yield (*place, "source"), config["source"]
        for key, inner in config.items():
            yield from sources(inner, (*place, key))
    elif isinstance(config, list):
        for index, inner in enumerate(config):
            yield from sources(inner, (*place, index))


def references(config: object, folder: Path) -> dict[Place, Path]:
    """The files that the Python graders of a grader's JSON refer to.

    Args:
        config: The parsed JSON.
        folder: Where the JSON stands.

    Raises:
        InvalidOptions: If a reference is not valid, or leads out of the folder; with one problem for each.
    """
    found: dict[Place, Path] = {}
    problems: list[Problem] = []
    for place, source in sources(config):
        if not isinstance(source, Mapping):
            continue
        name = source.get("file")
        if set(source) != {"file"} or not isinstance(name, str) or not name:
            message = 'expected the text of a source, or the file that it stands in: {"file": "grade.py"}'
            problems.append(Problem(place, message))
        elif _leads_out(name):
            message = (
                f"the file {name!r} must stand beside the grader's JSON or below it, and be named from there"
            )
            problems.append(Problem(place, message))
        else:
            found[place] = folder / name
    if problems:
        raise InvalidOptions(problems)
    return found


def with_sources(config: Any, folder: Path) -> Any:
    """A grader's JSON with every reference replaced by the text of its file; without any, the very same object.

    Args:
        config: The parsed JSON.
        folder: Where the JSON stands.

    Raises:
        InvalidOptions: When a reference is wrong, or its file is not there or is not UTF-8; one problem for each.
    """
    texts: dict[Place, str] = {}
    problems: list[Problem] = []
    for place, path in references(config, folder).items():
        try:
            texts[place] = read_whole(path).decode("utf-8-sig")  # line ends as they are: pack changes nothing
        except ConfigurationError as error:
            problems.append(Problem(place, str(error)))
        except UnicodeDecodeError:
            problems.append(Problem(place, f"{path} is not UTF-8"))
    if problems:
        raise InvalidOptions(problems)
    return _replaced(config, texts, ()) if texts else config


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or ":" in name


def _replaced(config: Any, texts: Mapping[Place, str], place: Place) -> Any:
    if place in texts:
        return texts[place]
    if isinstance(config, Mapping):
        return {key: _replaced(inner, texts, (*place, key)) for key, inner in config.items()}
    if isinstance(config, list):
        return [_replaced(inner, texts, (*place, index)) for index, inner in enumerate(config)]
    return config
