"""What a table of effects shows where there is nothing to show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny

import saewidgets as sw
from saewidgets.interventions.effects import ablation
from saewidgets.interventions.recipe.constructors import ablate, add, scale


@pytest.mark.parametrize("recipe", [ablate, lambda f: scale(f, -1), lambda f: add(f, -2)])
def test_nothing_is_zero_and_not_minus_zero(recipe: Any) -> None:
    """A table of "-0.0" looks as if something had happened."""
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    text = "In the beginning God created the heaven"
    acts = engine.activations(text)
    best = int(acts.top(1).features[0])
    silent = next(f for f in range(tiny.D_SAE) if not acts[:, f].any())
    for feature in (best, silent):
        one = recipe(feature)
        tables = [
            sw.effects(engine, text, one).to_pandas(),
            sw.answer_effects(engine, text, " and", one).to_pandas(),
            ablation.ablate(engine, text, feature).to_pandas(),
        ]
        for table in tables:
            numbers = table.select_dtypes("number").to_numpy(float)
            assert not (np.signbit(numbers) & (numbers == 0)).any(), table
