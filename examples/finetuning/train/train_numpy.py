"""Learn sums of two digits by REINFORCE, with rewards from a running `graders serve`: `python train_numpy.py [URL]`.

The policy is a table of logits: for each pair of digits, one for each answer. NumPy and `graders_client` are all that it needs.
"""

import argparse
import json
import urllib.request

import numpy as np
from graders_client import GraderClient
from numpy.typing import NDArray

NAME = "sums"
GRADER = {
    "type": "numeric_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.sum}}",
    "score": {"linear": {"scale": 4}},  # 1 for the sum, 0.75 beside it, 0 from a distance of 4 on
}
DIGITS, ANSWERS = 4, 7
GROUP = 8
"""Answers to the same question: each is compared with the mean of its group."""
LEARNING_RATE = 4.0

Numbers = NDArray[np.float64]
Indices = NDArray[np.int64]


def store_grader(url: str) -> None:
    """Store the grader under its name, so that the service keeps statistics of it."""
    request = urllib.request.Request(  # noqa: S310  # the address is the user's own
        f"{url}/v1/graders/{NAME}",
        json.dumps({"grader": GRADER}).encode(),
        {"content-type": "application/json"},
        method="PUT",
    )
    urllib.request.urlopen(request).close()  # noqa: S310


def probabilities(logits: Numbers) -> Numbers:
    """Softmax over the answers of each question."""
    powers: Numbers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Numbers = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def draw(policy: Numbers, random: np.random.Generator) -> Indices:
    """`GROUP` answers to each question, as indices `[question, draw]`."""
    points = random.random((len(policy), GROUP, 1))
    drawn: Indices = (points > policy.cumsum(axis=1)[:, None, :-1]).sum(axis=2)
    return drawn


def rewards_of(client: GraderClient, questions: Indices, answers: Indices, step: int) -> Numbers:
    """The reward of each answer, in the shape of `answers`; NaN for what is ungraded, which is no reward of 0."""
    samples = [f"The sum is {answer}." for answer in answers.flat]
    items = [{"sum": int(first + second)} for first, second in questions for _ in range(GROUP)]
    graded = client.grade(samples, items, split="train", step=step)
    return np.array([np.nan if each.reward is None else each.reward for each in graded]).reshape(
        answers.shape
    )


def advantages_of(rewards: Numbers) -> Numbers:
    """How much better each answer is than the graded ones of its group; 0 for an ungraded one."""
    there = ~np.isnan(rewards)
    count = np.maximum(there.sum(axis=1, keepdims=True), 1)
    means = np.nansum(rewards, axis=1, keepdims=True) / count
    return np.where(there, rewards - means, 0.0)


def train(client: GraderClient, steps: int, seed: int = 0) -> list[float]:
    """Train a new policy; gives the mean reward of each step."""
    random = np.random.default_rng(seed)
    pairs = np.array([(first, second) for first in range(DIGITS) for second in range(DIGITS)])
    logits = np.zeros((len(pairs), ANSWERS))
    curve = []
    for step in range(steps):
        policy = probabilities(logits)
        answers = draw(policy, random)
        rewards = rewards_of(client, pairs, answers, step)
        chosen = np.eye(ANSWERS)[answers]  # [question, draw, answer]
        gradient = (advantages_of(rewards)[..., None] * (chosen - policy[:, None])).mean(axis=1)
        logits += LEARNING_RATE * gradient
        curve.append(float(np.nanmean(rewards)))
    return curve


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8000")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    store_grader(options.url)
    with GraderClient(options.url, NAME) as client:
        for step, reward in enumerate(train(client, options.steps, options.seed)):
            print(f"step {step:3}  mean reward {reward:.3f}  {'#' * round(reward * 40)}")
