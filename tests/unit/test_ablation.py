"""Ablation is its definition, on every architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from ablation_made import TEXT
from cases import on_either

import saewidgets as sw
from saewidgets.interventions.effects.ablation import AblationEffect, ablate, ablation_effects

TRANSCODER_HOOKS = ("blocks.0.mlp.hook_in", "blocks.0.hook_mlp_out")


CASES = [
    *[(a, "blocks.1.hook_resid_pre", None, tiny.D_MODEL) for a in tiny.SAES],
    *[(a, *TRANSCODER_HOOKS, tiny.D_MODEL) for a in tiny.TRANSCODERS],
    ("jumprelu", "blocks.0.hook_mlp_out", None, tiny.D_MODEL),
    ("jumprelu", "blocks.0.hook_attn_out", None, tiny.D_MODEL),
    ("jumprelu", "blocks.0.hook_resid_mid", None, tiny.D_MODEL),
    ("jumprelu", "blocks.1.hook_resid_post", None, tiny.D_MODEL),
    ("jumprelu", "blocks.0.mlp.hook_post", None, tiny.D_MLP),
    ("layer_norm", "blocks.0.attn.hook_z", None, tiny.D_MODEL),
    ("topk_rescaled", "blocks.1.attn.hook_z", None, tiny.D_MODEL),
]


@dataclass
class Reference:
    """By the definition, for one text: log-probabilities [pos - 1, d_vocab], and of the text's own tokens [pos - 1]."""

    feature: int
    acts: np.ndarray
    counted: np.ndarray
    delta: np.ndarray
    direct: np.ndarray
    clean: np.ndarray
    ablated: np.ndarray


