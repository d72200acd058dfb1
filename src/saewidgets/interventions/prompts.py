"""A prompt, plain or as a chat: token ids, and which of them are template and which the system message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from ..engine.activations import Bools
from ..engine.errors import SaewidgetsError
from ..engine.tokens import clean

if TYPE_CHECKING:
    from ..engine.engine import Engine

__all__ = ["Message", "Prompt", "PromptInput", "read_prompt"]

Message: TypeAlias = Mapping[str, str]
PromptInput: TypeAlias = "str | Sequence[int] | Sequence[Message]"

_NO_TEMPLATE = (
    "{name} has no chat template, so messages cannot become a prompt. Give the prompt as a string, or set "
    "model.tokenizer.chat_template and make a new Engine."
)


@dataclass(frozen=True)
class Prompt:
    """Token ids of a prompt, and masks over them.

    Attributes:
        ids: as the model gets them.
        template: tokens of the chat template: roles, separators, what the template adds by itself.
        system: tokens of the system message.
        chat: whether it came through a chat template.
    """

    ids: tuple[int, ...]
    template: Bools
    system: Bools
    chat: bool

    def __len__(self) -> int:
        return len(self.ids)


def read_prompt(engine: Engine, prompt: PromptInput, n_tokens: int = 0) -> Prompt:
    """The tokens of a string (under the engine's prompt policy), of token ids (as they are), or of chat messages.

    Args:
        prompt: a string, token ids, or messages such as [{"role": "user", "content": "Hello"}].
        n_tokens: how many tokens shall follow.

    Raises:
        SaewidgetsError: for an empty prompt, messages without a template, or more tokens than the context.
    """
    if isinstance(prompt, str) or not len(prompt) or not isinstance(prompt[0], Mapping):
        ids = engine.to_ids(cast("str | Sequence[int]", prompt))[0] if len(prompt) or isinstance(prompt, str) else []
        made = Prompt(tuple(ids), np.zeros(len(ids), bool), np.zeros(len(ids), bool), False)
    else:
        made = _chat(engine, cast("Sequence[Message]", prompt))
    if not made.ids:
        raise SaewidgetsError("The prompt has no tokens: type something.")
    limit = engine.context_size
    if len(made) + max(n_tokens, 1) - 1 > limit:
        raise SaewidgetsError(
            f"The prompt has {len(made)} tokens, and {n_tokens} more do not fit into the context of {limit}. Shorten the "
            f"prompt{f', or generate at most {limit - len(made) + 1} tokens' if n_tokens > 0 and len(made) <= limit else ''}."
        )
    return made


def _chat(engine: Engine, messages: Sequence[Message]) -> Prompt:
    tokenizer = engine.tokenizer
    text = tokenizer.chat_text(messages)
    if text is None:
        raise SaewidgetsError(_NO_TEMPLATE.format(name=engine.model.name))
    ids, offsets = tokenizer.encode_raw(text)
    content, system = np.zeros(len(ids), bool), np.zeros(len(ids), bool)
    at = 0
    for message in messages:
        said = clean(message["content"])
        # Templates trim what they are given.
        start = next((found for part in (said, said.strip()) if part and (found := text.find(part, at)) >= 0), -1)
        if start < 0:
            continue
        end = start + len(said if text.startswith(said, start) else said.strip())
        at = end
        inside = np.array([a < end and b > start for a, b in offsets], bool)
        content |= inside
        if message["role"] == "system":
            system |= inside
    return Prompt(tuple(ids), ~content, system, True)
