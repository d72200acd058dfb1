"""Where an edit acts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch
from edit_truth import (
    TEXT,
    WRAPPERS,
    assert_close,
    logits_of,
    model_of,
    name_of,
    resolved,
)

import saewidgets as sw
from saewidgets.interventions.edit.hooks import Edits
from saewidgets.interventions.edit.positions import Scope
from saewidgets.interventions.recipe.constructors import add, clamp
from saewidgets.interventions.recipe.recipe import Recipe

# -- where


def where_of(scope: Scope, recipe: Recipe) -> list[list[int]]:
    """Positions at which the only intervention of `recipe` may act, row by row."""
    (one,) = recipe
    at = scope.where(one, recipe)
    return [scope.positions[b][at[b]].tolist() for b in range(len(at))]


@pytest.mark.parametrize(
    ("positions", "wanted"),
    [
        ("all", [1, 2, 3, 4, 6, 7]),
        ("prompt", [1, 2, 3, 4]),
        ("generated", [6, 7]),
        ([0, 3, 7, 99], [3, 7]),
        ([(2, 4), (6, None)], [2, 3, 6, 7]),
        ([(None, 3)], [1, 2]),
        ([(None, None)], [1, 2, 3, 4, 6, 7]),
        (slice(2, None), [2, 3, 4, 6, 7]),
    ],
)
def test_positions(positions: Any, wanted: list[int]) -> None:
    counting = sw.Engine(model_of("hooked"), tiny.sae()).counting
    tokens = torch.tensor([[0, 50, 51, 52, 53, 1, 54, 55]])
    recipe = Recipe(add(3, 1, positions=positions))
    scope = Scope(counting, [5])
    scope.advance(tokens)
    assert where_of(scope, recipe) == [wanted]
    special = Recipe(add(3, 1, positions=positions, special=True))
    everything = list(range(8))
    chosen = {"all": everything, "prompt": everything[:5], "generated": everything[5:]}
    if isinstance(positions, str):
        assert where_of(scope, special) == [chosen[positions]]
    scope, found = Scope(counting, [5]), []
    for p in (slice(0, 5), slice(5, 6), slice(6, 8)):
        scope.advance(tokens[:, p])
        found += where_of(scope, recipe)[0]
    assert found == wanted
    scope = Scope(counting, [5, 2])
    padded = torch.tensor([[1, 1, 0, 50, 51, 52, 53, 1, 54, 55], [1, 1, 1, 1, 1, 1, 0, 50, 51, 52]])
    real = torch.ones(2, 10, dtype=torch.bool)
    real[0, :2] = real[1, :6] = False
    scope.advance(padded, real)
    assert where_of(scope, recipe)[0] == wanted
    assert scope.positions[1].tolist() == [-1] * 6 + [0, 1, 2, 3]


def test_template_and_system_masks() -> None:
    counting = sw.Engine(model_of("hooked"), tiny.sae()).counting
    template = np.array([1, 1, 0, 0, 1, 0], bool)
    system = np.array([0, 0, 1, 1, 0, 0], bool)
    tokens = torch.tensor([[50, 51, 52, 53, 54, 55, 56, 57]])

    def found(recipe: Recipe) -> list[int]:
        scope = Scope(counting, [6], [template], [system])
        scope.advance(tokens)
        return where_of(scope, recipe)[0]

    assert found(Recipe(add(3, 1))) == [2, 3, 5, 6, 7]
    assert found(Recipe(add(3, 1), system=False)) == [5, 6, 7]
    assert found(Recipe(add(3, 1, special=True))) == list(range(8))
    assert found(Recipe(add(3, 1, special=True), system=False)) == [0, 1, 4, 5, 6, 7]
    assert found(Recipe(add(3, 1, positions=[0, 2, 5]))) == [2, 5]


@pytest.mark.parametrize(
    ("text", "thinking"),
    [
        ("ab<cd>ef", "  <cd>  "),
        ("<a>b<c>d", "<a> <c> "),
        ("a>b", "   "),
        ("a>b<c>d", "   <c> "),
        ("><a", " <a"),
        ("<a<b>c", "<a<b> "),
        ("<a>>b", "<a>  "),
        ("<a", "<a"),
        ("<>a", "<> "),
    ],
)
def test_thinking(text: str, thinking: str) -> None:
    """From the opening token up to the first closing one, both included, however the text is cut into forwards."""
    counting = sw.Engine(model_of("hooked"), tiny.sae()).counting
    tokens = torch.tensor([[{"<": 60, ">": 61}.get(c, 50) for c in text]])
    recipe = Recipe(add(3, 1), thinking=False)
    wanted = [n for n, c in enumerate(thinking) if c == " "]
    for cut in range(len(text)):
        for step in (1, len(text)):
            scope, found = Scope(counting, [1], think=(60, 61)), []
            starts = [0, *range(max(cut, 1), len(text), step)]
            for start, stop in zip(starts, [*starts[1:], len(text)], strict=True):
                scope.advance(tokens[:, start:stop])
                found += where_of(scope, recipe)[0]
                assert where_of(scope, Recipe(add(3, 1)))[0] == list(range(start, stop))
            assert found == wanted, (cut, step)


@WRAPPERS
def test_norm_outliers_of_the_prompt_are_left_alone(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()
    with torch.no_grad():
        model.embed.W_E[60] *= 1000
    engine = sw.Engine(model, tiny.sae("standard", "blocks.0.hook_resid_pre"))
    ids = [0, 60, 70, 71, 60, 72, 60, 73]
    name, tokens = name_of(model, "blocks.0.hook_resid_pre"), torch.tensor([ids])
    row = tiny.sae("standard").W_dec[3].detach()
    for special, where in ((False, [0, 0, 1, 1, 0, 1, 1, 1]), (True, [1] * 8)):
        change = torch.tensor(where)[None, :, None] * 3 * row
        with torch.no_grad():
            wanted = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda x, hook, c=change: x + c)])[0]
        # Six tokens of prompt: the outlier that is generated is none.
        assert_close(logits_of(engine, [add(3, 3, special=special)], ids, 6)[0], wanted, atol=1e-4)


@WRAPPERS
def test_seen(wrapper: str) -> None:
    """What a view compares: where it was edited, what was asked for, and the values before and after all edits."""
    saes = {"a": tiny.sae("standard"), "b": tiny.sae("jumprelu", seed=4)}
    engine = sw.Engine(model_of(wrapper), saes)
    (ids,) = engine.to_ids(TEXT)
    f = int(engine.activations(ids, sae="a").top(1).features[0])
    recipe = Recipe([clamp(f, 3, sae="a", only_active=True), add(5, 2, sae="a", positions=[4]), add(7, 2, sae="b")])
    edits = Edits(engine, [None, resolved(engine, recipe, ids)], Scope(engine.counting, [len(ids)] * 2), keep=True)
    tokens = torch.tensor([ids] * 2)
    with torch.no_grad():
        engine.model.logits(tokens, edits.hooks(tokens))
    h = edits.seen["a"].before
    acts, at = engine.activations(ids, sae="a"), np.arange(len(ids)) > 0
    active = at & (np.asarray(acts[:, f]) != 0)
    change = 2 * saes["b"].W_dec[7].detach() * torch.from_numpy(at)[:, None]
    change[4] += 2 * saes["a"].W_dec[5].detach()
    change += torch.from_numpy(np.where(active, 3 - np.asarray(acts[:, f]), 0))[:, None] * saes["a"].W_dec[f].detach()
    for seen in edits.seen.values():
        assert_close(seen.before[0], seen.after[0])
        assert_close(seen.after[1], h[1] + change, "after all edits at the hook, of other SAEs, too", atol=1e-4)
    a = edits.seen["a"]
    order = next(terms.features for terms in edits.terms if terms.key == "a")
    assert order == [f, 5] and not a.edited[0].any()
    np.testing.assert_array_equal(a.edited[1, :, 0].numpy(), active)
    assert a.edited[1, :, 1].nonzero().flatten().tolist() == [4]
    assert (a.requested[1, active, 0] == 3).all() and a.requested[1, ~active, 0].isnan().all()
    assert a.requested[1, 4, 1].item() == pytest.approx(float(acts[4, 5]) + 2, abs=1e-5)
    np.testing.assert_array_equal(edits.edited(), [np.zeros(len(ids), bool), at])
