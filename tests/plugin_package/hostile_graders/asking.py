"""Graders that ask their context from their locked worker."""

from graders import Context, GraderResult, Item, Sample, grader

SCHEMA = {"type": "object", "properties": {"result": {"type": "number"}}, "required": ["result"]}


@grader("ask_judge", isolation="worker")
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


@grader("embed_both", isolation="worker")
async def embed_both(sample: Sample, item: Item, context: Context) -> float:
    """Give the first number of the second vector."""
    vectors = await context.embedder.embed([sample.output_text, "reference"], model=item.get("model"))
    return vectors[1][0]


@grader("want", isolation="worker")
async def want(sample: Sample, item: Item, context: Context) -> float:
    """Want a service that a worker does not have."""
    getattr(context, sample.output_text)
    return 1.0


@grader("ask_badly", isolation="worker")
async def ask_badly(sample: Sample, item: Item, context: Context) -> float:
    """Ask what no plugin can ask, past the context that it was given."""
    call = context._call  # type: ignore[attr-defined]  # what a hostile plugin finds
    return float(call(item["call"])["value"])


@grader("have_graded", isolation="worker")
async def have_graded(sample: Sample, item: Item, context: Context) -> GraderResult:
    """Have the graders of the item graded, and give the whole reply."""
    call = context._call  # type: ignore[attr-defined]  # as a hostile plugin would
    called = {"graders": item["graders"], "sample": sample.to_stored(), "item": dict(item)}
    return GraderResult(1.0, metadata={"reply": call({"call": "grade_all", **called})})


@grader("ask_shaped", isolation="worker")
async def ask_shaped(sample: Sample, item: Item, context: Context) -> GraderResult:
    """Ask a judge for an answer of the item's schema."""
    verdict = await context.judge.ask(
        model="judge", messages=[{"role": "user", "content": "?"}], schema=item["schema"], sampling={}
    )
    return GraderResult(1.0, metadata={"output": verdict.output})


@grader("send_much", isolation="worker")
def send_much(sample: Sample, item: Item) -> GraderResult:
    """Give a long text, or many values."""
    metadata = (
        {"text": "a" * item["characters"]} if "characters" in item else {"values": [[]] * item["values"]}
    )
    return GraderResult(0.5, metadata=metadata)
