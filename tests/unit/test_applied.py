"""sw.applied(engine, recipe): the user's own forwards, edited as the views edit, and nothing left behind."""

from __future__ import annotations

import threading

import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets.errors import HookDidNotFireError, SaewidgetsError
from saewidgets.interventions.generation.generate import generate
from saewidgets.interventions.recipe.constructors import ablate, add, scale
from saewidgets.interventions.recipe.errors import RecipeError
from saewidgets.interventions.recipe.recipe import Recipe

PROMPT = "In the beginning God"
HOOK = "blocks.1.hook_resid_pre"


@pytest.fixture(params=list(tiny.MODELS))
def engine(request: pytest.FixtureRequest) -> sw.Engine:
    return sw.Engine(tiny.MODELS[request.param](), tiny.sae("jumprelu", hook=HOOK))


def _by_hand(engine: sw.Engine, tokens: torch.Tensor, where: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """Logits with `vector` added at the hook where `where` [batch, pos] says, by a hook of our own."""
    module = engine.model._module(engine.model.resolve(HOOK))
    handle = module.register_forward_hook(lambda _m, _i, out: out + where[..., None] * vector)
    try:
        with torch.no_grad():
            return engine.model.raw(tokens, return_type="logits")
    finally:
        handle.remove()


def _row(engine: sw.Engine, feature: int) -> torch.Tensor:
    return engine.dictionary().sae.W_dec[feature].detach()  # type: ignore[attr-defined]


@pytest.mark.parametrize("positions", ["all", "prompt", (2,), ((1, 3),)])
def test_a_forward_inside_is_the_edit_by_hand(engine: sw.Engine, positions: object) -> None:
    tokens = torch.tensor(engine.to_ids(PROMPT))
    at = torch.zeros(tokens.shape)
    at[:, {"all": slice(1, None), "prompt": slice(1, None), (2,): slice(2, 3), ((1, 3),): slice(1, 3)}[positions]] = 1  # type: ignore[index]
    expected = _by_hand(engine, tokens, at, 3 * _row(engine, 5))
    clean = engine.model.raw(tokens, return_type="logits")
    with torch.no_grad(), sw.applied(engine, add(5, 3, positions=positions)):  # type: ignore[arg-type]
        found = engine.model.raw(tokens, return_type="logits")
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, clean)
    assert torch.equal(engine.model.raw(tokens, return_type="logits"), clean), "the edit stayed"


@pytest.mark.parametrize("cache", [True, False], ids=["cache", "no cache"])
@pytest.mark.parametrize("positions", ["all", "prompt", "generated", ((2, None),)])
def test_the_users_generate_writes_what_ours_writes(engine: sw.Engine, cache: bool, positions: object) -> None:
    recipe = Recipe([add(5, 8, positions=positions), scale(7, 3)])  # type: ignore[arg-type]
    ours = generate(engine, PROMPT, recipe, n_tokens=12, temperature=0, stop_at_eos=False)
    tokens = torch.tensor(engine.to_ids(PROMPT))
    with sw.applied(engine, recipe):
        out = engine.model.raw.generate(
            tokens, max_new_tokens=12, do_sample=False, verbose=False, stop_at_eos=False, use_past_kv_cache=cache
        )
    assert out[0, tokens.shape[1] :].tolist() == ours.edited[0].token_ids.tolist()
    assert ours.diverges_at() is not None, "the edit changes nothing here: the test shows nothing"


