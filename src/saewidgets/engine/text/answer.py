"""The tokens of an answer: those that it has after its prompt.

Alone, a string may become other tokens than after a text: SentencePiece puts a space before it, and pieces merge across
the boundary. So prompt and answer are tokenized together, and the answer is what comes after the tokens they share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from ...errors import SaewidgetsError
from .given import TextInput, given

if TYPE_CHECKING:
    from .tokenizer import Tokenizer

__all__ = ["Continued", "after_text", "with_answer"]


@dataclass(frozen=True)
class Continued:
    """A prompt and its answer as token ids.

    Attributes:
        prompt: the prompt's own token ids, up to the last that it has with the answer, too.
        answer: the token ids that follow it.
        notes: where the prompt's own tokens are others because of the answer, and what else changed on the way.
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    notes: tuple[str, ...] = ()


def with_answer(tokenizer: Tokenizer, prompt: TextInput, answer: str | Sequence[int]) -> Continued:
    """One prompt, a string or token ids, and its answer; "" for none.

    Raises:
        TokenIdError: for what is no prompt. SaewidgetsError: for several, or what `after_text` refuses.
    """
    read = given(tokenizer, prompt)
    if len(read.ids) != 1:
        raise SaewidgetsError(f"Give one prompt, not {len(read.ids)}.")
    if not isinstance(answer, str):
        return Continued(tuple(read.ids[0]), tuple(tokenizer.check_ids(answer)), tuple(read.notes))
    if isinstance(prompt, str):
        made = after_text(tokenizer, prompt, answer)
        return Continued(made.prompt, made.answer, (*read.notes, *made.notes))
    # Without an answer there may be no tokenizer.
    return Continued(tuple(read.ids[0]), tuple(tokenizer.answer_ids(answer)) if answer else (), tuple(read.notes))


def after_text(
    tokenizer: Tokenizer, prompt: str, answer: str, encode: Callable[[str], list[int]] | None = None
) -> Continued:
    """`answer` after the text `prompt`; `encode` (default: the engine's prompt policy) makes ids of both.

    Raises:
        SaewidgetsError: if nothing of the prompt is left before the answer.
    """
    encode = tokenizer.encode if encode is None else encode
    own, whole = encode(prompt), encode(prompt + answer)
    n = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(own, whole, strict=False)))
    if n == len(own):
        return Continued(tuple(own), tuple(whole[n:]))
    ends, follows = ("".join(tokenizer.display(ids).strings) for ids in (own[n:], whole[n:]))
    if not n:
        raise SaewidgetsError(
            f"Prompt and answer become one token ({follows!r}): nothing is left to predict it from. Give a longer prompt, or "
            "prompt and answer as token ids."
        )
    note = (
        f"With the answer, the prompt's end becomes other tokens: {ends!r}, the end of the prompt alone, is part of "
        f"{follows!r}. What is scored is {follows!r}, after the tokens before it."
    )
    return Continued(tuple(own[:n]), tuple(whole[n:]), (note,))
