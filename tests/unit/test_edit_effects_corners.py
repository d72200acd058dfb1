"""Frozen attention, chats, odd texts and arguments, tables of effects."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from edit_effects_made import PRE, TEXT, Hand, check, check_sides, close, model_of, name_of
from sae_lens import HookedSAETransformer
from torch import Tensor
from transformer_lens import HookedTransformerConfig

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.interventions.recipe.errors import RecipeError

# -- attention frozen


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("hook", ["blocks.0.hook_resid_pre", PRE, "blocks.0.attn.hook_z"])
def test_frozen_attention(wrapper: str, hook: str) -> None:
    engine = sw.Engine(model_of(wrapper), tiny.sae("standard", hook))
    (ids,) = engine.to_ids(TEXT)
    hand = Hand(wrapper, tiny.sae("standard", hook), ids)
    names = [f"blocks.{n}.attn.hook_pattern" for n in range(2)]
    with torch.no_grad():
        _, seen = hand.model.run_with_cache(hand.tokens)
    patterns = [(n, lambda p, hook, n=n: seen[name_of(hand.model, n)]) for n in names]
    row = hand.sae.W_dec[hand.f].detach()
    change = hand.inside[None, :, None] * 5 * row
    free, _ = hand.run(change)
    wanted, _ = hand.run(change, patterns)
    found = sw.effects(engine, ids, sw.add(hand.f, 5), freeze_attention=True)
    check(found, hand.clean, free, ids)
    assert found.frozen is not None
    rows, answers = torch.arange(len(ids) - 1), torch.tensor(ids[1:])
    close(found.frozen.delta[1:], (wanted - hand.clean)[rows, answers])
    close(found.frozen.kl[1:], (hand.clean.exp() * (hand.clean - wanted)).sum(-1)[:-1])
    close(found.frozen.loss, -wanted[rows, answers].mean())
    assert np.isnan(found.frozen.delta[0]) and np.isnan(found.frozen.kl[0])
    if hook == "blocks.0.hook_resid_pre":
        assert (wanted - free).abs().max() > 2e-3, "the case tests nothing"


@pytest.mark.slow
def test_with_everything_frozen_effects_are_linear() -> None:
    torch.manual_seed(3)
    cfg = HookedTransformerConfig(
        n_layers=3,
        d_model=tiny.D_MODEL,
        n_ctx=tiny.N_CTX,
        d_head=4,
        n_heads=4,
        attn_only=True,
        normalization_type=None,
        d_vocab=len(tiny.tokenizer()),
        seed=3,
        device="cpu",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = HookedSAETransformer(cfg, tokenizer=tiny.tokenizer()).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    hook = "blocks.0.hook_resid_post"
    engine = sw.Engine(model, tiny.sae("standard", hook))
    W = tiny.sae("standard", hook).W_dec.detach()
    (ids,) = engine.to_ids(TEXT)
    tokens, f, g = torch.tensor([ids]), 3, 11
    rows, answers = torch.arange(len(ids) - 1), torch.tensor(ids[1:])
    with torch.no_grad():
        clean, seen = model.run_with_cache(tokens)
    patterns = [
        (f"blocks.{n}.attn.hook_pattern", lambda p, hook, n=n: seen[f"blocks.{n}.attn.hook_pattern"]) for n in range(3)
    ]

    def change(vector: Tensor) -> Tensor:
        """Of the logits, by hand, with the patterns as they were."""

        def push(h: Tensor, hook: Any) -> Tensor:
            return torch.cat([h[:, :1], h[:, 1:] + vector], 1)

        with torch.no_grad():
            return (model.run_with_hooks(tokens, fwd_hooks=[(hook, push), *patterns]) - clean)[0]

    one, other = change(W[f]), change(W[g])
    assert one.abs().max() > 0.1
    for recipe, linear in (
        (sw.add(f, 1), one),
        (sw.add(f, 2), 2 * one),
        (sw.add(f, -3), -3 * one),
        (sw.add([f, g], 1), one + other),
        ([sw.add(f, 2), sw.add(g, -1)], 2 * one - other),
    ):
        found = sw.effects(engine, ids, recipe, freeze_attention=True)
        assert found.frozen is not None
        wanted = (clean[0] + linear).log_softmax(-1) - clean[0].log_softmax(-1)
        close(found.frozen.delta[1:], wanted[rows, answers], repr(recipe), atol=1e-4)
        assert np.abs(found.delta[1:] - found.frozen.delta[1:]).max() > 1e-3, "attention moves when it is not frozen"


# -- edges


def test_bad_input() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"), context_size=8)
    with pytest.raises(SaewidgetsError, match="context of 8"):
        sw.effects(engine, list(range(2, 11)), sw.ablate(3))
    sw.effects(engine, list(range(2, 10)), sw.ablate(3))
    with pytest.raises(SaewidgetsError, match="no tokens"):
        sw.effects(engine, [], sw.ablate(3))
    for recipe in (sw.ablate(48), sw.ablate([3, 48])):
        with pytest.raises(RecipeError, match="48"):
            sw.effects(engine, "the", recipe)
    with pytest.raises(RecipeError, match="'other'"):
        sw.effects(engine, "the", sw.ablate(3, sae="other"))
    with pytest.raises(RecipeError, match="int"):
        sw.effects(engine, "the", 3)  # type: ignore[arg-type]
    for n in (0, -1, 5):
        with pytest.raises(SaewidgetsError, match="n_prompt"):
            sw.effects(engine, [0, 5, 6, 7], sw.ablate(3), n_prompt=n)
    with pytest.raises(RecipeError, match="past the end of the text, which has 4 tokens"):
        sw.effects(engine, [0, 5, 6, 7], sw.ablate(3, positions=[4]))
    for wrong in ({"k": -1}, {"side": -1}):
        with pytest.raises(SaewidgetsError, match=next(iter(wrong))):
            sw.effects(engine, "the", sw.ablate(3), **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("ids", [[0], [5], [0, 1]])
def test_a_text_of_nothing_to_speak_of(ids: list[int]) -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    found = sw.effects(engine, ids, sw.clamp(3, 5, special=True), freeze_attention=True)
    assert np.isnan(found.loss_clean) and np.isnan(found.loss_edited) and np.isnan(found.mean_kl)
    assert len(found.to_pandas()) == len(ids) and repr(found)
    assert sw.effects(engine, "", sw.ablate(3)).token_ids.tolist() == [0]


def test_a_first_token_that_is_not_special_is_not_predicted_and_not_counted() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    ids = engine.to_ids(TEXT)[0][1:]
    hand = Hand("hooked", tiny.sae("standard"), ids)

    def to_value(acts: Tensor) -> None:
        acts[:, hand.f] = 2.5

    edited, after = hand.run(hand.decoded(to_value, hand.inside))
    found = sw.effects(engine, ids, sw.clamp(hand.f, 2.5), side=10**6)
    assert hand.inside.all() and not found.special.any() and not found.counted[0]
    check(found, hand.clean, edited, ids)
    # But what an SAE reads there is as good as elsewhere.
    check_sides(found, {PRE: hand.sae}, {PRE: PRE}, hand, after, {(PRE, hand.f)})


def test_a_chats_template_is_neither_edited_nor_counted() -> None:
    model = tiny.hooked()
    model.tokenizer.chat_template = (
        "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    try:
        engine, chat = sw.Engine(model, tiny.sae("standard")), [{"role": "user", "content": TEXT}]
        found = sw.effects(engine, chat, sw.clamp(3, 5), freeze_attention=True, side=10**6)
    finally:
        model.tokenizer.chat_template = None
    said = ~found.special
    assert "".join(found.tokens[n] for n in np.flatnonzero(said)).strip() == TEXT and said.sum() < len(said) - 3
    assert found.features[0].edited.tolist() == said.tolist()
    assert found.frozen is not None
    logprobs = np.log(found.p_clean), np.log(found.p_edited), np.log(found.p_clean) + found.frozen.delta
    for loss, p in zip((found.loss_clean, found.loss_edited, found.frozen.loss), logprobs, strict=True):
        close(loss, -p[said].mean())
    hand = Hand("hooked", tiny.sae("standard"), found.token_ids.tolist())
    hand.inside = torch.from_numpy(said)

    def to_value(acts: Tensor) -> None:
        acts[:, 3] = 5.0

    edited, after = hand.run(hand.decoded(to_value, hand.inside))
    close(found.delta[1:], (edited - hand.clean)[torch.arange(len(said) - 1), torch.tensor(hand.ids[1:])])
    check_sides(found, {PRE: hand.sae}, {PRE: PRE}, hand, after, {(PRE, 3)})


def test_any_k_and_small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    wanted = sw.effects(engine, TEXT, sw.clamp(3, 5))
    assert sw.effects(engine, TEXT, sw.clamp(3, 5), k=0).lowered_ids.shape[1] == 0
    assert sw.effects(engine, TEXT, sw.clamp(3, 5), k=10**6).raised.shape[1] == 320
    monkeypatch.setattr("saewidgets.interventions.effects.compare_logits._CHUNK", 3 * 320)
    found = sw.effects(engine, TEXT, sw.clamp(3, 5, positions=[(6, None)]))
    monkeypatch.undo()
    again = sw.effects(engine, TEXT, sw.clamp(3, 5, positions=[(6, None)]))
    assert np.abs(wanted.delta[1:]).max() > 1e-3
    for name in ("delta", "kl", "lowered", "raised", "p_clean"):
        np.testing.assert_allclose(getattr(found, name), getattr(again, name), atol=1e-6, err_msg=name)


def test_progress() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    for freeze, total in ((False, 2), (True, 3)):
        seen: list[tuple[int, int]] = []
        sw.effects(engine, TEXT, sw.ablate(3), freeze_attention=freeze, on_progress=lambda *at, s=seen: s.append(at))
        assert seen[-1] == (total, total)


def test_tables_figure_repr() -> None:
    sae = tiny.sae("standard")
    engine = sw.Engine(model_of("hooked"), sae)
    (ids,) = engine.to_ids(TEXT)
    found = sw.effects(engine, TEXT, [sw.clamp(3, 5), sw.ablate(4)], freeze_attention=True)
    table = found.to_pandas()
    assert "".join(table["token"]) == "<|bos|>" + TEXT and len(table) == len(ids)
    np.testing.assert_array_equal(table["delta"], found.delta)
    assert found.frozen is not None
    np.testing.assert_array_equal(table["delta_frozen"], found.frozen.delta)
    np.testing.assert_array_equal(table["blocks_1_hook_resid_pre_3_realised"], found.features[0].realised)
    np.testing.assert_array_equal(table["blocks_1_hook_resid_pre_4_requested"], found.features[1].requested)
    assert list(table.attrs["features"].values()) == [f"{PRE}/3", f"{PRE}/4"]
    sides = found.side_pandas()
    assert sides["feature"].tolist() == [s.feature for s in found.side_effects]
    np.testing.assert_allclose(sides["edited"] - sides["clean"], sides["change"], atol=1e-5)
    assert len(sw.effects(engine, TEXT, sw.Recipe()).side_pandas().columns) == 7
    figure = found.figure()
    np.testing.assert_array_equal(np.array(figure.data[0].y, dtype=float), found.delta)
    assert f"{len(ids)} tokens" in repr(found) and "clamp" in repr(found)
    said = found.vocabulary
    assert set(said) == {*found.lowered_ids[1:].flatten().tolist(), *found.raised_ids[1:].flatten().tolist()} - {-1}
    assert all(said[i] == engine.tokenizer.display([i]).strings[0] for i in said)


def test_a_continuation_is_what_follows_the_prompt() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"), context_size=8)
    recipe = sw.clamp(3, 5, positions="generated")
    whole = sw.effects(engine, [0, 5, 6, 7, 8, 9], recipe, n_prompt=4)
    found = sw.effects(engine, [0, 5, 6, 7], recipe, continuation=np.array([8, 9]))
    assert found.n_prompt == 4 and found.token_ids.tolist() == [0, 5, 6, 7, 8, 9]
    np.testing.assert_array_equal(found.delta, whole.delta)
    late = sw.ablate(3, positions=[5])
    assert not np.nan_to_num(sw.effects(engine, [0, 5, 6, 7], late, continuation=[]).delta).any(), "not reached yet"
    assert np.nan_to_num(sw.effects(engine, [0, 5, 6, 7], sw.clamp(3, 5, positions=[4]), continuation=[8, 9]).kl).any()
    with pytest.raises(SaewidgetsError, match="have 9 tokens, more than the context of 8"):
        sw.effects(engine, [0, 5, 6, 7], recipe, continuation=[8, 9, 2, 3, 4])
