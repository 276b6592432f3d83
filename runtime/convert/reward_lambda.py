"""To an AWS Lambda function that grades for reinforcement fine-tuning on Bedrock and for Nova models."""

from graders import Grader
from runtime.convert.published import source_of

_HANDLER = '''


def _text(message):
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    return content or ""


def _one(row):
    messages = row.get("messages") or []
    turns = [message for message in messages if message.get("role") in ("assistant", "nova_assistant")]
    if not turns:
        raise ValueError(f"row {row.get('id')!r}: its messages have no turn of the assistant")
    text = _text(turns[-1])
    try:
        parsed = _json.loads(text)
    except ValueError:
        parsed = None
    tools = turns[-1].get("tool_calls") or []
    message = {"role": "assistant", "content": text, "tool_calls": tools}
    sample = {
        "output_text": text,
        "output_json": parsed,
        "output_tools": tools,
        "output_reasoning_summary": None,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    reference = row.get("reference_answer")
    item = {**(reference if isinstance(reference, dict) else {}), **(row.get("metadata") or {}), **row}
    reward = float(grade(sample, item))
    metric = {"name": METRIC, "value": reward, "type": "Reward"}
    return {"id": row.get("id"), "aggregate_reward_score": reward, "metrics_list": [metric]}


def lambda_handler(event, context):
    """Grade a list of rows; one that cannot be graded fails the batch, since no reward can be given for it."""
    return [_one(row) for row in event]
'''


def to_lambda(grader: Grader, notes: list[str]) -> str:
    """A Python file with `lambda_handler(event, context)` that gives the same rewards.

    Raises:
        ConfigurationError: When it cannot be said there.
    """
    source = source_of(grader, "lambda")
    if "MODULES = " in source:
        notes.append(
            "the function needs a layer with pydantic (2.10 or newer); google-re2 is used if it is installed"
        )
    notes.append("a row is the item: the fields of reference_answer and metadata, and the row itself")
    names = f"\n\nimport json as _json\n\nMETRIC = {grader.info.name!r}\n"
    return f"{source.rstrip()}\n{names}{_HANDLER}"
