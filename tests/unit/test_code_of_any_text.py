"""Copied code on texts as people run them: special tokens after the prompt, calls again and again, KV caches, generate()."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from edit_truth import PRE, TEXT, WRAPPERS, assert_close, model_of, name_of

import saewidgets as sw
from saewidgets.interventions.edit.plain_code import to_code
from saewidgets.interventions.recipe.constructors import add, clamp, scale
from saewidgets.interventions.recipe.errors import RecipeError
from saewidgets.interventions.recipe.recipe import Recipe

BOS, EOS = 0, 1
PROMPT = [BOS, 40, 41, 42, 43]
AFTER = [50, EOS, 51, 52, EOS, EOS, 53]
"""A text of several turns."""


@contextmanager
def copied(wrapper: str, recipe: Any, prompt: Sequence[int], sae: Any = None) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A model of one's own with the copied code around it, and the names that the code has made."""
    model = tiny.MODELS[wrapper]()
    engine = sw.Engine(model, {"mine": tiny.sae() if sae is None else sae})
    namespace: dict[str, Any] = {"model": model, "saes": {"mine": tiny.sae() if sae is None else sae}}
    exec(to_code(engine, list(prompt), recipe), namespace)
    try:
        with torch.no_grad(), model.hooks(fwd_hooks=namespace["fwd_hooks"]):
            yield model, namespace
    finally:
        namespace["unwatch"]()


def edited(wrapper: str, ids: Sequence[int], at: Sequence[int], feature: int = 5, value: float = 3.0) -> torch.Tensor:
    """The definition: value · W_dec[feature] is added at the positions `at`. Logits [pos, d_vocab]."""
    model, row = model_of(wrapper), tiny.sae().W_dec[feature]
    where = torch.tensor([[p in at for p in range(len(ids))]])
    hooks = [(name_of(model, PRE), lambda h, hook: h + where[..., None] * value * row)]
    with torch.no_grad():
        return model.run_with_hooks(torch.tensor([list(ids)]), fwd_hooks=hooks)[0]


def token_by_token(wrapper: str, model: Any, ids: Sequence[int], first: int, step: int = 1) -> torch.Tensor:
    """Logits [pos, d_vocab] through a KV cache: `first` tokens at once, then `step` at a time."""
    parts = [ids[:first], *(ids[i : i + step] for i in range(first, len(ids), step))]
    found = []
    if wrapper == "hooked":
        from transformer_lens.cache.key_value_cache import TransformerLensKeyValueCache

        cache = TransformerLensKeyValueCache.init_cache(model.cfg, "cpu", 1)
        for part in parts:  # the mask, because TransformerLens takes a text's own EOS for padding here
            mask = torch.ones(1, len(part), dtype=torch.long)
            found.append(model(torch.tensor([list(part)]), past_kv_cache=cache, attention_mask=mask))
    else:
        past = None
        for n, part in enumerate(parts):
            extra = {} if past is None else {"past_key_values": past}
            at = sum(map(len, parts[:n]))
            extra["position_ids"] = torch.arange(at, at + len(part))[None]
            logits, past = model(torch.tensor([list(part)]), return_type="logits_and_cache", use_cache=True, **extra)
            found.append(logits)
    return torch.cat(found, 1)[0]


# positions: (recipe's positions, special, where it acts in PROMPT + AFTER)
WHERE: list[tuple[Any, bool, list[int]]] = [
    ("all", False, [1, 2, 3, 4, 5, 7, 8, 11]),
    ("all", True, list(range(12))),
    ("prompt", False, [1, 2, 3, 4]),
    ("generated", False, [5, 7, 8, 11]),
    ("generated", True, [5, 6, 7, 8, 9, 10, 11]),
    ([2, (5, 8), (10, None)], False, [2, 5, 7, 11]),
    ([2, (5, 8), (10, None)], True, [2, 5, 6, 7, 10, 11]),
]


