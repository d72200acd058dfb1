"""Kinds of intervention: one row each, for checks, edits, plain code, sliders and the view alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from edit_truth import PRE, TEXT, WRAPPERS, Truth, assert_close, logits_of, model_of, name_of, resolved

import saewidgets as sw
from saewidgets.interventions.edit.plain_code import to_code
from saewidgets.interventions.recipe import kinds
from saewidgets.interventions.recipe.constructors import ablate, add, cap, clamp, orthogonal, replace, scale
from saewidgets.interventions.recipe.errors import RecipeError
from saewidgets.interventions.recipe.intervention import Intervention
from saewidgets.interventions.recipe.kinds import (
    KINDS,
    UNITS,
    Added,
    Kind,
    Tokens,
    Written,
    kind_of,
    norm_name,
    register,
)
from saewidgets.interventions.recipe.recipe import Recipe

FEATURE = 5


class Squared(Kind):
    """h += v · a² · d."""

    def adds(self, i: Intervention, at: Tokens) -> Added:
        return Added(((at.value * at.activation**2 * at.size, at.d),))

    def code(self, amount: Any) -> Written:
        return Written(f"{amount.value!r} * a[..., {amount.feature}] ** 2 * size", f"D[{amount.feature}]")


@pytest.fixture
def squared() -> Iterator[Kind]:
    made = Squared(
        "squared", "square", "h += v · a² · d", units=("raw", "max"), start=0.5, neutral=0.0, in_activations=True
    )
    yield register(made)
    KINDS.pop("squared")


# -- a new kind is a class and a line


def test_a_new_kind_is_checked_and_goes_through_json(squared: Kind) -> None:
    made = Intervention(features=(FEATURE,), kind="squared", value=2.0)
    assert Recipe.from_json(Recipe(made).to_json()) == Recipe(made)
    assert repr(made) == "squared(5, 2)" and kind_of(made) is squared
    with pytest.raises(RecipeError, match="squared takes the units raw, max") as caught:
        Intervention(features=(FEATURE,), kind="squared", value=2.0, unit="resid")
    assert caught.value.field == "unit"
    with pytest.raises(RecipeError, match="did you mean 'squared'"):
        Intervention(features=(FEATURE,), kind="sqared", value=2.0)
    for wrong in ({"by": 3}, {"low": 0.0}, {"value": None}):
        with pytest.raises(RecipeError):
            Intervention(features=(FEATURE,), kind="squared", **{"value": 1.0, **wrong})
    with pytest.raises(ValueError, match="already"):
        register(squared)


def test_what_is_registered_no_more_is_refused() -> None:
    with pytest.raises(RecipeError, match="no kind 'squared'"):
        Intervention(features=(FEATURE,), kind="squared", value=2.0)


@WRAPPERS
def test_a_new_kind_edits_and_is_copied_as_code(wrapper: str, squared: Kind) -> None:
    """Against plain hooks: h += v · a² · W_dec at every token but BOS."""
    model, sae = model_of(wrapper), tiny.sae("standard")
    engine = sw.Engine(model, {"mine": tiny.sae("standard")})
    (ids,) = engine.to_ids(TEXT)
    tokens = torch.tensor([ids])
    recipe = Recipe(Intervention(features=(FEATURE,), kind="squared", value=2.0))

    def definition(h: torch.Tensor, hook: object) -> torch.Tensor:
        a = sae.encode(h)[..., FEATURE]
        a[:, 0] = 0
        return h + (2.0 * a**2)[..., None] * sae.W_dec[FEATURE]

    with torch.no_grad():
        expected = model.run_with_hooks(tokens, fwd_hooks=[(name_of(model, PRE), definition)])
        clean = model(tokens)
    assert (expected - clean).abs().max() > 0.1, "it must do something"
    assert_close(logits_of(engine, [recipe], ids), expected, atol=1e-4)
    assert resolved(engine, recipe, ids).lines() == ["squared feature 5: 2"]
    namespace: dict[str, Any] = {"model": model, "saes": {"mine": sae}}
    exec(to_code(engine, ids, recipe), namespace)
    with torch.no_grad(), model.hooks(fwd_hooks=namespace["fwd_hooks"]):
        assert_close(model(tokens), expected, atol=1e-4)
    namespace["unwatch"]()


def test_a_new_kind_is_known_to_the_panel(squared: Kind) -> None:
    from saewidgets.widgets.steering.asked import AskedPrompt
    from saewidgets.widgets.steering.payload import Units

    engine = sw.Engine(model_of("hooked"), {"mine": tiny.sae("standard")})
    recipe = Recipe(Intervention(features=(FEATURE,), kind="squared", value=2.0, unit="max", max_activation=3.0))
    reply = engine.worker.run(
        lambda ticket: Units(engine, {}).reply(json.loads(recipe.to_json()), AskedPrompt(TEXT), ticket)
    )
    (row,) = reply.data["rows"]
    assert row["ok"] and row["features"][0]["raw"] == 6.0 and (row["range"]["min"], row["range"]["max"]) == (-5, 10)


# -- the kinds there are


def test_both_sides_read_the_same_file() -> None:
    words = json.loads((Path(kinds.__file__).parent / "kinds.json").read_text(encoding="utf-8"))
    assert list(words["kinds"]) == list(KINDS) == ["add", "scale", "clamp", "ablate", "orthogonal", "cap", "replace"]
    assert list(words["units"]) == list(UNITS) == ["raw", "max", "resid", "own"]
    for name, kind in KINDS.items():
        assert kind.formula == words["kinds"][name]["formula"] and list(kind.units) == words["kinds"][name]["units"]
    front_end = Path(__file__).parents[2] / "js" / "src" / "widgets" / "steering"
    assert "interventions/recipe/kinds.json" in (front_end / "recipe" / "recipe.ts").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", ["hooked"])
def test_the_neutral_value_changes_nothing_and_kinds_without_one_always_do(wrapper: str) -> None:
    engine = sw.Engine(model_of(wrapper), tiny.sae("standard"))
    (ids,) = engine.to_ids(TEXT)
    f = Truth(wrapper, tiny.sae("standard"), ids).f  # one that is active
    clean = logits_of(engine, [None], ids)
    for kind, neutral in {"add": 0.0, "scale": 1.0, "orthogonal": 1.0}.items():
        assert KINDS[kind].neutral == neutral
        assert_close(logits_of(engine, [Intervention(features=(f,), kind=kind, value=neutral)], ids), clean)
    others: dict[str, list[Intervention]] = {
        "clamp": [clamp(f, v) for v in (-1, 0, 1, 2)],
        "ablate": [ablate(f)],
        "cap": [cap(f, v) for v in (-5, 0)],
        "replace": [replace(f, by=(f + 1) % 48, factor=v) for v in (0, 1)],
    }
    assert {name for name, kind in KINDS.items() if kind.neutral is None} == set(others)
    for made in (one for several in others.values() for one in several):
        assert (logits_of(engine, [made], ids) - clean).abs().max() > 1e-3, made


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        *[(add(3, v, unit=unit), s) for v, s in ((2, 1), (-2, -1), (0, 0)) for unit in ("raw", "max", "resid", "own")],
        *[(scale(3, v), s) for v, s in ((2, 1), (1, 0), (0.5, -1), (0, -1), (-1, -1))],
        *[(clamp(3, v), s) for v, s in ((2, 1), (0.1, 1), (0, 0), (-2, -1))],
        *[(orthogonal(3, v), s) for v, s in ((2, 1), (1, 0), (0, -1))],
        (ablate(3), -1),
        (cap(3, 2), -1),
        (replace(3, by=4), -1),
    ],
    ids=repr,
)
def test_whether_a_value_raises_or_suppresses(made: Intervention, wanted: int) -> None:
    value = made.value or 0.0
    assert kind_of(made).direction(made, value, value, float("nan")) == wanted


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (add(3, 1), (-20, 40)),
        (cap(3, 1), (-20, 40)),
        (clamp(3, 1, unit="max"), (-5, 10)),
        (add(3, 1, unit="own"), (-5, 10)),
        (add(3, 1, unit="resid"), (-2, 2)),
        (cap(3, 1, unit="resid"), (-2, 2)),
        (scale(3, 1), (-2, 10)),
        (replace(3, by=4), (-2, 10)),
        (orthogonal(3, 1), (-1, 3)),
        (ablate(3), None),
    ],
    ids=repr,
)
def test_where_a_slider_reaches(made: Intervention, wanted: tuple[float, float] | None) -> None:
    assert kind_of(made).reach(made.unit, 4.0, 0.5) == wanted


def test_a_slider_of_a_feature_that_never_fired_goes_by_its_decoder() -> None:
    assert KINDS["add"].reach("raw", 0.0, 0.5) == (-100, 200)


def test_where_a_sweep_begins() -> None:
    begins = {add(3, 2): 0, scale(3, 2): 1, clamp(3, 2): 0, orthogonal(3): 1, cap(3, 2): 0, cap(3, 2, low=-1): -1}
    assert {made: kind_of(made).least(made) for made in begins} == begins


# -- what "resid" is the norm of


@pytest.mark.parametrize(
    ("hook", "head", "said"),
    [
        ("blocks.7.hook_resid_pre", None, "residual norm"),
        ("blocks.7.hook_resid_mid", None, "residual norm"),
        ("blocks.7.hook_resid_post", None, "residual norm"),
        ("blocks.7.hook_in", None, "residual norm"),  # as a bridge calls them
        ("blocks.7.hook_out", None, "residual norm"),
        ("blocks.7.hook_mlp_out", None, "norm of the value at blocks.7.hook_mlp_out"),
        ("blocks.7.mlp.hook_out", None, "norm of the value at blocks.7.mlp.hook_out"),
        ("blocks.7.attn.hook_out", None, "norm of the value at blocks.7.attn.hook_out"),
        ("blocks.7.attn.hook_z", None, "norm of the value at blocks.7.attn.hook_z"),
        ("blocks.7.attn.hook_z", 2, "norm of the value at blocks.7.attn.hook_z, head 2"),
        ("blocks.7.ln2.hook_normalized", None, "norm of the value at blocks.7.ln2.hook_normalized"),
    ],
)
def test_what_the_norm_is_called(hook: str, head: int | None, said: str) -> None:
    assert norm_name(hook, head) == said


@WRAPPERS
def test_a_norm_is_named_by_its_hook_in_lines_and_in_the_panel(wrapper: str) -> None:
    """The median of |value| over all tokens but BOS, at the hook that is written to, a raw direction's own hook too."""
    from saewidgets.widgets.steering.asked import AskedPrompt
    from saewidgets.widgets.steering.payload import Units

    model = model_of(wrapper)
    z, out = "blocks.0.attn.hook_z", "blocks.0.hook_mlp_out"
    heads = {f"head {n}": tiny.sae("standard", z, d_in=4, hook_head_index=n, seed=n + 1) for n in (0, 2)}
    transcoder = tiny.sae("transcoder", "blocks.0.mlp.hook_in", hook_out=out)
    engine = sw.Engine(model, {"res": tiny.sae("standard"), "trans": transcoder, **heads})
    (ids,) = engine.to_ids(TEXT)
    with torch.no_grad():
        _, seen = model.run_with_cache(torch.tensor([ids]))
    split = seen[name_of(model, z)][0, 1:].reshape(len(ids) - 1, tiny.N_HEADS, -1)

    def median(values: torch.Tensor) -> float:
        return float(values.norm(dim=-1).quantile(0.5))

    pre, mlp = seen[name_of(model, PRE)][0, 1:], seen[name_of(model, out)][0, 1:]
    wanted = [
        (add(5, 1, unit="resid"), "residual norm", median(pre)),
        (add(5, 1, unit="resid", sae="trans"), f"norm of the value at {out}", median(mlp)),
        (add(5, 1, unit="resid", sae="head 0"), f"norm of the value at {z}, head 0", median(split[:, 0])),
        (add(5, 1, unit="resid", sae="head 2"), f"norm of the value at {z}, head 2", median(split[:, 2])),
        (add([1.0] * tiny.D_MODEL, 1, unit="resid", hook=out), f"norm of the value at {out}", median(mlp)),
    ]
    recipe = Recipe([made for made, _, _ in wanted])
    for line, (_, name, norm) in zip(resolved(engine, recipe, ids).lines(), wanted, strict=True):
        assert f"1 × median {name} " in line
        assert float(line.split(f"{name} ")[1].split()[0]) == pytest.approx(norm, rel=1e-3)
    reply = engine.worker.run(
        lambda ticket: Units(engine, {}).reply(json.loads(recipe.to_json()), AskedPrompt(TEXT), ticket)
    )
    for row, (_, name, norm) in zip(reply.data["rows"], wanted, strict=True):
        assert row["norm_name"] == name and row["median_norm"] == pytest.approx(norm, rel=1e-4)
