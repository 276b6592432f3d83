"""Evals and runs put straight into a database."""

from typing import Any

from service.store import Evals
from service.store.evals import Eval, EvalRun, OutputItem, item_id
from service.store.paging import new_id


async def an_eval(evals: Evals, **values: Any) -> Eval:
    """A new eval."""
    row = Eval(
        **{
            "id": new_id("eval_"),
            "name": "e",
            "labels": None,
            "data_source_config": {},
            "criteria": [],
            "created_at": 1,
            "updated_at": 1,
            **values,
        }
    )
    await evals.add(row)
    return row


async def a_run(
    evals: Evals,
    of: Eval,
    *,
    client: str = "",
    source: dict[str, Any] | None = None,
    total: int = 0,
    most: int | None = None,
) -> str:
    """The id of a new run that is queued."""
    row = EvalRun(
        id=new_id("evalrun_"),
        eval_id=of.id,
        name="r",
        labels=None,
        data_source={"text": "\0 \N{SNOWMAN}"} if source is None else source,
        criteria=[],
        client=client,
        status="queued",
        error=None,
        total=total,
        tally={},
        created_at=1,
        owner=None,
        leased_until=0.0,
    )
    await evals.add_run(row, most=most)
    return row.id


def item(run: str, position: int, status: str = "pass") -> OutputItem:
    """The output item of a row."""
    return OutputItem(
        id=item_id(run, position),
        run_id=run,
        position=position,
        status=status,
        item={},
        sample=None,
        results=[],
        created_at=1,
    )


def of_file(file_id: str) -> dict[str, Any]:
    """The data source of a run that reads a file."""
    return {"type": "jsonl", "source": {"type": "file_id", "id": file_id}}


def of_run(run_id: str) -> dict[str, Any]:
    """The data source of a run over the samples of another."""
    return {"type": "stored_samples", "run_id": run_id}
