"""What people give as text, as token ids: strings, ids, padded batches of ids, a tokenizer's whole output.

Padding is no text (`padding.py`). It is taken out before anything is computed, so that no pad attends, is attended to, or
counts; results are then of the tokens that are left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from ...errors import TokenIdError
from ..arrays import is_tensor
from .ids import integers
from .padding import REMEDY, is_doubtful, unmasked, unpadded

if TYPE_CHECKING:
    import torch

    from ..arrays import Ints
    from .tokenizer import Tokenizer

__all__ = ["Given", "TextInput", "given"]

_Rows: TypeAlias = "Sequence[int] | Sequence[Sequence[int]] | torch.Tensor | Ints"
TextInput: TypeAlias = "str | Sequence[str] | _Rows | Mapping[str, _Rows] | Sequence[Mapping[str, _Rows]]"

_AROUND, _QUOTED = 12, 48


@dataclass(frozen=True)
class Given:
    """Texts as token ids, and what a reader of any result on them must know.

    Attributes:
        ids: token ids, one list a text, without padding.
        notes: what was left out, or changed by the tokenizer.
    """

    ids: list[list[int]]
    notes: list[str]


def given(tokenizer: Tokenizer, text: TextInput) -> Given:
    """Token ids of `text`: a string, several, ids [pos] or [batch, pos], or a mapping with input_ids and attention_mask.

    Ids are taken as they are, except for padding.

    Raises:
        TokenIdError: for what is neither text nor token ids; ids or tokens that the model does not have; padding that
            cannot be told from text.
    """
    if isinstance(text, str):
        return _strings(tokenizer, [text])
    if isinstance(text, Mapping):
        return _masked(tokenizer, text)
    items = _plain(text)
    if not len(items):
        raise TokenIdError("There is no text: pass a string, a list of strings, or token ids.")
    if all(isinstance(item, str) for item in items):
        return _strings(tokenizer, cast("Sequence[str]", items))
    if all(isinstance(item, Mapping) for item in items):
        several = [_masked(tokenizer, cast("Mapping[str, _Rows]", item)) for item in items]
        return Given([i for one in several for i in one.ids], _once(n for one in several for n in one.notes))
    if all(isinstance(item, (int, np.integer)) for item in items):
        return _ids(tokenizer, [cast("Sequence[int]", items)])
    if any(isinstance(item, (str, int, np.integer, Mapping)) for item in items):
        raise TokenIdError("Texts and token ids are mixed: pass strings only, or token ids only.")
    return _ids(tokenizer, [cast("Sequence[int]", _plain(item)) for item in items])


def _plain(rows: object, kinds: str = "iu") -> Sequence[object]:
    """Arrays and tensors as lists; of the `kinds` of numbers that NumPy calls by these letters."""
    if is_tensor(rows) or isinstance(rows, np.ndarray):
        plain = rows.cpu().numpy() if is_tensor(rows) and not rows.is_floating_point() else rows
        kind = "f" if is_tensor(plain) else plain.dtype.kind
        if rows.ndim not in (1, 2) or kind not in kinds:
            raise TokenIdError(
                f"Token ids must be an integer array [pos] or [batch, pos], not {rows.dtype} {tuple(rows.shape)}."
            )
        return cast("Sequence[object]", plain.tolist())
    if isinstance(rows, bytes) or not (hasattr(rows, "__len__") and hasattr(rows, "__iter__")):
        raise TokenIdError("A text is a string or token ids: integers, one flat sequence per text.")
    return cast("Sequence[object]", rows)


# -- strings


def _strings(tokenizer: Tokenizer, texts: Sequence[str]) -> Given:
    ids = [tokenizer.encode(text) for text in texts]
    changes = [(n, change) for n, text in enumerate(texts) if (change := _changed(tokenizer, text, ids[n]))]
    if not changes:
        return Given(ids, [])
    n, (read, was) = changes[0]
    which = "the text" if len(texts) == 1 else f"{len(changes)} of {len(texts)} texts, text {n} the first"
    return Given(ids, [f"The tokenizer changed {which}: {read} is what was read of {was}."])


def _changed(tokenizer: Tokenizer, text: str, ids: Sequence[int]) -> tuple[str, str] | None:
    """What was read and what was given, quoted around the first difference; a space more at an end is none."""
    read = "".join(tokenizer.display(ids).strings)
    bos = "" if tokenizer.bos_id is None else tokenizer.display([tokenizer.bos_id]).strings[0]
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")  # joins what are pairs
    read, text = read.removeprefix(bos), text.removeprefix(bos)
    if read in (text, f" {text}", f"{text} "):
        return None
    shift = len(read) > 0 and read[0] == " " and not text.startswith(" ")
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(read[shift:], text, strict=False)))
    return _quoted(read[shift:], same), _quoted(text, same)


def _quoted(text: str, at: int) -> str:
    start = max(0, at - _AROUND)
    part = text[start : start + _QUOTED]
    return f"{'…' if start else ''}{part!r}{'…' if len(text) > start + _QUOTED else ''}"


# -- token ids


def _masked(tokenizer: Tokenizer, batch: Mapping[str, _Rows]) -> Given:
    """Of a tokenizer's output: {"input_ids": [pos] or [batch, pos], "attention_mask": the same shape}."""
    if "input_ids" not in batch:
        raise TokenIdError(
            f"A mapping needs 'input_ids' to be a text; this one has {', '.join(map(repr, batch)) or 'nothing'}."
        )
    if batch.get("inputs_embeds") is not None:
        raise TokenIdError("'inputs_embeds' would not be used: texts are token ids here.")
    rows = _nested(batch["input_ids"])
    beside = {
        name: _nested(batch[name], "biuf") for name in ("attention_mask", "position_ids") if batch.get(name) is not None
    }
    for name, columns in beside.items():
        if [len(row) for row in rows] != [len(column) for column in columns]:
            raise TokenIdError(f"{name!r} must have one number for each of 'input_ids', in the same shape.")
    return _ids(tokenizer, rows, beside.get("attention_mask"), beside.get("position_ids"))


