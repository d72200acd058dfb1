"""sw.applied where sae-lens has put an SAE in the place of a hook point: what comes out of it is edited, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import by_hand
import pytest
import tiny
import torch
from by_hand import FEATURE, HOOK, STRENGTH
from torch import Tensor

import saewidgets as sw
from saewidgets.interventions.recipe.constructors import ablate, add
from saewidgets.interventions.recipe.recipe import Recipe

WRAPPERS = pytest.mark.parametrize("wrapper", tiny.MODELS)
TOKENS = torch.tensor([[0, 40, 75, 300, 9, 51]])
OTHER = torch.tensor([[0, 12, 30]])
SPLICED = tiny.sae("jumprelu", hook=HOOK, seed=3)
"""Another SAE than the engine's, of the same hook."""


def run_with_saes(model: Any, sae: Any, error: bool) -> Tensor:
    return model.run_with_saes(TOKENS, saes=[sae], use_error_term=error)


def run_with_cache(model: Any, sae: Any, error: bool) -> Tensor:
    return model.run_with_cache_with_saes(TOKENS, saes=[sae], use_error_term=error)[0]


def run_with_hooks(model: Any, sae: Any, error: bool) -> Tensor:
    with model.saes(saes=[sae], use_error_term=error):
        return model.run_with_hooks(TOKENS)


def within_saes(model: Any, sae: Any, error: bool) -> Tensor:
    with model.saes(saes=[sae], use_error_term=error):
        return model(TOKENS)


def forward_within_saes(model: Any, sae: Any, error: bool) -> Tensor:
    with model.saes(saes=[sae], use_error_term=error):
        return model.forward(TOKENS)


def attached(model: Any, sae: Any, error: bool) -> Tensor:
    model.add_sae(sae, use_error_term=error)
    try:
        return model(TOKENS)
    finally:
        model.reset_saes()


WAYS = [run_with_saes, run_with_cache, run_with_hooks, within_saes, forward_within_saes, attached]


def truth(model: Any, sae: Any, error: bool, change: Callable[[Tensor], Tensor]) -> Tensor:
    with torch.no_grad(), model.saes(saes=[sae], use_error_term=error), by_hand.hooked(model, change):
        return model(TOKENS)


@WRAPPERS
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("error", [False, True], ids=["no error term", "error term"])
def test_a_splice_is_edited_once(wrapper: str, way: Callable[..., Tensor], error: bool) -> None:
    model, mine = tiny.MODELS[wrapper](), tiny.sae("jumprelu", hook=HOOK)
    model.run_with_cache(OTHER)  # from now on a bridge has hooks of its own
    engine = sw.Engine(model, tiny.sae("jumprelu", hook=HOOK))
    where = by_hand.at(range(1, 6), 6)

    def without(value: Tensor) -> Tensor:
        acts = torch.relu(mine.encode(value))[..., FEATURE, None]
        return value - where * acts * mine.W_dec[FEATURE]

    changes = {
        add(FEATURE, STRENGTH): lambda value: value + where * by_hand.vector(),
        ablate(FEATURE): without,
    }
    for recipe, change in changes.items():
        wanted = truth(model, SPLICED, error, change)
        plain_wanted = by_hand.logits(model, OTHER[0].tolist(), [1, 2])
        hooks = by_hand.n_hooks(model)
        with torch.no_grad(), sw.applied(engine, recipe):
            plain = model(OTHER)[0]  # the hook point stands there first
            found = way(model, SPLICED, error)
            again = model(OTHER)[0]  # and another one afterwards
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(again, plain)
        if recipe.kind == "add":
            torch.testing.assert_close(plain, plain_wanted, atol=1e-4, rtol=1e-4)
            assert (wanted - truth(model, SPLICED, error, lambda value: value)).abs().max() > 1e-2
        if error:  # then what comes out is what went in
            with torch.no_grad(), by_hand.hooked(model, change):
                torch.testing.assert_close(found, model(TOKENS), atol=1e-4, rtol=1e-4)
        assert by_hand.n_hooks(model) == hooks


