"""Direct feature attribution is its definition: pattern times value, read along the feature's own direction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch
from ablation_made import TEXT
from cases import on_either
from test_freezes import gated_bridge

import saewidgets as sw
from saewidgets.errors import SaewidgetsError

HOOK = "blocks.1.attn.hook_z"


def cached(model: Any, ids: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pattern [head, query, key] and values [key, head, d_head] of block 1."""
    names = ["blocks.1.attn.hook_pattern", "blocks.1.attn.hook_v"]
    real = [model._resolve_hook_name(n) if hasattr(model, "_resolve_hook_name") else n for n in names]
    with torch.no_grad():
        _, cache = model.run_with_cache(torch.tensor([ids]))
    pattern, v = (cache[name][0] for name in real)
    return pattern, v.reshape(len(ids), -1, tiny.D_MODEL // tiny.N_HEADS)


@on_either(("architecture",), [("standard",), ("jumprelu",), ("topk",), ("gated",)])
def test_parts_are_pattern_times_value(wrapper: str, architecture: str) -> None:
    model = tiny.MODELS[wrapper]()
    with sw.Engine(model, tiny.sae(architecture, HOOK)) as engine:
        acts = engine.activations(TEXT)
        at = 6
        feature = int(acts.token(at)[0][0])
        found = sw.by_source(engine, TEXT, feature, position=at)
        ids = engine.to_ids(TEXT)[0]
    sae = tiny.sae(architecture, HOOK)
    pattern, v = cached(model, ids)
    row = sae.W_enc[:, feature].detach()
    if architecture == "gated":
        row = row * sae.r_mag[feature].exp().detach()
    size = tiny.D_MODEL // tiny.N_HEADS
    for head in range(tiny.N_HEADS):
        for source in range(len(ids)):
            part = float(pattern[head, at, source] * (v[source, head] @ row[head * size : (head + 1) * size]))
            assert found.parts[head, source] == pytest.approx(part, rel=1e-4, abs=1e-5)
    assert found.activation == pytest.approx(float(acts[at, feature]), rel=1e-4)
    # What no token brings is the encoder's bias, less b_dec as it reads it.
    bias = sae.b_mag[feature] if architecture == "gated" else sae.b_enc[feature]
    assert found.rest == pytest.approx(float(bias.detach() - sae.b_dec.detach() @ row), rel=1e-3, abs=1e-4)
    assert not found.parts[:, at + 1 :].any()
    table = found.to_pandas()
    assert np.allclose(table["all"], table[[f"head_{h}" for h in range(tiny.N_HEADS)]].sum(axis=1))
    assert found.head_share.sum() == pytest.approx(1)


def test_shared_values_are_those_of_each_query_head() -> None:
    """Grouped queries: the parts still sum to what the feature reads."""
    with sw.Engine(gated_bridge(), tiny.sae("standard", HOOK)) as engine:
        acts = engine.activations(TEXT)
        feature = int(acts.token(5)[0][0])
        found = sw.by_source(engine, TEXT, feature, position=5)
    sae = tiny.sae("standard", HOOK)
    bias = float((sae.b_enc[feature] - sae.b_dec @ sae.W_enc[:, feature]).detach())
    assert found.parts.shape[0] == 4
    assert found.rest == pytest.approx(bias, rel=1e-3, abs=1e-4)


def test_one_head_s_sae() -> None:
    sae = tiny.sae("jumprelu", HOOK, d_in=tiny.D_MODEL // tiny.N_HEADS, hook_head_index=2)
    sae.cfg.reshape_activations = "none"
    sae.turn_off_forward_pass_hook_z_reshaping()
    with sw.Engine(tiny.hooked(), sae) as engine:
        acts = engine.activations(TEXT)
        feature = int(acts.token(5)[0][0])
        found = sw.by_source(engine, TEXT, feature, position=5)
    assert list(found.heads) == [2] and found.parts.shape[0] == 1
    bias = float((sae.b_enc[feature] - sae.b_dec @ sae.W_enc[:, feature]).detach())
    assert found.rest == pytest.approx(bias, rel=1e-3, abs=1e-4)


def test_what_it_is_not_for() -> None:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine, pytest.raises(SaewidgetsError, match="hook_z"):
        sw.by_source(engine, TEXT, 3)
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu", HOOK)) as engine:
        with pytest.raises(SaewidgetsError, match="one text"):
            sw.by_source(engine, [TEXT, TEXT], 3)
        # Where it is strongest, if nothing is said.
        strongest = sw.by_source(engine, TEXT, 3)
        acts = engine.activations(TEXT)
        assert abs(strongest.activation) == pytest.approx(float(np.abs(acts[:, 3][acts.counted]).max()), rel=1e-4)
