"""Padding is no text: it never attends, is never attended to, and never counts; what cannot be told from text is asked for.

Truth is always the text alone, without its pads, in a forward of its own.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from transformers import BatchEncoding, PreTrainedTokenizerFast

import saewidgets as sw
from saewidgets.errors import SaewidgetsError, TokenIdError
from saewidgets.index.errors import CorpusError
from saewidgets.interventions.effects.ablation import ablate

A, B = [0, 40, 41, 42, 43], [0, 50, 51]
PRE = "blocks.1.hook_resid_pre"
WRAPPERS = pytest.mark.parametrize("wrapper", tiny.MODELS)


def tokenizer_with(pad: str, **kwargs: Any) -> PreTrainedTokenizerFast:
    """The tiny tokenizer (BOS 0, EOS 1) with another pad token; "<pad>" is a token of its own (2)."""
    backend = tiny.tokenizer().backend_tokenizer
    return PreTrainedTokenizerFast(
        tokenizer_object=backend.__class__.from_str(backend.to_str().replace('"!"', '"<pad>"')),
        bos_token="<|bos|>",
        eos_token="<|eos|>",
        pad_token=pad,
        name_or_path="tiny",
        add_bos_token=True,
        **kwargs,
    )


PADS = {"own": ("<pad>", 2), "eos": ("<|eos|>", 1), "bos": ("<|bos|>", 0)}


def model_with(wrapper: str, pad: str = "<pad>", **kwargs: Any) -> Any:
    model = tiny.MODELS[wrapper]()
    model.tokenizer = tokenizer_with(pad, **kwargs)
    return model


def engine_with(wrapper: str = "hooked", pad: str = "<pad>", **kwargs: Any) -> sw.Engine:
    engine = sw.Engine(model_with(wrapper, pad, **kwargs), tiny.sae())
    assert engine.tokenizer.bos_id == 0 and engine.tokenizer.eos_id == 1
    return engine


@cache
def alone(wrapper: str, ids: tuple[int, ...]) -> np.ndarray:
    """Activations [pos, feature] of one text, by sae-lens."""
    model = tiny.MODELS[wrapper]()
    with torch.no_grad():
        _, cache = model.run_with_cache(torch.tensor([ids]))
        name = model._resolve_hook_name(PRE) if hasattr(model, "_resolve_hook_name") else PRE
        return tiny.sae().encode(cache[name])[0].numpy()


def check(found: sw.FeatureActivations, wrapper: str, texts: list[list[int]]) -> None:
    assert found.n_texts == len(texts)
    for n, ids in enumerate(texts):
        part = slice(int(found.text_ptr[n]), int(found.text_ptr[n + 1]))
        assert found.token_ids[part].tolist() == ids
        if ids:
            np.testing.assert_allclose(found[part, :], alone(wrapper, tuple(ids)), atol=2e-5)


def padded(side: str, pad: int, rows: list[list[int]] | None = None) -> tuple[list[list[int]], list[list[int]]]:
    rows = [A, B] if rows is None else rows
    longest = max(map(len, rows))
    fill = [[pad] * (longest - len(row)) for row in rows]
    none = [[0] * len(f) for f in fill]
    ones = [[1] * len(row) for row in rows]
    if side == "left":
        return [f + r for f, r in zip(fill, rows, strict=True)], [n + o for n, o in zip(none, ones, strict=True)]
    return [r + f for f, r in zip(fill, rows, strict=True)], [o + n for n, o in zip(none, ones, strict=True)]


FORMS = {"list": lambda x: x, "numpy": np.array, "torch": torch.tensor, "rows": lambda x: [np.array(r) for r in x]}


@WRAPPERS
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pad", PADS)
def test_an_attention_mask_is_used(wrapper: str, side: str, form: str, pad: str) -> None:
    token, number = PADS[pad]
    ids, mask = padded(side, number)
    batch = {"input_ids": FORMS[form](ids), "attention_mask": FORMS[form](mask)}
    engine = engine_with(wrapper, token)
    for given in (
        batch,
        BatchEncoding(batch),
        {**batch, "token_type_ids": mask, "attention_mask": np.array(mask) == 1},
    ):
        found = engine.activations(given)
        check(found, wrapper, [A, B])
        assert any("2 tokens that the attention mask leaves out were not read" in note for note in found.notes)
    rows = [{"input_ids": i, "attention_mask": m} for i, m in zip(ids, mask, strict=True)]
    check(engine.activations(rows), wrapper, [A, B])
    check(engine.activations({"input_ids": ids[1], "attention_mask": mask[1]}), wrapper, [B])
    # A mask that keeps everything is taken at its word.
    check(engine.activations({"input_ids": ids, "attention_mask": np.ones_like(mask)}), wrapper, ids)
    assert not engine.activations({"input_ids": [A], "attention_mask": [[1] * len(A)]}).notes


@WRAPPERS
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("form", FORMS)
def test_pads_of_their_own_are_left_out_without_a_mask(wrapper: str, side: str, form: str) -> None:
    engine = engine_with(wrapper)
    ids, _ = padded(side, 2)
    found = engine.activations(FORMS[form](ids))
    check(found, wrapper, [A, B])
    assert any("2 tokens of padding ('<pad>') were not read" in note for note in found.notes)
    check(engine.activations({"input_ids": FORMS[form](ids)}), wrapper, [A, B])
    check(engine.activations(FORMS[form](ids)[1]), wrapper, [B])  # one text, padded to some length
    assert engine.to_ids(ids) == [A, B]
    check(engine.activations([[2, 2, 2], [0, 40, 2]]), wrapper, [[], [0, 40]])
    with pytest.raises(
        TokenIdError, match="Text 1: There are pad tokens .'<pad>', id 2. between others.*attention_mask"
    ):
        engine.activations([[0, 40], [0, 40, 2, 41]])
    check(engine.activations({"input_ids": [0, 40, 2, 41], "attention_mask": [1] * 4}), wrapper, [[0, 40, 2, 41]])


def test_pads_of_their_own_by_every_way_in() -> None:
    engine = engine_with()
    clean, left = sw.predictions(engine, B), sw.predictions(engine, [2, 2, *B])
    assert clean.clean.top == left.clean.top and "padding" in left.notes[0] and not clean.notes
    made, wanted = (sw.generate(engine, ids, sw.add(3, 2), n_tokens=5, temperature=0) for ids in ([2, 2, *B], B))
    assert made.prompt.ids == wanted.prompt.ids == tuple(B)
    assert made.edited[0].token_ids.tolist() == wanted.edited[0].token_ids.tolist()
    assert any("padding" in note for note in made.notes) and not any("padding" in n for n in wanted.notes)
    mask = {"input_ids": [[2, 2, *B]], "attention_mask": [[0, 0, 1, 1, 1]]}
    assert sw.generate(engine, mask, n_tokens=2, temperature=0).prompt.ids == tuple(B)  # type: ignore[arg-type]
    effects = sw.effects(engine, [2, *A], sw.add(3, 2))
    assert effects.token_ids.tolist() == A and any("padding" in note for note in effects.notes)
    ablated = ablate(engine, [2, *A], 3)
    assert ablated.token_ids.tolist() == A and any("padding" in note for note in ablated.notes)
    np.testing.assert_allclose(ablated.delta, ablate(engine, A, 3).delta, atol=1e-5)
    with pytest.raises(SaewidgetsError, match="one text, not 2"):
        ablate(engine, [A, B], 3)  # type: ignore[list-item]


@pytest.mark.parametrize("form", FORMS)
def test_a_pad_that_ends_texts_too(form: str) -> None:
    """As TransformerLens sets it where a tokenizer has no pad: pad and EOS are one token, and BOS is another."""
    engine = engine_with("hooked", "<|eos|>")
    make = FORMS[form]
    # Left padding before a BOS can be nothing else; nor can a run of it at the end.
    check(engine.activations(make(padded("left", 1)[0])), "hooked", [A, B])
    check(engine.activations(make(padded("right", 1)[0])), "hooked", [A, B])
    # A single one at the end may be the text's own: it changes no other token, and counts nowhere.
    found = engine.activations(make([[0, 40, 41, 1], [0, 50, 51, 52]]))
    check(found, "hooked", [[0, 40, 41, 1], [0, 50, 51, 52]])
    assert found.special.tolist() == [True, False, False, True, True, False, False, False]
    # Without a BOS it cannot be told.
    for texts in ([[40, 41, 42, 43], [1, 1, 50, 51]], [[40], [1, 1, 50, 51]], [[40], [1, 1, 50]]):
        with pytest.raises(TokenIdError, match=r"Text 1: It begins with 2 pad tokens \('<\|eos\|>'.*attention_mask"):
            engine.activations(make(texts) if len(texts[0]) == len(texts[1]) else texts)
    one = engine.activations(make([[40, 41, 42], [1, 50, 51]]))
    check(one, "hooked", [[40, 41, 42], [1, 50, 51]])
    assert any("attention_mask" in note for note in one.notes)


def test_a_pad_that_begins_texts_too() -> None:
    """As GPT-2's: BOS, EOS and pad are one token."""
    engine = engine_with("hooked", "<|bos|>")
    check(engine.activations([A, [0, 50, 51, 52, 53]]), "hooked", [A, [0, 50, 51, 52, 53]])
    assert not engine.activations([A, [0, 50, 51, 52, 53]]).notes
    with pytest.raises(TokenIdError, match=r"Text 1: It begins with 3 pad tokens \('<\|bos\|>'.*attention_mask"):
        engine.activations(torch.tensor(padded("left", 0)[0]))
    check(engine.activations(torch.tensor(padded("right", 0)[0])), "hooked", [A, B])


