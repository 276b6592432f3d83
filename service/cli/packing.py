"""`graders pack` and `graders unpack`: the sources of Python graders inside their JSON, or in files beside it."""

import json
import re
from pathlib import Path
from typing import Any

from graders import ConfigurationError
from runtime.data.datasets import STDIN
from runtime.data.grader_file import GraderFile
from runtime.data.grader_sources import Place, references, sources
from runtime.data.json_lines import with_value
from runtime.data.output_files import write_file


def unpack(path: Path, *, force: bool) -> list[dict[str, Any]]:
    """Write each source into a file beside the JSON, and leave a reference in its place.

    Args:
        path: The grader's JSON.
        force: Write over files that hold something else.

    Returns:
        For each source its `grader` (keys joined by dots, empty for the grader itself) and its `file`.

    Raises:
        ConfigurationError: When the JSON cannot be read or written, or a file is there that holds something else.
    """
    file = _on_disk(path, "unpack")
    text, taken = file.text, set(references(file.written, path.parent).values())
    files: dict[Path, bytes] = {}
    done = []
    for place, source in sources(file.written):
        if not isinstance(source, str):
            continue
        beside = _name(path, place, taken)
        taken.add(beside)
        files[beside] = source.encode()
        if beside.is_file() and beside.read_bytes() != files[beside] and not force:
            raise ConfigurationError(
                f"{beside} is there and holds something else; --force writes over it, or rename it"
            )
        text = with_value(text, place, json.dumps({"file": beside.name}, ensure_ascii=False))
        done.append(_told(place, beside, path))
    for beside, content in files.items():
        write_file(beside, content, follow=False)
    if done:
        write_file(path, text.encode())
    return done


def pack(path: Path) -> tuple[str, list[dict[str, Any]]]:
    """The JSON with the text of each source in place of its reference; nothing is written.

    Args:
        path: The grader's JSON.

    Returns:
        The JSON text, and for each source its `grader` and its `file`.

    Raises:
        ConfigurationError: When the JSON or a source cannot be read.
    """
    file = _on_disk(path, "pack")
    text, texts = file.text, dict(sources(file.config))
    done = []
    for place, source in references(file.written, path.parent).items():
        text = with_value(text, place, json.dumps(texts[place], ensure_ascii=False))
        done.append(_told(place, source, path))
    return text, done


def _on_disk(path: Path, command: str) -> GraderFile:
    if path == STDIN:
        raise ConfigurationError(f"`graders {command}` wants a file: sources stand in files beside it")
    return GraderFile(path)


def _name(path: Path, place: Place, taken: set[Path]) -> Path:
    """The file for a source: that of the JSON, with the grader's key behind it for one that is inside another."""
    keys = [str(key) for key in place[:-1] if key != "graders"]
    stem = re.sub(r"\W", "_", "_".join([path.stem, *keys]))
    found, number = path.with_name(f"{stem}.py"), 1
    while found in taken:
        number += 1
        found = path.with_name(f"{stem}_{number}.py")
    return found


def _told(place: Place, source: Path, path: Path) -> dict[str, Any]:
    grader = ".".join(map(str, place[:-1]))
    return {"grader": grader, "file": source.relative_to(path.parent).as_posix()}