def _nested(rows: _Rows, kinds: str = "iu") -> list[Sequence[int]]:
    plain = _plain(rows, kinds)
    if all(isinstance(item, (int, np.integer)) for item in plain):
        return [cast("Sequence[int]", plain)] if len(plain) else []
    if any(isinstance(item, (str, int, np.integer, Mapping)) for item in plain):
        raise TokenIdError("Token ids must be integers: one flat sequence per text.")
    return [cast("Sequence[int]", _plain(item, kinds)) for item in plain]


def _ids(
    tokenizer: Tokenizer,
    rows: Sequence[Sequence[int]],
    masks: Sequence[Sequence[int]] | None = None,
    positions: Sequence[Sequence[int]] | None = None,
) -> Given:
    """Of ids, without their padding."""
    kept, notes = [], list[str]()
    for n, ids in enumerate(rows):
        row = integers(ids)
        at = None if positions is None else positions[n]
        try:
            text = unpadded(row, tokenizer, at) if masks is None else unmasked(row, masks[n], at)
        except TokenIdError as error:
            raise TokenIdError(f"Text {n}: {error}") from None
        if masks is None and is_doubtful(text, tokenizer):
            name = f"{_name(tokenizer, tokenizer.pad_id)}, which pads and is a token of texts, too"
            notes.append(f"Texts that begin with {name}, were read with it. {REMEDY}")
        kept.append(tokenizer.check_ids(text))
    out = sum(map(len, rows)) - sum(map(len, kept))
    if out and masks is None:
        said = f"{{n}} of padding ({_name(tokenizer, tokenizer.pad_id)}) {{was}} not read; positions count the others."
        notes.insert(0, _tokens(said, out))
    elif out:
        said = "{n} that the attention mask leaves out {was} not read; positions count the others."
        notes.insert(0, _tokens(said, out))
    return Given(kept, _once(notes))


def _name(tokenizer: Tokenizer, token_id: int | None) -> str:
    return "no token" if token_id is None else repr(tokenizer.display([token_id]).strings[0])


def _tokens(said: str, n: int) -> str:
    return said.format(n=f"{n} token{'s' if n > 1 else ''}", was="were" if n > 1 else "was")


def _once(notes: Iterator[str] | Sequence[str]) -> list[str]:
    return [*dict.fromkeys(notes)]
