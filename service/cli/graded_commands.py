"""The commands that read graded files: `graders calibrate`, `graders diff`, `graders data select` and `graders data export`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.cli import terminal
from service.cli.common_options import Config, Json, read_settings

Graded = Annotated[
    Path,
    typer.Argument(
        metavar="GRADED", help="Results of 'graders run', with or without rows.", show_default=False
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", help="The file that was graded, where results hold no rows and it is elsewhere now."
    ),
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        help="Field of the item that says which samples are of one prompt; the whole item if not given."
    ),
]
Threshold = Annotated[
    float | None, typer.Option(help="The lowest reward that passes, instead of the grader's pass_threshold.")
]
Force = Annotated[bool, typer.Option("--force", help="Write over files that are there.")]
Seed = Annotated[int, typer.Option(help="Of the random numbers: the same seed gives the same result.")]


class By(StrEnum):
    """What `diff` compares."""

    AUTO = "auto"
    SAMPLE = "sample"
    PROMPT = "prompt"


class Kind(StrEnum):
    """What models are trained by."""

    SFT = "sft"
    DPO = "dpo"
    RFT = "rft"


class HostName(StrEnum):
    """The names of `runtime.data.exporting.hosts.HOSTS`."""

    OPENAI = "openai"
    FOUNDRY = "foundry"
    TRL = "trl"
    GOOGLE = "google"
    BEDROCK = "bedrock"
    VERL = "verl"


def calibrate(
    grader: Annotated[Path, typer.Argument(help="The grader's JSON.", show_default=False)],
    graded: Annotated[
        Path, typer.Argument(help="Results of 'graders run', or rows with samples.", show_default=False)
    ],
    data: Data = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Where the results go if samples are graded first; resumes, too."
        ),
    ] = None,
    threshold: Threshold = None,
    group_by: GroupBy = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots to this file.")] = None,
    seed: Seed = 0,
    force: Force = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say whether a grader is trainable on some data: pass rate, pass@k, spread, lengths, and a verdict."""
    from service.cli.calibrate import Calibration, run  # noqa: PLC0415

    wanted = Calibration(grader, graded, data, output, threshold, group_by, html, seed, force)
    run(wanted, lambda: read_settings(config), as_json=as_json)


def diff(
    before: Annotated[Path, typer.Argument(help="Results of 'graders run'.", show_default=False)],
    after: Annotated[Path, typer.Argument(help="Results over the same rows.", show_default=False)],
    data: Annotated[
        Path | None,
        typer.Option(help="The graded file of both, where results hold no rows and it is elsewhere now."),
    ] = None,
    data_after: Annotated[Path | None, typer.Option(help="That of AFTER, where it is another one.")] = None,
    by: Annotated[
        By, typer.Option(help="What is compared: each sample, or the mean of a prompt's samples.")
    ] = By.AUTO,
    group_by: GroupBy = None,
    fail_if_worse: Annotated[
        float | None,
        typer.Option(min=0, help="Exit with 1 if the mean reward fell by so much, or no pair is graded."),
    ] = None,
    worst: Annotated[int, typer.Option(min=0, help="How many rows that got worse are listed.")] = 20,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Compare two graded files over the same rows: the difference with an interval, flips, and what got worse."""
    from service.cli.diff import compare, show  # noqa: PLC0415

    found, is_failed = compare(
        (before, data),
        (after, data_after or data),
        by=by.value,
        group_by=group_by,
        fail_if_worse=fail_if_worse,
        worst=worst,
        seed=seed,
    )
    if as_json:
        terminal.out_json(found)
    else:
        show(found, terminal.console())
    if is_failed:
        raise typer.Exit(1)


def select(
    graded: Graded,
    pass_rate: Annotated[
        str, typer.Option(help="Keep prompts whose samples pass at a rate in this range, such as 0.05..0.95.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Where the rows go; '-' prints them.", show_default=False)
    ],
    data: Data = None,
    balance_by: Annotated[
        str | None, typer.Option(help="Field of the item: as many rows of each of its values.")
    ] = None,
    size: Annotated[int | None, typer.Option(min=1, help="Keep so many rows at most, at random.")] = None,
    threshold: Threshold = None,
    group_by: GroupBy = None,
    seed: Seed = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Keep the rows that teach: neither too easy nor too hard. Exits with 1 when no row is kept."""
    from service.cli.data_select import Selecting, run  # noqa: PLC0415

    wanted = Selecting(graded, data, output, pass_rate, balance_by, size, threshold, group_by, seed, force)
    if not run(wanted, as_json=as_json):
        raise typer.Exit(1)


def export(
    graded: Graded,
    to: Annotated[Kind, typer.Option(help="What the model is trained by.", show_default=False)],
    host: Annotated[HostName, typer.Option("--format", help="Whose format.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="The file; .parquet writes Parquet, '-' prints.", show_default=False
        ),
    ],
    data: Data = None,
    min_reward: Annotated[
        float | None, typer.Option(help="SFT: the lowest reward; samples that pass if not given.")
    ] = None,
    min_gap: Annotated[
        float | None,
        typer.Option(min=0, help="DPO: how much better the preferred answer is; 0.1 if not given."),
    ] = None,
    per_prompt: Annotated[
        int | None,
        typer.Option(
            "--per-prompt", "--pairs", min=1, help="SFT, DPO: rows of one prompt at most; 1 if not given."
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(help="The user's message, such as '{{item.question}}', where rows have no prompt."),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="RFT: field of the item that verl and Bedrock call the reference.")
    ] = None,
    data_source: Annotated[str | None, typer.Option(help="RFT for verl: its data_source.")] = None,
    disjoint: Annotated[
        list[Path] | None,
        typer.Option(help="An earlier export: its prompts are left out of this one; may be given often."),
    ] = None,
    bom: Annotated[
        bool | None, typer.Option("--bom/--no-bom", help="Byte order mark; by default for Foundry only.")
    ] = None,
    group_by: GroupBy = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write training data, and beside it FILE.provenance.jsonl. Exits with 1 when there is no row to write."""
    from service.cli.data_export import Exporting, run  # noqa: PLC0415

    wanted = Exporting(
        graded,
        data,
        output,
        to.value,
        host.value,
        min_reward,
        min_gap,
        per_prompt,
        prompt,
        reference,
        data_source,
        tuple(disjoint or ()),
        bom,
        group_by,
        force,
    )
    if not run(wanted, as_json=as_json):
        raise typer.Exit(1)


def add_to(app: typer.Typer, data: typer.Typer) -> None:
    """Add these commands.

    Args:
        app: Gets `calibrate` and `diff`.
        data: Gets `select` and `export`.
    """
    app.command()(calibrate)
    app.command()(diff)
    data.command()(select)
    data.command()(export)