@pytest.mark.slow
@WRAPPERS
@pytest.mark.parametrize(("positions", "special", "at"), WHERE, ids=str)
def test_special_tokens_after_the_prompt_are_left_out(
    wrapper: str, positions: Any, special: bool, at: list[int]
) -> None:
    """Read at once, token by token, and several tokens at a time: each is the same edit."""
    ids = [*PROMPT, *AFTER]
    expected = edited(wrapper, ids, at)
    with copied(wrapper, add(5, 3, positions=positions, special=special), PROMPT) as (model, _):
        assert_close(model(torch.tensor([ids]))[0], expected, atol=1e-4)
        assert_close(token_by_token(wrapper, model, ids, len(PROMPT)), expected, atol=1e-4)
        assert_close(token_by_token(wrapper, model, ids, 1), expected, atol=1e-4)
        assert_close(token_by_token(wrapper, model, ids, len(PROMPT), step=3), expected, atol=1e-4)
        assert_close(model(torch.tensor([ids]))[0], expected, atol=1e-4)


@WRAPPERS
def test_it_is_what_effects_and_edits_do(wrapper: str) -> None:
    """Probabilities of a text with EOS in it, as `sw.effects` reads it."""
    ids = [*PROMPT, *AFTER]
    engine = sw.Engine(model_of(wrapper), {"mine": tiny.sae()})
    recipe = Recipe([add(5, 3), clamp(7, 2.0, positions="generated")])
    with copied(wrapper, recipe, PROMPT) as (model, _):
        said = model(torch.tensor([ids]))[0].softmax(-1)[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]
    found = sw.effects(engine, ids, Recipe([add(5, 3), clamp(7, 2.0, positions=[(len(PROMPT), None)])]))
    np.testing.assert_allclose(found.p_edited[1:], said.numpy(), atol=1e-5)
    assert np.abs(found.delta[1:]).max() > 0.1


@pytest.mark.slow
@WRAPPERS
@pytest.mark.parametrize("token", [40, BOS, EOS])
def test_a_prompt_of_one_token_run_again_is_no_continuation(wrapper: str, token: int) -> None:
    for positions, special, at in (
        ("all", False, [0]),
        ("prompt", True, [0]),
        ([0], True, [0]),
        ("generated", True, []),
    ):
        acts = at if special or token not in (BOS, EOS) else []
        with copied(wrapper, add(5, 3, positions=positions, special=special), [token]) as (model, _):
            for _again in range(3):
                assert_close(model(torch.tensor([[token]]))[0], edited(wrapper, [token], acts), atol=1e-4)
            ids = [token, 50, 51]
            more = [p for p in (1, 2) if positions in ("all", "generated")]
            assert_close(token_by_token(wrapper, model, ids, 1), edited(wrapper, ids, [*acts, *more]), atol=1e-4)
            assert_close(model(torch.tensor([[token]]))[0], edited(wrapper, [token], acts), atol=1e-4)


@pytest.mark.slow
@WRAPPERS
def test_a_new_text_after_a_generated_one_starts_at_zero(wrapper: str) -> None:
    """Also after a cached text was left off in the middle, and a text of one token after a longer one."""
    ids = [*PROMPT, *AFTER]
    with copied(wrapper, add(5, 3, positions=[0, 1], special=True), PROMPT) as (model, _):
        for length in (7, 6, 1, 12):
            found = token_by_token(wrapper, model, ids[:length], min(5, length))
            assert_close(found, edited(wrapper, ids[:length], [0, 1]), atol=1e-4)
            assert_close(model(torch.tensor([ids[:1]]))[0], edited(wrapper, ids[:1], [0]), atol=1e-4)


