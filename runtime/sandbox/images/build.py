"""Building an image: a virtual environment with packages that pip installs, put in its place when it is whole."""

import fcntl
import os
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from graders import ConfigurationError
from runtime.sandbox.images.images import Image, built_images, expanded
from runtime.sandbox.images.install import NoPip, install, reason, run
from runtime.sandbox.images.manifest import Manifest
from runtime.sandbox.images.recipe import Recipe
from runtime.settings.settings import Settings


class BuildFailed(Exception):
    """An image cannot be built; nothing of it is left.

    Attributes:
        missing: The requirements that do not install, and why.
    """

    def __init__(self, message: str, missing: Mapping[str, str]) -> None:
        super().__init__(message)
        self.missing = missing


def build(
    recipe: Recipe,
    settings: Settings,
    *,
    python: Path,
    allow_missing: bool,
    replace: bool,
    tell: Callable[[str], None],
) -> Path:
    """Build an image where it will be found.

    Args:
        recipe: What is to be in it.
        settings: Say where images are.
        python: The interpreter that it is made for.
        allow_missing: Go on without what does not install.
        replace: Put it in the place of one that is there.
        tell: Is called with what is being done.

    Returns:
        Its directory.

    Raises:
        ConfigurationError: When it is there already, or cannot be made with this interpreter.
        BuildFailed: When packages do not install.
    """
    if recipe.name in settings.images:
        raise ConfigurationError(
            f"the settings say that image {recipe.name!r} is {settings.images[recipe.name]}; "
            "take it out of `images`, or choose another name"
        )
    if recipe.name in built_images(settings.images_dir) and not replace:
        raise ConfigurationError(f"image {recipe.name!r} is there already; --replace builds it again")
    directory = expanded(settings.images_dir)
    with _workplace(directory, recipe.name) as place:
        tell(f"making a virtual environment of {python}")
        image = _empty(recipe.name, place, python)
        try:
            missing = _install(recipe, image.python, allow_missing=allow_missing, tell=tell)
        except NoPip as error:
            raise BuildFailed(str(error), {}) from None
        _remove_programs(place)
        Manifest(
            name=recipe.name,
            python=image.version,
            requirements=recipe.requirements,
            nltk_data=recipe.nltk_data,
            installed=dict(sorted(image.versions.items())),
            missing=missing,
            built=datetime.now(UTC),
        ).write(place)
        return _put_in_place(place, directory / recipe.name)


def unfinished(settings: Settings) -> dict[str, Path]:
    """The images that are being built, or whose building was killed, by name."""
    places = sorted(expanded(settings.images_dir).glob(".*.building"))
    return {place.name[1:].removesuffix(".building"): place for place in places}


@contextmanager
def _workplace(directory: Path, name: str) -> Generator[Path]:
    """A directory to build in, which nobody else builds in, and of which nothing is left.

    One that was left by a builder that was killed is used again.
    """
    place = directory / f".{name}.building"
    try:
        place.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigurationError(f"nothing can be built in {directory}: {error}; set images_dir") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigurationError(f"image {name!r} is being built by another process") from None
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(descriptor)


def _empty(name: str, place: Path, python: Path) -> Image:
    """A virtual environment without packages, not even pip: what runs in it installs nothing.

    Raises:
        ConfigurationError: When the interpreter cannot make one, or is too old.
    """
    try:
        made = run([str(python), "-I", "-m", "venv", "--clear", "--without-pip", str(place)])
    except OSError as error:
        raise ConfigurationError(f"{python} does not run: {error}") from None
    if made.returncode or not (place / "bin" / "python").exists():
        raise ConfigurationError(f"{python} makes no virtual environment: {reason(made)}")
    image = Image.at(name, place)
    _ = image.version  # an interpreter that will not do is found out before anything is installed
    return image


def _install(
    recipe: Recipe, python: Path, *, allow_missing: bool, tell: Callable[[str], None]
) -> dict[str, str]:
    """Install what is asked for; gives what does not install, and why.

    Raises:
        BuildFailed: When something does not install and that is not allowed, or the rest does not go together.
        NoPip: When nothing can be installed at all.
    """
    wanted = recipe.requirements
    tell(f"installing {len(wanted)} packages")
    why = install(python, wanted)
    if why is None:
        return {}
    if len(wanted) == 1:
        raise BuildFailed("its only package does not install", {wanted[0]: why})
    missing = {}
    for number, requirement in enumerate(wanted, 1):
        tell(f"installing one by one: {requirement} ({number} of {len(wanted)})")
        problem = install(python, [requirement])
        if problem is not None:
            missing[requirement] = problem
    present = [requirement for requirement in wanted if requirement not in missing]
    if missing and not (allow_missing and present):
        raise BuildFailed(f"{len(missing)} of {len(wanted)} packages do not install", missing)
    # once more together: each alone may have brought other versions of what several need
    if not missing or (why := install(python, present)) is not None:
        raise BuildFailed(f"the packages do not go together: {why}", missing)
    return missing


def _remove_programs(place: Path) -> None:
    """Keep the interpreter only: the other programs name this place, where they will not be, and nothing runs them."""
    for program in (place / "bin").iterdir():
        if not program.name.startswith("python"):
            program.unlink()


def _put_in_place(place: Path, target: Path) -> Path:
    """Give an image its name; one that has it goes away only now."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    place.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return target
