"""Modules of ours that sandboxed processes share with their supervisor, loaded by their paths.

They import the standard library only; the packages that they belong to are not there in a sandboxed interpreter.
"""

import importlib.util
from types import ModuleType

_loaded: dict[str, ModuleType] = {}


def load(paths: dict[str, str]) -> None:
    """Load modules before the zygote is locked.

    Args:
        paths: The path of each, by its name here.
    """
    for name, path in paths.items():
        spec = importlib.util.spec_from_file_location(f"shared_{name}", path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is no Python source")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        _loaded[name] = module


def comparison() -> ModuleType:
    """How results are compared: `graders/kinds/code_testing/comparison.py`."""
    return _loaded["comparison"]