ENDS: list[tuple[list[int], str, Any]] = [
    ([2, 2, 5, 6], "<pad>", [5, 6]),
    ([5, 6, 2, 2], "<pad>", [5, 6]),
    ([2, 2], "<pad>", []),
    ([], "<pad>", []),
    ([5, 2, 6], "<pad>", TokenIdError),
    ([1, 1, 0, 5], "<|eos|>", [0, 5]),
    ([1, 0, 5], "<|eos|>", [0, 5]),
    ([1, 5, 1], "<|eos|>", [1, 5, 1]),
    ([1, 5, 1, 1], "<|eos|>", [1, 5]),
    ([5, 1, 6], "<|eos|>", [5, 1, 6]),
    ([1], "<|eos|>", [1]),
    ([1, 1], "<|eos|>", []),
    ([1, 1, 5], "<|eos|>", TokenIdError),
    ([0, 5, 0, 0], "<|bos|>", [0, 5]),
    ([0, 5, 0], "<|bos|>", [0, 5, 0]),
    ([0, 0, 5], "<|bos|>", TokenIdError),
]


@pytest.mark.slow
@pytest.mark.parametrize(("ids", "pad", "wanted"), ENDS)
def test_one_rule_in_every_company_and_for_corpora(ids: list[int], pad: str, wanted: Any, tmp_path: Path) -> None:
    engine = engine_with("hooked", pad)
    beside = [[7, 8, 9], [7] * max(1, len(ids)), [0, *range(20, 40)]]
    for n, other in enumerate([None, *beside]):
        texts = [ids] if other is None else [other, ids]
        if wanted is TokenIdError:
            with pytest.raises(TokenIdError, match=f"Text {len(texts) - 1}"):
                engine.activations(texts)
            with pytest.raises(CorpusError, match=f"Document {len(texts) - 1}"):
                sw.build_index(engine, texts, tmp_path / str(n), progress=False, wait=True)
            continue
        found = engine.activations(texts)
        assert found.token_ids[int(found.text_ptr[-2]) :].tolist() == wanted
        if other is not None:
            index = sw.build_index(engine, texts, tmp_path / str(n), progress=False, wait=True)
            assert index.tokens == len(other) + len(wanted)


