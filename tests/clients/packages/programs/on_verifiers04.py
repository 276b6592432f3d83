"""A task of verifiers 0.4 loads our judge by its id, and scores a trace with it."""

import asyncio
import json
import sys
from typing import Any

import verifiers.v1 as vf
from verifiers.v1.trace import AgentInfo, TraceTask


class SumData(vf.TaskData):  # type: ignore[misc]  # verifiers is not installed where this is checked
    answer: str = ""


class Sum(vf.Task[SumData]):  # type: ignore[misc]
    pass


def rewards(trace: Any) -> dict[str, float | None]:
    return {name: None if reward is None else reward.score for name, reward in trace.rewards.items()}


async def score(url: str, said: str, answer: str) -> Any:
    config = {"judges": [{"id": "graders_judge", "url": url, "grader": "number"}]}
    data = SumData(idx=0, prompt="2+2?", answer=answer)
    task = Sum(data, vf.TaskConfig.model_validate(config))
    agent = AgentInfo.model_construct(name="agent")
    trace = vf.Trace(task=TraceTask(type="Sum", data=data), agent=agent)
    trace.root_reply = said
    try:
        await task.score(trace)
    except Exception as error:  # noqa: BLE001  # what the run of a trainer sees
        return [type(error).__name__, rewards(trace)]
    return rewards(trace)


async def main(url: str) -> None:
    found = [await score(url, *each) for each in (("4", "4"), ("5", "4"), ("4", "no number"))]
    sys.stdout.write(json.dumps(found))


asyncio.run(main(sys.argv[1]))
