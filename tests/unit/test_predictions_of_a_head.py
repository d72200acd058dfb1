"""Predictions with the reconstruction of one head's SAE in that head's place."""

from __future__ import annotations

import pytest
import tiny
import torch
from edit_truth import TEXT, WRAPPERS, model_of, name_of

import saewidgets as sw


@WRAPPERS
@pytest.mark.parametrize("head", [0, 2])
def test_the_other_heads_stay(wrapper: str, head: int) -> None:
    z = "blocks.1.attn.hook_z"
    model, sae = model_of(wrapper), tiny.sae("standard", z, d_in=4, hook_head_index=head)
    sae.turn_off_forward_pass_hook_z_reshaping()
    engine = sw.Engine(model, tiny.sae("standard", z, d_in=4, hook_head_index=head))
    (ids,) = engine.to_ids(TEXT)

    def definition(value: torch.Tensor, hook: object) -> torch.Tensor:
        split = value.reshape(*value.shape[:2], tiny.N_HEADS, -1).clone()
        split[:, :, head] = sae.decode(sae.encode(split[:, :, head]))
        return split.reshape(value.shape)

    with torch.no_grad():
        logits = model.run_with_hooks(torch.tensor([ids]), fwd_hooks=[(name_of(model, z), definition)])[0, -1]
    found = sw.predictions(engine, ids, k=5)
    assert found.spliced is not None
    best = logits.topk(5)
    assert [token.token_id for token in found.spliced.top] == best.indices.tolist()
    assert [token.logit for token in found.spliced.top] == pytest.approx(best.values.tolist(), abs=1e-4)
