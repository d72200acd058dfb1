"""sw.applied forward by forward: from a later layer, to an earlier one, failed ones, caches that take turns."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import by_hand
import pytest
import tiny
import torch
from by_hand import FEATURE, HOOK, STRENGTH, logits
from torch import Tensor
from transformer_lens.cache.key_value_cache import TransformerLensKeyValueCache

import saewidgets as sw
from saewidgets.errors import HookDidNotFireError, SaewidgetsError
from saewidgets.interventions.recipe.constructors import ablate, add, scale
from saewidgets.interventions.recipe.errors import RecipeError
from saewidgets.interventions.recipe.intervention import Intervention

WRAPPERS = pytest.mark.parametrize("wrapper", tiny.MODELS)
POST = "blocks.1.hook_resid_post"
IDS, OTHER = [0, 40, 75, 300, 1, 51, 60, 61], [0, 12, 30]
TOKENS = torch.tensor([IDS])


def make(wrapper: str = "hooked", hook: str = HOOK) -> tuple[Any, sw.Engine]:
    model = tiny.MODELS[wrapper]()
    return model, sw.Engine(model, tiny.sae("jumprelu", hook=hook))


def edit(**options: Any) -> Intervention:
    return add(FEATURE, STRENGTH, **options)


def close(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


# -- from a later layer


def residual(model: Any, ids: list[int], layer: int) -> Tensor:
    with torch.no_grad():
        return model(torch.tensor([ids]), stop_at_layer=layer)


LATER: dict[str, Callable[..., Tensor]] = {
    "call": lambda model, x, **more: model(x, **more),
    "forward": lambda model, x, **more: model.forward(x, **more),
    "run_with_hooks": lambda model, x, **more: model.run_with_hooks(x, **more),
    "run_with_cache": lambda model, x, **more: model.run_with_cache(x, **more)[0],
}


@pytest.mark.parametrize("way", LATER)
@pytest.mark.parametrize("layer", [0, 1, -1])
def test_from_a_later_layer(way: str, layer: int) -> None:
    model, engine = make()
    x = residual(model, IDS, layer)
    wanted = logits(model, IDS, [2, 4])
    run = LATER[way]
    for first in (False, True):
        with torch.no_grad(), sw.applied(engine, edit(positions=(2, 4), special=True)):
            if first:
                model(torch.tensor([OTHER]))  # of which nothing may be left
                model.generate(torch.tensor([OTHER]), max_new_tokens=2, verbose=False, stop_at_eos=False)
                model(torch.tensor([OTHER]))
            close(run(model, x, start_at_layer=layer)[0], wanted)


@pytest.mark.parametrize("way", ["call", "run_with_cache"])
def test_from_a_later_layer_special_tokens_are_known_from_the_ids(way: str) -> None:
    model, engine = make()
    x = residual(model, IDS, 1)
    wanted = logits(model, IDS, [1, 2, 3, 5, 6, 7])  # neither BOS nor the end-of-text inside
    with torch.no_grad(), sw.applied(engine, edit()):
        model(torch.tensor([OTHER]))
        close(LATER[way](model, x, start_at_layer=1, tokens=TOKENS)[0], wanted)


@pytest.mark.parametrize("way", LATER)
@pytest.mark.parametrize("options", [{}, {"positions": "prompt", "special": True}, {"positions": (3,)}])
def test_from_a_later_layer_ids_that_are_needed_are_asked_for(way: str, options: dict[str, Any]) -> None:
    model, engine = make()
    x = residual(model, IDS, 1)
    with sw.applied(engine, edit(**options)):
        for before in ([], [IDS], [OTHER]):
            for ids in before:
                model(torch.tensor([ids]))
            with pytest.raises(SaewidgetsError, match="token ids.*tokens=ids.*special=True"):
                LATER[way](model, x, start_at_layer=1)


def test_vectors_into_a_bridge() -> None:
    model, engine = make("bridge")
    wanted = logits(model, IDS, [2, 4])
    vectors = model.original_model.get_input_embeddings().weight[TOKENS].detach()
    with torch.no_grad(), sw.applied(engine, edit(positions=(2, 4), special=True)):
        model(torch.tensor([OTHER]))
        close(model(vectors)[0], wanted)
    with sw.applied(engine, edit()):
        model(TOKENS)
        with pytest.raises(SaewidgetsError, match="token ids"):
            model(vectors)


# -- hooks that a forward does not reach


@WRAPPERS
@pytest.mark.parametrize("earlier", [False, True], ids=["first", "later"])
def test_each_forward_must_reach_the_hook(wrapper: str, earlier: bool) -> None:
    model, engine = make(wrapper, POST)
    with torch.no_grad(), sw.applied(engine, edit()):
        if earlier:
            model(TOKENS)
        with pytest.raises(HookDidNotFireError, match=r"stop_at_layer=1.*'blocks.1"):
            model(TOKENS, stop_at_layer=1)
        with pytest.raises(HookDidNotFireError, match="stop_at_layer=0"):
            model(TOKENS, stop_at_layer=0)
        found = model(TOKENS)
    where = by_hand.at([1, 2, 3, 5, 6, 7], len(IDS))
    with torch.no_grad(), by_hand.hooked(model, lambda value: value + where * by_hand.vector(), POST):
        close(found, model(TOKENS))


def test_starting_beyond_the_hook() -> None:
    model, engine = make(hook="blocks.0.hook_resid_post")
    x = residual(model, IDS, 1)
    with sw.applied(engine, edit()):
        model(TOKENS)
        with pytest.raises(HookDidNotFireError, match=r"start_at_layer=1.*blocks.0.hook_resid_post"):
            model(x, start_at_layer=1, tokens=TOKENS)


@WRAPPERS
def test_a_forward_that_hooks_do_not_see_says_it_later(wrapper: str) -> None:
    model, engine = make(wrapper, POST)
    model(TOKENS)
    with pytest.raises(HookDidNotFireError), sw.applied(engine, edit()):
        model.forward(TOKENS, stop_at_layer=1)
    with sw.applied(engine, edit()):
        model.forward(TOKENS, stop_at_layer=1)
        with pytest.raises(HookDidNotFireError):
            model(TOKENS)
        model(TOKENS)
    with sw.applied(engine, edit()):
        model.forward(TOKENS, stop_at_layer=1)
        with pytest.raises(HookDidNotFireError):
            model.forward(TOKENS)
        model.forward(TOKENS)


def test_one_forward_in_two_halves() -> None:
    model, engine = make()
    with torch.no_grad(), sw.applied(engine, edit(positions=(2, 3))):
        x = model.run_with_hooks(TOKENS, stop_at_layer=1)
        found = model.run_with_hooks(x, start_at_layer=1)
    close(found[0], logits(model, IDS, [2, 3]))


# -- failures


@WRAPPERS
@pytest.mark.parametrize("way", ["call", "forward"])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_nothing_is_left_of_a_forward_that_failed(wrapper: str, way: str, error: type[BaseException]) -> None:
    model, engine = make(wrapper)
    run = LATER[way]

    def fail(*_: object) -> None:
        raise error

    wanted = logits(model, IDS, [1, 2, 3, 5, 6, 7])
    with torch.no_grad(), sw.applied(engine, edit(positions="prompt")):
        handle = by_hand.place(model, "blocks.1.hook_resid_post").register_forward_hook(fail)
        with pytest.raises(error):
            run(model, TOKENS[:, :-1])
        handle.remove()
        if way == "call":  # else the text might as well have gone on
            close(model(TOKENS)[0], wanted)
        handle = by_hand.place(model, "blocks.0.hook_resid_post").register_forward_hook(fail)
        with pytest.raises(error):
            model(torch.tensor([OTHER]))
        handle.remove()
        close(run(model, TOKENS)[0], wanted)
        if error is ZeroDivisionError:  # an interrupt leaves no trace where PyTorch's hooks do not see the forward
            handle = by_hand.place(model, "blocks.0.hook_resid_post").register_forward_hook(fail)
            with pytest.raises(error):
                run(model, torch.tensor([OTHER]))
            handle.remove()
            close(run(model, TOKENS)[0], wanted)


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
