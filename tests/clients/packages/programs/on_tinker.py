"""tinker-cookbook rolls a group out with a policy that says what it is given, and asks our builder for its rewards."""

import asyncio
import json
import sys
from types import SimpleNamespace

from graders_client import GraderClient
from graders_client.trainers.tinker import GraderGroupBuilder
from tinker_cookbook.rl.types import TrajectoryGroup


async def main(url: str) -> None:
    said = ["4", "5", "4", "x"]
    trajectories = [
        SimpleNamespace(transitions=[SimpleNamespace(ac=SimpleNamespace(tokens=[ord(each)]), reward=0.0)])
        for each in said
    ]
    with GraderClient(url, "number") as client:
        builder = GraderGroupBuilder(
            None, client, {"answer": "4"}, decode=lambda tokens: "".join(map(chr, tokens))
        )
        rewards = await builder.compute_group_rewards(trajectories, [])
    group = TrajectoryGroup(trajectories, [each[0] for each in rewards], [each[1] for each in rewards])
    sys.stdout.write(json.dumps(group.get_total_rewards()))


asyncio.run(main(sys.argv[1]))
