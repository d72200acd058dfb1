"""An answer's tokens are those it has after its prompt; truth is the tokenizer's own on prompt + answer, written out here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tiny
import tokenizers_made as made
import torch
from tokenizers import normalizers
from transformers import PreTrainedTokenizerFast

import saewidgets as sw
from saewidgets.engine.text.answer import after_text
from saewidgets.engine.text.tokenizer import Tokenizer
from saewidgets.errors import SaewidgetsError, TokenIdError

KINDS: dict[str, Callable[..., PreTrainedTokenizerFast]] = {
    "llama": made.llama_2,
    "first": lambda **k: made.metaspace("first", **k),
    "always": lambda **k: made.metaspace("always", **k),
    "never": lambda **k: made.metaspace("never", **k),
    "unigram": lambda **k: made.metaspace("always", "unigram", **k),
    "gemma": made.gemma,
    "lower": lambda **k: made.byte_level(normalizers.Lowercase(), **k),
    "nfkc": lambda **k: made.byte_level(normalizers.NFKC(), **k),
    "prefix": lambda **k: made.byte_level(prefix=True, **k),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def engine_with(tokenizer: PreTrainedTokenizerFast) -> sw.Engine:
    before = tiny.tokenizer
    tiny.tokenizer = lambda: tokenizer  # type: ignore[assignment]
    try:
        return sw.Engine(tiny.hooked(), tiny.sae())
    finally:
        tiny.tokenizer = before  # type: ignore[assignment]


def of(kind: str, **kwargs: Any) -> PreTrainedTokenizerFast:
    return KINDS[kind](name_or_path="tiny", add_bos_token=True, **kwargs)


def pieces(tokenizer: Any, ids: Any) -> list[str]:
    return tokenizer.convert_ids_to_tokens(list(ids))


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("llama", ["\u2581Par", "is"]),
        ("first", ["\u2581Par", "is"]),
        ("always", ["\u2581Par", "is"]),
        ("never", ["\u2581Par", "is"]),
        ("unigram", ["\u2581Par", "is"]),
        ("gemma", ["\u2581Par", "is"]),
        ("lower", ["\u0120", "p", "a", "r", "i", "s"]),
        ("nfkc", ["\u0120Par", "i", "s"]),
        ("prefix", ["\u0120Par", "i", "s"]),
    ],
)
def test_the_tokens_of_an_answer(kind: str, wanted: list[str]) -> None:
    tokenizer = of(kind)
    engine = engine_with(tokenizer)
    ids = engine.to_ids("The capital is")[0]
    answer = tokenizer.convert_tokens_to_ids(wanted)
    with torch.no_grad():
        spread = engine.model.raw(torch.tensor([[*ids, *answer]]))[0].log_softmax(-1)
    logprobs = [float(spread[len(ids) - 1 + n, token]) for n, token in enumerate(answer)]
    found = sw.predictions(engine, "The capital is", " Paris")
    assert pieces(tokenizer, [t.token_id for t in found.clean.answer]) == wanted
    for token, logprob in zip(found.clean.answer, logprobs, strict=True):
        assert abs(token.probability - 2.718281828459045**logprob) < 1e-5
    assert not [note for note in found.notes if "other tokens" in note]
    effects = sw.answer_effects(engine, "The capital is", " Paris", sw.clamp(3, 2))
    assert list(effects.answer_ids) == answer
    assert abs(effects.rows[0].logprob - sum(logprobs)) < 1e-4
    # After token ids, too, no space is put in.
    assert [t.token_id for t in sw.predictions(engine, ids, " Paris").clean.answer] == answer
    assert list(sw.answer_effects(engine, ids, " Paris", sw.clamp(3, 2)).answer_ids) == answer


@every_kind
def test_an_answer_that_goes_on_a_word(kind: str) -> None:
    """No space before it: none is put there."""
    tokenizer = of(kind)
    engine = engine_with(tokenizer)
    found = sw.predictions(engine, "The capital is ?", "!")
    assert pieces(tokenizer, [t.token_id for t in found.clean.answer]) == ["!"]
    assert pieces(tokenizer, engine.tokenizer.answer_ids("!")) == ["!"]


@pytest.mark.parametrize(
    ("kind", "prompt", "answer", "start", "scored"),
    [
        ("llama", "The capital is ", "Paris", ["<s>", "\u2581The", "\u2581capital", "\u2581is"], ["\u2581Par", "is"]),
        ("gemma", "is the ", " cat", ["<s>", "is", "\u2581the", "\u2581"], ["\u2581cat"]),
        ("nfkc", "is the", "re", ["<s>", "i", "s", "\u0120the"], ["r", "e"]),
        ("nfkc", "is.the", "re", ["<s>", "i", "s", "."], ["there"]),
        ("prefix", "is ", "Paris", ["<s>", "\u0120is"], ["\u0120Par", "i", "s"]),
    ],
)
def test_tokens_across_the_boundary(kind: str, prompt: str, answer: str, start: list[str], scored: list[str]) -> None:
    """Where the prompt's end becomes another token, the prompt ends before it, and it is said."""
    tokenizer = of(kind)
    engine = engine_with(tokenizer)
    whole = engine.to_ids(prompt + answer)[0]
    assert pieces(tokenizer, whole) == start + scored
    own = engine.to_ids(prompt)[0]
    kept = pieces(tokenizer, own) == start
    found = sw.predictions(engine, prompt, answer)
    assert pieces(tokenizer, [t.token_id for t in found.clean.answer]) == scored
    assert found.prompt == "".join(engine.tokenizer.display(whole[: len(start)]).strings)
    effects = sw.answer_effects(engine, prompt, answer, sw.clamp(3, 2))
    assert pieces(tokenizer, effects.answer_ids) == scored and effects.prompt == found.prompt
    for notes in (found.notes, effects.notes):
        assert any("other tokens" in note for note in notes) == (not kept)
    with torch.no_grad():
        spread = engine.model.raw(torch.tensor([whole]))[0].log_softmax(-1)
    wanted = sum(float(spread[len(start) - 1 + n, token]) for n, token in enumerate(whole[len(start) :]))
    assert abs(effects.rows[0].logprob - wanted) < 1e-4