def test_positions_that_say_what_is_known_are_taken() -> None:
    engine = engine_with()
    ids, mask = padded("left", 2)
    places = np.maximum(np.cumsum(mask, axis=1) - 1, 0)
    check(engine.activations({"input_ids": ids, "attention_mask": mask, "position_ids": places}), "hooked", [A, B])
    check(engine.activations({"input_ids": [A], "position_ids": [[*range(len(A))]]}), "hooked", [A])
    with pytest.raises(TokenIdError, match="Text 0: The position_ids do not count from 0"):
        engine.activations({"input_ids": [A], "position_ids": [[5, *range(1, len(A))]]})


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"attention_mask": [1]}, "needs 'input_ids'.*'attention_mask'"),
        ({}, "has nothing"),
        ({"role": "user", "content": "a"}, "needs 'input_ids'"),
        ({"input_ids": [[1, 2]], "attention_mask": [[1]]}, "same shape"),
        ({"input_ids": [[1, 2]], "attention_mask": [[1, 1], [1, 1]]}, "same shape"),
        ({"input_ids": [[1, 2]], "attention_mask": [[0, -10_000]]}, "2 zeros and ones"),
        ({"input_ids": [[1, 2]], "attention_mask": torch.full((1, 2), 0.5)}, "2 zeros and ones"),
        ({"input_ids": [A], "attention_mask": [[1, 1, 0, 1, 1]]}, "Text 0: .*zeros between ones"),
        ({"input_ids": ["a"], "attention_mask": [1]}, "must be integers"),
        ({"input_ids": [[1, 2]], "position_ids": [[4, 5]]}, "count from 0"),
        ({"input_ids": [[1, 2]], "inputs_embeds": [[4, 5]]}, "'inputs_embeds' would not be used"),
        ({"input_ids": [[1, 10**6]], "attention_mask": [[1, 1]]}, "outside the model's vocabulary"),
        ([{"input_ids": [1]}, "a"], "mixed"),
        (np.ones((2, 2), bool), "integer array"),
        ([np.array([0.5])], "integer array"),
        (b"abc", "string or token ids"),
        (None, "string or token ids"),
        ([None], "string or token ids"),
    ],
)
def test_what_is_no_text(given: Any, match: str) -> None:
    engine = engine_with()
    with pytest.raises(TokenIdError, match=match):
        engine.activations(given)


