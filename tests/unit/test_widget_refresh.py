"""Two SAEs in one engine, and weights that change: what a widget shows is of the SAE that it says, as it is now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from front_end import good, recorded

import saewidgets as sw
from saewidgets.errors import FeatureIndexError

TEXT = "In the beginning God created the heaven"
TEXTS = [TEXT * 3, "Zwölf Boxkämpfer 日本語"]
SETTINGS = {"n_tokens": 3, "temperature": 1.0}


pytestmark = pytest.mark.usefixtures("fake_comm")


@pytest.fixture
def engine() -> Iterator[sw.Engine]:
    with sw.Engine(tiny.hooked(), {"a": tiny.sae(seed=1), "b": tiny.sae(seed=2)}) as engine:
        yield engine


@pytest.fixture
def index(engine: sw.Engine, tmp_path: Path) -> sw.FeatureIndex:
    """Of the second SAE."""
    return sw.build_index(engine, TEXTS, tmp_path / "index", sae="b", progress=False, wait=True)


def asked(recipe: Any, **more: Any) -> dict[str, Any]:
    return {"recipe": recipe, "prompt": TEXT, "chat": False, "messages": [], **more}


# -- two SAEs


def test_a_panel_is_about_the_sae_of_its_index(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    index.set_label(11, "only of b")
    panel = sw.SteeringPanel(engine, index, prompt=TEXT)
    assert panel.facts["index_sae"] == "b"
    panel.feature = 5
    assert panel.value == sw.Recipe(sw.add(5, 1.0, unit="max", sae="b"))
    panel.recipe = sw.Recipe([sw.ablate(3), sw.add(9, 2, unit="max", sae="b")]).to_dict()
    assert panel.feature == 9
    panel.feature = 10
    assert panel.value == sw.Recipe([sw.ablate(3), sw.add(10, 2, unit="max", sae="b")])
    panel.recipe = sw.Recipe(sw.ablate(3)).to_dict()
    assert panel.feature is None, "feature 3 of the other SAE is not feature 3 of the index"
    panel.feature = 4
    assert [(i.features, i.sae) for i in panel.value] == [((4,), "b"), ((3,), None)]
    with pytest.raises(FeatureIndexError):
        panel.feature = 48

    assert [i["f"] for i in good(panel, "search", q="only of", sae=None)["items"]] == [11]
    assert good(panel, "search", q="only of", sae="a")["items"] == []
    strongest = [int(f) for f in engine.activations(TEXT, sae="b").top(12)]
    assert [i["f"] for i in good(panel, "search", q="", sae=None)["items"]] == strongest
    for sae, named in ((None, "b"), ("b", "b"), ("a", None)):
        made = good(panel, "preset", key="tutorial", f=5, sae=sae)["recipe"]
        assert [row["sae"] for row in made["interventions"]] == [named]
    r = good(panel, "scales", **asked(sw.Recipe(sw.add(5, 1.0, unit="max", sae="b")).to_dict()))
    (found,) = r["rows"][0]["features"]
    assert found["max_from"] == "index" and found["max"] == pytest.approx(float(index.column("high")[5]))

    without = sw.SteeringPanel(engine, prompt=TEXT)
    without.feature = 5
    assert without.value == sw.Recipe(sw.add(5, 1.0, unit="resid"))


@pytest.mark.slow
def test_heatmap_and_dashboard_say_which_sae_they_are_of(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    assert sw.TokenFeatureHeatmap(engine, TEXT, sae="b").sae == "b"
    assert sw.TokenFeatureHeatmap(engine, TEXT).sae == sw.TokenFeatureHeatmap(engine, TEXT, sae="a").sae == "a"
    assert recorded(sw.TokenFeatureHeatmap(engine, TEXT, sae="b").page())[0]["sae"] == "b"
    dashboard = sw.FeatureDashboard(engine, index, feature=5, text=TEXT)
    found, of_a = dashboard.activations[:, 5], engine.activations(TEXT, sae="a")[:, 5]
    np.testing.assert_allclose(found, engine.activations(TEXT, sae="b")[:, 5], rtol=1e-5, atol=1e-6)
    assert not np.allclose(found, of_a, atol=1e-3)


# -- changed weights


@pytest.mark.slow
def test_after_a_refresh_nothing_is_left_of_the_old_weights(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    b = engine.dictionary("b").sae  # type: ignore[attr-defined]
    best = int(np.nanargmax(index.column("high")))
    recipe = sw.Recipe(sw.add(best, 1.0, unit="max", sae="b"))
    panel = sw.SteeringPanel(engine, index, prompt=TEXT, recipe=recipe, n_tokens=3)
    dashboard = sw.FeatureDashboard(engine, index, feature=best)

    def scales() -> tuple[dict[str, Any], list[str]]:
        r = good(panel, "scales", **asked(recipe.to_dict()))
        return r["rows"][0]["features"][0], r["warnings"]

    def notes() -> list[str]:
        return list(good(dashboard, "feature", f=best, sort="index", list=[])["notes"])

    old, said = scales()
    assert old["max_from"] == "index" and not said and not notes()
    panel.run()
    assert len(recorded(panel.page())[0]["history"]) == 1
    saved = {name: parameter.detach().clone() for name, parameter in b.named_parameters()}
    with torch.no_grad():
        for parameter in b.parameters():
            parameter.mul_(2)
    for widget in (panel, dashboard):
        widget.refresh()
    new, said = scales()
    acts = engine.activations(TEXT, sae="b")
    assert new["max_from"] == "prompt"
    assert new["max"] == pytest.approx(float(acts[:, best][acts.counted].max()))
    assert new["norm"] == pytest.approx(2 * old["norm"])
    assert "no longer" in said[0] and "no longer" in notes()[0]
    assert panel.result is None
    assert len(panel.history) == 1, "what was tried is kept"
    state, answers = recorded(panel.page())
    assert state["history"] == []
    made = sw.generate(engine, TEXT, recipe, n_tokens=3, temperature=panel.temperature, seed=panel.seed)
    (generated,) = (a["r"] for a in answers if a["ch"] == "generate")
    assert generated["edited"][0]["ids"] == made.edited[0].token_ids.tolist()
    panel.feature = best - 1 if best else 1
    panel.recipe = {}
    panel.feature = 5
    assert panel.value.interventions[0].unit == "resid", "without maxima"

    with torch.no_grad():
        for name, parameter in b.named_parameters():
            parameter.copy_(saved[name])
    for widget in (panel, dashboard):
        widget.refresh()
    assert scales() == (old, []) and not notes()


def test_an_answer_that_began_before_a_refresh_is_not_kept(engine: sw.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    heatmap = sw.TokenFeatureHeatmap(engine, TEXT)
    activations = engine.activations

    def slow(*args: Any, **kwargs: Any) -> sw.FeatureActivations:
        made = activations(*args, **kwargs)
        heatmap.refresh()
        return made

    with monkeypatch.context() as patch:
        patch.setattr(engine, "activations", slow)
        old = heatmap.activations
    assert heatmap.activations is not old
    panel = sw.SteeringPanel(engine, prompt=TEXT, recipe=sw.add(5, 1.0), n_tokens=2)
    send = panel.send
    monkeypatch.setattr(panel, "send", lambda content, buffers=None: (refresh_once(), send(content, buffers))[1])
    done: list[int] = []

    def refresh_once() -> None:
        if not done:
            done.append(1)
            panel.refresh()

    assert good(panel, "generate", **asked(panel.recipe, settings=SETTINGS))
    assert done and panel.result is None
    assert [a["ch"] for a in recorded(panel.page(views=()))[1]] == ["scales"]


def test_a_run_from_a_cell_that_began_before_a_refresh_is_in_no_page(
    engine: sw.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = sw.SteeringPanel(engine, prompt=TEXT, recipe=sw.add(5, 1.0), n_tokens=2)
    write = panel._runs.write

    def refreshed_meanwhile(*args: Any, **kwargs: Any) -> sw.Generation:
        made = write(*args, **kwargs)
        panel.refresh()
        return made

    with monkeypatch.context() as patch:
        patch.setattr(panel._runs, "write", refreshed_meanwhile)
        panel.run()
    assert [a["ch"] for a in recorded(panel.page(views=()))[1]] == ["scales"]
    panel.run()
    assert [a["ch"] for a in recorded(panel.page(views=()))[1]] == ["generate", "scales"]
