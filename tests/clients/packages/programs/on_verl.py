"""verl's own reward managers load the file that is written for them, and ask for one sample at a time."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from graders_client.reward_files import reward_file
from omegaconf import OmegaConf
from verl import DataProto
from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager
from verl.trainer.ppo.reward import get_custom_reward_fn

ROWS = (("4", "4"), ("5", "4"), ("4", "4"), ("4", "no number"))


class Tokenizer:
    """Tokens are code points."""

    def decode(self, ids: Any, **rest: object) -> str:
        return "".join(chr(int(each)) for each in ids)


def sample(said: str, truth: str) -> DataProto:
    return DataProto.from_dict(
        tensors={"responses": torch.tensor([[ord(said), 0]]), "attention_mask": torch.tensor([[1, 1, 0]])},
        non_tensors={
            "data_source": np.array(["sums"], dtype=object),
            "reward_model": np.array([{"ground_truth": truth}], dtype=object),
            "extra_info": np.array([{"index": 0}], dtype=object),
        },
    )


async def main(url: str) -> None:
    file = Path(tempfile.mkdtemp()) / "reward.py"
    file.write_text(reward_file("verl", url, "truth"))
    found = []
    for name in ("compute_score", "compute_score_sync"):
        config = OmegaConf.create(
            {"reward": {"custom_reward_function": {"path": str(file), "name": name, "reward_kwargs": {}}}}
        )
        manager = NaiveRewardManager(config, Tokenizer(), get_custom_reward_fn(config))
        results = await asyncio.gather(*(manager.run_single(sample(*row)) for row in ROWS))
        graded = [each["reward_extra_info"]["graded"] for each in results]
        rewards = [
            each["reward_score"] if is_graded else "stand-in"
            for each, is_graded in zip(results, graded, strict=True)
        ]
        found.append([rewards, graded, all(0 <= each["reward_score"] <= 1 for each in results)])
    sys.stdout.write(json.dumps(found))


asyncio.run(main(sys.argv[1]))
