"""A prompt, plain or as a chat: token ids, and which of them are template and which the system message."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from ...errors import SaewidgetsError
from ..arrays import Bools
from .answer import after_text, with_answer
from .tokenizer import clean

if TYPE_CHECKING:
    from ..dictionary.base import Dictionary
    from ..engine import Engine
    from ..ticket import Ticket
    from .counted import TokenRoles
    from .given import TextInput

__all__ = ["Message", "Prompt", "PromptInput", "read_prompt", "read_with_answer"]

Message: TypeAlias = Mapping[str, str]
PromptInput: TypeAlias = "str | Sequence[int] | Sequence[Message]"

_Span: TypeAlias = tuple[int, int]

_NO_TEMPLATE = (
    "{name} has no chat template, so messages cannot become a prompt. Give the prompt as a string, or set "
    "model.tokenizer.chat_template and make a new Engine."
)

_LOST = (
    "The chat template changed what message {which} says, and where it stands among the template's own words cannot be told: "
    "it counts as template, and nothing is edited there (special=True edits all tokens). Give the prompt as a string instead."
)
_QUOTED = 60


@dataclass(frozen=True)
class Prompt:
    """Token ids of a prompt, and masks over them.

    Attributes:
        ids: as the model gets them.
        template: tokens of the chat template: roles, separators, what the template adds by itself.
        system: tokens of the system message.
        chat: whether it came through a chat template.
        notes: what the tokenizer or the template changed, or padding that was left out.
    """

    ids: tuple[int, ...]
    template: Bools
    system: Bools
    chat: bool
    notes: tuple[str, ...] = ()
    _roles: dict[tuple[str, ...], TokenRoles] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def plain(cls, ids: Sequence[int], notes: Sequence[str] = ()) -> Prompt:
        """A prompt of token ids as they are."""
        return cls(tuple(ids), np.zeros(len(ids), bool), np.zeros(len(ids), bool), False, tuple(notes))

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, n: int) -> Prompt:
        """Its first `n` tokens."""
        # What was kept of the roles is of the whole.
        return replace(self, ids=self.ids[:n], template=self.template[:n], system=self.system[:n], _roles={})

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
    if _is_chat(prompt):
        made = _chat(engine, cast("Sequence[Message]", prompt))
    elif not isinstance(prompt, str) and not len(prompt):
        made = Prompt.plain(())
    else:
        read = engine.tokenized(cast("TextInput", prompt))
        if len(read.ids) != 1:
            raise SaewidgetsError(f"Give one prompt, not {len(read.ids)}.")
        made = Prompt.plain(read.ids[0], read.notes)
    return _checked(engine, made, n_tokens)


def read_with_answer(
    engine: Engine, prompt: PromptInput, answer: str | Sequence[int]
) -> tuple[Prompt, tuple[int, ...]]:
    """A prompt as `read_prompt` reads it, and the token ids of `answer` after it.

    The tokens of a string are those that it has after the prompt: the two are tokenized together. Where the prompt's own
    last tokens become others by that, the prompt ends before them, and its notes say so.

    Raises:
        SaewidgetsError: as `read_prompt`, and for prompt and answer that become one token.
    """
    if not _is_chat(prompt):
        if not isinstance(prompt, str) and not len(prompt):
            return read_prompt(engine, prompt), ()
        read = with_answer(engine.tokenizer, cast("TextInput", prompt), answer)
        return _checked(engine, Prompt.plain(read.prompt, read.notes)), read.answer
    made = read_prompt(engine, prompt)
    if not isinstance(answer, str):
        return made, tuple(engine.tokenizer.check_ids(answer))
    text = engine.tokenizer.chat_text(cast("Sequence[Message]", prompt)) or ""
    read = after_text(engine.tokenizer, text, clean(answer), lambda whole: engine.tokenizer.encode_raw(whole)[0])
    return replace(made.first(len(read.prompt)), notes=(*made.notes, *read.notes)), read.answer


def _is_chat(prompt: PromptInput) -> bool:
    """Messages: mappings that are no tokenizer's output, nor rows of token ids."""
    if isinstance(prompt, (str, Mapping)) or not len(prompt):
        return False
    return isinstance(prompt[0], Mapping) and "input_ids" not in prompt[0]


