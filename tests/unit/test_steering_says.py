"""What a steering panel says of tokens that are not counted, and of activations that may be negative."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import norms
import numpy as np
import pytest
import tiny
import torch
from front_end import good

import saewidgets as sw
from saewidgets.widgets.flags import OUTLIER, SPECIAL

HOOK = "blocks.1.hook_resid_pre"
SINK = 60
SETTINGS = {"n_tokens": 2, "temperature": 0.0}


pytestmark = pytest.mark.usefixtures("fake_comm")


def params(recipe: sw.Recipe, prompt: list[int], **more: Any) -> dict[str, Any]:
    return {"recipe": recipe.to_dict(), "prompt": prompt, "chat": False, "messages": [], "settings": SETTINGS, **more}


@pytest.mark.parametrize("hook", [HOOK, "blocks.1.hook_resid_post"])
def test_tokens_that_are_not_counted_are_told_apart_in_both_views(hook: str) -> None:
    """Of the SAE that the recipe edits: a token may be a sink at one hook and none at another."""
    model = tiny.hooked()
    with torch.no_grad():
        model.embed.W_E[SINK] *= 400
        model.embed.W_E[7] *= 11
    prompt = [0, 5, SINK, 7, 6, 1, 8]
    saes = {"mine": tiny.sae(hook=HOOK), "other": tiny.sae(hook="blocks.1.hook_resid_post")}
    edited = next(name for name, sae in saes.items() if sae.cfg.metadata.hook_name == hook)
    far = norms.outliers(model, [hook], prompt)
    wanted = [SPECIAL if i < 2 else OUTLIER if far[p] else 0 for p, i in enumerate(prompt)]
    assert OUTLIER in wanted and SPECIAL in wanted
    with sw.Engine(model, saes) as engine:
        recipe = sw.Recipe([sw.add(3, 1.0, sae=edited)])
        panel = sw.SteeringPanel(engine, prompt=prompt, recipe=recipe)
        assert good(panel, "generate", **params(recipe, prompt))["prompt"]["flags"] == wanted
        parts = [m["r"]["prompt"] for m, _ in panel.comm.customs() if m.get("t") == "part" and "prompt" in m["r"]]
        assert [part["flags"] for part in parts] == [wanted]
        effect = good(panel, "effect", **params(recipe, prompt, continuation=[9, SINK]))
        assert effect["flags"] == [*wanted, 0, OUTLIER], "left out of the means after the prompt, too"


@pytest.mark.slow
def test_the_largest_activation_of_a_signed_dictionary_is_the_largest_by_magnitude(tmp_path: Path) -> None:
    vectors = torch.randn(6, tiny.D_MODEL, generator=torch.Generator().manual_seed(3))
    for kind, name in (("signed", "max |activation|"), ("sae", "max activation")):
        sae = sw.Directions(vectors, HOOK) if kind == "signed" else tiny.sae(hook=HOOK)
        with sw.Engine(tiny.hooked(), {"mine": sae}) as engine:
            text = [0, *range(10, 40)]
            index = sw.build_index(engine, [text], tmp_path / kind, progress=False, wait=True)
            acts = engine.activations(text)
            values = np.stack([acts[:, f][1:] for f in range(6)])
            panel = sw.SteeringPanel(engine, index, prompt=text)
            for f in range(6):
                (item,) = (i for i in good(panel, "search", q=str(f), sae=None)["items"] if i["f"] == f)
                assert item["max"] == pytest.approx(np.abs(values[f]).max(), rel=1e-3, abs=1e-6)
                assert item["signed"] == (kind == "signed")
            if kind == "signed":
                assert any(np.abs(v).max() > v.max() * 1.01 for v in values), "some are larger below zero"
            row = good(panel, "scales", **params(sw.Recipe(sw.add(2, 1.0, unit="max")), text))["rows"][0]
            assert row["max_name"] == name
            assert row["features"][0]["max"] == pytest.approx(np.abs(values[2]).max(), rel=1e-3, abs=1e-6)
