"""The logit lens is its definition: final norm and unembedding of each layer's stream."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from ablation_made import TEXT

import saewidgets as sw
from saewidgets.engine.model.unembedding import Unembedding
from saewidgets.errors import SaewidgetsError


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_each_layer_s_prediction(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()
    with sw.Engine(model, tiny.sae()) as engine:
        lens = sw.logit_lens(engine, TEXT, ["the", " God"], k=3)
        ids = engine.to_ids(TEXT)[0]
        real = [engine.model.resolve(hook) for hook in lens.hooks]
        asked = [engine.tokenizer.answer_ids(token)[0] for token in ("the", " God")]
    with torch.no_grad():
        logits, cache = model.run_with_cache(torch.tensor([ids]))
        for h, hook in enumerate(real):
            p = model.unembed(model.ln_final(cache[hook])).softmax(-1)[0]
            best = p.topk(3, -1)
            np.testing.assert_allclose(lens.top[h], best.values, rtol=1e-4, atol=1e-6)
            assert np.array_equal(lens.top_ids[h, :, 0], best.indices[:, 0])
            for i, token in enumerate(asked):
                np.testing.assert_allclose(lens.probability[h, :, i], p[:, token], rtol=1e-4, atol=1e-7)
                assert np.array_equal(lens.rank[h, :, i], (p > p[:, [token]]).sum(-1))
            np.testing.assert_allclose(lens.entropy[h], -(p * p.log()).sum(-1), rtol=1e-3, atol=1e-5)
        # The last one is what the model says.
        np.testing.assert_allclose(lens.top[-1, :, 0], logits[0].softmax(-1).max(-1).values, rtol=1e-4)
    table = lens.to_pandas()
    assert list(table["hook"]) == list(lens.hooks) and {"p_the", "rank_ God"} <= set(table.columns)
    assert "Logit lens" in lens.figure().layout.title.text


@pytest.mark.parametrize("most", [1, 4, 10_000])
def test_batches_across_hooks_and_memory_that_runs_out(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows are read at once, over the ends of hooks too, the numbers are the same; that memory ran out is said."""
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        whole = sw.logit_lens(engine, TEXT, ["the"], k=3)
        logits = Unembedding.logits

        def scarce(self: Unembedding, stream: torch.Tensor) -> torch.Tensor:
            if len(stream) > most:
                raise RuntimeError("CUDA out of memory")
            return logits(self, stream)

        monkeypatch.setattr(Unembedding, "logits", scarce)
        lens = sw.logit_lens(engine, TEXT, ["the"], k=3)
    for name in ("top", "top_ids", "probability", "rank", "entropy"):
        np.testing.assert_allclose(getattr(lens, name), getattr(whole, name), rtol=1e-4, atol=1e-7)
    assert whole.notes == () and bool(lens.notes) == (most < 100)


def test_bad_input() -> None:
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        with pytest.raises(SaewidgetsError, match="one text"):
            sw.logit_lens(engine, [TEXT, TEXT])
        with pytest.raises(SaewidgetsError, match="ask for one of them"):
            sw.logit_lens(engine, TEXT, "日本")
        with pytest.raises(SaewidgetsError, match="no residual stream"):
            sw.logit_lens(engine, TEXT, hooks=["blocks.0.mlp.hook_post"])
