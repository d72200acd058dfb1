"""Edits with a KV cache, and with padding, are the same edits."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
import torch
from edit_truth import ALL_CASES, SPLIT, TEXT, WRAPPERS, assert_close, logits_of, model_of, resolved
from torch import Tensor
from transformer_lens.cache.key_value_cache import TransformerLensKeyValueCache

import saewidgets as sw
from saewidgets.engine.model.kv_cache import CachedForward
from saewidgets.interventions.edit.hooks import Edits
from saewidgets.interventions.edit.positions import Scope
from saewidgets.interventions.recipe.constructors import ablate, add, cap, clamp, orthogonal, replace, scale
from saewidgets.interventions.recipe.recipe import Recipe

POSITIONS: list[Any] = ["all", "prompt", "generated", [2, (5, 11), (13, None)], [(0, 3)], [12]]


def every_edit(f: int, g: int) -> list[Recipe]:
    """Every kind at half of the positions; kinds that are alike at the other half."""
    made = [
        Recipe(make(positions=p, special=n < 3))
        for n, p in enumerate(POSITIONS)
        for m, make in enumerate(
            (
                lambda **k: add(f, 2, **k),
                lambda **k: add(f, 0.5, unit="resid", **k),
                lambda **k: add(f, 0.5, unit="own", **k),
                lambda **k: scale(f, 3, **k),
                lambda **k: clamp(f, 3, **k),
                lambda **k: clamp(f, 3, only_active=True, **k),
                lambda **k: clamp(f, 3, when=(g, 0.1), **k),
                lambda **k: clamp(f, 0.5, unit="resid", **k),
                lambda **k: ablate([f, g], **k),
                lambda **k: orthogonal(f, **k),
                lambda **k: cap(f, 0.1, **k),
                lambda **k: replace(f, by=g, **k),
            )
        )
        if (n + m) % 2
    ]
    dropped = [Recipe(clamp(f, 3, positions=p), keep_error=False) for p in POSITIONS]
    return [*made, *dropped, Recipe([clamp(f, 3, positions="prompt"), ablate(f, positions="generated")])]


@pytest.mark.slow
@ALL_CASES
def test_with_a_cache_as_at_once(wrapper: str, architecture: str, hook: str, hook_out: str | None, d_in: int) -> None:
    if architecture in ("batchtopk", "matryoshka"):
        pytest.skip("shares its top-k over the whole text: refused when generating")
    engine = sw.Engine(model_of(wrapper), tiny.sae(architecture, hook, hook_out=hook_out, d_in=d_in))
    (ids,) = engine.to_ids(TEXT)
    ids = [*ids[:10], 1, *ids[10:14], 1, 0, *ids[14:17]]  # end-of-text (which is the padding token, too) in the middle
    f, g = engine.activations(ids).top(2).features[:2].tolist()
    recipes: list[Recipe | None] = [None, *every_edit(f, g)]
    rows = [None if recipe is None else resolved(engine, recipe, ids[:SPLIT]) for recipe in recipes]
    tokens = torch.tensor([ids] * len(rows))

    def scope() -> Scope:
        return Scope(engine.counting, [SPLIT] * len(rows))

    whole = Edits(engine, rows, scope())
    steps = Edits(engine, rows, scope())
    forward = CachedForward(engine.model, len(rows))
    ends = [SPLIT, SPLIT + 1, SPLIT + 2, SPLIT + 5, SPLIT + 6, SPLIT + 7, len(ids)]
    pieces = [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]
    with torch.no_grad():
        wanted = engine.model.logits(tokens, whole.hooks(tokens))
        found = torch.cat([forward(tokens[:, p], steps.hooks(tokens[:, p])) for p in pieces], 1)
        plain = engine.model.raw(tokens[:1])[0]
    assert forward.length == len(ids)
    assert_close(wanted[0], plain, atol=1e-5)
    for recipe, a, b in zip(recipes, found, wanted, strict=True):
        assert_close(a, b, repr(recipe), atol=1e-4)
        if recipe is not None and all(i.positions == "generated" for i in recipe) and recipe.keep_error:
            assert torch.equal(a[:SPLIT], found[0, :SPLIT]), f"{recipe}: the prompt's logits are untouched, bit for bit"
            assert torch.equal(b[:SPLIT], wanted[0, :SPLIT])


def test_only_the_last_logits_if_they_suffice() -> None:
    for wrapper in tiny.MODELS:
        engine = sw.Engine(model_of(wrapper), tiny.sae())
        tokens = torch.tensor(engine.to_ids(TEXT))
        with torch.no_grad():
            last = CachedForward(engine.model, 1)(tokens, last_only=True)[:, -1]
            assert_close(last, engine.model.raw(tokens)[:, -1], atol=1e-5)


@WRAPPERS
def test_a_cache_whatever_side_the_tokenizer_pads(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()
    model.tokenizer.padding_side = "left"
    try:
        engine = sw.Engine(model, tiny.sae())
        ids = [1, 1, *engine.to_ids(TEXT)[0]]  # as it stands: these are no padding
        tokens = torch.tensor([ids])
        forward = CachedForward(engine.model, 1)
        with torch.no_grad():
            found = torch.cat([forward(tokens[:, :4]), forward(tokens[:, 4:])], 1)
            model.tokenizer.padding_side = "right"
            assert_close(found, model(tokens), atol=1e-5)
    finally:
        model.tokenizer.padding_side = "right"


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["jumprelu", "temporal", "layer_norm", "batchtopk", "topk"])
def test_left_padding_changes_nothing(architecture: str) -> None:
    model = model_of("hooked")
    engine = sw.Engine(model, tiny.sae(architecture))
    texts = engine.to_ids([TEXT, "God created the heaven and the", "the"])
    f, g = engine.activations(texts[0]).top(2).features[:2].tolist()
    longest = max(map(len, texts))
    tokens = torch.tensor([[1] * (longest - len(ids)) + ids for ids in texts])
    real = torch.tensor([[False] * (longest - len(ids)) + [True] * len(ids) for ids in texts])
    n_prompt = [len(ids) * 2 // 3 for ids in texts]
    recipes = [
        r
        for p in ("all", "prompt", "generated", [1, 3, (5, 7)])
        for r in (
            Recipe(clamp(f, 3, positions=p)),
            Recipe(add(f, 3, positions=p, special=True)),
            Recipe([ablate(f, positions=p), clamp(g, 2)], keep_error=False),
        )
    ]
    for recipe in recipes:
        rows = [resolved(engine, recipe, ids) for ids in texts]
        alone = [logits_of(engine, [recipe], ids, n)[0] for ids, n in zip(texts, n_prompt, strict=True)]
        for pieces in ([longest], [longest - 1, 1]):
            edits = Edits(engine, rows, Scope(engine.counting, n_prompt), keep=True)
            past = TransformerLensKeyValueCache.init_cache(model.cfg, "cpu", len(texts))
            found = []
            for part, mask in zip(tokens.split(pieces, 1), real.split(pieces, 1), strict=True):

                def run(t: Tensor, mask: Tensor = mask, past: Any = past) -> Tensor:
                    return model(t, attention_mask=mask.long(), past_kv_cache=past)

                with torch.no_grad():
                    found.append(engine.model.logits(part, edits.hooks(part, mask), run=run))
                assert not edits.edited()[~mask.numpy()].any()
            if len(pieces) > 1 and architecture == "batchtopk":
                continue  # shares its top-k over the whole text
            for row, mask, wanted in zip(torch.cat(found, 1), real, alone, strict=True):
                assert_close(row[mask], wanted, f"{recipe} {pieces}", atol=1e-4)