def reference(
    model: Any,
    sae: Any,
    ids: list[int],
    feature: int | None = None,
    special: bool = False,
    where: np.ndarray | None = None,
) -> Reference:
    """Give it an SAE of its own."""
    meta = sae.cfg.metadata
    bridge = hasattr(model, "_resolve_hook_name")

    def resolve(name: str) -> str:
        return model._resolve_hook_name(name) if bridge else name

    if meta.hook_name.endswith("hook_z"):
        sae.turn_off_forward_pass_hook_z_reshaping()
    tokens = torch.tensor([ids])
    with torch.no_grad():
        logits, cache = model.run_with_cache(tokens)
        x = cache[resolve(meta.hook_name)]
        x = x.reshape(1, len(ids), -1)
        acts = sae.encode(x)
        norm = x[0].norm(dim=-1)
        is_special = np.isin(ids, [0, 1])
        median = np.sort(norm[~is_special].numpy())[(len(ids) - is_special.sum() - 1) // 2]
        counted = np.ones(len(ids), bool) if special else ~is_special & ~(norm.numpy() > 10 * median)
        counted = counted if where is None else where
        if feature is None:
            feature = int((acts[0][torch.from_numpy(counted)] != 0).sum(0).argmax())
        full = sae.decode(acts)
        without = sae.encode(x)  # again: decode() used up the statistics of the tokens
        a = without[0, :, feature].clone()
        without[..., feature] = 0
        change = (full - sae.decode(without)) * torch.from_numpy(counted)[None, :, None]

        # A bridge's resid_mid is a copy that only the MLP's norm reads; attn_out is added to the stream just before.
        place = meta.hook_name_out or meta.hook_name
        place = place.replace("resid_mid", "attn_out") if bridge else place
        ablated = model.run_with_hooks(
            tokens, fwd_hooks=[(resolve(place), lambda h, hook: h - change.reshape(h.shape))]
        )

        layer = model.blocks[int(meta.hook_name.split(".")[1])]
        row = change
        if meta.hook_name.endswith("hook_z"):
            row = change @ layer.attn.W_O.reshape(-1, tiny.D_MODEL)
        elif meta.hook_name.endswith("hook_post"):
            row = change @ layer.mlp.W_out
        resid = cache[resolve("blocks.1.hook_resid_post")]
        direct = model.unembed(model.ln_final(resid - row))

    def of_text(logits: torch.Tensor) -> np.ndarray:
        return logits[0, :-1].log_softmax(-1).numpy()

    said = (np.arange(len(ids) - 1), ids[1:])
    clean, gone = of_text(logits), of_text(ablated)
    return Reference(
        feature,
        a.numpy(),
        counted,
        (gone - clean)[said],
        (of_text(direct) - clean)[said],
        clean,
        gone,
    )


def check(found: AblationEffect, wanted: Reference, ids: list[int], k: int = 3) -> None:
    close = {"atol": 2e-5, "rtol": 1e-3}
    said = (np.arange(len(ids) - 1), ids[1:])
    assert found.token_ids.tolist() == ids and len(found) == len(ids)
    np.testing.assert_allclose(found.activations, wanted.acts, atol=1e-5, rtol=1e-4)
    np.testing.assert_array_equal(found.ablated, wanted.counted & (wanted.acts != 0))
    np.testing.assert_allclose(found.delta[1:], wanted.delta, **close)
    np.testing.assert_allclose(found.p_clean[1:], np.exp(wanted.clean[said]), **close)
    np.testing.assert_allclose(found.p_ablated[1:], np.exp(wanted.ablated[said]), **close)
    if not found.direct_note:
        np.testing.assert_allclose(found.direct[1:], wanted.direct, **close)
    change = wanted.ablated - wanted.clean
    touched = np.cumsum(found.ablated)[:-1] > 0
    np.testing.assert_allclose(found.lowered[1:][touched], np.sort(change, 1)[touched, :k], **close)
    np.testing.assert_allclose(found.raised[1:][touched], -np.sort(-change, 1)[touched, :k], **close)
    picked = np.take_along_axis(change[touched], found.raised_ids[1:][touched], 1)
    np.testing.assert_allclose(picked, found.raised[1:][touched], **close)
    for of_first in (found.delta, found.direct, found.p_clean, found.p_ablated, found.lowered, found.raised):
        assert np.isnan(of_first[0]).all()


@on_either(("architecture", "hook", "hook_out", "d_in"), CASES)
def test_equal_to_the_definition(wrapper: str, architecture: str, hook: str, hook_out: str | None, d_in: int) -> None:
    model = tiny.MODELS[wrapper]()

    def sae() -> Any:
        return tiny.sae(architecture, hook, hook_out=hook_out, d_in=d_in)

    engine = sw.Engine(model, sae())
    (ids,) = engine.to_ids(TEXT)
    wanted = reference(model, sae(), ids)
    found = ablate(engine, TEXT, wanted.feature)
    assert np.abs(wanted.delta).max() > 1e-3 and found.direct_note == "", "the case tests nothing"
    check(found, wanted, ids)
    if hook.endswith("1.hook_resid_post"):  # nothing comes after: the direct effect is the total one
        np.testing.assert_allclose(found.direct, found.delta, atol=1e-5)

    everywhere = reference(model, sae(), ids, wanted.feature, special=True)
    check(ablate(engine, ids, wanted.feature, special=True), everywhere, ids)


def test_ablated_where_it_is_told() -> None:
    model = tiny.hooked()
    engine = sw.Engine(model, tiny.sae("standard"))
    texts = engine.to_ids([TEXT, "God created", TEXT + TEXT])
    feature = reference(model, tiny.sae("standard"), texts[0]).feature
    masks = [np.arange(len(ids)) % 3 != i for i, ids in enumerate(texts)]
    found = ablation_effects(engine, texts, feature, where=masks)
    for effect, ids, mask in zip(found, texts, masks, strict=True):
        check(effect, reference(model, tiny.sae("standard"), ids, feature, where=mask), ids)
    with pytest.raises(ValueError, match="one mask for each text"):
        ablation_effects(engine, texts, feature, where=[masks[0], masks[0], masks[2]])


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("architecture", ["jumprelu", "topk", "temporal", "batchtopk", "layer_norm"])
def test_in_a_batch_as_one_by_one(wrapper: str, architecture: str) -> None:
    engine = sw.Engine(tiny.MODELS[wrapper](), tiny.sae(architecture))
    texts = engine.to_ids([TEXT, "the", "God created the heaven and the earth and the", "In the beginning", TEXT[:9]])
    feature = int(engine.activations(TEXT).top(1).features[0])
    together = engine.worker.run(lambda ticket: ablation_effects(engine, texts, feature, ticket=ticket))
    assert sum(effect.ablated.any() for effect in together) > 1
    for ids, effect in zip(texts, together, strict=True):
        alone = ablate(engine, ids, feature)
        assert effect.token_ids.tolist() == ids
        for name in ("activations", "ablated", "delta", "direct", "p_clean", "p_ablated", "lowered", "raised"):
            np.testing.assert_allclose(getattr(effect, name), getattr(alone, name), atol=2e-5, rtol=1e-3, err_msg=name)


def test_small_pieces_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    feature = int(engine.activations(TEXT).top(1).features[0])
    wanted = ablate(engine, TEXT, feature)
    monkeypatch.setattr("saewidgets.interventions.effects.compare_logits._CHUNK", 3 * 320)
    monkeypatch.setattr("saewidgets.interventions.effects.direct_effect._CHUNK", 2 * 320)
    monkeypatch.setattr("saewidgets.interventions.effects.ablation._LOGITS", 1)
    found = ablate(engine, TEXT, feature)
    for name in ("delta", "direct", "p_clean", "lowered", "raised"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), atol=1e-6, err_msg=name)


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_a_silent_feature_does_exactly_nothing(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()
    sae = tiny.sae("jumprelu")
    with torch.no_grad():
        sae.threshold[7] = 1e9
    forwards: list[int] = []
    model.unembed.register_forward_hook(lambda *_: forwards.append(1))
    engine = sw.Engine(model, sae)
    effect = ablate(engine, TEXT, 7)
    assert len(forwards) == 1, "no second forward for nothing"
    assert not effect.ablated.any() and (effect.delta[1:] == 0).all() and (effect.direct[1:] == 0).all()
    np.testing.assert_array_equal(effect.p_clean, effect.p_ablated)
    assert (effect.lowered_ids == -1).all() and (effect.raised[1:] == 0).all()


def test_before_the_first_active_token_exactly_nothing_changes() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    activations = engine.activations(TEXT)
    late = [f for f in range(tiny.D_SAE) if activations[1:, f].any() and not activations[:4, f].any()]
    effect = ablate(engine, TEXT, late[0])
    first = int(effect.ablated.argmax())
    assert first >= 4 and (effect.delta[1 : first + 1] == 0).all() and (effect.delta[first + 1 :] != 0).any()
    assert (effect.lowered_ids[: first + 1] == -1).all() and (effect.lowered_ids[first + 1 :] >= 0).all()


def test_one_head_only() -> None:
    for model in (tiny.hooked(), tiny.bridge()):
        sae = tiny.sae("standard", "blocks.0.attn.hook_z", d_in=4, hook_head_index=2)
        sae.turn_off_forward_pass_hook_z_reshaping()
        engine = sw.Engine(model, sae)
        (ids,) = engine.to_ids(TEXT)
        name = engine.model.resolve("blocks.0.attn.hook_z")
        tokens = torch.tensor([ids])
        with torch.no_grad():
            clean, cache = model.run_with_cache(tokens)
            acts = sae.encode(cache[name].reshape(1, len(ids), 4, 4)[:, :, 2])[0]
            feature = int((acts > 0).sum(0).argmax())
            change = torch.zeros(1, len(ids), 4, 4)
            change[0, 1:, 2] = acts[1:, feature, None] * sae.W_dec[feature]
            gone = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda z, hook, c=change: z - c.reshape(z.shape))])
        wanted = (gone.log_softmax(-1) - clean.log_softmax(-1))[0, torch.arange(len(ids) - 1), ids[1:]]
        found = ablate(engine, ids, feature)
        assert wanted.abs().max() > 1e-3
        np.testing.assert_allclose(found.delta[1:], wanted, atol=2e-5, rtol=1e-3)