def _checked(engine: Engine, made: Prompt, n_tokens: int = 0) -> Prompt:
    """`made`, if there is something in it and `n_tokens` more fit into the context."""
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
    spans, notes = _spans(engine, messages, text)
    for message, (start, end) in zip(messages, spans, strict=True):
        inside = np.array([a < end and b > start for a, b in offsets], bool)
        content |= inside
        if message["role"] == "system":
            system |= inside
    return Prompt(tuple(ids), ~content, system, True, tuple(notes))


def _spans(engine: Engine, messages: Sequence[Message], text: str) -> tuple[list[_Span], list[str]]:
    """Where each message's content stands in the `text` that the template made, and what a reader must know about it.

    What is not content is known from the same template around marks: a message may say what the template says, too,
    and a template may change what is said. Content that is not found is at (0, 0).
    """
    marks = [f"\ue000{n}\ue001" for n in range(len(messages))]
    try:
        around = engine.tokenizer.chat_text([{**m, "content": mark} for m, mark in zip(messages, marks, strict=True)])
    except SaewidgetsError:
        around = None
    between = re.split("|".join(marks), around or "")
    said = [clean(m["content"]) for m in messages]
    if len(between) == len(marks) + 1:
        for parts in (said, [part.strip() for part in said]):  # templates trim what they are given
            woven = [piece for pair in zip(between, [*parts, ""], strict=False) for piece in pair]
            if "".join(woven) == text:
                ends = list(accumulate(map(len, woven)))
                return list(zip(ends[0::2], ends[1::2], strict=True))[:-1], []
        if spans := _gaps(text, between):
            return spans, _changes(said, [text[start:end] for start, end in spans])
    # A template that says more or less around other messages: the first place where each stands.
    spans, lost, at = list[_Span](), list[int](), 0
    for n, whole in enumerate(said):
        part = whole if whole in text[at:] else whole.strip()
        start = text.find(part, at) if part else -1
        spans.append((start, start + len(part)) if start >= 0 else (0, 0))
        at = max(at, spans[-1][1])
        if part and start < 0:
            lost.append(n)
    return spans, [_LOST.format(which=", ".join(str(n + 1) for n in lost))] if lost else []


def _gaps(text: str, between: Sequence[str]) -> list[_Span] | None:
    """What stands in `text` between the strings `between`, if that can be said in one way only."""
    first, *middle, last = between
    start, stop = len(first), len(text) - len(last)
    if not (text.startswith(first) and text.endswith(last) and start <= stop):
        return None
    lefts, rights = [start], [stop]
    for piece in middle:
        found = text.find(piece, lefts[-1], stop)
        if found < 0 or not piece:
            return None
        lefts += [found, found + len(piece)]
    for piece in reversed(middle):
        found = text.rfind(piece, start, rights[-1])
        rights += [found + len(piece), found]
    lefts, rights = [*lefts, stop], [start, *reversed(rights)]
    return list(zip(lefts[0::2], lefts[1::2], strict=True)) if lefts == rights else None


def _changes(said: Sequence[str], read: Sequence[str]) -> list[str]:
    changed = [n for n, (was, now) in enumerate(zip(said, read, strict=True)) if was.strip() != now.strip()]
    if not changed:
        return []
    n = changed[0]
    which = f"message {n + 1}" if len(changed) == 1 else f"{len(changed)} messages, message {n + 1} the first"
    return [f"The chat template changed {which}: {_quoted(read[n])} is what was read of {_quoted(said[n])}."]


def _quoted(text: str) -> str:
    return f"{text[:_QUOTED]!r}{'…' if len(text) > _QUOTED else ''}"
