"""Images: sets of importable packages, each in a virtual environment that the operator has registered or built."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from graders import ConfigurationError
from graders.errors import UnknownImage
from runtime.sandbox.images.manifest import Manifest
from runtime.sandbox.images.packages import Package, packages_in
from runtime.sandbox.images.published import PUBLISHED
from runtime.settings.settings import Settings

DEFAULT = "default"
"""The environment that the service itself runs in."""
OURSELVES = "rft-graders"
OLDEST = (3, 11)
"""The Python that the code around every sandboxed source is written for."""
START_SECONDS = 30
UNSUITED = frozenset(
    {"antigravity", "this", "test", "idlelib", "lib2to3", "turtle", "turtledemo", "tkinter", "ensurepip"}
)
"""Modules of the standard library that are never loaded ahead: they open windows, browsers, or are of no use here."""


class Image:
    """An interpreter and the packages beside it.

    Attributes:
        name: What a grader's `image_tag` calls it.
        python: Its interpreter.
        directory: Where it lies.
        manifest: What it was asked to hold, when it was built by us.
    """

    def __init__(
        self, name: str, python: Path, directory: Path, paths: Iterable[str], manifest: Manifest | None = None
    ) -> None:
        self.name, self.python, self.directory, self.manifest = name, python, directory, manifest
        self._paths = list(paths)

    @classmethod
    def here(cls) -> "Image":
        """The environment of this process."""
        paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        return cls(DEFAULT, Path(sys.executable), Path(sys.prefix), paths)

    @classmethod
    def at(cls, name: str, directory: Path) -> "Image":
        """The virtual environment in a directory.

        Raises:
            UnknownImage: If the directory is not a virtual environment.
        """
        directory = expanded(directory)
        python = directory / "bin" / "python"
        if not python.exists():
            raise UnknownImage(
                f"image {name!r}: {directory} is no virtual environment; make it with `{how_to_build(name)}`"
            )
        paths = map(str, directory.glob("lib/python3*/site-packages"))
        return cls(name, python, directory, paths, Manifest.read(directory))

    @property
    def visible(self) -> tuple[str, ...]:
        """Paths that its sources see besides modules: data files, among them NLTK's, of a virtual environment."""
        return (str(self.directory / "share"),) if (self.directory / "pyvenv.cfg").exists() else ()

    def survey(self) -> None:
        """Look at all of its packages now: with hundreds of them that takes a second, which no event loop has."""
        _ = self.hidden, self.absent, self.modules

    @property
    def is_surveyed(self) -> bool:
        """Whether `survey` has nothing left to do."""
        return vars(self).keys() >= {"hidden", "absent", "modules"}

    @cached_property
    def hidden(self) -> tuple[str, ...]:
        """Paths that its sources do not see: our own packages, and what says where they were installed from."""
        return tuple(sorted({path for ours in self._ourselves for path in ours.locations}))

    @cached_property
    def absent(self) -> tuple[str, ...]:
        """Modules that its sources do not find: our own."""
        return tuple(sorted({name for ours in self._ourselves for name in ours.modules}))

    @cached_property
    def _packages(self) -> list[Package]:
        return list(packages_in(self._paths))

    @property
    def _ourselves(self) -> list[Package]:
        """Where we are installed in it ourselves."""
        return [package for package in self._packages if package.name == OURSELVES]

    @cached_property
    def version(self) -> str:
        """Of its interpreter.

        Raises:
            ConfigurationError: When it does not run, or is too old.
        """
        try:
            told = subprocess.run(  # noqa: S603  # the operator's own interpreter
                [self.python, "-I", "-c", "import sys; print(*sys.version_info[:3], sep='.')"],
                capture_output=True,
                check=True,
                timeout=START_SECONDS,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ConfigurationError(f"image {self.name!r}: {self.python} does not run: {error}") from None
        version = told.stdout.decode().strip()
        if tuple(map(int, version.split("."))) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise ConfigurationError(
                f"image {self.name!r}: {self.python} is Python {version}; {oldest} or newer is needed"
            )
        return version

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """Its installed distributions and their versions, by normalized name."""
        return {package.name: package.version for package in self._packages}

    @cached_property
    def modules(self) -> frozenset[str]:
        """The names that its packages can be imported by."""
        return frozenset().union(*self.modules_of.values())

    @cached_property
    def modules_of(self) -> Mapping[str, frozenset[str]]:
        """The names that each distribution can be imported by, by the distribution's normalized name."""
        return {package.name: package.modules for package in self._packages}

    @property
    def declared(self) -> list[Requirement]:
        """The distributions that it is there for.

        What it was asked to hold; for the default image what the project itself needs; for any other virtual
        environment whatever is installed in it.
        """
        if self.manifest is not None:
            texts: Iterable[str] = self.manifest.requirements
        elif self.name == DEFAULT:
            texts = distribution(OURSELVES).requires or ()
        else:
            texts = [f"{name}=={version}" for name, version in self.versions.items()]
        environment = {
            "python_version": self.version.rpartition(".")[0],
            "python_full_version": self.version,
            "extra": "",
        }
        requirements = [Requirement(text) for text in texts]
        return [each for each in requirements if each.marker is None or each.marker.evaluate(environment)]

    def loadable(self, imports: Iterable[str]) -> tuple[str, ...]:
        """Those of a source's imports that are this image's or the standard library's, and worth loading ahead."""
        return tuple(sorted(name for name in imports if self._is_known(name.partition(".")[0])))

    def _is_known(self, name: str) -> bool:
        return name in self.modules or (name in sys.stdlib_module_names and name not in UNSUITED)


class Images(Mapping[str, Image]):
    """The images of this machine by name: the default one, those of the settings, and those that were built.

    A name that a grader gives is only ever compared with these: it is a stranger's, and never becomes part of a path.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._images: dict[str, Image] = {DEFAULT: Image.here()}

    def __getitem__(self, name: str) -> Image:
        if name not in self._images:
            self._images[name] = Image.at(name, self.directories[name])
        return self._images[name]

    def __iter__(self) -> Iterator[str]:
        return iter([DEFAULT, *sorted(self.directories)])

    def __len__(self) -> int:
        return 1 + len(self.directories)

    @property
    def directories(self) -> dict[str, Path]:
        """Where each image but the default one lies."""
        found = {**built_images(self._settings.images_dir), **self._settings.images}
        found.pop(DEFAULT, None)
        return found

    def find(self, name: str | None) -> Image:
        """The image of a grader.

        Raises:
            UnknownImage: When this machine does not have it.
        """
        if name is None:
            name = DEFAULT
        if name not in self:
            raise UnknownImage(
                f"image {name!r} is not on this machine, which has {', '.join(self)}; make it with "
                f"`{how_to_build(name)}`, or name no image"
            )
        return self[name]

    def with_module(self, module: str) -> list[str]:
        """The images that have a module; one that is broken has none."""
        return [name for name in self if self._has(name, module)]

    def _has(self, name: str, module: str) -> bool:
        try:
            return module in self[name].modules
        except ConfigurationError:
            return False


def built_images(directory: Path) -> dict[str, Path]:
    """The images in the directory where they are built, by name; a directory that cannot be read has none."""
    try:
        return {path.name: path for path in expanded(directory).glob("[!.]*") if path.is_dir()}
    except OSError:
        return {}


def expanded(directory: Path) -> Path:
    """A directory of the settings as an absolute path, `~` being the user's home."""
    # Path.expanduser raises where there is no home, as for the nameless users of some containers
    return Path(os.path.expanduser(directory)).absolute()  # noqa: PTH111


def how_to_build(name: str) -> str:
    """The command that makes an image."""
    return f"graders images build {name}" + ("" if name in PUBLISHED else " --requirements FILE")
