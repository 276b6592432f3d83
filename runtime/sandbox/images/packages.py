"""The distributions installed in an environment: what each is called, and what it can be imported by."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import Distribution, distributions
from pathlib import PurePosixPath

from packaging.utils import canonicalize_name


@dataclass(frozen=True)
class Package:
    """An installed distribution.

    `importlib.metadata` parses the whole of `METADATA` for a name and makes an object of every installed file; with some
    hundred distributions that takes a second, which each start of the service would wait for. Here the fields are read up
    to the one that is wanted, and the installed files are read as lines.

    Attributes:
        found: What `importlib.metadata` knows of it.
    """

    found: Distribution

    @cached_property
    def name(self) -> str:
        """Its normalized name."""
        return canonicalize_name(self._field("Name"))

    @cached_property
    def version(self) -> str:
        """Its version, as it says it itself."""
        return self._field("Version")

    @cached_property
    def locations(self) -> frozenset[str]:
        """Paths of its files and directories that stand beside other packages'."""
        tops = {path.partition("/")[0] for path in self._paths}
        return frozenset(str(self.found.locate_file(top)) for top in tops - {"..", "__pycache__", ""})

    @cached_property
    def modules(self) -> frozenset[str]:
        """The top of what it installs: packages, modules and extension modules."""
        installed = [path.split("/", 1) for path in self._paths if path.endswith((".py", ".so"))]
        names = {top if below else top.partition(".")[0] for top, *below in installed}
        return frozenset(name for name in names if name.isidentifier())

    @cached_property
    def _paths(self) -> list[str]:
        """The files that it installed, relative to where it lies."""
        record = self.found.read_text("RECORD")
        if record is None:
            return [str(PurePosixPath(file)) for file in self.found.files or ()]
        if '"' in record:
            return [row[0] for row in csv.reader(record.splitlines()) if row]
        return [line.partition(",")[0] for line in record.splitlines()]

    def _field(self, name: str) -> str:
        prefix = f"{name.lower()}:"
        for line in (self.found.read_text("METADATA") or "").splitlines():
            if not line:
                break
            if line.lower().startswith(prefix):
                return line[len(prefix) :].strip()
        return str(self.found.metadata[name])


def packages_in(paths: Iterable[str]) -> Iterator[Package]:
    """What is installed in the directories of packages `paths`."""
    return map(Package, distributions(path=list(paths)))
