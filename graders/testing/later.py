"""Hypothesis, which is imported when it is first used: a test that needs only a fake does not need it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graders.installation import install_command


class Later:
    """A module that is imported when something of it is asked for.

    Raises:
        ModuleNotFoundError: When it is not installed; says how to install it.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        try:
            module = import_module(self._name)
        except ModuleNotFoundError as error:
            package = self._name.partition(".")[0]
            raise ModuleNotFoundError(
                f"this needs {package}, which is not installed: {install_command('testing')}",
                name=package,
            ) from error
        return getattr(module, attribute)


if TYPE_CHECKING:
    import hypothesis
    from hypothesis import errors
    from hypothesis import strategies as st
else:
    hypothesis, errors, st = Later("hypothesis"), Later("hypothesis.errors"), Later("hypothesis.strategies")

__all__ = ["errors", "hypothesis", "st"]
