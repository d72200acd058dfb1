"""sw.applied with caches that take turns, and nested."""

from __future__ import annotations

import copy
from typing import Any

import by_hand
import pytest
import tiny
import torch
from applied_made import IDS, OTHER, TOKENS, WRAPPERS, close, edit, make
from by_hand import FEATURE, HOOK, logits
from torch import Tensor
from transformer_lens.cache.key_value_cache import TransformerLensKeyValueCache

import saewidgets as sw
from saewidgets.errors import HookDidNotFireError, SaewidgetsError
from saewidgets.interventions.recipe.constructors import ablate, add, scale
from saewidgets.interventions.recipe.errors import RecipeError

# -- caches


def prefilled(model: Any, tokens: Tensor, mask: Tensor | None = None) -> Any:
    if hasattr(model, "original_model"):
        return model.original_model(tokens, attention_mask=mask, use_cache=True).past_key_values
    cache = TransformerLensKeyValueCache.init_cache(model.cfg, "cpu", len(tokens))
    model(tokens, past_kv_cache=cache, attention_mask=mask)
    return cache


def continued(model: Any, tokens: Tensor, cache: Any) -> Tensor:
    if hasattr(model, "original_model"):
        return model.original_model(tokens, past_key_values=cache, use_cache=True).logits[0]
    return model(tokens, past_kv_cache=cache, attention_mask=torch.ones_like(tokens))[0]


@WRAPPERS
def test_texts_that_take_turns_each_with_its_cache(wrapper: str) -> None:
    model, engine = make(wrapper)
    a, b = IDS[:4], [0, 12, 30, 1, 77, 78]
    more = [41, 42]
    wanted_a = logits(model, [*a, *more], [4, 5])[4:]
    wanted_b = logits(model, [*b, *more], [6, 7])[6:]
    with torch.no_grad(), sw.applied(engine, edit(positions="generated")):
        one, two = prefilled(model, torch.tensor([a])), prefilled(model, torch.tensor([b]))
        for n in (0, 1):
            close(continued(model, torch.tensor([[more[n]]]), one)[0], wanted_a[n])
            close(continued(model, torch.tensor([[more[n]]]), two)[0], wanted_b[n])


@WRAPPERS
def test_several_texts_from_one_prompt_s_cache(wrapper: str) -> None:
    model, engine = make(wrapper)
    prompt = IDS[:4]
    endings = ([41, 42, 43], [50, 1, 52], [41, 60, 61])
    with torch.no_grad(), sw.applied(engine, edit(positions="generated")):
        cache = prefilled(model, torch.tensor([prompt]))
        prefilled(model, torch.tensor([OTHER]))
        copies = [copy.deepcopy(cache) for _ in endings]
        found = [continued(model, torch.tensor([ids]), it) for ids, it in zip(endings, copies, strict=True)]
        again = continued(model, torch.tensor([endings[0]]), cache)
    for ids, it in zip(endings, found, strict=True):
        where = [n for n, i in enumerate([*prompt, *ids]) if n >= 4 and i != 1]
        close(it, logits(model, [*prompt, *ids], where)[4:])
    close(again, found[0])


def test_a_cache_that_was_cut() -> None:
    model, engine = make("bridge")
    with torch.no_grad(), sw.applied(engine, edit(positions="generated")):
        cache = prefilled(model, torch.tensor([IDS[:4]]))
        continued(model, torch.tensor([[41, 42, 43]]), cache)
        cache.crop(-2)  # two tokens less
        found = continued(model, torch.tensor([[60, 61]]), cache)
    close(found, logits(model, [*IDS[:4], 41, 60, 61], [4, 5, 6])[5:])


def test_a_frozen_cache() -> None:
    model, engine = make()
    with torch.no_grad(), sw.applied(engine, edit(positions="generated")):
        cache = prefilled(model, torch.tensor([IDS[:4]]))
        cache.freeze()
        for ids in ([41, 42], [60], [61, 62, 63]):
            wanted = logits_of_other(ids)
            close(
                model(torch.tensor([ids]), past_kv_cache=cache, attention_mask=torch.ones(1, len(ids)).long())[0],
                wanted,
            )


def logits_of_other(ids: list[int]) -> Tensor:
    return logits(tiny.hooked(), [*IDS[:4], *ids], range(4, 8))[4:]


@WRAPPERS
def test_a_cache_of_an_unknown_text_is_refused(wrapper: str) -> None:
    model, engine = make(wrapper)
    outside = prefilled(model, torch.tensor([IDS[:4]]))
    with torch.no_grad(), sw.applied(engine, edit()):
        prefilled(model, torch.tensor([[0, 12, 30, 31]]))  # as long, but another
        with pytest.raises(SaewidgetsError, match="outside"):
            continued(model, torch.tensor([[41]]), outside)


# -- several recipes, and hooks outside the blocks


