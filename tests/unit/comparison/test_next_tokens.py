"""What follows several texts: against the model's own logits of each alone."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets.errors import NonFiniteError, SaewidgetsError
from saewidgets.interventions.effects.next_tokens import next_tokens

TEXTS = ["In the beginning God created", "In the beginning", "日本語", "In the beginning"]


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_by_definition(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()
    with sw.Engine(model, tiny.sae()) as engine:
        found = next_tokens(engine, TEXTS, k=4)
        every = []
        for text in TEXTS:
            with torch.no_grad():
                logits = model(model.to_tokens(text, prepend_bos=True), return_type="logits")[0, -1]
            every.append(torch.log_softmax(logits.double(), -1).numpy())
        best = [np.argsort(-row, kind="stable")[:4] for row in every]
        assert found.token_ids.tolist() == sorted({int(token) for row in best for token in row})
        np.testing.assert_allclose(found.log_probs, [row[found.token_ids] for row in every], atol=1e-5)
        np.testing.assert_array_equal(found.token_ids[found.top], best)
        np.testing.assert_array_equal(found.log_probs[1], found.log_probs[3])
        assert found.tokens == tuple(engine.tokenizer.display([int(t)]).strings[0] for t in found.token_ids)
        # As `sw.predictions` has it.
        top = sw.predictions(engine, TEXTS[0], k=4).clean.top
        assert [one.token_id for one in top] == found.token_ids[found.top[0]].tolist()
        np.testing.assert_allclose(
            [one.probability for one in top], np.exp(found.log_probs[0, found.top[0]]), rtol=1e-4
        )


def test_what_cannot_be_predicted_from_is_said() -> None:
    with sw.Engine(tiny.hooked(), tiny.sae(), prepend_bos=False) as engine:
        with pytest.raises(SaewidgetsError, match="no tokens"):
            next_tokens(engine, ["the", ""])
        with pytest.raises(SaewidgetsError, match=f"context of {tiny.N_CTX}"):
            next_tokens(engine, ["the", "the " * 80])
        with torch.no_grad():
            engine.model.raw.unembed.b_U[3] = float("nan")
        with pytest.raises(NonFiniteError, match="NaN"):
            next_tokens(engine, ["the", "a"])
