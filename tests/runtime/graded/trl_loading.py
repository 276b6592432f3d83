"""Loads exports by `datasets` and TRL's trainers, in the environment that has them; nothing of ours is imported, nothing downloaded.

`.cache/trl/bin/python -I tests/runtime/graded/trl_loading.py FOLDER` reads `sft.jsonl`, `completions.jsonl`, `dpo.jsonl` and
`prompts.jsonl` of the folder and prints JSON: for each file the rows as `datasets` gives them, and what the trainer made of them.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import datasets  # it reads the variable when it is imported
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

END, PAD = "<end>", "<pad>"
TEMPLATE = (
    "{% if tools %}<tools>{{ tools | tojson }}</tools>{% endif %}"
    "{% for m in messages %}<{{ m.role }}>{{ m.content or '' }}"
    "{% for c in m.tool_calls or [] %}<call>{{ c.function.name }} {{ c.function.arguments }}</call>{% endfor %}"
    "<end>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


def tokenizer() -> Any:
    """One token a byte: what is decoded is what was encoded."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {sign: number for number, sign in enumerate([*alphabet, END, PAD])}
    bare = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=bare, eos_token=END, pad_token=PAD)
    made.chat_template = TEMPLATE
    return made


def model() -> Any:
    size: dict[str, Any] = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
    }
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(vocab_size=300, max_position_embeddings=4096, **size))


def loaded(folder: Path, name: str) -> Any:
    file = str(folder / f"{name}.jsonl")
    return datasets.load_dataset("json", data_files=file, split="train", cache_dir=str(folder / "cache"))


def options(folder: Path, **more: Any) -> dict[str, Any]:
    return {"output_dir": str(folder / "out"), "use_cpu": True, "report_to": [], "bf16": False, **more}


def sft(folder: Path, rows: Any, words: Any) -> list[Any]:
    config = SFTConfig(**options(folder, max_length=None))
    trainer = SFTTrainer(model(), config, train_dataset=rows, processing_class=words)
    return [{"whole": words.decode(row["input_ids"]), "learned": words.decode([each for each in row["labels"] if each >= 0])}
            for row in trainer.train_dataset]  # fmt: skip


def dpo(folder: Path, rows: Any, words: Any) -> list[Any]:
    config = DPOConfig(**options(folder, max_length=None))
    trainer = DPOTrainer(model(), model(), config, train_dataset=rows, processing_class=words)
    return [{name: words.decode(row[f"{name}_ids"]) for name in ("prompt", "chosen", "rejected")}
            for row in trainer.train_dataset]  # fmt: skip


def grpo(folder: Path, rows: Any, words: Any) -> list[Any]:
    seen: list[Any] = []

    def reward(prompts: list[Any], completions: list[Any], **columns: Any) -> list[float]:
        kept = [name for name in columns if name in rows.column_names]
        for number, prompt in enumerate(prompts):
            seen.append({"prompt": prompt, **{name: columns[name][number] for name in kept}})
        return [0.0] * len(completions)

    more: dict[str, Any] = {
        "num_generations": 2,
        "max_completion_length": 2,
        "max_steps": len(rows),
        "save_strategy": "no",
    }
    config = GRPOConfig(**options(folder, per_device_train_batch_size=2, shuffle_dataset=False, **more))
    GRPOTrainer(model(), reward, config, train_dataset=rows, processing_class=words).train()
    return seen[::2]


def main() -> None:
    folder, words = Path(sys.argv[1]), tokenizer()
    datasets.disable_progress_bars()
    found = {}
    for name, trained in (("sft", sft), ("completions", sft), ("dpo", dpo), ("prompts", grpo)):
        rows = loaded(folder, name)
        found[name] = {"rows": list(rows), "trained": trained(folder, rows, words)}
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
