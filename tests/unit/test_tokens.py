"""Text to tokens under one BOS policy, and tokens to readable strings."""

from __future__ import annotations

import pytest
import tiny
from transformers import PreTrainedTokenizerFast

from saewidgets.engine.text.tokenizer import FIRST_PIECE, LATER_PIECE, Tokenizer, assemble, clean
from saewidgets.errors import SaewidgetsError, TokenIdError

HOSTILE = "a\x00b \u200f\u202eRTL \u200b\ufeff </script> <!-- &amp; \u2028\u2029 \U0001f600 \ud800 日本語\n\ttab"


def make(prepend_bos: bool = True) -> Tokenizer:
    return Tokenizer(tiny.tokenizer(), prepend_bos=prepend_bos, d_vocab=len(tiny.tokenizer()))


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("prepend_bos", [True, False])
@pytest.mark.parametrize("text", ["In the beginning", "", " 日本語 x", "a  b\n"])
def test_same_ids_as_transformer_lens(wrapper: str, prepend_bos: bool, text: str) -> None:
    model = tiny.MODELS[wrapper]()
    if not text and not prepend_bos:
        assert make(prepend_bos).encode(text) == []
        return
    assert make(prepend_bos).encode(text) == model.to_tokens(text, prepend_bos=prepend_bos)[0].tolist()


def test_never_two_bos() -> None:
    assert make().encode("<|bos|>In the") == make().encode("In the")
    assert make(False).encode("<|bos|>In the") == make().encode("In the")


def test_tokenizers_that_add_bos_and_eos_themselves() -> None:
    """As Llama (BOS) and OLMo-like (EOS) tokenizers do, through a template."""
    from tokenizers.processors import TemplateProcessing

    template = TemplateProcessing(single="<|bos|> $A <|eos|>", special_tokens=[("<|bos|>", 0), ("<|eos|>", 1)])
    backend = type(tiny.tokenizer().backend_tokenizer).from_str(tiny.tokenizer().backend_tokenizer.to_str())
    backend.post_processor = template
    adding = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<|bos|>", eos_token="<|eos|>", pad_token="<|eos|>"
    )
    plain = make(False).encode("In the")
    with_bos = Tokenizer(adding, prepend_bos=True, d_vocab=320)
    assert with_bos.encode("In the") == [0, *plain]
    assert with_bos.encode("<|bos|>In the") == [0, *plain]
    assert Tokenizer(adding, prepend_bos=False, d_vocab=320).encode("In the") == plain


@pytest.mark.parametrize("text", [HOSTILE, "日本語 😀😀", "", "plain words", "é\u0301 ﷺ"])
def test_display_strings_join_to_the_text(text: str) -> None:
    tokenizer = make(False)
    shown = tokenizer.display(tokenizer.encode(text))
    assert "".join(shown.strings) == clean(text)
    assert len(shown.strings) == len(shown.parts)
    for string, part in zip(shown.strings, shown.parts, strict=True):
        assert string or part & LATER_PIECE, "only a later piece of a character has no string of its own"


def test_a_character_over_three_tokens() -> None:
    shown = assemble([b" ", "界".encode()[:1], "界".encode()[1:2], "界".encode()[2:], b"x"])
    assert shown.strings == [" ", "界", "", "", "x"]
    assert shown.parts == [0, FIRST_PIECE, LATER_PIECE, LATER_PIECE, 0]


def test_tokens_cut_inside_two_characters() -> None:
    two = "é😀".encode()
    shown = assemble([two[:1], two[1:4], two[4:]])
    assert shown.strings == ["é", "😀", ""]
    assert shown.parts == [FIRST_PIECE, LATER_PIECE | FIRST_PIECE, LATER_PIECE]


@pytest.mark.parametrize(
    ("pieces", "strings"),
    [
        ([b"\xff", b"a"], ["<0xFF>", "a"]),
        ([b"\xe4", b"a"], ["<0xE4>", "a"]),
        ([b"\xe4\xb8"], ["<0xE4><0xB8>"]),
        ([b"ok\x80"], ["ok<0x80>"]),
    ],
)
def test_bytes_that_are_no_text(pieces: list[bytes], strings: list[str]) -> None:
    assert assemble(pieces).strings == strings


def test_sentencepiece_byte_tokens() -> None:
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models

    vocab = {"<s>": 0, "\u2581In": 1, "\u2581the": 2, "<0xE7>": 3, "<0x95>": 4, "<0x8C>": 5, "<0x0A>": 6}
    backend = Backend(models.BPE(vocab=vocab, merges=[], byte_fallback=True))
    backend.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer = Tokenizer(
        PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>"), prepend_bos=True, d_vocab=9
    )
    assert tokenizer.display([0, 1, 2, 3, 4, 5, 6, 8]).strings == ["<s>", " In", " the", "界", "", "", "\n", "<8>"]


def test_special_ids_are_the_structural_ones() -> None:
    assert make().special_ids == {0, 1}


@pytest.mark.parametrize("ids", [[-1], [10**6], ["a"], [[1, 2]]])
def test_wrong_ids(ids: list[int]) -> None:
    with pytest.raises(TokenIdError):
        make().check_ids(ids)


def test_no_tokenizer() -> None:
    tokenizer = Tokenizer(None, prepend_bos=True, d_vocab=5)
    with pytest.raises(SaewidgetsError, match="pass token ids"):
        tokenizer.encode("a")
    assert tokenizer.display([3]).strings == ["<3>"]
