"""`graders data split`: training and validation rows out of one file."""

from collections.abc import Sequence
from pathlib import Path

from graders import ConfigurationError
from graders.lint.findings import lines_named
from runtime.data.splitting import Split, split_data
from service.cli import terminal
from service.cli.validate import counted

LEFT_OUT = 1
"""Exit code: some lines are in neither file."""


def split(
    file: Path,
    *,
    valid: str,
    by: Sequence[str],
    seed: int,
    output: Path | None,
    train_out: Path | None,
    valid_out: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Split a file; gives the exit code.

    Raises:
        ConfigurationError: When the options do not fit, the file cannot be read or split, or a file cannot be written.
    """
    amount = _amount(valid)
    train_path, valid_path = _targets(file, output, train_out, valid_out)
    if output is not None:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"cannot make {output}: {error.strerror or error}") from None
    made = split_data(file, train_path, valid_path, amount=amount, by=by, seed=seed, force=force)
    if as_json:
        terminal.out_json(_plain(made, train_path, valid_path, seed))
    else:
        terminal.out("".join(f"{line}\n" for line in _lines(made, train_path, valid_path)))
    if made.unreadable:
        terminal.errors(
            f"{file}: {lines_named(made.unreadable)} cannot be read: in neither file; `graders data check` says why"
        )
        return LEFT_OUT
    return 0


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if 0 < amount < 1 or (amount >= 1 and amount.is_integer() and amount < 1 << 53):
        return amount
    raise ConfigurationError(f"--valid is a share between 0 and 1 or a number of rows, not {text!r}")


def _targets(file: Path, output: Path | None, train: Path | None, valid: Path | None) -> tuple[Path, Path]:
    if output is not None and train is None and valid is None:
        ending = ".parquet" if file.suffix == ".parquet" else ".jsonl"
        return output / f"train{ending}", output / f"valid{ending}"
    if output is None and train is not None and valid is not None:
        return train, valid
    raise ConfigurationError("say where the rows go: -o DIRECTORY, or both --train FILE and --valid-out FILE")


def _plain(made: Split, train: Path, valid: Path, seed: int) -> dict[str, object]:
    return {
        "train": {"file": str(train), "rows": made.train},
        "valid": {"file": str(valid), "rows": made.valid},
        "groups": made.groups,
        "largest_group": made.largest,
        "seed": seed,
        "unreadable": list(made.unreadable),
        "missing": made.missing,
    }


def _lines(made: Split, train: Path, valid: Path) -> list[str]:
    total = made.train + made.valid
    lines = [
        f"{train}: {counted(made.train, 'row')}",
        f"{valid}: {counted(made.valid, 'row')} ({made.valid / total:.1%})",
        f"{counted(made.groups, 'group')} that stay together; the largest has {counted(made.largest, 'row')}",
    ]
    return lines + [
        f"{counted(count, 'row')} without {name!r}: each stands for itself"
        for name, count in made.missing.items()
        if count
    ]