def test_left_padded_batches_have_their_own_positions(engine: sw.Engine) -> None:
    texts = ["ab", "In the beginning God created"]
    recipe = add(5, 8, positions=((1, 3),))
    alone = []
    for text in texts:
        tokens = torch.tensor(engine.to_ids(text))
        with sw.applied(engine, recipe):
            alone.append(
                engine.model.raw.generate(tokens, max_new_tokens=6, do_sample=False, verbose=False, stop_at_eos=False)[
                    0, -6:
                ]
            )
    ids = [engine.to_ids(text)[0] for text in texts]
    longest = max(map(len, ids))
    pad = int(engine.model.tokenizer.pad_token_id)  # type: ignore[union-attr, arg-type]
    tokens = torch.tensor([[pad] * (longest - len(i)) + i for i in ids])
    mask = torch.tensor([[0] * (longest - len(i)) + [1] * len(i) for i in ids])
    if engine.model.is_bridge:
        with torch.no_grad(), sw.applied(engine, recipe):
            logits = engine.model.raw(tokens, attention_mask=mask, return_type="logits")
    else:
        with torch.no_grad(), sw.applied(engine, recipe):
            logits = engine.model.raw(tokens, attention_mask=mask, padding_side="left", return_type="logits")
    assert logits[:, -1].argmax(-1).tolist() == [int(a[0]) for a in alone]


def test_the_engine_and_other_threads_see_the_model_as_it_is(engine: sw.Engine) -> None:
    before = sw.predictions(engine, PROMPT).clean.top[0].logit
    tokens = torch.tensor(engine.to_ids(PROMPT))
    clean = engine.model.raw(tokens, return_type="logits")
    seen: list[torch.Tensor] = []
    with sw.applied(engine, add(5, 30)):
        assert sw.predictions(engine, PROMPT).clean.top[0].logit == before
        assert not torch.allclose(engine.model.raw(tokens, return_type="logits"), clean)
        thread = threading.Thread(target=lambda: seen.append(engine.model.raw(tokens, return_type="logits")))
        thread.start()
        thread.join()
    assert torch.equal(seen[0], clean)


def test_nothing_stays_after_an_exception_and_the_users_hooks_fire(engine: sw.Engine) -> None:
    module = engine.model._module(engine.model.resolve(HOOK))
    calls: list[int] = []
    mine = module.register_forward_hook(lambda *_: calls.append(1))
    hooks_before = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in engine.model.raw.modules())

    def fail() -> None:
        engine.model.raw(torch.tensor(engine.to_ids(PROMPT)))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), sw.applied(engine, ablate(5)):
        fail()
    assert calls == [1]
    assert sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in engine.model.raw.modules()) == hooks_before
    mine.remove()


def test_an_empty_recipe_installs_nothing(engine: sw.Engine) -> None:
    hooks_before = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in engine.model.raw.modules())
    with sw.applied(engine, Recipe()):
        assert (
            sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in engine.model.raw.modules()) == hooks_before
        )


def test_what_cannot_be_done_is_said(engine: sw.Engine) -> None:
    with pytest.raises(RecipeError, match="prompt"), sw.applied(engine, add(5, 1, unit="resid")):
        pass
    with sw.applied(engine, add(5, 1, unit="resid"), text=PROMPT):
        engine.model.raw(torch.tensor(engine.to_ids(PROMPT)))
    with pytest.raises(RecipeError, match="outside"), sw.applied(engine, ablate(5000)):
        pass


def test_a_hook_that_the_forward_never_reached_is_an_error() -> None:
    model = tiny.hooked()
    engine = sw.Engine(model, tiny.sae("jumprelu", hook=HOOK))
    tokens = torch.tensor(engine.to_ids(PROMPT))
    with pytest.raises(HookDidNotFireError), sw.applied(engine, ablate(5)):
        model(tokens, stop_at_layer=1)


def test_a_cache_from_outside_is_refused() -> None:
    from transformer_lens.cache.key_value_cache import TransformerLensKeyValueCache

    model = tiny.hooked()
    engine = sw.Engine(model, tiny.sae("jumprelu", hook=HOOK))
    tokens = torch.tensor(engine.to_ids(PROMPT))
    cache = TransformerLensKeyValueCache.init_cache(model.cfg, "cpu", 1)
    model(tokens, past_kv_cache=cache)
    with pytest.raises(SaewidgetsError, match="outside"), sw.applied(engine, ablate(5)):
        model(tokens[:, :1], past_kv_cache=cache)
