"""ms-swift makes the reward out of its table of reward models."""

import json
import sys

from graders_client import GraderClient
from graders_client.trainers.swift import reward_class
from swift.rewards.orm import orms

with GraderClient(sys.argv[1], "number") as client:
    orms["graders"] = reward_class(client)
    reward = orms["graders"](args=None)
    talk = [
        [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": said}]
        for said in ("4", "5", "4")
    ]
    found = reward(["4", "5", "4"], answer=["4", "4", "no number"], messages=talk)
sys.stdout.write(json.dumps(found))
