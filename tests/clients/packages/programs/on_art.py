"""ART gathers groups of trajectories, and our reward is called after each."""

import asyncio
import json
import sys

import art
from graders_client import GraderClient
from graders_client.trainers.art import Reward


async def rollout(said: str, answer: str) -> art.Trajectory:
    return art.Trajectory(
        messages_and_choices=[{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": said}],
        reward=0.0,
        metadata={"answer": answer},
    )


async def main(url: str) -> None:
    rows = [[("4", "4"), ("5", "4"), ("4", "no number")], [("4", "no number")]]
    with GraderClient(url, "number") as client:
        groups = await art.gather_trajectory_groups(
            (art.TrajectoryGroup(rollout(*each) for each in row) for row in rows),
            after_each=Reward(client),
            pbar_desc=None,
        )
    sys.stdout.write(json.dumps([[each.reward for each in group.trajectories] for group in groups]))


asyncio.run(main(sys.argv[1]))
