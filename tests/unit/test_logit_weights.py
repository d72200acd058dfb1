"""Logit weights against NumPy on the whole product, written from the definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch

from saewidgets.engine.dictionary.directions import Directions, Neurons
from saewidgets.engine.dictionary.sae import SaeDictionary
from saewidgets.engine.model.model import Model
from saewidgets.engine.ticket import Ticket
from saewidgets.errors import CancelledError, FeatureIndexError, NonFiniteError, ReadoutError
from saewidgets.index.statistics.logit_weights import LogitWeights, _histogram, logit_weights

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def check(found: LogitWeights, product: np.ndarray, k: int = 15) -> None:
    """`found` is the summary of `product` [n, d_vocab], by the definitions and one feature at a time."""
    assert len(found) == len(product)
    for i, row in enumerate(product):
        falling = sorted(range(len(row)), key=lambda t: (-row[t], t))
        rising = sorted(range(len(row)), key=lambda t: (row[t], t))
        np.testing.assert_array_equal(found.top_ids[i], falling[:k])
        np.testing.assert_array_equal(found.bottom_ids[i], rising[:k])
        np.testing.assert_allclose(found.top_values[i], row[falling[:k]], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.bottom_values[i], row[rising[:k]], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose([found.low[i], found.high[i]], [row.min(), row.max()], rtol=1e-5)
        wide = row.astype(np.float64)
        counts, _ = np.histogram(wide, bins=50, range=(wide.min(), wide.max()))
        # A product that was rounded otherwise may put a weight at an edge on its other side.
        assert found.counts[i].sum() == len(row) and np.abs(np.cumsum(found.counts[i]) - np.cumsum(counts)).max() <= 1
        z = (wide - wide.mean()) / wide.std()
        wanted = [wide.mean(), wide.std(), (z**3).mean(), (z**4).mean()]
        got = [found.mean[i], found.std[i], found.skew[i], found.kurtosis[i]]
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


def product(model: Any, sae: Any, through: torch.Tensor | None = None) -> np.ndarray:
    rows = sae.W_dec if through is None else sae.W_dec @ through
    return (rows @ model.W_U).detach().numpy()


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("hook", ["blocks.1.hook_resid_pre", "blocks.0.hook_mlp_out", "blocks.1.attn.hook_z"])
def test_equal_to_the_definitions(wrapper: str, hook: str) -> None:
    model = tiny.MODELS[wrapper]()
    sae = tiny.sae("jumprelu", hook)
    through = model.blocks[1].attn.W_O.reshape(tiny.D_MODEL, -1) if hook.endswith("hook_z") else None
    found = logit_weights(Model(model), SaeDictionary(sae))
    check(found, product(model, sae, through))
    assert found.label == f"W_dec{' @ W_O' if hook.endswith('hook_z') else ''} @ W_U (not folded)"
    assert found.top_ids.dtype == found.counts.dtype == np.uint32 and found.mean.dtype == np.float32
    assert (found.counts.sum(1) == model.W_U.shape[1]).all()


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sae = tiny.hooked(), tiny.sae("topk")
    monkeypatch.setattr("saewidgets.index.statistics.logit_weights._PRODUCT", 7 * model.W_U.shape[1])
    monkeypatch.setattr("saewidgets.index.statistics.logit_weights._SUMMARY", 3 * model.W_U.shape[1])
    seen: list[tuple[int, int]] = []
    found = logit_weights(Model(model), SaeDictionary(sae), k=4, ticket=Ticket(lambda *at: seen.append(at)))
    # The product in chunks may round differently: ids are compared where values differ by more than that.
    whole = logit_weights(Model(model), SaeDictionary(sae), k=4)
    np.testing.assert_allclose(found.top_values, whole.top_values, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.kurtosis, whole.kurtosis, rtol=1e-4)
    assert (found.top_ids == whole.top_ids).mean() > 0.99 and (found.counts.sum(1) == 320).all()
    assert seen == [(min(7 * i, 48), 48) for i in range(1, 8)]


def test_some_features_in_their_order_and_none() -> None:
    model, sae = tiny.hooked(), tiny.sae("jumprelu")
    check(logit_weights(Model(model), SaeDictionary(sae), features=[40, 3, 3], k=5), product(model, sae)[[40, 3, 3]], 5)
    none = logit_weights(Model(model), SaeDictionary(sae), features=[])
    assert len(none) == 0 and none.top_ids.shape == (0, 15) and none.counts.shape == (0, 50)
    with pytest.raises(FeatureIndexError):
        logit_weights(Model(model), SaeDictionary(sae), features=[tiny.D_SAE])
    with pytest.raises(ValueError, match="at least 1"):
        logit_weights(Model(model), SaeDictionary(sae), k=0)


@pytest.mark.slow
def test_ties_go_to_the_lower_id() -> None:
    model = tiny.hooked()
    with torch.no_grad():
        model.unembed.W_U[:, 1::2] = model.unembed.W_U[:, ::2].clone()  # every weight twice
        model.unembed.W_U[:, 100:200] = model.unembed.W_U[:, :1]  # and one a hundred times
    sae = tiny.sae("jumprelu")
    for k in (1, 4, 15, 120):
        check(logit_weights(Model(model), SaeDictionary(sae), k=k), product(model, sae), k)
    short = logit_weights(Model(model), SaeDictionary(sae), k=10**6)
    assert short.top_ids.shape == (tiny.D_SAE, 320)


def test_a_direction_that_does_nothing() -> None:
    vectors = torch.zeros(2, tiny.D_MODEL)
    vectors[1, 0] = 1
    found = logit_weights(Model(tiny.hooked()), Directions(vectors, "blocks.0.hook_resid_post"), k=3)
    assert found.top_ids[0].tolist() == found.bottom_ids[0].tolist() == [0, 1, 2]
    assert found.counts[0].tolist() == [320] + [0] * 49 and found.std[0] == 0
    assert np.isnan(found.skew[0]) and np.isnan(found.kurtosis[0])
    assert not np.isnan(found.skew[1]) and found.counts[1].sum() == 320


def test_a_constant_that_is_no_sum_of_halves() -> None:
    model = tiny.hooked()
    with torch.no_grad():
        model.unembed.W_U.fill_(0.1)
    vectors = torch.full((1, tiny.D_MODEL), 0.3)
    found = logit_weights(Model(model), Directions(vectors, "blocks.0.hook_resid_post"))
    assert found.std[0] == 0 and np.isnan(found.kurtosis[0]) and found.counts[0, 0] == 320


def test_neurons_through_w_out_and_the_final_norm() -> None:
    model = tiny.hooked()
    with torch.no_grad():
        model.ln_final.w.normal_()
    neurons = Neurons("blocks.1.mlp.hook_post", tiny.D_MLP)
    rows = model.blocks[1].mlp.W_out
    found = logit_weights(Model(model), neurons)
    np.testing.assert_allclose(found.mean, (rows @ model.W_U).mean(1).detach(), atol=1e-5)
    normed = ((rows - rows.mean(1, keepdim=True)) * model.ln_final.w) @ model.W_U
    found = logit_weights(Model(model), neurons, final_norm=True)
    np.testing.assert_allclose(found.high, normed.max(1).values.detach(), rtol=1e-4)
    assert found.label == "neuron @ W_out @ W_U through the final norm (linearised)"
    assert logit_weights(Model(model), Neurons("blocks.1.mlp.hook_pre", tiny.D_MLP)).label == (
        "neuron @ W_out @ W_U (not folded), without the MLP's nonlinearity"
    )


def test_errors() -> None:
    model = tiny.hooked()
    with pytest.raises(ReadoutError, match="no direct path"):
        logit_weights(Model(model), tiny_dictionary("blocks.1.mlp.hook_in"))
    ticket = Ticket()
    ticket.cancel()
    with pytest.raises(CancelledError):
        logit_weights(Model(model), tiny_dictionary("blocks.1.hook_resid_pre"), ticket=ticket)
    with torch.no_grad():
        model.unembed.W_U[3, 7] = float("inf")
    with pytest.raises(NonFiniteError, match="Logit weights"):
        logit_weights(Model(model), tiny_dictionary("blocks.1.hook_resid_pre"))


def tiny_dictionary(hook: str) -> SaeDictionary:
    return SaeDictionary(tiny.sae("jumprelu", hook))


def test_the_label_says_which_product_it_is() -> None:
    model = Model(tiny.hooked())
    for dictionary, product in (
        (SaeDictionary(tiny.sae("jumprelu", "blocks.1.attn.hook_z")), "W_dec @ W_O @ W_U"),
        (SaeDictionary(tiny.sae("topk_rescaled")), "W_dec/|W_dec| @ W_U"),
        (SaeDictionary(tiny.sae("topk")), "W_dec @ W_U"),
        (Directions(torch.ones(1, tiny.D_MODEL), "blocks.0.hook_resid_post"), "direction @ W_U"),
    ):
        assert logit_weights(model, dictionary).label == f"{product} (not folded)"


def test_weights_on_the_very_edges_of_bins() -> None:
    """Beside an edge float32 cannot tell the bins: each weight is where the edges in float64 put it."""
    low, high = np.float32(-0.3), np.float32(0.7)
    edges = np.float64(low) + (np.float64(high) - np.float64(low)) * np.arange(51) / 50
    near = np.concatenate([[np.nextafter(np.float32(e), np.float32(s)) for s in (-9, 9)] for e in edges])
    values = np.clip(np.concatenate([edges.astype(np.float32), near]).astype(np.float32), low, high)
    wanted = np.zeros(50, int)
    for value in values.astype(np.float64):
        wanted[max(i for i in range(50) if value >= edges[i])] += 1
    found = _histogram(torch.from_numpy(values)[None], torch.tensor([low]), torch.tensor([high]))
    assert found[0].tolist() == wanted.tolist()
