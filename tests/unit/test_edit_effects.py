"""The effect of a recipe on a given text is two forwards, compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from edit_effects_made import PRE, TEXT, Hand, check, check_sides, close, model_of
from torch import Tensor

import saewidgets as sw

TRANSCODER_HOOKS = ("blocks.0.mlp.hook_in", "blocks.0.hook_mlp_out")


LATE = "blocks.1.hook_resid_post"


CASES = [
    *[("hooked", a, PRE, None, tiny.D_MODEL) for a in tiny.SAES],
    *[("hooked", a, *TRANSCODER_HOOKS, tiny.D_MODEL) for a in tiny.TRANSCODERS],
    ("hooked", "standard", "blocks.0.hook_resid_mid", None, tiny.D_MODEL),
    ("hooked", "layer_norm", "blocks.0.attn.hook_z", None, tiny.D_MODEL),
    ("hooked", "jumprelu", "blocks.0.mlp.hook_post", None, tiny.D_MLP),
    ("bridge", "standard", PRE, None, tiny.D_MODEL),
    ("bridge", "topk", LATE, None, tiny.D_MODEL),
    ("bridge", "layer_norm", PRE, None, tiny.D_MODEL),
    ("bridge", "skip_transcoder", *TRANSCODER_HOOKS, tiny.D_MODEL),
    ("bridge", "standard", "blocks.0.hook_resid_mid", None, tiny.D_MODEL),
    ("bridge", "topk_rescaled", "blocks.1.attn.hook_z", None, tiny.D_MODEL),
]


@pytest.mark.slow
@pytest.mark.parametrize(("wrapper", "architecture", "hook", "hook_out", "d_in"), CASES)
def test_effects_are_two_forwards(wrapper: str, architecture: str, hook: str, hook_out: str | None, d_in: int) -> None:
    def sae() -> Any:
        return tiny.sae(architecture, hook, hook_out=hook_out, d_in=d_in)

    late = tiny.sae("standard", LATE, seed=9)
    engine = sw.Engine(model_of(wrapper), {"a": sae(), "late": tiny.sae("standard", LATE, seed=9)})
    (ids,) = engine.to_ids(TEXT)
    ids = [*ids[:8], 1, *ids[8:]]  # a special token in the middle
    hand = Hand(wrapper, sae(), ids, also=[LATE])
    f, g, inside = hand.f, hand.g, hand.inside

    def to_value(acts: Tensor) -> None:
        acts[:, f] = 2.5

    def both(acts: Tensor) -> None:
        acts[:, f], acts[:, g] = 0.0, 3 * acts[:, g]

    def own(acts: Tensor) -> None:
        acts[:, f] *= 1.5

    row = hand.sae.W_dec[f].detach()
    pushed = inside[None, :, None] * 1.5 * row
    cases: list[tuple[Any, Tensor, dict[int, Callable[[Tensor], Tensor] | None]]] = [
        (sw.clamp(f, 2.5), hand.decoded(to_value, inside), {f: lambda a: torch.full_like(a, 2.5)}),
        (
            [sw.ablate(f), sw.scale(g, 3)],
            hand.decoded(both, inside),
            {f: torch.zeros_like, g: lambda a: 3 * a},
        ),
        (sw.add(f, 0.5, unit="own"), hand.decoded(own, inside), {f: lambda a: 1.5 * a}),
        (sw.add(f, 1.5), pushed, {f: None if architecture in ("layer_norm", "constant_norm") else lambda a: a + 1.5}),
    ]
    if getattr(hand.sae.cfg, "rescale_acts_by_decoder_norm", False):
        cases[-1] = (cases[-1][0], pushed, {f: lambda a: a + 1.5 * row.norm()})
    for recipe, change, asked in cases:
        found = sw.effects(engine, ids, recipe, side=10**6)
        edited, after = hand.run(change)
        check(found, hand.clean, edited, ids)
        assert (edited - hand.clean).abs().max() > 1e-3, "the case tests nothing"
        # What was asked for, and what the SAE reads afterwards.
        assert [r.feature for r in found.features] == list(asked) and {r.dictionary for r in found.features} == {"a"}
        with torch.no_grad():
            here = hand.sae.encode(after[hand.reads])[0]
        for one in found.features:
            assert one.edited.tolist() == inside.tolist()
            close(one.clean, hand.acts[:, one.feature])
            assert np.isnan(one.requested[~inside.numpy()]).all()
            wish = asked[one.feature]
            if wish is not None:
                close(one.requested[inside.numpy()], wish(hand.acts[inside, one.feature]), repr(recipe))
            if hook_out is not None:
                assert np.isnan(one.realised).all() and "not read again" in one.note
            else:
                close(one.realised, here[:, one.feature], f"realised, {recipe!r}", atol=2e-4)
                assert one.note == ""
        # Side effects, in both dictionaries.
        check_sides(
            found,
            {"a": hand.sae, "late": late},
            {"a": hand.reads, "late": LATE},
            hand,
            after,
            {("a", x) for x in asked},
        )


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_side_is_how_many_and_the_largest_of_all(wrapper: str) -> None:
    engine = sw.Engine(model_of(wrapper), {"a": tiny.sae("standard"), "late": tiny.sae("standard", LATE, seed=9)})
    f = int(engine.activations(TEXT).top(1).features[0])
    every = sw.effects(engine, TEXT, sw.clamp(f, 4), side=10**6).side_effects
    assert {s.dictionary for s in every} == {"a", "late"}
    for side in (0, 1, 7):
        assert sw.effects(engine, TEXT, sw.clamp(f, 4), side=side).side_effects == every[:side]
    assert len(sw.effects(engine, TEXT, sw.clamp(f, 4)).side_effects) == 20


def test_a_direction_hides_no_feature_of_a_dictionary_of_its_name() -> None:
    v = torch.randn(tiny.D_MODEL, generator=torch.Generator().manual_seed(5))
    sae = tiny.sae("standard")
    with torch.no_grad():
        sae.b_enc[0] = 3.0  # active everywhere, so pushed
    engine = sw.Engine(model_of("hooked"), {"direction": sae})
    found = sw.effects(engine, TEXT, sw.add(v, 2, hook=PRE), side=10**6)
    assert ("direction", 0) in {(s.dictionary, s.feature) for s in found.side_effects}


def test_two_directions_are_two_in_the_table() -> None:
    v, w = torch.randn(2, tiny.D_MODEL, generator=torch.Generator().manual_seed(5))
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    (ids,) = engine.to_ids(TEXT)
    found = sw.effects(engine, TEXT, [sw.clamp(v, 2, hook=PRE), sw.clamp(w, 3, hook=LATE)])
    table = found.to_pandas()
    requested = [table[c] for c in table.columns if c.endswith("requested")]
    assert [set(r[1:]) for r in requested] == [{2.0}, {3.0}]
    hand = Hand("hooked", tiny.sae("standard"), ids)
    close(found.features[0].clean, hand.x[0] @ v)


# -- where


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize(
    ("positions", "where"),
    [
        ("prompt", lambda p: (p >= 1) & (p < 7)),
        ("generated", lambda p: p >= 7),
        ([(9, None)], lambda p: p >= 9),
        ([3, (5, 8)], lambda p: (p == 3) | ((p >= 5) & (p < 8))),
    ],
)
def test_positions(wrapper: str, positions: Any, where: Callable[[Tensor], Tensor]) -> None:
    engine = sw.Engine(model_of(wrapper), tiny.sae("standard"))
    (ids,) = engine.to_ids(TEXT)
    hand = Hand(wrapper, tiny.sae("standard"), ids)

    def to_value(acts: Tensor) -> None:
        acts[:, hand.f] = 4.0

    at = where(torch.arange(len(ids)))
    edited, _ = hand.run(hand.decoded(to_value, at))
    found = sw.effects(engine, ids, sw.clamp(hand.f, 4, positions=positions), n_prompt=7, freeze_attention=True)
    assert found.n_prompt == 7
    check(found, hand.clean, edited, ids)
    assert found.features[0].edited.tolist() == at.tolist()
    first = int(at.nonzero()[0])
    assert found.frozen is not None
    for delta, kl in ((found.delta, found.kl), (found.frozen.delta, found.frozen.kl)):
        assert (delta[1 : first + 1] == 0).all() and (kl[1 : first + 1] == 0).all(), "exactly nothing before the edit"
        assert delta[first + 1] != 0
    assert (found.lowered_ids[1 : first + 1] == -1).all() and (found.raised[1 : first + 1] == 0).all()
    np.testing.assert_array_equal(found.p_clean[: first + 1], found.p_edited[: first + 1])


@pytest.mark.slow
def test_the_unit_is_of_the_prompt_alone() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    (ids,) = engine.to_ids(TEXT)
    hand = Hand("hooked", tiny.sae("standard"), ids)
    row = hand.sae.W_dec[hand.f].detach()
    for n in (5, len(ids)):
        median = float(np.median(hand.x[0, 1:n].norm(dim=-1)))
        edited, _ = hand.run(hand.inside[None, :, None] * 0.5 * median * row / row.norm())
        check(sw.effects(engine, ids, sw.add(hand.f, 0.5, unit="resid"), n_prompt=n), hand.clean, edited, ids)
        largest = float(hand.acts[1:n, hand.f].max())
        edited, _ = hand.run(hand.inside[None, :, None] * 2 * largest * row)
        check(sw.effects(engine, ids, sw.add(hand.f, 2, unit="max"), n_prompt=n), hand.clean, edited, ids)


def test_the_error_dropped_and_geometric_kinds() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    (ids,) = engine.to_ids(TEXT)
    hand = Hand("hooked", tiny.sae("standard"), ids)
    with torch.no_grad():
        splice = hand.sae.decode(hand.sae.encode(hand.x)) - hand.x

    def nothing(acts: Tensor) -> None:
        acts[:, hand.f] = 0

    edited, after = hand.run(splice + hand.decoded(nothing, hand.inside))
    found = sw.effects(engine, ids, sw.Recipe(sw.ablate(hand.f), keep_error=False))
    check(found, hand.clean, edited, ids)
    with torch.no_grad():
        close(found.features[0].realised, hand.sae.encode(after[PRE])[0, :, hand.f])
    unit = hand.sae.W_dec[hand.f].detach()
    unit = unit / unit.norm()
    edited, _ = hand.run(hand.inside[None, :, None] * -(hand.x @ unit)[..., None] * unit)
    found = sw.effects(engine, ids, sw.orthogonal(hand.f))
    check(found, hand.clean, edited, ids)
    assert np.isnan(found.features[0].requested).all() and found.features[0].kinds == ("orthogonal",)


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_an_empty_recipe_is_exactly_nothing(wrapper: str) -> None:
    engine = sw.Engine(model_of(wrapper), tiny.sae("standard"))
    (ids,) = engine.to_ids(TEXT)
    for recipe in (sw.Recipe(), [], sw.add(3, 5, on=False), sw.Recipe(keep_error=False)):
        found = sw.effects(engine, TEXT, recipe, freeze_attention=True)
        assert found.frozen is not None
        for numbers in (found.delta, found.kl, found.lowered, found.raised, found.frozen.delta, found.frozen.kl):
            assert (numbers[1:] == 0).all()
        np.testing.assert_array_equal(found.p_clean, found.p_edited)
        assert found.loss_clean == found.loss_edited == found.frozen.loss
        assert found.features == () and found.side_effects == () and found.vocabulary == {}
        assert (found.lowered_ids == -1).all() and (found.raised_ids == -1).all()
    hand = Hand(wrapper, tiny.sae("standard"), ids)
    check(found, hand.clean, hand.clean, ids)


def test_an_edit_that_acts_nowhere_is_exactly_nothing() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    (ids,) = engine.to_ids(TEXT)
    found = sw.effects(engine, ids, sw.add(3, 5, positions="generated"), freeze_attention=True)
    assert found.frozen is not None
    assert (found.delta[1:] == 0).all() and (found.frozen.delta[1:] == 0).all() and (found.kl[1:] == 0).all()
    assert not found.features[0].edited.any() and found.side_effects == ()
