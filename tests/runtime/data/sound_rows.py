"""Sound rows of every format, made up here: what a check must not call wrong."""

import random
from typing import Any

Row = dict[str, Any]
_PLACES = (
    "Lima",
    "Oslo",
    "Quito",
    "Hanoi",
    "Accra",
    "Perth",
    "Turin",
    "Kyoto",
    "Natal",
    "Sofia",
    "Dakar",
    "Delhi",
)
_THINGS = (
    "lamps",
    "bricks",
    "maps",
    "drums",
    "kites",
    "boats",
    "pears",
    "clocks",
    "ropes",
    "tents",
    "bells",
    "jars",
)
_DEEDS = ("carries", "paints", "mends", "sells", "stores", "weighs", "packs", "counts", "cleans", "lends")
_WHO = ("baker", "diver", "farmer", "pilot", "tailor", "miner", "singer", "dentist", "gardener", "printer")


def question(number: int) -> tuple[str, str]:
    """A question and its answer; each number has others, and no two of them are alike."""
    draw = random.Random(number)  # noqa: S311  # no secret
    one, other = draw.randint(2, 60), draw.randint(2, 60)
    who, deed, thing, place = (draw.choice(words) for words in (_WHO, _DEEDS, _THINGS, _PLACES))
    form = draw.choice(
        (
            f"In {place} a {who} {deed} {one} {thing} at dawn and {other} after lunch. What is the sum for that day?",
            f"How many {thing} does the {who} from {place} have, who {deed} {one} boxes with {other} in each?",
            f"A {who} {deed} {one + other} {thing}, of which {other} stay in {place}. What number goes elsewhere?",
        )
    )
    return f"{form} (Task {number} of {who}s)", str(one * 100 + number)


def asked(number: int) -> list[Row]:
    return [{"role": "user", "content": question(number)[0]}]


def said(number: int) -> Row:
    return {
        "role": "assistant",
        "content": f"After some thought I come to {question(number)[1]}, step {number}.",
    }


def sft(number: int) -> Row:
    return {"messages": [*asked(number), said(number)]}


def sft_system(number: int) -> Row:
    return {"messages": [{"role": "system", "content": "Answer with care."}, *asked(number), said(number)]}


def sft_parts(number: int) -> Row:
    parts = [{"type": "text", "text": question(number)[0]}]
    return {"messages": [{"role": "user", "content": parts}, said(number)]}


def sft_weights(number: int) -> Row:
    first, second = said(number + 500), said(number)
    return {
        "messages": [*asked(number), {**first, "weight": 0}, *asked(number + 300), {**second, "weight": 1}]
    }


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "multiply",
            "parameters": {"type": "object", "properties": {"a": {"type": "number"}}},
        },
    }
]


def call(number: int, call_id: str = "call_1") -> Row:
    function = {"name": "multiply", "arguments": f'{{"a": {number}}}'}
    return {"role": "assistant", "tool_calls": [{"id": call_id, "type": "function", "function": function}]}


def sft_tools(number: int) -> Row:
    answer = {"role": "tool", "tool_call_id": "call_1", "content": str(number * 7)}
    return {"messages": [*asked(number), call(number), answer, said(number)], "tools": TOOLS}


def sft_last_call(number: int) -> Row:
    return {"messages": [*asked(number), call(number)], "tools": TOOLS, "parallel_tool_calls": False}


def sft_prompt_completion(number: int) -> Row:
    return {"prompt": question(number)[0], "completion": said(number)["content"]}


def dpo(number: int) -> Row:
    worse = {
        "role": "assistant",
        "content": f"No idea about {number}, and it is much too hard for me to work out.",
    }
    return {
        "input": {"messages": asked(number)},
        "preferred_output": [said(number)],
        "non_preferred_output": [worse],
    }


def dpo_trl(number: int) -> Row:
    return {
        "prompt": question(number)[0],
        "chosen": said(number)["content"],
        "rejected": f"I would rather not say what {number} gives, as sums are not my thing at all.",
    }


def dpo_trl_messages(number: int) -> Row:
    row = dpo(number)
    return {
        "prompt": asked(number),
        "chosen": row["preferred_output"],
        "rejected": row["non_preferred_output"],
    }


