"""Side effects a few tokens at a time, beside sae-lens's own encode() of the whole text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets.interventions.effects.side_effects import side_effects

PRE = "blocks.1.hook_resid_pre"


@pytest.mark.parametrize("architecture", tiny.SAES)
@pytest.mark.parametrize("tokens", [1, 4, 10**6])
def test_means_and_largest_of_all_features(architecture: str, tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saewidgets.interventions.effects.side_effects._CHUNK", tokens * tiny.D_SAE)
    engine, sae = sw.Engine(tiny.hooked(), {"a": tiny.sae(architecture)}), tiny.sae(architecture)
    draw = torch.Generator().manual_seed(0)
    before, after = ({PRE: torch.randn(1, 11, tiny.D_MODEL, generator=draw)} for _ in range(2))
    kept = {PRE: before[PRE].clone()}, {PRE: after[PRE].clone()}
    counted = np.array([False, True, True, False, *[True] * 7])
    with torch.no_grad():
        found = side_effects(engine, before, after, {"a": counted}, {("a", 5), ("b", 6)}, 10**6)
        old, new = (sae.encode(x[PRE])[0][torch.from_numpy(counted)] for x in (before, after))
    wanted: dict[int, Any] = {
        f: (old[:, f].mean(), new[:, f].mean(), (new - old)[:, f].mean(), (new - old)[:, f].abs().max())
        for f in range(tiny.D_SAE)
        if f != 5 and (new != old)[:, f].any()
    }
    said = {s.feature: (s.clean, s.edited, s.change, s.largest) for s in found}
    assert set(said) == set(wanted) and len(found) == len(said) > 3 and {s.dictionary for s in found} == {"a"}
    for f, numbers in wanted.items():
        np.testing.assert_allclose(said[f], numbers, atol=1e-5, rtol=1e-4)
    sizes = [abs(s.change) for s in found]
    assert sizes == sorted(sizes, reverse=True)
    most = found[0].feature
    with torch.no_grad():
        assert side_effects(engine, before, after, {"a": counted}, {("a", 5)}, 3) == found[:3]
        assert side_effects(engine, before, after, {"a": counted}, {("a", 5), ("a", most)}, 1) == found[1:2]
    assert torch.equal(before[PRE], kept[0][PRE]) and torch.equal(after[PRE], kept[1][PRE])


def test_the_values_at_the_hook_are_left_alone_where_they_are_the_activations() -> None:
    """Neurons' activations are the hook's own tensor: comparing them must not write into it."""
    engine = sw.Engine(tiny.hooked(), sw.Neurons("blocks.0.mlp.hook_post"))
    hook = "blocks.0.mlp.hook_post"
    before, after = ({hook: torch.randn(1, 6, tiny.D_MLP)} for _ in range(2))
    kept = after[hook].clone()
    (name,) = engine.dictionaries
    every, none = {name: np.ones(6, bool)}, {name: np.zeros(6, bool)}
    found = side_effects(engine, before, after, every, (), 5)
    assert torch.equal(after[hook], kept) and len(found) == 5
    assert side_effects(engine, before, before, every, (), 5) == []
    assert side_effects(engine, before, after, none, (), 5) == [] == side_effects(engine, before, after, every, (), 0)
