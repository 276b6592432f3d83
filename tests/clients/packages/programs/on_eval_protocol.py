"""eval-protocol wraps our reward as one of its own reward functions, and calls it with its messages."""

import json
import sys

from eval_protocol import reward_function
from eval_protocol.models import EvaluateResult, Message
from graders_client import GraderClient
from graders_client.trainers.eval_protocol import Reward

found = []
with GraderClient(sys.argv[1], "truth") as client:
    reward = Reward(client)

    @reward_function  # type: ignore[untyped-decorator]  # eval-protocol is not installed where this is checked
    def graders(messages: list[Message], ground_truth: str | None = None, **kwargs: object) -> EvaluateResult:
        return reward(messages, ground_truth, **kwargs)

    for said, truth in (("4", "4"), ("5", "4"), ("4", "no number")):
        talk = [Message(role="user", content="2+2?"), Message(role="assistant", content=said)]
        result = graders(messages=talk, ground_truth=truth)
        found.append([result.score, result.is_score_valid])
sys.stdout.write(json.dumps(found))
