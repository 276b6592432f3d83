"""What an image was asked to hold, kept in a file inside it."""

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from graders.errors import UnknownImage

FILE = "image.json"


class Manifest(BaseModel):
    """What `graders images build` was told, and what came of it.

    Attributes:
        name: The image's.
        python: The version of its interpreter.
        requirements: What was asked for.
        nltk_data: What of NLTK's data belongs into it; its operator puts it there.
        installed: Every distribution in it with its version, those that others need among them.
        missing: What was asked for and did not install, and why.
        built: When.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    python: str
    requirements: tuple[str, ...]
    nltk_data: tuple[str, ...] = ()
    installed: dict[str, str]
    missing: dict[str, str] = {}
    built: datetime

    @classmethod
    def read(cls, directory: Path) -> "Manifest | None":
        """That of the image in a directory; None for one that was not built by us.

        Raises:
            UnknownImage: When it is spoilt.
        """
        path = directory / FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise UnknownImage(f"{path} cannot be read: {error}") from None

    def write(self, directory: Path) -> None:
        """Put it into an image."""
        (directory / FILE).write_text(self.model_dump_json(indent=2) + "\n")
