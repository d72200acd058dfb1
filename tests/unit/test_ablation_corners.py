"""Ablation without a direct path, broken numbers, little memory; progress and tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch
from ablation_made import TEXT

import saewidgets as sw
from saewidgets.errors import (
    CancelledError,
    FeatureIndexError,
    NonFiniteError,
    OutOfMemoryError,
    SaewidgetsError,
    TokenIdError,
)
from saewidgets.interventions.effects.ablation import ablate, ablation_effects


@pytest.mark.parametrize(
    ("hook", "said"), [("blocks.0.mlp.hook_pre", "nonlinearity"), ("blocks.0.mlp.hook_in", "direct path")]
)
def test_where_no_direct_path_is_the_total_effect_stays(hook: str, said: str) -> None:
    engine = sw.Engine(tiny.hooked(), sw.Neurons(hook))
    effect = ablate(engine, TEXT, 5)
    assert said in effect.direct_note and np.isnan(effect.direct).all()
    assert np.abs(effect.delta[1:]).max() > 0


def test_no_direct_effect_where_the_logits_are_not_what_it_takes_them_for() -> None:
    model = tiny.hooked()
    model.unembed.hook_out.add_hook(lambda logits, hook: logits * 3)
    engine = sw.Engine(model, tiny.sae())
    feature = int(engine.activations(TEXT).top(1).features[0])
    effect = ablate(engine, TEXT, feature)
    assert "between its last block and its logits" in effect.direct_note and np.isnan(effect.direct).all()
    assert np.abs(effect.delta[1:]).max() > 1e-3


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_nothing_of_the_user_changes(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()
    sae = tiny.sae("layer_norm")
    seen: list[int] = []
    name = model._resolve_hook_name("blocks.1.hook_resid_pre") if wrapper == "bridge" else "blocks.1.hook_resid_pre"
    model.add_hook(name, lambda x, hook: seen.append(1), is_permanent=True)
    model(model.to_tokens("the"))  # a bridge hooks up its own blocks on the first forward

    def state() -> Any:
        return (
            [(n, id(p), p._version) for n, p in [*model.named_parameters(), *sae.named_parameters()]],
            [(n, len(m._forward_hooks), len(m._forward_pre_hooks)) for n, m in model.named_modules()],
            {key: id(value) for key, value in vars(sae).items()},
        )

    engine = sw.Engine(model, sae)
    before, fired = state(), len(seen)
    ablate(engine, TEXT, int(engine.activations(TEXT).top(1).features[0]))
    assert state() == before
    assert len(seen) >= fired + 2, "the user's own hook went on firing"


def test_bad_input() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae(), context_size=8)
    with pytest.raises(FeatureIndexError, match="48"):
        ablate(engine, TEXT, 48)
    with pytest.raises(FeatureIndexError):
        ablate(engine, TEXT, -1)
    with pytest.raises(SaewidgetsError, match="Text 1 has 9 tokens.*cut the text"):
        ablation_effects(engine, [[1], [0, *range(2, 10)]], 0)
    with pytest.raises(SaewidgetsError, match="Text 0 has no tokens"):
        ablation_effects(engine, [[]], 0)
    with pytest.raises(TokenIdError, match="320"):
        ablation_effects(engine, [[320]], 0)
    with pytest.raises(KeyError, match="no dictionary 'other'"):
        ablate(engine, "the", 0, sae="other")
    with pytest.raises(ValueError, match="number of tokens"):
        ablate(engine, "the", 0, k=-1)
    assert ablation_effects(engine, [], 0) == []


def test_short_texts_and_any_k() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    one = ablate(engine, [5], 3)
    assert len(one) == 1 and np.isnan(one.delta).all()
    feature = int(engine.activations(TEXT).top(1).features[0])
    assert ablate(engine, TEXT, feature, k=0).lowered_ids.shape[1] == 0
    assert ablate(engine, TEXT, feature, k=10**6).raised.shape[1] == 320


def test_broken_numbers_are_an_error() -> None:
    model = tiny.hooked()
    engine = sw.Engine(model, tiny.sae())
    with torch.no_grad():
        model.unembed.W_U[:, 9] = float("nan")
    with pytest.raises(NonFiniteError, match="Log-probabilities"):
        ablate(engine, TEXT, 3)


@pytest.mark.slow
def test_out_of_memory_halves_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    texts = engine.to_ids([TEXT, TEXT[:20], TEXT[:30], "the", TEXT[:5]])
    feature = int(engine.activations(TEXT).top(1).features[0])
    wanted = ablation_effects(engine, texts, feature)
    real = engine.model.logits
    sizes: list[int] = []

    def tight(tokens: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        sizes.append(len(tokens))
        if len(tokens) > 2:
            raise RuntimeError("CUDA out of memory")
        return real(tokens, *args, **kwargs)

    monkeypatch.setattr(engine.model, "logits", tight)
    found = ablation_effects(engine, texts, feature)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.delta, b.delta, atol=1e-5)
    assert max(sizes[1:]) <= 3, "later batches are small at once"
    monkeypatch.setattr(engine.model, "logits", lambda *a, **k: (_ for _ in ()).throw(RuntimeError("out of memory")))
    with pytest.raises(OutOfMemoryError, match="two whole sets of logits"):
        ablation_effects(engine, texts, feature)


def test_progress_and_cancelling(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    seen: list[tuple[int, int]] = []
    (ids,) = engine.to_ids(TEXT)
    ablate(engine, TEXT, 3, on_progress=lambda *at: seen.append(at))
    assert seen[-1] == (len(ids), len(ids))
    monkeypatch.setattr("saewidgets.interventions.effects.ablation._MAX_TOKENS", 1)

    def cancel(ticket: Any) -> None:
        ticket.cancel()
        ablation_effects(engine, [ids, ids], 3, ticket=ticket)

    with pytest.raises(CancelledError):
        engine.worker.run(cancel)


def test_table_and_repr() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    feature = int(engine.activations(TEXT).top(1).features[0])
    effect = ablate(engine, TEXT, feature)
    table = effect.to_pandas()
    assert list(table.columns) == ("position token_id token activation ablated p_clean p_ablated delta direct".split())
    assert "".join(table["token"]) == "<|bos|>" + TEXT
    np.testing.assert_array_equal(table["delta"], effect.delta)
    assert f"feature {feature}: {effect.ablated.sum()} of {len(effect)} tokens ablated" in repr(effect)
    assert len(repr(effect)) < 100
