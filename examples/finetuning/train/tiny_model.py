"""A transformer of some hundred thousand parameters, made on the spot: its tokens are digits, nothing is downloaded."""

from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

END, PAD, ASK = "<end>", "<pad>", "="
TEMPLATE = (
    "{% for message in messages %}{{ message.content }}"
    "{% if message.role == 'user' %}=" + "{% else %}<end>{% endif %}{% endfor %}"
)
LONGEST_ANSWER = 8
"""Tokens."""


def make_tokenizer() -> Any:
    """A token for each digit, for the end of a question, and for the end of an answer."""
    vocabulary = {token: number for number, token in enumerate([*"0123456789", ASK, END, PAD])}
    bare = Tokenizer(models.WordLevel(vocabulary, unk_token=PAD))
    bare.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    bare.decoder = decoders.Fuse()
    made = PreTrainedTokenizerFast(
        tokenizer_object=bare,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    made.chat_template = TEMPLATE
    return made


def make_model(tokenizer: Any, seed: int) -> Any:
    """A model with random weights."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=32,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )


def draw_answers(model: Any, tokenizer: Any, prompts: list[Any], count: int) -> list[list[str]]:
    """Draw answers at temperature 1.

    Args:
        model: The policy.
        tokenizer: Its tokenizer.
        prompts: Lists of messages.
        count: Answers to each.

    Returns:
        `count` texts for each prompt.
    """
    model.eval()
    texts = [tokenizer.apply_chat_template(prompt, tokenize=False) for prompt in prompts]
    asked = tokenizer(texts, return_tensors="pt", padding=True, return_token_type_ids=False)
    with torch.no_grad():
        drawn = model.generate(
            **asked,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            num_return_sequences=count,
            max_new_tokens=LONGEST_ANSWER,
        )
    answers = tokenizer.batch_decode(drawn[:, asked["input_ids"].shape[1] :], skip_special_tokens=True)
    return [answers[at : at + count] for at in range(0, len(answers), count)]
