"""A prompt, plain or as a chat: token ids, and which of them are template and which the system message."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from ..engine.activations import Bools
from ..engine.errors import SaewidgetsError
from ..engine.tokens import clean

if TYPE_CHECKING:
    from ..engine.dictionary.base import Dictionary
    from ..engine.engine import Engine
    from ..engine.text.counted import TokenRoles
    from ..engine.worker import Ticket

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
    _roles: dict[tuple[str, ...], TokenRoles] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def plain(cls, ids: Sequence[int]) -> Prompt:
        """A prompt of token ids as they are."""
        return cls(tuple(ids), np.zeros(len(ids), bool), np.zeros(len(ids), bool), False)

    def __len__(self) -> int:
        return len(self.ids)

    def roles(self, engine: Engine, dictionary: Dictionary, ticket: Ticket | None = None) -> TokenRoles:
        """What its tokens are, norm outliers judged on the clean text around `dictionary`. On the worker; kept."""
        streams = engine.roles.streams(dictionary, ticket)
        if streams not in self._roles:
            self._roles[streams] = engine.roles.of([self.ids], dictionary, ticket, [self.template])[0]
        return self._roles[streams]


def read_prompt(engine: Engine, prompt: PromptInput, n_tokens: int = 0) -> Prompt:
    """The tokens of a string (under the engine's prompt policy), of token ids (as they are), or of chat messages.

    Args:
        prompt: a string, token ids, or messages such as [{"role": "user", "content": "Hello"}].
        n_tokens: how many tokens shall follow.

    Raises:
        SaewidgetsError: for an empty prompt, messages without a template, or more tokens than the context.
    """
    if isinstance(prompt, str) or not len(prompt) or not isinstance(prompt[0], Mapping):
        texts = engine.to_ids(cast("str | Sequence[int]", prompt)) if len(prompt) or isinstance(prompt, str) else [[]]
        if len(texts) > 1:
            raise SaewidgetsError(f"Give one prompt, not {len(texts)}.")
        ids = texts[0]
        made = Prompt.plain(ids)
    else:
        made = _chat(engine, cast("Sequence[Message]", prompt))
    if not made.ids:
        raise SaewidgetsError("The prompt has no tokens: type something.")
    limit = engine.context_size
    if len(made) + max(n_tokens, 1) - 1 > limit:
        fits = limit - len(made) + 1
        more = f", and {n_tokens} more do not fit" if fits > 0 else ", which does not fit"
        remedy = f", or generate at most {fits} tokens" if fits > 0 else ""
        raise SaewidgetsError(
            f"The prompt has {len(made)} tokens{more} into the context of {limit}. Shorten the prompt{remedy}."
        )
    return made


def _chat(engine: Engine, messages: Sequence[Message]) -> Prompt:
    tokenizer = engine.tokenizer
    if not all(isinstance(message, Mapping) for message in messages):
        raise SaewidgetsError(
            "A chat is a list of messages such as {'role': 'user', 'content': 'text'}, and nothing else."
        )
    text = tokenizer.chat_text(messages)
    if text is None:
        raise SaewidgetsError(_NO_TEMPLATE.format(name=engine.model.name))
    ids, offsets = tokenizer.encode_raw(text)
    content, system = np.zeros(len(ids), bool), np.zeros(len(ids), bool)
    for message, (start, end) in zip(messages, _spans(engine, messages, text), strict=True):
        inside = np.array([a < end and b > start for a, b in offsets], bool)
        content |= inside
        if message["role"] == "system":
            system |= inside
    return Prompt(tuple(ids), ~content, system, True)


def _spans(engine: Engine, messages: Sequence[Message], text: str) -> list[tuple[int, int]]:
    """Where each message's content stands in the `text` that the template made; (0, 0) where it does not.

    What is not content is known from the same template around marks: a message may say what the template says, too.
    """
    marks = [f"\ue000{n}\ue001" for n in range(len(messages))]
    try:
        around = engine.tokenizer.chat_text([{**m, "content": mark} for m, mark in zip(messages, marks, strict=True)])
    except SaewidgetsError:
        around = None
    between = re.split("|".join(marks), around or "")
    said = [clean(m["content"]) for m in messages]
    for parts in (said, [part.strip() for part in said]):  # templates trim what they are given
        woven = [piece for pair in zip(between, [*parts, ""], strict=False) for piece in pair]
        if len(between) == len(marks) + 1 and "".join(woven) == text:
            ends = list(accumulate(map(len, woven)))
            return list(zip(ends[0::2], ends[1::2], strict=True))[:-1]
    # A template that looks at what is said: the first place where it stands.
    spans, at = [], 0
    for whole in said:
        part = whole if whole in text[at:] else whole.strip()
        start = text.find(part, at) if part else -1
        spans.append((start, start + len(part)) if start >= 0 else (0, 0))
        at = max(at, spans[-1][1])
    return spans
