"""Tokens show what the tokenizer made of a text, and where that is another text it is said."""

from __future__ import annotations

import pytest
import tiny
import tokenizers_made as made
from test_answers_after_prompts import engine_with, every_kind, of
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

import saewidgets as sw
from saewidgets.engine.text.tokenizer import Tokenizer
from saewidgets.errors import TokenIdError

METASPACE = "\u2581"


def shown(engine: sw.Engine, text: str) -> tuple[str, list[str]]:
    """The tokens' strings joined, without BOS, and what is said about the tokenizer."""
    acts = engine.activations(text)
    return "".join(acts.tokens[1:]), [note for note in acts.notes if "tokenizer changed" in note]


@every_kind
@pytest.mark.parametrize("text", ["the cat", "the  cat    is", " the cat", "a\n\nb\tc", "<s>the cat", "é 界", "0"])
def test_a_text_that_stays_as_it_is(kind: str, text: str) -> None:
    """But for a space before it, nothing differs, and nothing is said."""
    if kind == "unigram" and set(text) & set("é界\t"):
        return  # this one knows no bytes
    read, notes = shown(engine_with(of(kind)), text)
    text = text.removeprefix("<s>")
    assert read in (text, f" {text}") and not notes


@pytest.mark.parametrize(
    ("kind", "text", "wanted", "said"),
    [
        ("lower", "The Capital", "the capital", "'the capital' is what was read of 'The Capital'"),
        ("nfkc", "a ﬁ b", "a fi b", "'a fi b' is what was read of 'a ﬁ b'"),
        ("llama", f"a{METASPACE}b", " a b", f"'a b' is what was read of {'a' + METASPACE + 'b'!r}"),
        ("gemma", f"a{METASPACE * 4}b", "a    b", f"'a    b' is what was read of {'a' + METASPACE * 4 + 'b'!r}"),
        ("unigram", "a é b", " a <unk> b", "'a <unk> b' is what was read of 'a é b'"),
        ("nfkc", "a\ud800b", "a\ufffdb", "'a\ufffdb' is what was read of 'a\\ud800b'"),
    ],
)
def test_a_text_that_the_tokenizer_changes(kind: str, text: str, wanted: str, said: str) -> None:
    engine = engine_with(of(kind))
    read, notes = shown(engine, text)
    assert read == wanted
    assert len(notes) == 1 and said in notes[0]
    assert said in sw.generate(engine, text, n_tokens=1).notes[-1] and said in sw.predictions(engine, text).notes[0]


def test_of_many_texts_the_first_changed_is_quoted_around_the_place() -> None:
    engine = engine_with(of("lower"))
    (note,) = (n for n in engine.activations(["same", "x" * 30 + "Q" + "y" * 100, "Other"]).notes if "tokenizer" in n)
    assert note == (
        f"The tokenizer changed 2 of 3 texts, text 1 the first: …{'x' * 12 + 'q' + 'y' * 35!r}… is what was read of "
        f"…{'x' * 12 + 'Q' + 'y' * 35!r}…."
    )
    stripping = engine_with(made.byte_level(normalizers.Strip(), name_or_path="tiny", add_bos_token=True))
    assert len(shown(stripping, "the ")[1]) == 1


# -- spaces, bytes and added tokens


@pytest.mark.parametrize("n", range(1, 9))
def test_runs_of_spaces_are_spaces(n: int) -> None:
    """Gemma's runs are pieces and added tokens at once."""
    tokenizer = Tokenizer(made.gemma(), prepend_bos=True, d_vocab=400)
    ids = tokenizer.encode("a" + " " * n + ".")
    assert "".join(tokenizer.display(ids[1:]).strings) == "a" + " " * n + "."
    run = made.gemma().convert_tokens_to_ids(METASPACE * n)
    assert tokenizer.display([run]).strings == [" " * n]
    words = tokenizer.vocabulary()
    assert words is not None and words[run] == b" " * n
    assert made.gemma().decode([run]) == " " * n


