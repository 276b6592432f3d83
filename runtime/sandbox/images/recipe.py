"""What is to be in an image: what is published under its name, and what its operator asks for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from graders import ConfigurationError
from runtime.sandbox.images.images import DEFAULT
from runtime.sandbox.images.published import PUBLISHED, PublishedImage

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is to be in an image.

    Attributes:
        name: The image's.
        requirements: What pip is to install.
        nltk_data: What of NLTK's data its sources expect.
    """

    name: str
    requirements: tuple[str, ...]
    nltk_data: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, file: Path | None, packages: Iterable[str]) -> "Recipe":
        """What is published under a name, what stands in a file of requirements, and further packages.

        Raises:
            ConfigurationError: If one of them is not a valid requirement, or no requirement is given.
        """
        if not NAME.fullmatch(name) or name == DEFAULT:
            raise ConfigurationError(
                f"{name!r} cannot be the name of an image: it has letters, digits, '.', '_' and '-', "
                f"begins with a letter or digit, and is not {DEFAULT!r}"
            )
        published = PUBLISHED.get(name, PublishedImage(()))
        given = [*(_lines(file) if file else []), *((f"--package {text!r}", text) for text in packages)]
        requirements = [*published.packages, *(_requirement(where, text) for where, text in given)]
        if not requirements:
            raise ConfigurationError(
                f"say what is to be in {name}, with --requirements FILE or --package NAME==VERSION; "
                f"the contents of {', '.join(PUBLISHED)} are known"
            )
        return cls(name, tuple(requirements), published.nltk_data)


def _lines(file: Path) -> list[tuple[str, str]]:
    """The requirements of a file, each with where it stands; comments and empty lines are left out."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from None
    texts = [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]
    return [(f"{file}:{number}", text) for number, text in enumerate(texts, 1) if text]


def _requirement(where: str, text: str) -> str:
    try:
        return str(Requirement(text))
    except InvalidRequirement:
        raise ConfigurationError(
            f"{where}: {text!r} is no requirement such as 'numpy==2.2.4'; pip's own options are set in its environment"
        ) from None
