"""Text to tokens and back to something readable.

One prompt policy: text becomes tokens once, with the SAE's own BOS setting and the model's tokenizer, and never with
two BOS tokens. Back again, a token is often only some bytes of a character, so strings are put together over tokens.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ...errors import SaewidgetsError, TokenIdError
from ..arrays import Ints
from .ids import after_ids, integers
from .pieces import byte_reader

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# A UTF-8 character is at most four bytes, so at most four tokens.
_LONGEST_CHARACTER = 4

WHOLE, FIRST_PIECE, LATER_PIECE = 0, 1, 2


@dataclass(frozen=True)
class TokenText:
    """Display strings of tokens: joined, they are the text.

    A character spread over several tokens stands in the string of the first; a token in which no character starts
    has the string "". `parts`, bit by bit: `FIRST_PIECE` if a character goes on after the token, `LATER_PIECE` if one
    went on into it, both possible, 0 for a token of whole characters.
    """

    strings: list[str]
    parts: list[int]


class Tokenizer:
    """The model's tokenizer under one BOS policy, on a private copy (fast tokenizers are not safe between threads).

    Args:
        tokenizer: the model's tokenizer, or None for a model without one (then only token ids can be given).
        prepend_bos: whether a text starts with the BOS token; from `sae.cfg.metadata.prepend_bos`.
        d_vocab: size of the model's vocabulary, to check token ids against.
        extra_special: token ids to treat as special besides BOS, EOS, PAD, SEP and those that end a text.
        end_ids: token ids that end a text or a turn by the model's own configuration, besides the tokenizer's EOS.

    Attributes:
        end_ids: every token id that ends a generated text.
        special_ids: every token id that is no text.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase | None,
        *,
        prepend_bos: bool,
        d_vocab: int,
        extra_special: Iterable[int] = (),
        end_ids: Iterable[int] = (),
    ) -> None:
        self._tokenizer = copy.deepcopy(tokenizer)
        self.d_vocab = d_vocab
        self.bos_id = cast("int | None", getattr(tokenizer, "bos_token_id", None))
        self.prepend_bos = prepend_bos and (tokenizer is None or self.bos_id is not None)
        self.eos_id = cast("int | None", getattr(tokenizer, "eos_token_id", None))
        self.pad_id = cast("int | None", getattr(tokenizer, "pad_token_id", None))
        self.unk_id = cast("int | None", getattr(tokenizer, "unk_token_id", None))
        self.end_ids = frozenset(end_ids) | ({self.eos_id} if self.eos_id is not None else frozenset())
        self.special_ids = frozenset(extra_special) | _structural_ids(tokenizer) | self.end_ids
        self._adds_bos = self._added(0)
        self._adds_eos = self._added(-1)
        self._to_bytes = byte_reader(self._tokenizer) if self._tokenizer is not None else None

    def _added(self, where: int) -> bool:
        """Whether the tokenizer itself puts a BOS (0) or EOS (-1) around a text."""
        if self._tokenizer is None:
            return False
        wanted = self.bos_id if where == 0 else getattr(self._tokenizer, "eos_token_id", None)
        ids = self._ids("a")
        return wanted is not None and len(ids) > 1 and ids[where] == wanted

    def _ids(self, text: str) -> list[int]:
        assert self._tokenizer is not None
        return list(self._tokenizer(text, truncation=False, padding=False, verbose=False)["input_ids"])

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, as `model.to_tokens(text, prepend_bos=...)` gives them, but never with a second BOS.

        Lone surrogates, which no tokenizer accepts, become U+FFFD.

        Raises:
            TokenIdError: for a token that the tokenizer has and the model has not.
        """
        if self._tokenizer is None:
            raise SaewidgetsError(
                "The model has no tokenizer: pass token ids, or set one with model.set_tokenizer(...)."
            )
        text = clean(text)
        bos = self._tokenizer.bos_token
        if self.prepend_bos and not self._adds_bos and not text.startswith(cast(str, bos)):
            # As a string, like TransformerLens does it: some tokenizers treat the start of a text differently.
            text = cast(str, bos) + text
        ids = self._ids(text)
        if self._adds_eos:
            ids = ids[:-1]
        if self._adds_bos and (not self.prepend_bos or ids[1:2] == [self.bos_id]):
            ids = ids[1:]
        return self._known(ids)

    def _known(self, ids: list[int]) -> list[int]:
        """`ids` that the tokenizer made, if the model has them all."""
        beyond = next((i for i in ids if i >= self.d_vocab), None)
        if beyond is not None:
            raise TokenIdError(self._beyond(beyond))
        return ids

    def _beyond(self, token_id: int) -> str:
        own = (
            " It is the BOS token, which Engine(..., prepend_bos=False) leaves out." if token_id == self.bos_id else ""
        )
        return (
            f"The tokenizer has the token {self.display([token_id]).strings[0]!r} (id {token_id}), but the model's vocabulary "
            f"ends at {self.d_vocab - 1}: it was added without making the model larger. Call "
            "model.resize_token_embeddings(len(tokenizer)) on the Hugging Face model before wrapping it, or use the "
            f"tokenizer that the model came with.{own}"
        )

    def check_ids(self, ids: Sequence[int] | Ints) -> list[int]:
        """`ids` as plain integers, checked against the vocabulary."""
        plain = integers(ids)
        wrong = next((i for i in plain if not 0 <= i < self.d_vocab), None)
        if wrong is not None:
            if wrong >= self.d_vocab and self._tokenizer is not None and wrong < len(self._tokenizer):
                raise TokenIdError(self._beyond(wrong))
            raise TokenIdError(
                f"Token id {wrong} is outside the model's vocabulary (0 to {self.d_vocab - 1}). "
                "Was the text tokenized with another model's tokenizer?"
            )
        return plain

    # -- chats

    @property
    def has_chat_template(self) -> bool:
        """Whether messages can become a prompt."""
        return bool(getattr(self._tokenizer, "chat_template", None))

    def chat_text(self, messages: Sequence[Mapping[str, str]], *, answer: bool = True) -> str | None:
        """The prompt that the model's chat template makes of `messages`, up to the answer; None without a template.

        Args:
            answer: whether an answer is to follow; else it ends after the last message, as a transcript.

        Raises:
            SaewidgetsError: for what is no message, or what the template refuses.
        """
        if self._tokenizer is None or not self.has_chat_template:
            return None
        for message in messages:
            if not all(isinstance(message.get(key), str) for key in ("role", "content")):
                raise SaewidgetsError("A message is {'role': 'user', 'content': 'text'}, with both as strings.")
        plain = [{"role": m["role"], "content": clean(m["content"])} for m in messages]
        try:
            return str(self._tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=answer))
        except Exception as error:
            # Templates are programs of the model's makers, and say no in their own ways.
            raise SaewidgetsError(f"The model's chat template refuses these messages: {error}") from error

    def encode_raw(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids of `text` with nothing added, special tokens in it recognised, and their character ranges."""
        assert self._tokenizer is not None
        try:
            found = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        except NotImplementedError:
            raise SaewidgetsError(
                "Chats need a fast tokenizer, which says where in the text its tokens are; this model has a slow one."
            ) from None
        return self._known(list(found["input_ids"])), [(int(a), int(b)) for a, b in found["offset_mapping"]]

    def token_id(self, token: str) -> int | None:
        """The id of a token that stands for `token` whole, or None."""
        added = {str(t): i for i, t in self._tokenizer.added_tokens_decoder.items()} if self._tokenizer else {}
        return added.get(token)

    def display(self, ids: Sequence[int]) -> TokenText:
        """Readable strings for `ids`. Bytes that are no valid UTF-8 are shown as `<0x..>`."""
        if self._to_bytes is None:
            return TokenText([f"<{i}>" for i in ids], [WHOLE] * len(ids))
        return assemble([self._to_bytes(i) for i in ids])

    def vocabulary(self) -> list[bytes] | None:
        """The bytes of every token id; None for a model without a tokenizer."""
        return None if self._to_bytes is None else [self._to_bytes(i) for i in range(self.d_vocab)]

    def answer_ids(self, answer: str) -> list[int]:
        """Token ids of a continuation of token ids: no BOS, and no space but its own. After a text, see `after_text`."""
        if self._tokenizer is None:
            raise SaewidgetsError("The model has no tokenizer: pass the answer as token ids.")
        return self._known(after_ids(clean(answer), self._bare))

    def _bare(self, text: str) -> list[int]:
        assert self._tokenizer is not None
        return list(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def clean(text: str) -> str:
    """`text` without lone surrogates: pairs are joined, lone ones become U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def assemble(pieces: Sequence[bytes]) -> TokenText:
    """Strings of byte pieces whose characters may be spread over several pieces."""
    strings: list[str] = []
    parts: list[int] = []
    at = 0
    while at < len(pieces):
        try:
            strings.append(pieces[at].decode())
            parts.append(WHOLE)
            at += 1
            continue
        except UnicodeDecodeError:
            pass
        group = _character_group(pieces, at)
        if group is None:
            strings.append(_escape(pieces[at]))
            parts.append(WHOLE)
            at += 1
            continue
        spread = _spread(pieces[at:group])
        strings += spread
        # Every boundary inside the group cuts a character, or a shorter group would have been valid.
        parts += [FIRST_PIECE, *(LATER_PIECE | (FIRST_PIECE if text else 0) for text in spread[1:-1]), LATER_PIECE]
        at = group
    return TokenText(strings, parts)


def _character_group(pieces: Sequence[bytes], at: int) -> int | None:
    """The end of the shortest run of pieces from `at` that is valid UTF-8, or None."""
    joined = pieces[at]
    end = at + 1
    while end < len(pieces):
        joined += pieces[end]
        end += 1
        try:
            joined.decode()
            return end
        except UnicodeDecodeError as error:
            # Broken in the middle, not just unfinished: no later byte can mend it.
            if error.end < len(joined) or len(joined) - error.start >= _LONGEST_CHARACTER:
                return None
    return None


def _spread(pieces: Sequence[bytes]) -> list[str]:
    """Each character of the joined pieces, given to the piece in which it starts."""
    strings = [""] * len(pieces)
    ends: list[int] = []
    total = 0
    for piece in pieces:
        total += len(piece)
        ends.append(total)
    offset = owner = 0
    for character in b"".join(pieces).decode():
        while ends[owner] <= offset:
            owner += 1
        strings[owner] += character
        offset += len(character.encode())
    return strings


def _escape(piece: bytes) -> str:
    text = piece.decode(errors="surrogateescape")
    return "".join(f"<0x{ord(c) - 0xDC00:02X}>" if "\udc80" <= c <= "\udcff" else c for c in text)


def _structural_ids(tokenizer: PreTrainedTokenizerBase | None) -> frozenset[int]:
    """BOS, EOS, PAD, SEP: the same choice as SAELens, which leaves chat-template tokens in."""
    names = ("bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id")
    ids = (getattr(tokenizer, name, None) for name in names)
    return frozenset(int(i) for i in ids if i is not None)