@WRAPPERS
@pytest.mark.parametrize("order", ["scale inside", "add inside"])
def test_nested_the_inner_acts_on_what_the_outer_made(wrapper: str, order: str) -> None:
    model, engine = make(wrapper)
    mine = tiny.sae("jumprelu", hook=HOOK)
    where = by_hand.at([2, 3, 5], len(IDS))
    active: list[int] = []

    def added(value: Tensor) -> Tensor:
        return value + where * by_hand.vector()

    def look(value: Tensor) -> Tensor:
        active.extend(mine.encode(added(value))[0, 2].topk(2).indices.tolist())
        return value

    def scaled(value: Tensor) -> Tensor:
        return value + where * 2 * mine.encode(value)[..., f, None] * mine.W_dec[f]

    with torch.no_grad(), by_hand.hooked(model, look):
        model(TOKENS)
    f = next(f for f in active if f != FEATURE)
    made = {scaled: scale(f, 3, positions=(2, 3, 5)), added: edit(positions=(2, 3, 5))}
    outer, inner = (added, scaled) if order == "scale inside" else (scaled, added)
    with torch.no_grad(), by_hand.hooked(model, lambda value: inner(outer(value))):
        both = model(TOKENS)
    with torch.no_grad(), by_hand.hooked(model, outer):
        one = model(TOKENS)
    with torch.no_grad(), sw.applied(engine, made[outer]):
        with sw.applied(engine, made[inner]):
            close(model(TOKENS), both)
            with model.saes(saes=[tiny.sae("jumprelu", hook=HOOK)], use_error_term=True):
                close(model(TOKENS), both)  # in this order too where another module stands there
            close(model(TOKENS), both)
        close(model(TOKENS), one)
    assert (both - one).abs().max() > 1e-3


@WRAPPERS
@pytest.mark.parametrize("stop", [None, 2])
@pytest.mark.parametrize("outer", [HOOK, "blocks.0.hook_resid_post", "blocks.0.hook_resid_pre"])
def test_nested_outliers_are_those_of_the_text_as_no_recipe_has_changed_it(
    wrapper: str, outer: str, stop: int | None
) -> None:
    """What the outer recipe adds is some hundred times the tiny model's norm."""
    model = tiny.MODELS[wrapper]()
    far, near = torch.full((tiny.D_MODEL,), 100.0), torch.linspace(-2, 2, tiny.D_MODEL)
    where = by_hand.at([2, 3], len(IDS))

    def run() -> Tensor:
        with torch.no_grad():
            found: Tensor = model(TOKENS, stop_at_layer=stop)
        return found

    with by_hand.hooked(model, lambda value: value + where * far, outer):
        one = run()
        with by_hand.hooked(model, lambda value: value + where * near):
            both = run()
    outside = sw.Engine(model, sw.Directions(far, outer))
    inside = sw.Engine(model, sw.Directions(near, HOOK))
    plain = [add(0, 1, positions=(2, 3)), add(0, 1, positions=(2, 3))]
    with sw.applied(outside, plain[0]), sw.applied(inside, plain[1]):
        close(run(), both)
    assert (both - one).abs().max() > 1e-2
    # One recipe with both edits, and the other way round.
    together = sw.Engine(model, {"far": sw.Directions(far, outer), "near": sw.Directions(near, HOOK)})
    with sw.applied(together, sw.Recipe([add(0, 1, sae=name, positions=(2, 3)) for name in ("far", "near")])):
        close(run(), both)
    with sw.applied(inside, plain[1]), sw.applied(outside, plain[0]):
        close(run(), both)


@WRAPPERS
def test_after_the_last_block(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()
    added = torch.linspace(-2, 2, tiny.D_MODEL)
    hook = "ln_final.hook_normalized"
    engine = sw.Engine(model, sw.Directions(added, hook))
    where = by_hand.at([2, 3], len(IDS))
    with torch.no_grad(), by_hand.hooked(model, lambda value: value + where * added, hook):
        wanted = model(TOKENS)
    with torch.no_grad(), sw.applied(engine, add(0, 1, positions=(2, 3))):
        model(torch.tensor([OTHER]))
        close(model(TOKENS), wanted)
        close(model.forward(TOKENS), wanted)
    with torch.no_grad(), by_hand.hooked(model, lambda value: value + 3 * added, hook):
        by = model.generate(TOKENS, max_new_tokens=6, do_sample=False, verbose=False, stop_at_eos=False)
    clean = model.generate(TOKENS, max_new_tokens=6, do_sample=False, verbose=False, stop_at_eos=False)
    with sw.applied(engine, add(0, 3, special=True)):
        found = model.generate(TOKENS, max_new_tokens=6, do_sample=False, verbose=False, stop_at_eos=False)
    assert torch.equal(found, by) and not torch.equal(by, clean)


@WRAPPERS
@pytest.mark.parametrize("hook", ["hook_embed", "hook_pos_embed"])
def test_before_the_first_block_is_refused_and_says_so(wrapper: str, hook: str) -> None:
    model = tiny.MODELS[wrapper]()
    engine = sw.Engine(model, sw.Directions(torch.ones(tiny.D_MODEL), hook))
    before = by_hand.n_hooks(model)
    with pytest.raises(RecipeError, match=r"before the first block.*generate"), sw.applied(engine, add(0, 1)):
        pass
    assert by_hand.n_hooks(model) == before


@WRAPPERS
def test_hooks_go_whatever_happens(wrapper: str) -> None:
    model, engine = make(wrapper)
    before, clean = by_hand.n_hooks(model), model(TOKENS)
    with pytest.raises(HookDidNotFireError), sw.applied(engine, ablate(FEATURE)):
        model(TOKENS, stop_at_layer=0)
    assert by_hand.n_hooks(model) == before

    def stopped() -> None:
        model.add_sae(tiny.sae("jumprelu", hook=HOOK))
        model(TOKENS)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), sw.applied(engine, ablate(FEATURE)):
        stopped()
    model.reset_saes()
    assert by_hand.n_hooks(model) == before and torch.equal(model(TOKENS), clean)
