"""Which tokens count: by their own norm in the residual stream, whatever stands beside them, at every hook, in every view."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import norms
import numpy as np
import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets.engine.activations import portion
from saewidgets.engine.engine import Engine
from saewidgets.interventions.effects.ablation import ablate
from saewidgets.interventions.recipe.constructors import ablate as ablation
from saewidgets.interventions.recipe.constructors import add, clamp
from saewidgets.interventions.recipe.recipe import Recipe

SINK = 60
"""A token that is an attention sink in the models here."""
WRAPPERS = pytest.mark.parametrize("wrapper", tiny.MODELS)
HOOKS = {
    "blocks.1.hook_resid_pre": tiny.D_MODEL,
    "blocks.0.hook_resid_post": tiny.D_MODEL,
    "blocks.1.attn.hook_z": tiny.D_MODEL,
    "blocks.1.hook_attn_out": tiny.D_MODEL,
    "blocks.1.hook_mlp_out": tiny.D_MODEL,
    "blocks.1.mlp.hook_post": tiny.D_MLP,
}


def sinking(wrapper: str = "hooked", times: float = 400) -> Any:
    model = tiny.MODELS[wrapper]()
    with torch.no_grad():
        model.embed.W_E[SINK] *= times
    return model


def texts(n: int, draw: np.random.Generator) -> list[list[int]]:
    """Random texts with a sink here and there; some of nothing but sinks."""
    made = []
    for i in range(n):
        ids = draw.integers(2, len(tiny.tokenizer()), draw.integers(1, 40))
        ids[draw.random(len(ids)) < (0.9 if i % 4 == 0 else 0.1)] = SINK
        made.append([0, *ids.tolist()])
    return made


@pytest.mark.slow
@WRAPPERS
@pytest.mark.parametrize("hook", HOOKS)
def test_flags_are_those_of_the_definition_at_every_hook(wrapper: str, hook: str) -> None:
    """At hook_z or mlp_out the vector that is read does not show a sink: the residual stream does."""
    model, d_in = sinking(wrapper), HOOKS[hook]
    engine = sw.Engine(model, tiny.sae("standard", hook, d_in=d_in))
    for ids in texts(6, np.random.default_rng(1)):
        found = engine.activations(ids)
        wanted = norms.outliers(model, norms.streams_of(hook), ids)
        assert found.outlier.tolist() == wanted.tolist()
        assert (found.outlier == ((np.array(ids) == SINK) & found.outlier)).all()
    one = engine.activations([0, SINK])
    assert one.outlier.tolist() == [False, True], "a text of one sink is not its own measure"


@pytest.mark.slow
def test_a_sink_that_begins_in_the_mlp_shows_in_what_the_mlp_writes() -> None:
    model = tiny.hooked()
    with torch.no_grad():
        model.blocks[1].mlp.W_out *= 3000
    ids = [0, 5, 6, 7, 8]
    calm = tiny.hooked()
    for hook, d_in in (("blocks.1.hook_mlp_out", tiny.D_MODEL), ("blocks.1.mlp.hook_post", tiny.D_MLP)):
        streams = norms.streams_of(hook)
        # Every token of this model is as loud, so none is an outlier of it ...
        loud = sw.Engine(model, tiny.sae("standard", hook, d_in=d_in))
        assert not loud.activations(ids).outlier.any() and not norms.outliers(model, streams, ids).any()
        # ... but a token that alone is loud is one, though the block's input does not show it.
        engine = sw.Engine(calm, tiny.sae("standard", hook, d_in=d_in))
        at = 2

        def shout(x: torch.Tensor, hook: object, at: int = at) -> torch.Tensor:
            return torch.cat([x[:, :at], x[:, at : at + 1] * 3000, x[:, at + 1 :]], 1) if x.shape[1] > at else x

        calm.add_hook("blocks.1.hook_mlp_out", shout)
        try:
            assert engine.activations(ids).outlier.tolist() == [False, False, True, False, False]
        finally:
            calm.reset_hooks()


def test_none_counts_every_token_and_says_so() -> None:
    engine = sw.Engine(sinking(), tiny.sae("standard"), outlier_factor=None)
    found = engine.activations([0, SINK, 5, SINK])
    assert not found.outlier.any() and found.counted.tolist() == [False, True, True, True]
    assert "outlier_factor=None" in engine.provenance()["norm outliers"]
    for wrong in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="outlier_factor"):
            sw.Engine(tiny.hooked(), tiny.sae(), outlier_factor=wrong)


def test_provenance_names_the_reference_norm() -> None:
    model = sinking()
    engine = sw.Engine(model, tiny.sae("standard", "blocks.1.hook_resid_pre"), outlier_factor=7.5)
    told = engine.provenance()["norm outliers"]
    assert (
        f"{norms.reference(model, 'blocks.1.hook_resid_pre'):.4g} at blocks.1.hook_resid_pre" in told and "7.5" in told
    )
    assert "7.5 times" in " ".join(engine.activations([0, SINK]).notes)


# -- no company, order, batch, chunk or shard changes anything


@pytest.mark.slow
@WRAPPERS
@pytest.mark.parametrize("architecture", ["jumprelu", "topk", "abstopk", "temporal"])
def test_activations_do_not_depend_on_company(wrapper: str, architecture: str) -> None:
    model, sae = sinking(wrapper), tiny.sae(architecture)
    draw = np.random.default_rng(0)
    corpus = texts(12, draw)
    with sw.Engine(model, sae, outlier_factor=3.0) as engine:
        alone = [engine.activations(ids) for ids in corpus]
    flags = [a.outlier.tolist() for a in alone]
    assert 5 < sum(map(sum, flags)) < sum(map(len, flags)) / 2
    for batch_tokens, order in ((8192, draw.permutation(12)), (64, np.arange(12)), (90, np.arange(12)[::-1])):
        engine = sw.Engine(model, sae, outlier_factor=3.0, batch_tokens=batch_tokens)
        together = engine.activations([corpus[i] for i in order])
        for place, i in enumerate(order):
            part = slice(together.text_ptr[place], together.text_ptr[place + 1])
            assert together.outlier[part].tolist() == flags[i]
            np.testing.assert_allclose(together[part, :], alone[i][:, :], atol=2e-4)
    picked = [3, 7]
    engine = sw.Engine(model, sae, outlier_factor=3.0)
    for i in picked:  # some features only
        assert engine.activations(corpus[i], features=[1, 2]).outlier.tolist() == flags[i]


def statistics(index: sw.FeatureIndex) -> dict[str, Any]:
    return {name: index.column(name) for name in ("count", "total", "squares", "low", "high")} | {
        "flags": index.texts.flags(0, index.tokens),
        "counted": index.counted,
    }


def built(engine: Engine, corpus: Sequence[Sequence[int]], path: Path, **how: Any) -> dict[str, Any]:
    return statistics(sw.build_index(engine, list(corpus), path, progress=False, wait=True, **how))


@pytest.mark.slow
def test_an_index_does_not_depend_on_batches_shards_order_or_company(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, sae = sinking(), tiny.sae("jumprelu")
    corpus = texts(24, np.random.default_rng(2))
    whole = built(sw.Engine(model, sae), corpus, tmp_path / "whole")
    assert whole["flags"].tolist().count(2) > 10
    monkeypatch.setattr(portion, "TOKENS", 50)
    cut = built(sw.Engine(model, sae, batch_tokens=70), corpus, tmp_path / "cut", shard_tokens=60)
    for name in ("flags", "count", "counted"):
        np.testing.assert_array_equal(cut[name], whole[name])
    for name in ("total", "squares", "low", "high"):
        np.testing.assert_allclose(cut[name], whole[name], rtol=1e-5, atol=1e-5)
    backwards = built(sw.Engine(model, sae), corpus[::-1], tmp_path / "backwards")
    assert (backwards["count"] == whole["count"]).all() and backwards["counted"] == whole["counted"]
    np.testing.assert_allclose(backwards["total"], whole["total"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(backwards["high"], whole["high"], rtol=1e-5, atol=1e-5)
    # One document that is nothing but a sink adds to no statistic at all.
    more = built(sw.Engine(model, sae), [*corpus, [0, SINK]], tmp_path / "more")
    for name in ("count", "counted"):
        np.testing.assert_array_equal(more[name], whole[name])
    for name in ("total", "low", "high"):
        np.testing.assert_allclose(more[name], whole[name], rtol=1e-5, atol=1e-5)
    # Two corpora one after the other are the one they make together.
    grown = sw.Engine(model, sae)
    built(grown, corpus[:10], tmp_path / "grown")
    after = statistics(sw.extend_index(grown, corpus[10:], tmp_path / "grown", progress=False, wait=True))
    for name in ("flags", "count", "counted"):
        np.testing.assert_array_equal(after[name], whole[name])
    np.testing.assert_allclose(after["total"], whole["total"], rtol=1e-5, atol=1e-5)


# -- effects and edits


def test_ablation_judges_a_text_by_itself() -> None:
    model = sinking()
    engine = sw.Engine(model, {"z": tiny.sae("standard", "blocks.1.attn.hook_z")})
    f = int(engine.activations([0, 5, SINK, 7, 8]).top(1).features[0])
    for ids in ([0, SINK], [0, 5, SINK, 7, SINK, 8], [0, SINK, SINK, SINK, 9]):
        acts, effect = engine.activations(ids)[:, f], ablate(engine, ids, f)
        far = norms.outliers(model, ["blocks.1.hook_resid_pre"], ids)
        assert effect.ablated.tolist() == ((acts != 0) & ~far & (np.array(ids) > 1)).tolist()
        assert far[ids.index(SINK)]


@WRAPPERS
def test_means_of_effects_leave_outliers_out(wrapper: str) -> None:
    model = sinking(wrapper)
    hook = "blocks.1.hook_resid_pre"
    engine = sw.Engine(model, {"a": tiny.sae("standard", hook)})
    ids = [0, SINK, 5, 6, 7, SINK, 8, 9, 10]
    f = int(engine.activations(ids).top(1).features[0])
    found = sw.effects(engine, ids, Recipe([ablation(f)], keep_error=False))
    far = norms.outliers(model, [hook], ids)
    assert found.outlier.tolist() == far.tolist() and far.sum() == 2
    # Not the first, not what is special, not an outlier, and not what an outlier predicts.
    counted = [p > 0 and ids[p] > 1 and not far[p] and not far[p - 1] for p in range(len(ids))]
    assert found.counted.tolist() == counted
    assert found.mean_kl == pytest.approx(found.kl[counted].mean(), rel=1e-6)
    with torch.no_grad():
        said = model(torch.tensor([ids]))[0].log_softmax(-1)[torch.arange(len(ids) - 1), ids[1:]].numpy()
    assert found.loss_clean == pytest.approx(-said[counted[1:]].mean(), rel=1e-4)
    # Side effects: means over the tokens that count for the dictionary.
    sae = tiny.sae("standard", hook)
    name = hook if wrapper == "hooked" else model._resolve_hook_name(hook)
    with torch.no_grad():
        x = model.run_with_cache(torch.tensor([ids]))[1][name]
        acts = sae.encode(x)
        rebuilt = sae.decode(torch.where(torch.arange(tiny.D_SAE) == f, torch.zeros(()), acts))
        # The splice knows no positions; the ablation leaves special tokens and outliers out.
        kept = sae.decode(acts)
        edited = torch.where(
            torch.tensor([bool(i > 1 and not o) for i, o in zip(ids, far, strict=True)])[None, :, None], rebuilt, kept
        )
        change = (sae.encode(edited) - acts)[0][
            torch.tensor([i > 1 and not o for i, o in zip(ids, far, strict=True)])
        ].mean(0)
    for side in found.side_effects:
        assert side.change == pytest.approx(float(change[side.feature]), rel=1e-3, abs=1e-5)
    assert found.side_effects


@WRAPPERS
def test_outliers_are_judged_on_the_clean_text(wrapper: str) -> None:
    """An earlier edit of the same recipe that makes every token loud makes none an outlier of a later dictionary."""
    model = tiny.MODELS[wrapper]()
    early, late = (
        tiny.sae("standard", "blocks.0.hook_resid_post"),
        tiny.sae("standard", "blocks.1.hook_resid_post", seed=4),
    )
    engine = sw.Engine(model, {"early": early, "late": late})
    ids = [0, 5, 6, 7, 8]
    loud = add(3, 5000, sae="early", positions=[2])
    both = sw.effects(engine, ids, Recipe([loud, clamp(2, 1.5, sae="late")]))
    (row,) = (r for r in both.features if r.dictionary == "late")
    assert row.edited.tolist() == [False, True, True, True, True]
    # The same in generation, where the prompt goes through edited.
    made = sw.generate(engine, ids, Recipe([loud, clamp(2, 1.5, sae="late")]), n_tokens=2, temperature=0)
    assert made.edited_at.tolist() == [False, True, True, True, True]


def test_signed_features_have_a_scale_though_they_are_never_positive() -> None:
    sae = tiny.sae("abstopk")
    with torch.no_grad():
        sae.W_enc[:, 7] *= 0.1
        sae.b_enc[7] = -9
    engine = sw.Engine(tiny.hooked(), sae)
    ids = [0, *range(5, 25)]
    column = engine.activations(ids)[:, 7][1:]
    active = column[column != 0]
    assert len(active) and (active < 0).all()
    ranked = engine.activations(ids).top(None)
    at = list(ranked).index(7)
    assert ranked.max[at] == active.max() and ranked.min[at] == active.min() and ranked.extreme[at] == active.min()
    table = ranked.to_pandas().loc[7]
    assert (table["max"], table["min"]) == (active.max(), active.min())
    made = sw.generate(engine, ids, add(7, 2, unit="max"), n_tokens=1)
    assert made.resolved.amounts[0].value == pytest.approx(2 * np.abs(active).max(), rel=1e-5)


def test_an_index_and_a_ranking_say_the_same_of_signed_features(tmp_path: Path) -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae("abstopk"))
    ids = [0, *range(5, 45)]
    index = sw.build_index(engine, [ids], tmp_path / "index", progress=False, wait=True)
    ranked = engine.activations(ids).top(None)
    table = index.features.loc[list(ranked)]
    np.testing.assert_allclose(table["max"], ranked.max, rtol=1e-6)
    np.testing.assert_allclose(table["min"], ranked.min, rtol=1e-6)
    made = sw.generate(engine, ids, add(int(ranked.features[0]), 1, unit="max"), index=index, n_tokens=1)
    assert made.resolved.amounts[0].value == pytest.approx(abs(float(ranked.extreme[0])), rel=1e-5)
