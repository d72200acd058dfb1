"""Tokenizers of the kinds that people bring, each with a vocabulary written out here, so that tests can name its tokens.

All have `<s>`, `</s>` and `<unk>` as tokens 0, 1 and 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

BASE = ["<s>", "</s>", "<unk>"]
BYTES = [f"<0x{b:02X}>" for b in range(256)]
LETTERS = [*"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,!?'-0123456789"]
WORDS = ["\u2581the", "\u2581The", "\u2581capital", "\u2581is", "\u2581Par", "is", "\u2581cat", "there"]


def wrapped(backend: Tokenizer, *, adds_bos: bool = False, **kwargs: Any) -> PreTrainedTokenizerFast:
    """`backend` as a model has it; `adds_bos`: puts <s> before a text by itself, as Llama's does."""
    if adds_bos:
        backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        **{"pad_token": "</s>", "clean_up_tokenization_spaces": False, **kwargs},
    )


def _merges(pieces: Sequence[str], vocab: dict[str, int]) -> list[tuple[str, str]]:
    """Merges that make each piece from left to right, its beginnings being added to the vocabulary."""
    found: list[tuple[str, str]] = []
    for piece in pieces:
        for end in range(2, len(piece) + 1):
            pair = (piece[: end - 1], piece[end - 1])
            vocab.setdefault(piece[:end], len(vocab))
            if pair not in found:
                found.append(pair)
    return found


def byte_fallback_bpe(words: Sequence[str] = WORDS, spaces: int = 1) -> Tokenizer:
    """A BPE over characters with bytes to fall back on; `spaces`: runs of as many metaspaces are pieces, too."""
    vocab = {piece: i for i, piece in enumerate([*BASE, *BYTES, "\u2581", "\n", "\t", *LETTERS])}
    runs = ["\u2581" * n for n in range(2, spaces + 1)]
    merges = _merges([*words, *runs], vocab)
    return Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))


def llama_2(**kwargs: Any) -> PreTrainedTokenizerFast:
    """As Llama-2's: a metaspace before the text and for each space, put there by the normaliser."""
    backend = byte_fallback_bpe()
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return wrapped(backend, adds_bos=True, **kwargs)


def metaspace(scheme: str, kind: str = "bpe", **kwargs: Any) -> PreTrainedTokenizerFast:
    """A metaspace put there by the pre-tokenizer: `scheme` "first", "always" or "never"; `kind` "bpe" or "unigram"."""
    if kind == "bpe":
        backend = byte_fallback_bpe()
    else:
        pieces = [*BASE, "\u2581", "\n", *LETTERS, *WORDS]
        backend = Tokenizer(models.Unigram([(p, -float(i > 2) * (9 - len(p))) for i, p in enumerate(pieces)], 2))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme=scheme)
    backend.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(replacement="\u2581", prepend_scheme=scheme)]
    )
    return wrapped(backend, **kwargs)


def gemma(**kwargs: Any) -> PreTrainedTokenizerFast:
    """As Gemma's: no prefix, runs of spaces as pieces that are added tokens, too, newlines and tags as added tokens."""
    backend = byte_fallback_bpe(spaces=8)
    backend.normalizer = normalizers.Replace(" ", "\u2581")
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(" "), "merged_with_previous")
    backend.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    plain = ["\n\n", "\n\n\n", *("\u2581" * n for n in range(2, 9)), "<table>"]
    backend.add_tokens([AddedToken(p, normalized=False, special=False) for p in plain])
    backend.add_special_tokens([AddedToken("<start\u2581of\u2581turn>", normalized=False, special=True)])
    return wrapped(backend, adds_bos=True, **kwargs)


def byte_level(normalizer: normalizers.Normalizer | None = None, *, prefix: bool = False, **kwargs: Any) -> Any:
    """A byte-level BPE without merges beyond a few words, under a `normalizer`; `prefix`: puts a space before a text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {piece: i for i, piece in enumerate([*BASE, *alphabet])}
    merges = _merges(["\u0120the", "the", "\u0120Par", "there", "\u0120is"], vocab)
    backend = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    if normalizer is not None:
        backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    backend.decoder = decoders.ByteLevel()
    return wrapped(backend, **kwargs)


def word_pieces(**kwargs: Any) -> PreTrainedTokenizerFast:
    """As BERT's: lower-cased, accents stripped, words cut into pieces that go on with ##."""
    vocab = {p: i for i, p in enumerate([*BASE, "the", "cap", "##ital", "is", "par", "##is", ".", "cafe"])}
    backend = Tokenizer(models.WordPiece(vocab, unk_token="<unk>"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(cleanup=False)
    return wrapped(backend, **kwargs)