def rft(number: int) -> Row:
    return {"messages": asked(number), "answer": question(number)[1]}


def rft_developer(number: int) -> Row:
    first = {"role": "developer", "content": "Give a number only."}
    return {"messages": [first, *asked(number)], "answer": question(number)[1], "level": number % 5}


def bedrock(number: int) -> Row:
    return {
        "messages": asked(number),
        "reference_answer": {"final": question(number)[1]},
        "id": f"row-{number}",
    }


def verl(number: int) -> Row:
    return {
        "data_source": "made/sums",
        "prompt": asked(number),
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": question(number)[1]},
        "extra_info": {"split": "train", "index": number},
    }


def google(number: int) -> Row:
    return {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"role": "user", "parts": [{"text": question(number)[0]}]}],
        "references": {"answer": question(number)[1]},
    }


def google_sft(number: int) -> Row:
    answer = {"role": "model", "parts": [{"text": said(number)["content"]}]}
    row = google(number)
    return {"systemInstruction": row["systemInstruction"], "contents": [*row["contents"], answer]}


def google_preference(number: int) -> Row:
    def completion(text: str, score: int) -> Row:
        return {"score": score, "completion": {"role": "model", "parts": [{"text": text}]}}

    worse = f"No idea about {number}, and it is much too hard for me to work out."
    better = completion(said(number)["content"], 1)
    return {
        "system_instruction": {"parts": [{"text": "Be brief."}]},
        "contents": google(number)["contents"],
        "completions": [better, completion(worse, 0)],
    }


def bedrock_sft(number: int) -> Row:
    turns = [
        {"role": each["role"], "content": [{"text": each["content"]}]}
        for each in (*asked(number), said(number))
    ]
    return {
        "schemaVersion": "bedrock-conversation-2024",
        "system": [{"text": "Be brief."}],
        "messages": turns,
    }


def bedrock_dpo(number: int) -> Row:
    row = bedrock_sft(number)
    worse = [{"text": f"No idea about {number}, and it is much too hard for me to work out."}]
    candidates = [
        {"content": row["messages"][-1]["content"], "preferenceLabel": "preferred"},
        {"content": worse, "preferenceLabel": "non-preferred"},
    ]
    return {**row, "messages": [row["messages"][0], {"role": "assistant", "candidates": candidates}]}


def sft_text(number: int) -> Row:
    return {"text": f"Question: {question(number)[0]}\nAnswer: {said(number)['content']}"}


def columns(number: int) -> Row:
    return {"passage": question(number)[0], "words": number % 7, "written_by": _WHO[number % len(_WHO)]}


def prompts(number: int) -> Row:
    return {"prompt": question(number)[0], "solution": question(number)[1]}


def rows(number: int) -> Row:
    item = {"question": question(number)[0], "answer": question(number)[1]}
    return {"item": item, "sample": f"It is {question(number)[1]}.", "recorded": {"exact": 1.0}}


def rows_samples(number: int) -> Row:
    item = {"question": question(number)[0], "answer": question(number)[1]}
    return {"item": item, "samples": [f"It is {number}.", {"output_text": "No."}], "id": f"r{number}"}


def evals(number: int) -> Row:
    return {
        "id": f"outputitem_{number}",
        "status": "pass",
        "results": [{"name": "exact", "score": 1.0, "passed": True}],
        "sample": {"input": asked(number), "output": [said(number)], "model": "made-up"},
        "datasource_item": {"question": question(number)[0], "answer": question(number)[1]},
    }


def logs(number: int) -> Row:
    choice = {"index": 0, "finish_reason": "stop", "message": said(number)}
    return {"messages": asked(number), "response": {"choices": [choice], "model": "made-up"}}


SOUND = (
    sft,
    sft_system,
    sft_parts,
    sft_weights,
    sft_tools,
    sft_last_call,
    sft_prompt_completion,
    sft_text,
    dpo,
    dpo_trl,
    dpo_trl_messages,
    rft,
    rft_developer,
    bedrock,
    verl,
    google,
    google_sft,
    google_preference,
    bedrock_sft,
    bedrock_dpo,
    prompts,
    rows,
    rows_samples,
    evals,
    logs,
    columns,
)
