"""Graders that ask the world from their locked worker."""

from graders import Context, GraderResult, Item, Sample, grader

SCHEMA = {"type": "object", "properties": {"result": {"type": "number"}}, "required": ["result"]}


@grader("ask_judge")
async def ask_judge(sample: Sample, item: Item, context: Context, *, model: str = "judge") -> GraderResult:
    """Give the number that a judge gives, and everything that it says."""
    verdict = await context.judge.ask(
        model=model,
        messages=[{"role": "user", "content": sample.output_text}],
        schema=SCHEMA,
        sampling={"temperature": 0},
    )
    return GraderResult(
        verdict.output["result"],
        explanation=f"trace {context.trace_id}",
        metadata={"model": verdict.model, "cached": verdict.cached},
        usage={verdict.model: verdict.usage},
    )


@grader("embed_both")
async def embed_both(sample: Sample, item: Item, context: Context) -> float:
    """Give the first number of the second vector."""
    vectors = await context.embedder.embed([sample.output_text, "reference"], model=item.get("model"))
    return vectors[1][0]


@grader("want")
async def want(sample: Sample, item: Item, context: Context) -> float:
    """Want a service that a worker does not have."""
    getattr(context, sample.output_text)
    return 1.0


@grader("ask_badly")
async def ask_badly(sample: Sample, item: Item, context: Context) -> float:
    """Ask what no plugin can ask, past the context that it was given."""
    call = context._call  # type: ignore[attr-defined]  # what a hostile plugin finds
    return float(call(item["call"])["value"])