@WRAPPERS
@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize(
    ("positions", "at"), [("generated", range(5, 12)), ("all", range(1, 12)), ([(3, 7)], range(3, 7))]
)
def test_generate(wrapper: str, cached: bool, positions: Any, at: Any) -> None:
    """Greedy text: each token is the likeliest under the definition, given those before it; and again the same."""
    recipe = add(5, 8, positions=positions)
    for prompt in (PROMPT, PROMPT[:1]):
        with copied(wrapper, recipe, prompt) as (model, _):
            made, again = (
                model.generate(
                    torch.tensor([prompt]),
                    max_new_tokens=6,
                    do_sample=False,
                    stop_at_eos=False,
                    verbose=False,
                    use_past_kv_cache=cached,
                    return_type="tokens",
                    prepend_bos=False,
                )[0].tolist()
                for _ in range(2)
            )
        assert len(made) == len(prompt) + 6 and again == made
        acts = [p for p in range(12) if (p >= len(prompt) if positions == "generated" else p in at)]
        logits = edited(wrapper, made, [p for p in acts if p < len(made) and made[p] not in (BOS, EOS)], value=8.0)
        assert logits[len(prompt) - 1 : -1].argmax(-1).tolist() == made[len(prompt) :]


@pytest.mark.slow
@pytest.mark.parametrize("cached", [True, False])
def test_hugging_face_generation(cached: bool) -> None:
    """Past the bridge's own forward, straight into the model inside."""
    with copied("bridge", add(5, 8, positions="generated"), PROMPT) as (model, _):
        made = model.original_model.generate(
            torch.tensor([PROMPT]), attention_mask=torch.ones(1, 5, dtype=torch.long), max_new_tokens=6,
            do_sample=False, use_cache=cached, eos_token_id=None, pad_token_id=EOS,
        )[0].tolist()  # fmt: skip
    acts = [p for p in range(5, len(made)) if made[p] not in (BOS, EOS)]
    logits = edited("bridge", made, acts, value=8.0)
    assert logits[4:-1].argmax(-1).tolist() == made[5:]


@WRAPPERS
def test_rows_of_a_batch_have_their_own_special_tokens(wrapper: str) -> None:
    one, other = [*PROMPT, 50, EOS, 51], [*PROMPT, EOS, 52, 53]
    with copied(wrapper, add(5, 3), PROMPT) as (model, _):
        extra = {"attention_mask": torch.ones(2, 8, dtype=torch.long)}
        found = model(torch.tensor([one, other]), **extra)
    assert_close(found[0], edited(wrapper, one, [1, 2, 3, 4, 5, 7]), atol=1e-4)
    assert_close(found[1], edited(wrapper, other, [1, 2, 3, 4, 6, 7]), atol=1e-4)


@WRAPPERS
def test_a_temporal_sae_looks_back_through_a_cache(wrapper: str) -> None:
    """Its activations are of the whole text; sae.encode on all of it is the definition."""
    sae = tiny.sae("temporal")
    ids = [*PROMPT, 50, 51, 52, 53]
    model = model_of(wrapper)
    with torch.no_grad():
        h = model.run_with_cache(torch.tensor([ids]))[1][name_of(model, PRE)]
        alone = torch.cat([sae.encode(h[:, p : p + 1]) for p in range(len(ids))], 1)
        f = int((sae.encode(h) - alone)[0].abs().sum(0).argmax())

    def definition(h: torch.Tensor, hook: object) -> torch.Tensor:
        change = (2.0 * sae.encode(h)[..., f])[..., None] * sae.W_dec[f]
        change[:, 0] = 0
        return h + change

    with torch.no_grad():
        expected = model.run_with_hooks(torch.tensor([ids]), fwd_hooks=[(name_of(model, PRE), definition)])[0]
    with copied(wrapper, scale(f, 3), PROMPT, tiny.sae("temporal")) as (model, _):
        for _again in range(2):
            assert_close(token_by_token(wrapper, model, ids, len(PROMPT)), expected, atol=1e-4)
            assert_close(model(torch.tensor([ids]))[0], expected, atol=1e-4)


