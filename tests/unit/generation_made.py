"""What the tests of generation share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

import saewidgets as sw

PROMPT = "In the beginning God"


PRE = "blocks.1.hook_resid_pre"


WRAPPERS = pytest.mark.parametrize("wrapper", tiny.MODELS)


@cache
def model_of(wrapper: str) -> Any:
    """Shared between tests: none may change it."""
    return tiny.MODELS[wrapper]()


@cache
def engine_of(wrapper: str) -> sw.Engine:
    return sw.Engine(model_of(wrapper), tiny.sae())


def name_of(model: Any, hook: str) -> str:
    return model._resolve_hook_name(hook) if hasattr(model, "_resolve_hook_name") else hook


def full_logits(model: Any, ids: Sequence[int], hooks: Sequence[Any] = ()) -> Tensor:
    """[pos, d_vocab] without any cache."""
    with torch.no_grad():
        return model.run_with_hooks(torch.tensor([list(ids)]), fwd_hooks=list(hooks))[0].float()


def ids_of(several: Sequence[Any]) -> list[list[int]]:
    return [one.token_ids.tolist() for one in several]


# -- chats

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content|trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def engine_with(tokenizer: PreTrainedTokenizerFast) -> sw.Engine:
    """On a model with another tokenizer and a longer context."""
    before = tiny.tokenizer, tiny.N_CTX
    tiny.tokenizer, tiny.N_CTX = lambda: tokenizer, 160  # type: ignore[assignment]
    try:
        return sw.Engine(tiny.hooked(), tiny.sae())
    finally:
        tiny.tokenizer, tiny.N_CTX = before  # type: ignore[assignment]


def tokenizer_with(template: str | None = None, tokens: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    backend = tiny.tokenizer().backend_tokenizer
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend.__class__.from_str(backend.to_str()),
        bos_token="<|bos|>",
        eos_token="<|eos|>",
        pad_token="<|eos|>",
        name_or_path="tiny",
        add_bos_token=True,
        chat_template=template,
    )
    made.add_tokens(list(tokens), special_tokens=True)
    return made


@cache
def chat_engine(template: str = TEMPLATE) -> sw.Engine:
    return engine_with(tokenizer_with(template))