def test_directions_and_neurons() -> None:
    model = tiny.hooked()
    vectors = torch.randn(3, tiny.D_MODEL, generator=torch.Generator().manual_seed(5)) / 4
    engine = sw.Engine(
        model, [sw.Directions(vectors, "blocks.1.hook_resid_pre"), sw.Neurons("blocks.0.mlp.hook_post", name="n")]
    )
    (ids,) = engine.to_ids(TEXT)

    def project(x: torch.Tensor, hook: Any) -> torch.Tensor:
        # The activation is x·v, so the part of x that it stands for is (x·v) v / |v|^2: nothing is left along v.
        gone = x - (x @ vectors[1])[..., None] * vectors[1] / vectors[1].square().sum()
        return torch.cat([x[:, :1], gone[:, 1:]], 1)

    def silence(x: torch.Tensor, hook: Any) -> torch.Tensor:
        x = x.clone()
        x[:, 1:, 20] = 0
        return x

    for name, hook, fn, feature in (
        ("directions", "blocks.1.hook_resid_pre", project, 1),
        ("n", "blocks.0.mlp.hook_post", silence, 20),
    ):
        with torch.no_grad():
            clean = model(torch.tensor([ids])).log_softmax(-1)
            gone = model.run_with_hooks(torch.tensor([ids]), fwd_hooks=[(hook, fn)]).log_softmax(-1)
        wanted = (gone - clean)[0, torch.arange(len(ids) - 1), ids[1:]]
        found = ablate(engine, TEXT, feature, sae=name)
        np.testing.assert_allclose(found.delta[1:], wanted, atol=2e-5, rtol=1e-3)
        assert not np.isnan(found.direct[1:]).any()


def test_norm_outliers_are_left_alone() -> None:
    model, sae = tiny.hooked(), tiny.sae("standard", "blocks.0.hook_resid_pre")
    with torch.no_grad():
        model.embed.W_E[50] *= 1000
        sae.W_enc[:, 3] = 0
        sae.b_enc[3] = 2.0  # active everywhere
    engine = sw.Engine(model, sae)
    ids = [0, 60, 61, 50, 62, 63]
    effect = ablate(engine, ids, 3)
    alone = engine.activations(ids)
    assert alone.outlier.tolist() == [False, False, False, True, False, False]
    assert (alone[:, 3] == 2).all() and effect.ablated.tolist() == [False, True, True, False, True, True]
    assert ablate(engine, ids, 3, special=True).ablated.all()
    check(effect, reference(model, tiny_copy(sae), ids, 3), ids)


def tiny_copy(sae: Any) -> Any:
    copy = tiny.sae("standard", sae.cfg.metadata.hook_name)
    copy.load_state_dict(sae.state_dict())
    return copy
