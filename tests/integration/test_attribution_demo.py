"""Attribution on the demo model: the tutorial's own question, and which number tells what truly happens."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import saewidgets as sw

if TYPE_CHECKING:
    from saewidgets.engine.engine import Engine

TEXT = "In the beginning, God created the heavens and the"
METRIC = sw.logit_diff(" earth", " sky")


def test_attribution_tells_the_effect_better_than_activation(
    demo_engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    found = sw.attribute(demo_engine, TEXT, METRIC)
    checked = sw.true_effects(demo_engine, found, top=20, random=20)
    linearised = checked.beside(sw.attribute(demo_engine, TEXT, METRIC, linearised="relp"))

    def pearson(of: sw.TrueEffects, measure: str) -> float:
        table = of.correlations().set_index(["measure", "among"])
        return float(table.loc[(measure, "all"), "pearson"])

    told = {
        "attribution": pearson(checked, "attribution"),
        "linearised (RelP)": pearson(linearised, "attribution"),
        "activation": pearson(checked, "activation"),
    }
    with capsys.disabled():
        said = ", ".join(f"{name} {value:.2f}" for name, value in told.items())
        sys.stdout.write(f"\ncorrelation with true ablation, n={len(checked)}: {said}\n")
    assert told["attribution"] > 0.9
    assert told["attribution"] == max(told.values())
    # By the definition: what is found for one of them is the metric less that without it.
    assert np.corrcoef(checked.attributions, checked.effects)[0, 1] == pytest.approx(told["attribution"])


def test_heaven_is_among_the_reasons_for_earth(demo_engine: Engine) -> None:
    """The feature that matters most fires on "heavens" alone, and without the first two the model is less sure of " earth"."""
    found = sw.attribute(demo_engine, TEXT, METRIC)
    first = found.by_feature().iloc[0]
    assert first["top_token"] == " heavens" and first["positions"] == 1 and first["attribution"] > 1
    with torch.no_grad(), sw.applied(demo_engine, sw.ablate(int(first["feature"]))):
        without = demo_engine.model.raw(TEXT, return_type="logits")[0, -1]
    earth, sky = (demo_engine.tokenizer.answer_ids(token)[0] for token in (" earth", " sky"))
    assert float(without[earth] - without[sky]) < found.values[0] - 1
