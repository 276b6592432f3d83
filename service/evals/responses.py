"""How evals, runs and output items are shown on the Evals API."""

from typing import Any, Literal, Self, TypeAlias, cast

from pydantic import BaseModel, Field

from graders import Sample
from runtime.data.rows import stored_failure
from service.http.responses import Answer, ListAnswer
from service.store.claims import Tally
from service.store.evals import Eval, EvalRun, OutputItem

RunStatus: TypeAlias = Literal["queued", "in_progress", "completed", "canceled", "failed"]
ItemStatus: TypeAlias = Literal["pass", "fail", "error"]


class EvalObject(Answer):
    """An eval, as published."""

    id: str
    object: Literal["eval"] = "eval"
    name: str
    metadata: dict[str, str] | None
    data_source_config: dict[str, Any] = Field(description="`custom`, with the `schema` of whole rows.")
    testing_criteria: list[dict[str, Any]] = Field(description="Graders with their `id`; secrets are masked.")
    created_at: int = Field(description="Seconds since 1970.")

    @classmethod
    def of(cls, row: Eval) -> Self:
        """A stored eval; secrets in its criteria are masked."""
        return cls(
            id=row.id,
            name=row.name,
            metadata=row.labels,
            data_source_config=row.data_source_config,
            testing_criteria=[criterion["shown"] for criterion in row.criteria],
            created_at=row.created_at,
        )


class EvalDeleted(Answer):
    """That an eval is gone."""

    object: Literal["eval.deleted"] = "eval.deleted"
    deleted: Literal[True] = True
    eval_id: str


class RunError(BaseModel):
    """Why a run failed."""

    code: str
    message: str


class ResultCounts(BaseModel):
    """How many rows a run has, and what became of those that are done."""

    total: int = Field(description="0 until they are counted.")
    errored: int = Field(description="Rows with a criterion that could not be measured.")
    failed: int
    passed: int


class ModelUsage(BaseModel):
    """What one model was asked for, whether it answered or judged."""

    model_name: str
    invocation_count: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_tokens: int


class CriterionCounts(BaseModel):
    """The verdicts of one criterion; rows that it could not measure are in neither count."""

    testing_criteria: str
    passed: int
    failed: int


class RunObject(Answer):
    """A run of an eval, as published."""

    id: str
    object: Literal["eval.run"] = "eval.run"
    eval_id: str
    name: str
    metadata: dict[str, str] | None
    status: RunStatus
    error: RunError | None
    model: str = Field(description="What answered the rows; empty where they came with their samples.")
    data_source: dict[str, Any]
    created_at: int = Field(description="Seconds since 1970.")
    report_url: str = Field(description="A page of the run for people.")
    result_counts: ResultCounts
    per_model_usage: list[ModelUsage]
    per_testing_criteria_results: list[CriterionCounts]

    @classmethod
    def of(cls, row: EvalRun, address: str) -> Self:
        """A stored run.

        Args:
            row: The run.
            address: The address of its page, without its id.
        """
        tally = Tally(**row.tally)
        return cls(
            id=row.id,
            eval_id=row.eval_id,
            name=row.name,
            metadata=row.labels,
            status=cast("RunStatus", row.status),
            error=None if row.error is None else RunError(**row.error),
            model=row.data_source.get("model") or "",
            data_source=row.data_source,
            created_at=row.created_at,
            report_url=f"{address}/{row.id}",
            result_counts=ResultCounts(
                total=row.total,
                errored=tally.items.get("error", 0),
                failed=tally.items.get("fail", 0),
                passed=tally.items.get("pass", 0),
            ),
            per_model_usage=[ModelUsage(model_name=name, **tokens) for name, tokens in tally.usage.items()],
            per_testing_criteria_results=[
                CriterionCounts(testing_criteria=name, passed=passed, failed=failed)
                for name in (criterion["id"] for criterion in row.criteria)
                for passed, failed in [tally.criteria.get(name, (0, 0))]
            ],
        )


class RunDeleted(Answer):
    """That a run is gone."""

    object: Literal["eval.run.deleted"] = "eval.run.deleted"
    deleted: Literal[True] = True
    run_id: str


class Verdict(BaseModel):
    """What one criterion says of one row; `score` and `passed` are null where it could not be measured."""

    name: str
    type: str
    score: float | None
    passed: bool | None
    sample: dict[str, Any] | None = Field(description="What the grader has to say beside its score.")


class ItemObject(Answer):
    """An output item: what became of one row."""

    id: str
    object: Literal["eval.run.output_item"] = "eval.run.output_item"
    eval_id: str
    run_id: str
    status: ItemStatus
    created_at: int = Field(description="Seconds since 1970.")
    datasource_item_id: int = Field(description="The row's position, from 0.")
    datasource_item: dict[str, Any]
    results: list[Verdict]
    sample: dict[str, Any] | None

    @classmethod
    def of(cls, row: OutputItem, eval_id: str) -> Self:
        """A stored output item; beside `pass` and `fail` there is `error`, for what is ungraded."""
        return cls(
            id=row.id,
            eval_id=eval_id,
            run_id=row.run_id,
            status=cast("ItemStatus", row.status),
            created_at=row.created_at,
            datasource_item_id=row.position,
            datasource_item=row.item,
            results=[Verdict(**result) for result in row.results],
            sample=_shown_sample(row.sample),
        )


class EvalList(ListAnswer):
    """A page of evals."""

    data: list[EvalObject]


class RunList(ListAnswer):
    """A page of the runs of an eval."""

    data: list[RunObject]


class ItemList(ListAnswer):
    """A page of the output items of a run."""

    data: list[ItemObject]


_BESIDE_OUTPUT = (
    "choices", "output_audio", "output_reasoning_summary", "input_tools", "reasoning_content",
)  # fmt: skip
"""What a stored sample may hold that the published form has no place for; with it, the shown sample grades the same."""


def _shown_sample(stored: Any) -> dict[str, Any] | None:
    """A stored sample in the published form, which can be given back; it does not say how it was drawn."""
    if stored is None or stored_failure(stored) is not None:
        found: dict[str, Any] | None = stored
        return found
    sample = Sample.load(stored)
    first = sample.choices[0] if sample.choices else {}
    kept = sample.to_stored()
    beside = {name: kept[name] for name in _BESIDE_OUTPUT if name in kept} if isinstance(kept, dict) else {}
    unknown = ("error", "max_completion_tokens", "seed", "temperature", "top_p", "usage")
    return {
        **dict.fromkeys(unknown),
        "input": [],
        "output": [{"role": "assistant", "content": sample.output_text}],
        "output_tools": sample.output_tools,
        "finish_reason": first.get("finish_reason") or "stop",
        "model": sample.model or "",
        **beside,
    }
