"""What a recipe does to a text, against two forwards made by hand with plain hooks and sae-lens's own encode() and decode()."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from sae_lens import HookedSAETransformer
from torch import Tensor
from transformer_lens import HookedTransformerConfig

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.interventions.effects.result import EditEffects
from saewidgets.interventions.recipe.errors import RecipeError

TEXT = "In the beginning God created 日本語 and the earth."
PRE = "blocks.1.hook_resid_pre"
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


@cache
def model_of(wrapper: str) -> Any:
    """Shared between tests: none may change it."""
    return tiny.MODELS[wrapper]()


def name_of(model: Any, hook: str) -> str:
    return model._resolve_hook_name(hook) if hasattr(model, "_resolve_hook_name") else hook


def flat(x: Tensor) -> Tensor:
    return x.reshape(*x.shape[:2], -1)


class Hand:
    """One text under the model as it is and with `change` [1, pos, d_out] added, by plain hooks."""

    def __init__(self, wrapper: str, sae: Any, ids: Sequence[int], also: Sequence[str] = ()) -> None:
        self.model, self.sae, self.ids, self.tokens = model_of(wrapper), sae, list(ids), torch.tensor([list(ids)])
        meta = sae.cfg.metadata
        if meta.hook_name.endswith("hook_z"):
            sae.turn_off_forward_pass_hook_z_reshaping()
        self.reads, self.out = meta.hook_name, meta.hook_name_out or meta.hook_name
        # A bridge's resid_mid is a copy that only the MLP's norm reads; attn_out is added to the stream just before.
        self.place = self.out.replace("resid_mid", "attn_out") if wrapper == "bridge" else self.out
        self.also = [self.reads, *also]
        self.clean, self.before = self.run(None)
        self.x = self.before[self.reads]
        with torch.no_grad():
            self.acts = sae.encode(self.x)[0]
        self.inside = torch.tensor([i not in (0, 1) for i in ids])
        order = (self.acts[self.inside] != 0).sum(0).argsort(descending=True, stable=True)
        self.f, self.g = order[:2].tolist()

    def run(self, change: Tensor | None, more: Sequence[Any] = ()) -> tuple[Tensor, dict[str, Tensor]]:
        """Log-probabilities [pos, d_vocab], and what flows on from the hooks of interest."""
        seen: dict[str, Tensor] = {}

        def keep(name: str) -> Callable[..., None]:
            def hook(x: Tensor, hook: Any) -> None:
                seen[name] = flat(x)

            return hook

        hooks = [] if change is None else [(self.place, lambda h, hook: h + change.reshape(h.shape))]
        hooks += [*more, *((name, keep(name)) for name in dict.fromkeys(self.also))]
        with torch.no_grad():
            logits = self.model.run_with_hooks(
                self.tokens, fwd_hooks=[(name_of(self.model, name), fn) for name, fn in hooks]
            )
        return logits[0].log_softmax(-1), seen

    def decoded(self, edit: Callable[[Tensor], None], where: Tensor) -> Tensor:
        """[1, pos, d_out] that is added where `edit` changes activations [pos, d_sae] at the tokens `where`."""
        with torch.no_grad():
            old = self.sae.decode(self.sae.encode(self.x))
            acts = self.sae.encode(self.x).clone()
            new = acts[0].clone()
            edit(new)
            acts[0, where] = new[where]
            return self.sae.decode(acts) - old


def close(found: Any, wanted: Any, message: str = "", atol: float = 5e-5) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), atol=atol, rtol=2e-3, err_msg=message)


def check(found: EditEffects, clean: Tensor, edited: Tensor, ids: Sequence[int], k: int = 5) -> None:
    """Every number of `found` that is about the output, from log-probabilities [pos, d_vocab] made by hand."""
    answers = torch.tensor(ids[1:])
    rows = torch.arange(len(ids) - 1)
    p, q = clean[rows, answers], edited[rows, answers]
    for row in (found.p_clean, found.p_edited, found.delta, found.kl, found.lowered, found.raised):
        assert np.isnan(row[0]).all()
    close(found.p_clean[1:], p.exp())
    close(found.p_edited[1:], q.exp())
    close(found.delta[1:], q - p)
    close(found.kl[1:], (clean.exp() * (clean - edited)).sum(-1)[:-1])
    assert (found.kl[1:] >= 0).all()
    change = (edited - clean)[:-1]
    for ids_found, values, largest in (
        (found.lowered_ids, found.lowered, False),
        (found.raised_ids, found.raised, True),
    ):
        said = ids_found[1:] >= 0
        assert said.all(1).tolist() == said.any(1).tolist()
        for pos in range(len(ids) - 1):
            close(values[1 + pos], change[pos].topk(k, largest=largest).values, f"position {pos}")
            if said[pos].all():
                close(change[pos][ids_found[1 + pos]], values[1 + pos])
                assert len(set(ids_found[1 + pos].tolist())) == k
    counted = np.array([i not in (0, 1) for i in ids[1:]])
    close(found.loss_clean, -p.numpy()[counted].mean())
    close(found.loss_edited, -q.numpy()[counted].mean())
    close(found.mean_kl, found.kl[1:][counted].mean())
    assert found.special.tolist() == [i in (0, 1) for i in ids]
    assert found.token_ids.tolist() == list(ids)


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


def check_sides(
    found: EditEffects,
    saes: dict[str, Any],
    reads: dict[str, str],
    hand: Hand,
    after: dict[str, Tensor],
    mine: set[Any],
) -> None:
    wanted: dict[tuple[str, int], tuple[float, float, float]] = {}
    for name, sae in saes.items():
        with torch.no_grad():
            old, new = (sae.encode(x[reads[name]])[0][hand.inside] for x in (hand.before, after))
        for n in range(old.shape[1]):
            largest = float((new - old)[:, n].abs().max())
            if (name, n) not in mine:
                wanted[name, n] = float(old[:, n].mean()), float(new[:, n].mean()), largest
    said = {(s.dictionary, s.feature): s for s in found.side_effects}
    assert len(said) == len(found.side_effects) and not set(said) & mine
    for key, (a, b, largest) in wanted.items():
        if key not in said:
            assert largest < 1e-4, f"{key} changed and is not said"
            continue
        s = said[key]
        close([s.clean, s.edited, s.change, s.largest], [a, b, b - a, largest], str(key), atol=1e-4)
    sizes = [abs(s.change) for s in found.side_effects]
    assert sizes == sorted(sizes, reverse=True)


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


# -- attention frozen


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("hook", ["blocks.0.hook_resid_pre", PRE, "blocks.0.attn.hook_z"])
def test_frozen_attention(wrapper: str, hook: str) -> None:
    engine = sw.Engine(model_of(wrapper), tiny.sae("standard", hook))
    (ids,) = engine.to_ids(TEXT)
    hand = Hand(wrapper, tiny.sae("standard", hook), ids)
    names = [f"blocks.{n}.attn.hook_pattern" for n in range(2)]
    with torch.no_grad():
        _, seen = hand.model.run_with_cache(hand.tokens)
    patterns = [(n, lambda p, hook, n=n: seen[name_of(hand.model, n)]) for n in names]
    row = hand.sae.W_dec[hand.f].detach()
    change = hand.inside[None, :, None] * 5 * row
    free, _ = hand.run(change)
    wanted, _ = hand.run(change, patterns)
    found = sw.effects(engine, ids, sw.add(hand.f, 5), freeze_attention=True)
    check(found, hand.clean, free, ids)
    assert found.frozen is not None
    rows, answers = torch.arange(len(ids) - 1), torch.tensor(ids[1:])
    close(found.frozen.delta[1:], (wanted - hand.clean)[rows, answers])
    close(found.frozen.kl[1:], (hand.clean.exp() * (hand.clean - wanted)).sum(-1)[:-1])
    close(found.frozen.loss, -wanted[rows, answers].mean())
    assert np.isnan(found.frozen.delta[0]) and np.isnan(found.frozen.kl[0])
    if hook == "blocks.0.hook_resid_pre":
        assert (wanted - free).abs().max() > 2e-3, "the case tests nothing"


def test_with_everything_frozen_effects_are_linear() -> None:
    torch.manual_seed(3)
    cfg = HookedTransformerConfig(
        n_layers=3,
        d_model=tiny.D_MODEL,
        n_ctx=tiny.N_CTX,
        d_head=4,
        n_heads=4,
        attn_only=True,
        normalization_type=None,
        d_vocab=len(tiny.tokenizer()),
        seed=3,
        device="cpu",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = HookedSAETransformer(cfg, tokenizer=tiny.tokenizer()).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    hook = "blocks.0.hook_resid_post"
    engine = sw.Engine(model, tiny.sae("standard", hook))
    W = tiny.sae("standard", hook).W_dec.detach()
    (ids,) = engine.to_ids(TEXT)
    tokens, f, g = torch.tensor([ids]), 3, 11
    rows, answers = torch.arange(len(ids) - 1), torch.tensor(ids[1:])
    with torch.no_grad():
        clean, seen = model.run_with_cache(tokens)
    patterns = [
        (f"blocks.{n}.attn.hook_pattern", lambda p, hook, n=n: seen[f"blocks.{n}.attn.hook_pattern"]) for n in range(3)
    ]

    def change(vector: Tensor) -> Tensor:
        """Of the logits, by hand, with the patterns as they were."""

        def push(h: Tensor, hook: Any) -> Tensor:
            return torch.cat([h[:, :1], h[:, 1:] + vector], 1)

        with torch.no_grad():
            return (model.run_with_hooks(tokens, fwd_hooks=[(hook, push), *patterns]) - clean)[0]

    one, other = change(W[f]), change(W[g])
    assert one.abs().max() > 0.1
    for recipe, linear in (
        (sw.add(f, 1), one),
        (sw.add(f, 2), 2 * one),
        (sw.add(f, -3), -3 * one),
        (sw.add([f, g], 1), one + other),
        ([sw.add(f, 2), sw.add(g, -1)], 2 * one - other),
    ):
        found = sw.effects(engine, ids, recipe, freeze_attention=True)
        assert found.frozen is not None
        wanted = (clean[0] + linear).log_softmax(-1) - clean[0].log_softmax(-1)
        close(found.frozen.delta[1:], wanted[rows, answers], repr(recipe), atol=1e-4)
        assert np.abs(found.delta[1:] - found.frozen.delta[1:]).max() > 1e-3, "attention moves when it is not frozen"


# -- edges


def test_bad_input() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"), context_size=8)
    with pytest.raises(SaewidgetsError, match="context of 8"):
        sw.effects(engine, list(range(2, 11)), sw.ablate(3))
    sw.effects(engine, list(range(2, 10)), sw.ablate(3))
    with pytest.raises(SaewidgetsError, match="no tokens"):
        sw.effects(engine, [], sw.ablate(3))
    for recipe in (sw.ablate(48), sw.ablate([3, 48])):
        with pytest.raises(RecipeError, match="48"):
            sw.effects(engine, "the", recipe)
    with pytest.raises(RecipeError, match="'other'"):
        sw.effects(engine, "the", sw.ablate(3, sae="other"))
    with pytest.raises(RecipeError, match="int"):
        sw.effects(engine, "the", 3)  # type: ignore[arg-type]
    for n in (0, -1, 5):
        with pytest.raises(SaewidgetsError, match="n_prompt"):
            sw.effects(engine, [0, 5, 6, 7], sw.ablate(3), n_prompt=n)
    with pytest.raises(RecipeError, match="past the end of the text, which has 4 tokens"):
        sw.effects(engine, [0, 5, 6, 7], sw.ablate(3, positions=[4]))
    for wrong in ({"k": -1}, {"side": -1}):
        with pytest.raises(SaewidgetsError, match=next(iter(wrong))):
            sw.effects(engine, "the", sw.ablate(3), **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("ids", [[0], [5], [0, 1]])
def test_a_text_of_nothing_to_speak_of(ids: list[int]) -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    found = sw.effects(engine, ids, sw.clamp(3, 5, special=True), freeze_attention=True)
    assert np.isnan(found.loss_clean) and np.isnan(found.loss_edited) and np.isnan(found.mean_kl)
    assert len(found.to_pandas()) == len(ids) and repr(found)
    assert sw.effects(engine, "", sw.ablate(3)).token_ids.tolist() == [0]


def test_a_first_token_that_is_not_special_is_not_predicted_and_not_counted() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    ids = engine.to_ids(TEXT)[0][1:]
    hand = Hand("hooked", tiny.sae("standard"), ids)

    def to_value(acts: Tensor) -> None:
        acts[:, hand.f] = 2.5

    edited, after = hand.run(hand.decoded(to_value, hand.inside))
    found = sw.effects(engine, ids, sw.clamp(hand.f, 2.5), side=10**6)
    assert hand.inside.all() and not found.special.any() and not found.counted[0]
    check(found, hand.clean, edited, ids)
    # But what an SAE reads there is as good as elsewhere.
    check_sides(found, {PRE: hand.sae}, {PRE: PRE}, hand, after, {(PRE, hand.f)})


def test_a_chats_template_is_neither_edited_nor_counted() -> None:
    model = tiny.hooked()
    model.tokenizer.chat_template = (
        "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    try:
        engine, chat = sw.Engine(model, tiny.sae("standard")), [{"role": "user", "content": TEXT}]
        found = sw.effects(engine, chat, sw.clamp(3, 5), freeze_attention=True, side=10**6)
    finally:
        model.tokenizer.chat_template = None
    said = ~found.special
    assert "".join(found.tokens[n] for n in np.flatnonzero(said)).strip() == TEXT and said.sum() < len(said) - 3
    assert found.features[0].edited.tolist() == said.tolist()
    assert found.frozen is not None
    logprobs = np.log(found.p_clean), np.log(found.p_edited), np.log(found.p_clean) + found.frozen.delta
    for loss, p in zip((found.loss_clean, found.loss_edited, found.frozen.loss), logprobs, strict=True):
        close(loss, -p[said].mean())
    hand = Hand("hooked", tiny.sae("standard"), found.token_ids.tolist())
    hand.inside = torch.from_numpy(said)

    def to_value(acts: Tensor) -> None:
        acts[:, 3] = 5.0

    edited, after = hand.run(hand.decoded(to_value, hand.inside))
    close(found.delta[1:], (edited - hand.clean)[torch.arange(len(said) - 1), torch.tensor(hand.ids[1:])])
    check_sides(found, {PRE: hand.sae}, {PRE: PRE}, hand, after, {(PRE, 3)})


def test_any_k_and_small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    wanted = sw.effects(engine, TEXT, sw.clamp(3, 5))
    assert sw.effects(engine, TEXT, sw.clamp(3, 5), k=0).lowered_ids.shape[1] == 0
    assert sw.effects(engine, TEXT, sw.clamp(3, 5), k=10**6).raised.shape[1] == 320
    monkeypatch.setattr("saewidgets.interventions.effects.compare_logits._CHUNK", 3 * 320)
    found = sw.effects(engine, TEXT, sw.clamp(3, 5, positions=[(6, None)]))
    monkeypatch.undo()
    again = sw.effects(engine, TEXT, sw.clamp(3, 5, positions=[(6, None)]))
    assert np.abs(wanted.delta[1:]).max() > 1e-3
    for name in ("delta", "kl", "lowered", "raised", "p_clean"):
        np.testing.assert_allclose(getattr(found, name), getattr(again, name), atol=1e-6, err_msg=name)


def test_progress() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    for freeze, total in ((False, 2), (True, 3)):
        seen: list[tuple[int, int]] = []
        sw.effects(engine, TEXT, sw.ablate(3), freeze_attention=freeze, on_progress=lambda *at, s=seen: s.append(at))
        assert seen[-1] == (total, total)


def test_tables_figure_repr() -> None:
    sae = tiny.sae("standard")
    engine = sw.Engine(model_of("hooked"), sae)
    (ids,) = engine.to_ids(TEXT)
    found = sw.effects(engine, TEXT, [sw.clamp(3, 5), sw.ablate(4)], freeze_attention=True)
    table = found.to_pandas()
    assert "".join(table["token"]) == "<|bos|>" + TEXT and len(table) == len(ids)
    np.testing.assert_array_equal(table["delta"], found.delta)
    assert found.frozen is not None
    np.testing.assert_array_equal(table["delta_frozen"], found.frozen.delta)
    np.testing.assert_array_equal(table["blocks_1_hook_resid_pre_3_realised"], found.features[0].realised)
    np.testing.assert_array_equal(table[f"{PRE}/4 requested"], found.features[1].requested)
    sides = found.side_pandas()
    assert sides["feature"].tolist() == [s.feature for s in found.side_effects]
    np.testing.assert_allclose(sides["edited"] - sides["clean"], sides["change"], atol=1e-5)
    assert len(sw.effects(engine, TEXT, sw.Recipe()).side_pandas().columns) == 7
    figure = found.figure()
    np.testing.assert_array_equal(np.array(figure.data[0].y, dtype=float), found.delta)
    assert f"{len(ids)} tokens" in repr(found) and "clamp" in repr(found)
    said = found.vocabulary
    assert set(said) == {*found.lowered_ids[1:].flatten().tolist(), *found.raised_ids[1:].flatten().tolist()} - {-1}
    assert all(said[i] == engine.tokenizer.display([i]).strings[0] for i in said)