@WRAPPERS
def test_a_splice_that_was_there_before_and_goes(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()
    engine = sw.Engine(model, tiny.sae("jumprelu", hook=HOOK))
    plain = by_hand.logits(model, TOKENS[0].tolist(), range(1, 6))
    spliced = truth(model, SPLICED, False, lambda value: value + by_hand.at(range(1, 6), 6) * by_hand.vector())
    model.add_sae(SPLICED, use_error_term=False)
    with torch.no_grad(), sw.applied(engine, add(FEATURE, STRENGTH)):
        torch.testing.assert_close(model(TOKENS), spliced, atol=1e-4, rtol=1e-4)
        model.reset_saes()
        torch.testing.assert_close(model(TOKENS)[0], plain, atol=1e-4, rtol=1e-4)
        model.add_sae(SPLICED, use_error_term=False)
        torch.testing.assert_close(model(TOKENS), spliced, atol=1e-4, rtol=1e-4)
        model.reset_saes()


@WRAPPERS
def test_what_the_splice_itself_does_is_cached_as_it_is(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()
    sae = tiny.sae("jumprelu", hook=HOOK)
    engine = sw.Engine(model, sae)
    _, before = model.run_with_cache_with_saes(TOKENS, saes=[sae])
    name = next(name for name in before if name.endswith("hook_sae_acts_post"))
    with sw.applied(engine, ablate(FEATURE)):
        _, after = model.run_with_cache_with_saes(TOKENS, saes=[sae])
    torch.testing.assert_close(after[name], before[name])


@pytest.mark.slow
@WRAPPERS
def test_generate_with_a_splice(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()
    engine = sw.Engine(model, tiny.sae("jumprelu", hook=HOOK))
    options: dict[str, Any] = {"max_new_tokens": 8, "do_sample": False, "verbose": False, "stop_at_eos": False}
    with model.saes(saes=[SPLICED], use_error_term=False):
        wanted = by_hand.written(model, TOKENS[0].tolist(), lambda p: p >= 2, 8)
        plain = model.generate(TOKENS, **options)
    with sw.applied(engine, add(FEATURE, STRENGTH, positions=((2, None),), special=True)):
        model(OTHER)
        with model.saes(saes=[SPLICED], use_error_term=False):
            for cache in (True, False):
                found = model.generate(TOKENS, use_past_kv_cache=cache, **options)
                assert found[0, 6:].tolist() == wanted
    assert plain[0, 6:].tolist() != wanted


@WRAPPERS
@pytest.mark.parametrize("keep", [True, False], ids=["error kept", "error dropped"])
def test_a_spliced_transcoder(wrapper: str, keep: bool) -> None:
    hooks = ("blocks.0.mlp.hook_in", "blocks.0.hook_mlp_out")

    def transcoder(seed: int) -> Any:
        return tiny.sae("jumprelu_transcoder", hooks[0], hook_out=hooks[1], seed=seed)

    model, mine = tiny.MODELS[wrapper](), transcoder(1)
    engine = sw.Engine(model, transcoder(1))
    read: list[Tensor] = []

    def look(value: Tensor) -> Tensor:
        read.append(value)
        return value

    def change(value: Tensor) -> Tensor:
        acts = torch.relu(mine.encode(read[-1]))
        # Without its error the engine's transcoder takes the place of what stands there.
        base = value if keep else mine.decode(acts)
        return base - by_hand.at(range(1, 6), 6) * acts[..., FEATURE, None] * mine.W_dec[FEATURE]

    with torch.no_grad(), model.saes(saes=[transcoder(2)], use_error_term=False):
        clean = model(TOKENS)
        with by_hand.hooked(model, look, hooks[0]), by_hand.hooked(model, change, hooks[1]):
            wanted = model(TOKENS)
    with torch.no_grad(), sw.applied(engine, Recipe(ablate(FEATURE), keep_error=keep)):
        model(OTHER)
        found = model.run_with_saes(TOKENS, saes=[transcoder(2)], use_error_term=False)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    assert (wanted - clean).abs().max() > 1e-3