def test_other_added_tokens_are_what_they_say() -> None:
    gemma = made.gemma()
    gemma.add_tokens(["<0x0A>x", "\t\t"])
    tokenizer = Tokenizer(gemma, prepend_bos=True, d_vocab=400)
    special = f"<start{METASPACE}of{METASPACE}turn>"
    for text in ("\n\n", "\n\n\n", "<table>", special, "\t\t", "<0x0A>x"):
        token = gemma.convert_tokens_to_ids(text)
        assert tokenizer.display([token]).strings == [text]
    assert tokenizer.display([gemma.convert_tokens_to_ids("<0x0A>")]).strings == ["\n"]
    # A byte-level vocabulary spells pieces, but not added tokens, in letters of its own.
    level = made.byte_level()
    level.add_tokens(["é\u0120", "    "])
    tokenizer = Tokenizer(level, prepend_bos=True, d_vocab=400)
    assert tokenizer.display([len(level) - 2, len(level) - 1]).strings == ["é\u0120", "    "]


@pytest.mark.parametrize("replacement", [METASPACE, "_"])
def test_other_ways_to_write_a_space(replacement: str) -> None:
    backend = Backend(models.BPE(vocab={"<s>": 0, f"{replacement}a": 1, "<0x0A>": 2}, merges=[], byte_fallback=True))
    backend.decoder = decoders.Metaspace(replacement=replacement)
    tokenizer = Tokenizer(PreTrainedTokenizerFast(tokenizer_object=backend), prepend_bos=False, d_vocab=3)
    assert tokenizer.display([1, 2]).strings == [" a", "\n"]
    backend = Backend(models.BPE(vocab={"the</w>": 0, "the": 1}, merges=[]))
    backend.decoder = decoders.BPEDecoder(suffix="</w>")
    tokenizer = Tokenizer(PreTrainedTokenizerFast(tokenizer_object=backend), prepend_bos=False, d_vocab=2)
    assert tokenizer.display([1, 0]).strings == ["the", "the "]
    tokenizer = Tokenizer(made.word_pieces(), prepend_bos=True, d_vocab=11)
    assert tokenizer.display(tokenizer.encode("The Capital")).strings == ["<s>", " the", " cap", "ital"]


# -- a tokenizer larger than the model


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_a_tokenizer_larger_than_the_model(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()
    backend = tiny.tokenizer().backend_tokenizer
    model.tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend.__class__.from_str(backend.to_str()),
        bos_token="<|bos|>",
        eos_token="<|eos|>",
        name_or_path="tiny",
        add_bos_token=True,
    )
    model.tokenizer.add_tokens(["<tool>"])
    model.tokenizer.add_special_tokens({"sep_token": "<sep>", "pad_token": "<pad>"})
    n = int(model.cfg.d_vocab)
    engine = sw.Engine(model, tiny.sae())
    for ask in (engine.activations, lambda t: sw.predictions(engine, t), lambda t: sw.generate(engine, t, n_tokens=2)):
        with pytest.raises(TokenIdError, match=rf"'<tool>' \(id {n}\).*ends at {n - 1}.*resize_token_embeddings"):
            ask("the <tool> is")
    with pytest.raises(TokenIdError, match=r"'<tool>'"):
        engine.activations([0, n])
    # All else goes on: special tokens that the model lacks are named, and never reached.
    assert {n + 1, n + 2} <= engine.tokenizer.special_ids
    assert not engine.activations("the").special[1:].any()
    assert len(engine.tokenizer.vocabulary() or []) == n
    assert len(sw.generate(engine, "the", sw.add(3, 1), n_tokens=4, repetition_penalty=1.3).edited[0]) <= 4


def test_a_bos_that_the_model_lacks() -> None:
    model = tiny.hooked()
    backend = tiny.tokenizer().backend_tokenizer
    larger = PreTrainedTokenizerFast(tokenizer_object=backend.__class__.from_str(backend.to_str()), eos_token="<|eos|>")
    larger.add_special_tokens({"bos_token": "<new bos>"})
    model.tokenizer = larger
    with pytest.raises(TokenIdError, match=r"'<new bos>'.*prepend_bos=False"):
        sw.Engine(model, tiny.sae()).activations("the")
    assert len(sw.Engine(model, tiny.sae(), prepend_bos=False).activations("the"))