@WRAPPERS
def test_a_temporal_sae_with_a_scale_of_its_own(wrapper: str) -> None:
    """`constant_scalar_rescale` multiplies what goes in; what one unit of activation adds is divided by it."""
    cls, config, kwargs = tiny.ARCHITECTURES["temporal"]
    kwargs = {**kwargs, "normalize_activations": "constant_scalar_rescale", "activation_normalization_factor": 4.0}

    def made() -> Any:
        sae = cls(
            config(d_in=tiny.D_MODEL, d_sae=tiny.D_SAE, metadata=tiny.sae("temporal", PRE).cfg.metadata, **kwargs)
        )
        sae.load_state_dict(tiny.sae("temporal").state_dict())
        return sae

    row = made().W_dec[5] / 4.0
    with torch.no_grad():
        where = torch.tensor([[p > 0 for p in range(len(PROMPT))]])
        hooks = [(name_of(model_of(wrapper), PRE), lambda h, hook: h + where[..., None] * 6.0 * row)]
        expected = model_of(wrapper).run_with_hooks(torch.tensor([list(PROMPT)]), fwd_hooks=hooks)[0]
    with copied(wrapper, add(5, 2, unit="max", max_activation=3), PROMPT, made()) as (model, _):
        assert_close(model(torch.tensor([list(PROMPT)]))[0], expected, atol=1e-4)


def test_the_demo_text_has_the_same_policy() -> None:
    """A plain text: every token but BOS."""
    engine = sw.Engine(model_of("hooked"), {"mine": tiny.sae()})
    (ids,) = engine.to_ids(TEXT)
    with copied("hooked", add(5, 3), ids) as (model, _):
        assert_close(model(torch.tensor([ids]))[0], edited("hooked", ids, range(1, len(ids))), atol=1e-4)


# -- what cannot be known is said


def test_forwards_that_do_not_start_at_tokens_are_refused() -> None:
    with copied("hooked", add(5, 3), PROMPT) as (model, _):
        resid = torch.zeros(1, 5, tiny.D_MODEL)
        with pytest.raises(RuntimeError, match="lost track of the text"):
            model(resid, start_at_layer=1)
        with pytest.raises(RuntimeError, match="needs token ids"):
            model(resid, start_at_layer=0)
        model(torch.tensor([PROMPT]))
        with pytest.raises(RuntimeError, match="lost track of the text"):
            model(resid, start_at_layer=1)
        with pytest.raises(RuntimeError, match="needs token ids"):
            model(resid, start_at_layer=0)


@WRAPPERS
def test_another_model_is_refused_until_it_is_watched(wrapper: str) -> None:
    other = tiny.MODELS[wrapper]()
    with copied(wrapper, add(5, 3), PROMPT) as (_, names), torch.no_grad():
        with other.hooks(fwd_hooks=names["fwd_hooks"]), pytest.raises(RuntimeError, match=r"watch\(\)"):
            other(torch.tensor([PROMPT]))
        names["watch"](other)
        with other.hooks(fwd_hooks=names["fwd_hooks"]):
            assert_close(other(torch.tensor([PROMPT]))[0], edited(wrapper, PROMPT, [1, 2, 3, 4]), atol=1e-4)


@pytest.mark.parametrize(
    ("wrapper", "hook"), [("hooked", "hook_embed"), ("hooked", "hook_pos_embed"), ("bridge", "embed.hook_out")]
)
def test_hooks_before_the_first_block_are_refused(wrapper: str, hook: str) -> None:
    engine = sw.Engine(model_of(wrapper), {"mine": tiny.sae()})
    with pytest.raises(RecipeError, match="before the first block.*blocks.0.hook_resid_pre"):
        to_code(engine, PROMPT, add([1.0] * tiny.D_MODEL, 1, hook=hook))


@WRAPPERS
def test_it_leaves_two_hooks_however_often_it_runs_and_none_after_unwatch(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()

    def hooks() -> int:
        return sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.modules())

    engine = sw.Engine(model, {"mine": tiny.sae()})
    before = hooks()
    namespace: dict[str, Any] = {"model": model, "saes": {"mine": tiny.sae()}}
    for recipe in (add(5, 3), add(6, 2), add(7, 1)):
        exec(to_code(engine, PROMPT, recipe), namespace)
        assert hooks() == before + 2
    namespace["unwatch"]()
    assert hooks() == before
