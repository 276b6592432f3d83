"""Reinforcement fine-tuning with verl, and SageMaker's RLVR, which reads the same rows.

`{"data_source", "prompt": [messages], "ability"?, "reward_model": {"style": "rule", "ground_truth"}, "extra_info"?}`, as parquet
or JSONL.

Source: verl's documentation, "Prepare data for post-training", version 0.9.
"""

from collections.abc import Iterator

from runtime.data.formats.base import Fault, Format, Row, View, brief, references_of, wrong_type
from runtime.data.formats.messages import Conversation, is_conversation

STYLES = ("rule", "model")


class Verl(Format):
    """Prompts whose reward is computed from a ground truth."""

    name = "verl"
    title = "reinforcement fine-tuning (verl, SageMaker)"
    hosts = ("verl",)
    fields = (
        "data_source",
        "prompt",
        "reward_model",
        "ability",
        "extra_info",
        "agent_name",
        "images",
        "videos",
    )
    required = 3
    kind = "rft"

    def likeness(self, row: Row) -> int:
        """`reward_model`, or `data_source` beside a prompt."""
        if isinstance(row.get("reward_model"), dict):
            return 8
        return 6 if "data_source" in row and is_conversation(row.get("prompt")) else 0

    def faults(self, row: Row) -> Iterator[Fault]:
        """Wrong fields, wrong messages, and a ground truth that is missing or empty."""
        yield from self.missing(row)
        source = row.get("data_source")
        if source is not None and (not isinstance(source, str) or not source.strip()):
            yield wrong_type("data_source", "a text that names the data set", source)
        if row.get("prompt") is not None:
            yield from Conversation(row["prompt"], "prompt", "user").faults()
        model = row.get("reward_model")
        if isinstance(model, dict):
            yield from self._of_reward(model)
        elif model is not None:
            yield wrong_type(
                "reward_model", 'an object such as {"style": "rule", "ground_truth": "…"}', model
            )
        extra = row.get("extra_info")
        if extra is not None and not isinstance(extra, dict):
            yield wrong_type("extra_info", "an object", extra)

    def _of_reward(self, model: Row) -> Iterator[Fault]:
        style = model.get("style")
        if style not in STYLES:
            message = f"reward_model.style is {brief(style)}; expected 'rule' or 'model'"
            yield Fault(
                "wrong-style",
                "reward_model.style",
                message,
                "write 'rule' for a reward function",
                "warning" if style is None else "error",
            )
        truth = model.get("ground_truth")
        if truth is None and style != "model":
            yield Fault(
                "missing-field",
                "reward_model.ground_truth",
                "reward_model has no 'ground_truth'",
                "add what the reward function compares with",
            )
        elif isinstance(truth, str) and not truth.strip():
            yield Fault(
                "empty-reference",
                "reward_model.ground_truth",
                "reward_model.ground_truth is empty",
                "write what the reward function compares with",
            )

    def view(self, row: Row) -> View:
        """The prompt and the ground truth."""
        talk = Conversation(row.get("prompt"))
        model, extra = row.get("reward_model"), row.get("extra_info")
        references = references_of(extra if isinstance(extra, dict) else {}, ("prompt", "question"))
        if isinstance(model, dict) and model.get("ground_truth") is not None:
            references = {"reward_model.ground_truth": model["ground_truth"]}
        return View(talk.prompt, talk.system, references=references, item=row)
