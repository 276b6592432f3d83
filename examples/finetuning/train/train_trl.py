"""Train the tiny transformer: warm-up, best-of-n, DPO, GRPO. `run.py` starts it in the environment that has TRL.

Every reward comes over HTTP from the service at `--url`; every training file is written by the `graders` command. What was
measured goes into `figures.json` of the folder.
"""

import argparse
import itertools
import json
import os
import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # before `datasets` is imported

import datasets
import torch
import transformers
from graders_client import Graded, GraderClient
from graders_client.trainers.trl import Reward
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from examples.finetuning.train import task, tiny_model

DEMONSTRATIONS, RIGHT = 2_000, 0.35
QUESTIONS, HELD_OUT = 256, 200
DRAWS, HELD_OUT_DRAWS = 4, 8
WARM_UP = {"max_steps": 300, "learning_rate": 3e-3, "per_device_train_batch_size": 64}
BEST_OF_N = {"max_steps": 6, "learning_rate": 2e-4, "per_device_train_batch_size": 32}
DPO = {"max_steps": 30, "learning_rate": 2e-4, "per_device_train_batch_size": 32}
GRPO = {"max_steps": 80, "learning_rate": 5e-4, "per_device_train_batch_size": 64}
GROUP = 8
"""Completions of one prompt in GRPO."""


class TimedClient(GraderClient):
    """A client that counts the seconds for which the training waits for it."""

    seconds = 0.0

    def grade(self, *arguments: Any, **more: Any) -> list[Graded]:
        """Grade many samples."""
        began = time.perf_counter()
        try:
            return super().grade(*arguments, **more)
        finally:
            self.seconds += time.perf_counter() - began