def test_pads_beyond_the_model_are_left_out_too() -> None:
    """Llama's users add a pad token without making the model larger."""
    tokenizer = tokenizer_with("<|eos|>")
    tokenizer.add_special_tokens({"pad_token": "<new pad>"})
    model = tiny.hooked()
    model.tokenizer = tokenizer
    engine = sw.Engine(model, tiny.sae())
    pad = tokenizer.pad_token_id
    assert pad == model.cfg.d_vocab
    check(engine.activations(padded("left", pad)[0]), "hooked", [A, B])
    mask = padded("right", pad)
    check(engine.activations({"input_ids": mask[0], "attention_mask": mask[1]}), "hooked", [A, B])
    with pytest.raises(TokenIdError, match="'<new pad>'.*resize_token_embeddings"):
        engine.activations({"input_ids": [0, pad, 40], "attention_mask": [1, 1, 1]})


# -- a text's own tokens are never taken for padding


@pytest.mark.parametrize("pad", ["<|eos|>", "<|bos|>", "<pad>"])
@pytest.mark.parametrize("ids", [[1, 40, 41], [0, 40, 41], [1, 1, 0, 40], [0, 0, 40], [1], [2, 40, 2]])
def test_a_left_padding_tokenizer_hides_nothing(pad: str, ids: list[int]) -> None:
    """Logits and activations are those of a model whose tokenizer pads on the right: it has no mask."""
    model = model_with("hooked", pad, padding_side="left")
    assert model.tokenizer.padding_side == "left"
    engine = sw.Engine(model, tiny.sae())
    given = {"input_ids": [ids], "attention_mask": [[1] * len(ids)]}
    check(engine.activations(given), "hooked", [ids])
    plain = tiny.hooked()
    with torch.no_grad():
        wanted = plain(torch.tensor([ids]))[0]
    found = engine.model.logits(torch.tensor([ids]))[0]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    top = sw.generate(engine, given, n_tokens=1, temperature=0).baseline[0]  # type: ignore[arg-type]
    assert top.token_ids.tolist() == [int(wanted[-1].argmax())]
