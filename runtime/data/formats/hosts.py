"""The published limits of hosts: how many rows, how many bytes, which files.

Sources, read in October and November 2026:

* OpenAI, "Supervised fine-tuning", "Direct preference optimization", "Reinforcement fine-tuning": at least 10 rows; files up to
  512 MB.
* Microsoft Foundry, "Customize a model with fine-tuning": at least 10 rows, 512 MB, UTF-8 with a byte order mark. Its portal
  takes 200 MB. "Reinforcement fine-tuning": training and validation file, the last message the user's; 50,000 and 1,000 rows.
  An older version of that page refuses system messages, the current one has an example with a developer message.
* Amazon Bedrock, "Prepare data for Amazon Nova models": at least 100 rows; "Prepare data for open-weight models": 100 to 20,000.
* Google, reinforcement tuning of Gemini: at most 5,000 training and 500 validation rows, 1 GB. "About supervised fine-tuning for
  Gemini models": 1,000,000 training rows of text, 5,000 validation rows, 1 GB.
* TRL and verl read files of any size.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from runtime.data.formats.base import Fault

HOSTS = ("foundry", "openai", "google", "bedrock", "trl", "verl")
TITLES = {
    "foundry": "Foundry",
    "openai": "OpenAI",
    "google": "Google",
    "bedrock": "Bedrock",
    "trl": "TRL",
    "verl": "verl",
}
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a host takes.

    Attributes:
        fewest: Rows of a training file at least.
        most: Rows of a training file at most.
        most_valid: Rows of a validation file at most.
        megabytes: Of a file at most.
        needs_valid: Whether it asks for a validation file.
        differs: Where its published pages differ, in words.
    """

    fewest: int = 1
    most: int | None = None
    most_valid: int | None = None
    megabytes: int | None = None
    needs_valid: bool = False
    differs: str = ""


LIMITS: dict[tuple[str, str], Limits] = {
    ("openai", "sft"): Limits(10, megabytes=512),
    ("openai", "dpo"): Limits(10, megabytes=512),
    ("openai", "rft"): Limits(10, 50_000, 1_000, 512, needs_valid=True),
    ("foundry", "sft"): Limits(10, megabytes=512, differs="its portal takes 200 MB, its API 512 MB"),
    ("foundry", "dpo"): Limits(10, megabytes=512, differs="its portal takes 200 MB, its API 512 MB"),
    ("foundry", "rft"): Limits(
        10, 50_000, 1_000, 512, needs_valid=True, differs="its portal takes 200 MB, its API 512 MB"
    ),
    ("bedrock", "rft"): Limits(
        100,
        20_000,
        differs="the page on Nova models names 100 rows at least, the one on open-weight models 100 to 20,000",
    ),
    ("google", "rft"): Limits(1, 5_000, 500, 1_000),
    ("google", "sft"): Limits(1, 1_000_000, 5_000, 1_000),
}


def limit_faults(host: str, kind: str, *, rows: int, size: int, is_valid: bool) -> Iterator[Fault]:
    """What a host would refuse of a file as a whole.

    Args:
        host: One of `HOSTS`.
        kind: That of the format: `sft`, `dpo` or `rft`.
        rows: How many the file has.
        size: Its bytes.
        is_valid: Whether it is the validation file.
    """
    limits = LIMITS.get((host, kind), Limits())
    title = TITLES[host]
    note = f" ({limits.differs})" if limits.differs else ""
    if rows < limits.fewest and not is_valid:
        message = f"{rows:,} rows; {title} takes {limits.fewest:,} at least"
        yield Fault("too-few-rows", "", message, "add rows", hosts=(host,))
    most = limits.most_valid if is_valid else limits.most
    if most is not None and rows > most:
        what = "validation" if is_valid else "training"
        message = (
            f"{rows:,} rows; {title} takes {most:,} {what} rows at most{note if host == 'bedrock' else ''}"
        )
        yield Fault(
            "too-many-rows", "", message, "choose a part: `graders data split` draws one", hosts=(host,)
        )
    if limits.megabytes is not None and size > limits.megabytes * MEGABYTE:
        message = f"{size / MEGABYTE:,.0f} MB; {title} takes {limits.megabytes:,} MB at most{note}"
        yield Fault("file-too-large", "", message, "leave rows or fields out", hosts=(host,))
    elif host == "foundry" and size > 200 * MEGABYTE:
        message = f"{size / MEGABYTE:,.0f} MB: {limits.differs}"
        yield Fault("file-too-large", "", message, "upload it through the API", "warning")


def file_faults(host: str, kind: str, *, has_valid: bool, has_mark: bool) -> Iterator[Fault]:
    """What a host asks of the files beside their rows."""
    limits = LIMITS.get((host, kind), Limits())
    title = TITLES[host]
    if limits.needs_valid and not has_valid:
        message = f"{title} asks for a validation file for reinforcement fine-tuning, and none is given"
        hint = "give it with --valid; `graders data split` makes one"
        yield Fault("no-validation-file", "", message, hint, "warning")
    if host == "foundry" and kind and not has_mark:
        message = "the file has no byte order mark; Foundry's pages ask for UTF-8 with one"
        yield Fault(
            "no-byte-order-mark",
            "",
            message,
            "`graders data convert FILE --to foundry -o OUT` writes it",
            "warning",
        )