@dataclass
class Loop:
    """The model on its way through the stages.

    Attributes:
        client: Grades.
        folder: Where all files go.
        graders: The `graders` command.
        seed: Of everything random.
        stages: What was measured after each stage.
        curve: The mean reward of each step of GRPO.
    """

    client: TimedClient
    folder: Path
    graders: Path
    seed: int
    stages: list[dict[str, Any]] = field(default_factory=list)
    curve: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311  # no secret
        self.held_out = task.questions(self.random, HELD_OUT, held_out=True)
        self.tokenizer = tiny_model.make_tokenizer()
        self.model = tiny_model.make_model(self.tokenizer, self.seed)

    def stage(self, name: str, train: Callable[[], None]) -> None:
        """Go through one stage, then measure the model on the held-out questions."""
        began, waited = time.perf_counter(), self.client.seconds
        train()
        seconds, grading = time.perf_counter() - began, self.client.seconds - waited
        answers = self.draw(self.held_out, HELD_OUT_DRAWS)
        graded = self.grade(self.held_out, answers, split="valid")
        rewards = [[each.reward for each in group] for group in graded]
        self.stages.append({"name": name, "rewards": rewards, "seconds": seconds, "grading_seconds": grading})
        known = [reward for group in rewards for reward in group if reward is not None]
        if not known:
            raise SystemExit(f"{name}: no answer is graded: {graded[0][0].reason.message}")
        print(f"{name}: mean reward {sum(known) / len(known):.3f} on held-out questions", flush=True)

    def draw(self, questions: list[str], count: int) -> list[list[str]]:
        """Draw answers of the model."""
        return tiny_model.draw_answers(
            self.model, self.tokenizer, list(map(task.messages_of, questions)), count
        )

    def grade(self, questions: list[str], answers: list[list[str]], *, split: str) -> list[list[Graded]]:
        """Grade some answers to each question, over HTTP."""
        samples = [answer for group in answers for answer in group]
        items = [
            task.item_of(question) for question, group in zip(questions, answers, strict=True) for _ in group
        ]
        graded = iter(self.client.grade(samples, items, split=split))
        return [[next(graded) for _ in group] for group in answers]

    def graded_file(self, name: str, questions: list[str], answers: list[list[str]]) -> None:
        """Grade answers and write them as a graded file, which the `graders data` commands read."""
        graded = self.grade(questions, answers, split="train")
        rows = zip(itertools.count(1), questions, answers, graded)
        task.write_rows(self.folder / name, [task.graded_row(*row) for row in rows])

    def command(self, line: str) -> None:
        """Run a `graders` command in the folder."""
        print("$ graders", line, flush=True)
        subprocess.run([self.graders, *line.split()], cwd=self.folder, check=True)

    def options(self, size: dict[str, Any], logging_strategy: str = "no") -> dict[str, Any]:
        """What all trainers are configured with, and the size of one stage."""
        return {
            "output_dir": str(self.folder / "trainer"),
            "use_cpu": True,
            "bf16": False,
            "report_to": [],
            "save_strategy": "no",
            "disable_tqdm": True,
            "logging_strategy": logging_strategy,
            "seed": self.seed,
            "lr_scheduler_type": "constant",
            "activation_checkpointing": False,
            **size,
        }

    def rows(self, name: str) -> Any:
        """A file of the folder as a dataset."""
        return datasets.Dataset.from_list(task.read_rows(self.folder / name))

    def sft(self, name: str, size: dict[str, Any]) -> None:
        """Train on the answers in a file of messages; the prompts are not learned."""
        rows = [
            {"prompt": row["messages"][:-1], "completion": row["messages"][-1:]}
            for row in task.read_rows(self.folder / name)
        ]
        config = SFTConfig(**self.options(size))
        dataset = datasets.Dataset.from_list(rows)
        finish(SFTTrainer(self.model, config, train_dataset=dataset, processing_class=self.tokenizer))

    def warm_up(self) -> None:
        """Learn the form, and some of the task, from a careless demonstrator."""
        questions = task.questions(self.random, DEMONSTRATIONS)
        answers = [[task.demonstration(question, self.random, RIGHT)] for question in questions]
        self.graded_file("demonstrations.jsonl", questions, answers)
        self.command(
            "data export demonstrations.jsonl --to sft --format trl --min-reward 0.1 -o warm_up.jsonl"
        )
        self.sft("warm_up.jsonl", WARM_UP)

    def best_of_n(self) -> None:
        """Learn from the model's own best answers."""
        questions = task.questions(self.random, QUESTIONS)
        self.graded_file("drawn.jsonl", questions, self.draw(questions, DRAWS))
        self.command("data select drawn.jsonl --threshold 1 --pass-rate 0.05..0.95 -o selected.jsonl")
        self.command("data export selected.jsonl --to sft --format trl --min-reward 1 -o best.jsonl")
        self.sft("best.jsonl", BEST_OF_N)

    def dpo(self) -> None:
        """Learn which of two answers of the model is better."""
        questions = task.questions(self.random, QUESTIONS)
        self.graded_file("compared.jsonl", questions, self.draw(questions, DRAWS))
        self.command("data export compared.jsonl --to dpo --format trl --min-gap 0.2 -o pairs.jsonl")
        config = DPOConfig(**self.options(DPO), beta=0.1)
        reference = tiny_model.make_model(self.tokenizer, self.seed)
        reference.load_state_dict(self.model.state_dict())
        pairs = self.rows("pairs.jsonl")
        finish(
            DPOTrainer(self.model, reference, config, train_dataset=pairs, processing_class=self.tokenizer)
        )

    def grpo(self) -> None:
        """Learn from rewards alone."""
        self.command("data export compared.jsonl --to rft --format trl -o prompts.jsonl")
        config = GRPOConfig(
            **self.options(GRPO, logging_strategy="steps"),
            logging_steps=1,
            num_generations=GROUP,
            max_completion_length=tiny_model.LONGEST_ANSWER,
            beta=0.0,
            temperature=1.0,
        )
        trainer = GRPOTrainer(
            self.model,
            Reward(self.client, split="train"),
            config,
            train_dataset=self.rows("prompts.jsonl"),
            processing_class=self.tokenizer,
        )
        log = finish(trainer)
        self.curve = [each["reward"] for each in log if "reward" in each]


def finish(trainer: Any) -> list[dict[str, Any]]:
    """Train, and give the log, of which nothing is printed."""
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    log: list[dict[str, Any]] = trainer.state.log_history
    return log


def main() -> None:
    """Go through all stages."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("url", "grader", "graders", "folder"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.set_seed(options.seed)
    datasets.disable_progress_bars()
    client = TimedClient(options.url, options.grader)
    with client:
        loop = Loop(client, Path(options.folder), Path(options.graders), options.seed)
        loop.stage("warm-up", loop.warm_up)
        loop.stage("best of n", loop.best_of_n)
        loop.stage("DPO", loop.dpo)
        loop.stage("GRPO", loop.grpo)
    figures = {"seed": options.seed, "stages": loop.stages, "curve": loop.curve}
    (loop.folder / "figures.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
