"""`graders data export`: training data out of a graded file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from graders import ConfigurationError
from graders.template import Template
from runtime.data.exporting.choosing import Wanted
from runtime.data.exporting.writing import Exported, Form, export, prompts_of_export
from runtime.data.graded.reading import GradedFile
from runtime.data.output_files import is_standard_output, same_file
from service.cli import terminal
from service.cli.validate import counted

_OF_KIND = {
    "min_reward": ("sft",),
    "min_gap": ("dpo",),
    "per_prompt": ("sft", "dpo"),
    "reference": ("rft",),
    "data_source": ("rft",),
}


@dataclass(frozen=True)
class Exporting:
    """The arguments of the command, as `service.cli.graded_commands.export` describes them."""

    graded: Path
    data: Path | None
    output: Path
    kind: Literal["sft", "dpo", "rft"]
    host: str
    min_reward: float | None
    min_gap: float | None
    per_prompt: int | None
    prompt: str | None
    reference: str | None
    data_source: str | None
    disjoint: tuple[Path, ...]
    bom: bool | None
    group_by: str | None
    force: bool


def run(wanted: Exporting, *, as_json: bool) -> bool:
    """Write the export, and print how many rows it has; False without rows, when nothing is written.

    Raises:
        ConfigurationError: When an option does not fit, or a file is wrong or is there already.
    """
    for name, kinds in _OF_KIND.items():
        if getattr(wanted, name) is not None and wanted.kind not in kinds:
            option = "--" + name.replace("_", "-")
            raise ConfigurationError(f"{option} is for {' and '.join(kinds)}, not for {wanted.kind}")
    if any(same_file(wanted.output, read) for read in (wanted.graded, wanted.data) if read is not None):
        raise ConfigurationError(f"{wanted.output} is what is read; choose another -o")
    chosen = Wanted(
        wanted.kind,
        wanted.min_reward,
        0.1 if wanted.min_gap is None else wanted.min_gap,
        wanted.per_prompt or 1,
        None if wanted.prompt is None else Template(wanted.prompt),
        frozenset().union(*map(prompts_of_export, wanted.disjoint)),
    )
    form = Form(wanted.host, wanted.bom, wanted.reference, wanted.data_source or wanted.graded.stem)
    with GradedFile(wanted.graded, wanted.data, group_by=wanted.group_by) as file:
        found = export(file, chosen, form, wanted.output, replace=wanted.force)
        for problem in file.problems.named:
            terminal.err(f"warning: {wanted.graded}: {problem}\n")
    aside = is_standard_output(wanted.output)
    if as_json:
        terminal.out_json(found.to_dict(), stderr=aside)
    else:
        (terminal.err if aside else terminal.out)(_words(found, wanted))
    return bool(found.rows)


def _words(found: Exported, wanted: Exporting) -> str:
    lines = [
        f"{counted(found.rows, 'row')} of {counted(found.prompts, 'prompt')} exported to {wanted.output}"
    ]
    if not found.rows:
        lines = [f"no row to export, out of {counted(found.prompts, 'prompt')}: nothing is written"]
    lines += [f"  left out, {reason}: {count:,}" for reason, count in found.left_out.most_common()]
    lines += [
        f"  the format does not hold, {what}: {counted(count, 'row')}"
        for what, count in found.lost.most_common()
    ]
    return "\n".join(lines) + "\n"
