"""AReaL's wrapper calls our reward in a process that it forks."""

import asyncio
import json
import sys

from areal.api.reward_api import AsyncRewardWrapper
from graders_client import GraderClient, UngradedSamples
from graders_client.trainers.areal import Reward


async def main(url: str) -> None:
    client = GraderClient(url, "number")
    reward = AsyncRewardWrapper(Reward(client))
    found: list[object] = []
    for said, answer in (("4", "4"), ("5<|im_end|>", "4"), ("4", "no number")):
        try:
            found.append(await reward("2+2?", said, [1], [2], answer=answer))
        except UngradedSamples:
            found.append("raised")
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
