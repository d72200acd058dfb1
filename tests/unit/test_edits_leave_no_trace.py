"""The objects of the user are as before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import tiny
import torch
from edit_truth import (
    PRE,
    TEXT,
    WRAPPERS,
    Truth,
    assert_close,
    logits_of,
    model_of,
    name_of,
)
from torch import Tensor

import saewidgets as sw
from saewidgets.errors import NonFiniteError
from saewidgets.interventions.recipe.constructors import ablate, add, clamp

# -- C1: the user's objects


def hooks_of(model: Any) -> Mapping[str, int]:
    return {
        name: len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
        for name, module in model.named_modules()
    }


@WRAPPERS
def test_the_users_objects_are_as_before(wrapper: str) -> None:
    model, sae = tiny.MODELS[wrapper](), tiny.sae("layer_norm")
    weights = {**model.state_dict(), **{f"sae {k}": v for k, v in sae.state_dict().items()}}
    weights = {name: tensor.clone() for name, tensor in weights.items()}
    fired: list[float] = []
    name = name_of(model, PRE)
    model.add_hook(name, lambda x, hook: fired.append(float(x.sum())))
    engine = sw.Engine(model, sae)
    (ids,) = engine.to_ids(TEXT)
    before, attributes = hooks_of(model), {k: id(v) for k, v in vars(sae).items()}
    fired.clear()
    clean = float(Truth("hooked" if wrapper == "hooked" else "bridge", tiny.sae(), ids).h.sum())
    logits_of(engine, [clamp(3, 5)], ids)
    # Once when the prompt is read as it is (which tokens are norm outliers), once in the edited forward.
    assert fired == [pytest.approx(clean, rel=1e-4)] * 2, "the user's own hook fires, before the edit"
    assert hooks_of(model) == before and {k: id(v) for k, v in vars(sae).items()} == attributes

    for broken in (RuntimeError("boom"), KeyboardInterrupt()):

        def breaks(*_: Any, error: BaseException = broken) -> None:
            raise error

        handle = model.unembed.register_forward_hook(breaks)
        with pytest.raises(type(broken)):
            logits_of(engine, [clamp(3, 5)], ids)
        handle.remove()
        assert hooks_of(model) == before
    with pytest.raises(NonFiniteError):
        logits_of(engine, [add([1e15] * 16, 1e25, hook=PRE)], ids)
    assert hooks_of(model) == before
    after = {**model.state_dict(), **{f"sae {k}": v for k, v in sae.state_dict().items()}}
    assert weights.keys() == after.keys() and all(torch.equal(after[k], weights[k]) for k in weights)
    assert all(p.grad is None for p in [*model.parameters(), *sae.parameters()])


def test_the_users_hooks_on_the_sae_fire() -> None:
    """Someone who ablates inside the SAE sees that in what is edited, too."""
    sae = tiny.sae("standard")
    engine = sw.Engine(model_of("hooked"), sae)
    (ids,) = engine.to_ids(TEXT)
    f = int(engine.activations(ids).top(1).features[0])

    def silence(acts: Tensor, hook: Any) -> Tensor:
        acts = acts.clone()
        acts[..., f] = 0
        return acts

    sae.add_hook("hook_sae_acts_post", silence)
    found = logits_of(engine, [None, ablate(f), clamp(f, 2)], ids)
    sae.reset_hooks()
    assert torch.equal(found[0], found[1])
    assert_close(found[2], logits_of(engine, [add(f, 2)], ids)[0], atol=1e-5)


def test_grad_mode_is_left_alone() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae())
    (ids,) = engine.to_ids(TEXT)
    assert torch.is_grad_enabled()
    logits_of(engine, [clamp(3, 5)], ids)
    assert torch.is_grad_enabled()
