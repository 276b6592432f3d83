"""`graders doctor`: what this machine isolates, reaches and lacks, found out by trying."""

import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.console import Console

from graders import PluginError, Registry
from runtime import Settings
from runtime.probes import NOT_COVERED, probe_workers

LIBRARIES = (
    "rft-graders",
    "openai",
    "pydantic",
    "numpy",
    "fastapi",
    "rapidfuzz",
    "sacrebleu",
    "rouge-score-rs",
    "google-re2",
)


def examine(settings: Settings, registry: Registry) -> dict[str, Any]:
    """Everything about this machine, as plain data; `well` is false when something that should hold does not."""
    workers = [asdict(probe) for probe in probe_workers(settings)]
    types = [_try_type(registry, name) for name in registry]
    return {
        "well": all(probe["active"] for probe in workers) and not any(found["error"] for found in types),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "libraries": {name: _version(name) for name in LIBRARIES},
        "workers": workers,
        "not_covered": list(NOT_COVERED),
        "grader_types": types,
    }


def _try_type(registry: Registry, name: str) -> dict[str, Any]:
    entry = registry[name]
    found: dict[str, Any] = {"name": name, "from": entry.origin, "error": None}
    try:
        _ = entry.type
    except PluginError as failed:
        found["error"] = str(failed)
    return found


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def show(found: dict[str, Any], console: Console) -> None:
    """Print an examination for a person."""
    console.print(found["system"], highlight=False)
    console.print(
        ", ".join(f"{n} {v or '[red]missing[/]'}" for n, v in found["libraries"].items()), style="dim"
    )
    console.print("\n[bold]worker processes for plugins[/]")
    for probe in found["workers"]:
        mark = "[green]active [/]" if probe["active"] else "[red]missing[/]"
        console.print(f"  {mark} {probe['name']}: {probe['how']}", highlight=False)
    for text in found["not_covered"]:
        console.print(f"  [yellow]not covered[/] {text}", highlight=False)
    console.print("\n[bold]grader types[/]")
    for each in found["grader_types"]:
        mark = "[red]broken [/]" if each["error"] else "[green]loads  [/]"
        console.print(f"  {mark} {each['name']} from {each['from']}", highlight=False)
        if each["error"]:
            console.print(f"          {each['error']}", style="red", markup=False)