def test_prompt_and_answer_of_one_token() -> None:
    tokenizer = Tokenizer(made.byte_level(), prepend_bos=False, d_vocab=400)
    with pytest.raises(SaewidgetsError, match="'there'.*longer prompt"):
        after_text(tokenizer, "the", "re")
    assert after_text(tokenizer, "", "re").answer == tuple(tokenizer.encode("re"))


def test_a_chat_and_its_answer() -> None:
    """The template's last words and the answer are tokenized together."""
    template = "{{ bos_token }}{% for m in messages %}[{{ m.content }}]{% endfor %} "
    tokenizer = of("llama", chat_template=template)
    engine = engine_with(tokenizer)
    whole = tokenizer("<s>[the cat] Paris", add_special_tokens=False)["input_ids"]
    found = sw.answer_effects(engine, [{"role": "user", "content": "the cat"}], "Paris", sw.clamp(3, 2))
    assert pieces(tokenizer, found.answer_ids) == ["\u2581Par", "is"] == pieces(tokenizer, whole)[-2:]
    assert any("other tokens" in note for note in found.notes)


def test_answers_that_the_model_lacks() -> None:
    tokenizer = of("nfkc")
    engine = engine_with(tokenizer)
    engine.tokenizer._tokenizer.add_tokens(["<new>"])  # type: ignore[union-attr]
    for prompt in ("the", [0, 5]):
        with pytest.raises(TokenIdError, match=r"<new>.*resize_token_embeddings"):
            sw.predictions(engine, prompt, "<new>")
    with pytest.raises(SaewidgetsError, match="one prompt, not 2"):
        sw.predictions(engine, ["a", "b"], "c")  # type: ignore[list-item]
