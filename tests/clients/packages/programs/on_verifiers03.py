"""A rubric of verifiers 0.3 scores a group of rollouts."""

import asyncio
import json
import sys

import verifiers as vf
from graders_client import GraderClient
from graders_client.trainers.verifiers_v03 import Reward


async def main(url: str) -> None:
    with GraderClient(url, "number") as client:
        rubric = vf.Rubric(funcs=[Reward(client)])
        states = [
            vf.State(
                prompt=[{"role": "user", "content": "2+2?"}],
                completion=[{"role": "assistant", "content": said}],
                answer=answer,
                info={},
                task="sums",
                timing={"total_ms": 0.0, "scoring_ms": 0.0, "generation_ms": 0.0, "start_time": 0.0},
                trajectory=[],
            )
            for said, answer in (("4", "4"), ("5", "4"), ("4", "no number"))
        ]
        await rubric.score_group(states)
    found = [[state["reward"], state.get("error") is not None] for state in states]
    sys.stdout.write(json.dumps(found))


asyncio.run(main(sys.argv[1]))
