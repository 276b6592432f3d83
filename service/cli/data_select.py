"""`graders data select`: the rows that teach."""

from dataclasses import dataclass
from pathlib import Path

from graders import ConfigurationError
from runtime.data.graded.reading import GradedFile
from runtime.data.output_files import is_standard_output, same_file, writing
from runtime.data.printable import printable_json
from runtime.data.selecting import read_range, select, selected_rows
from service.cli import terminal


@dataclass(frozen=True)
class Selecting:
    """The arguments of the command, as `service.cli.graded_commands.select` describes them."""

    graded: Path
    data: Path | None
    output: Path
    pass_rate: str
    balance_by: str | None
    size: int | None
    threshold: float | None
    group_by: str | None
    seed: int
    force: bool


def run(wanted: Selecting, *, as_json: bool) -> bool:
    """Write the rows that are kept, and print how many; False without rows, when nothing is written.

    Raises:
        ConfigurationError: When a file is wrong, or is there already.
    """
    rates = read_range(wanted.pass_rate)
    if any(same_file(wanted.output, read) for read in (wanted.graded, wanted.data) if read is not None):
        raise ConfigurationError(f"{wanted.output} is what is read; choose another -o")
    with GradedFile(wanted.graded, wanted.data, group_by=wanted.group_by) as file:
        found = select(
            file,
            rates,
            threshold=wanted.threshold,
            balance_by=wanted.balance_by,
            size=wanted.size,
            seed=wanted.seed,
        )
        for problem in file.problems.named:
            terminal.err(f"warning: {wanted.graded}: {problem}\n")
        if found.chosen:
            with writing(wanted.output, replace=wanted.force) as target:
                for row in selected_rows(file, found):
                    target.write(printable_json(row).encode() + b"\n")
    figures = found.to_dict()
    aside = is_standard_output(wanted.output)
    if as_json:
        terminal.out_json(figures, stderr=aside)
        return bool(found.chosen)
    lines = [f"{figures['selected']:,} of {figures['prompts']:,} prompts selected"]
    lines += [f"  {count:,} left out: {reason}" for reason, count in figures["left_out"].items()]
    lines += [f"  {value}: {count:,}" for value, count in figures["balance"].items()]
    (terminal.err if aside else terminal.out)("\n".join(lines) + "\n")
    return bool(found.chosen)
