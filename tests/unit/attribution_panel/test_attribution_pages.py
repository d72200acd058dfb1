"""An AttributionPanel over time: weights that change, an index, recipes, pages, hostile text, its end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from attribution_made import (
    FOIL,
    LATE,
    PROMPT,
    TARGET,
    Truth,
    both,
    counted_of,
    of,
    rank,
    sae_named,
    truth_of,
)
from dashboard_made import HOSTILE, ROWS, build, check_inert, failed, good
from front_end import recorded

import saewidgets as sw

pytestmark = pytest.mark.usefixtures("fake_comm")


# -- weights that change


@pytest.mark.slow
def test_refresh_forgets(panel: sw.AttributionPanel, engine: sw.Engine) -> None:
    before = panel.attribution
    good(panel, "check", {"of": of(panel), "top": 3, "random": 3})
    assert panel.attribution is before and panel.checked is not None
    with torch.no_grad():
        tiny.sae_of(engine).b_enc += 1
    panel.refresh()
    assert panel.checked is None
    assert not any(one["ch"] == "check" for one in recorded(panel.page())[1]), "a page has no check of other weights"
    assert len(panel.attribution.features) > len(before.features)
    assert all(row["effect"] is None for row in rank(panel)["rows"])


def test_a_check_that_began_before_a_refresh_is_not_kept(
    panel: sw.AttributionPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saewidgets.attribution import true_effect

    def slow(*args: Any) -> Iterator[list[float]]:
        for values in metric_without(*args):
            panel._explained.forget()  # as a refresh in a cell does, while the check goes on
            yield values

    metric_without = true_effect.metric_without
    monkeypatch.setattr(true_effect, "metric_without", slow)
    good(panel, "check", {"of": of(panel), "top": 3, "random": 3})
    assert panel.checked is None
    assert all(row["effect"] is None for row in rank(panel)["rows"])


def test_a_check_is_of_the_dictionary_that_is_shown() -> None:
    with both() as engine:
        panel = sw.AttributionPanel(engine, None, PROMPT, TARGET, FOIL, sae="late")
        good(panel, "check", {"of": of(panel), "top": 3, "random": 0})
        assert panel.checked is not None and set(panel.checked.sae) == {"late"}
        panel.sae = "early"
        assert panel.checked is None
        assert all(row["effect"] is None for row in rank(panel)["rows"])
        panel.sae = "late"
        assert sum(row["effect"] is not None for row in rank(panel)["rows"]) == 3


@pytest.mark.slow
def test_an_index_says_what_its_dictionary_s_features_are(tmp_path: Path) -> None:
    with both() as engine:
        index = build(engine, tmp_path / "index", ROWS[-6:], sae="late")
        panel = sw.AttributionPanel(engine, index, PROMPT, TARGET, FOIL)
        assert (panel.sae, panel.indexed) == ("late", ["late"])
        for row in rank(panel)["rows"]:
            assert row["density"] == pytest.approx(index.feature(row["f"]).density)
        f = rank(panel)["rows"][0]["f"]
        assert good(panel, "card", {"f": f, "sae": "late"})[0]["f"] == f
        assert all(row["density"] is None for row in rank(panel, of=of(panel, sae="early"))["rows"])
        with torch.no_grad():
            sae_named(engine, "late").b_enc += 1
        panel.refresh()
        assert panel.indexed == []
        assert all(row["density"] is None for row in rank(panel)["rows"]), "an index of other weights is put aside"
        assert "needs an index" in failed(panel, "card", {"f": f, "sae": "late"})["message"]
        with torch.no_grad():
            sae_named(engine, "late").b_enc -= 1


# -- recipes


def test_what_is_added_is_a_recipe() -> None:
    with both() as engine:
        panel = sw.AttributionPanel(engine, None, PROMPT, TARGET, FOIL, sae="late")
        assert len(panel.value.interventions) == 0
        row = {"kind": "ablate", "features": [5], "sae": "late"}  # as the view writes it
        panel.comm.view_sets(recipe={**panel.recipe, "interventions": [row]})
        assert panel.value == sw.Recipe([sw.ablate(5, sae="late")])
        steering = sw.SteeringPanel(engine, prompt=PROMPT, recipe=panel.value)
        assert steering.recipe == panel.value.to_dict()
        panel.recipe = sw.Recipe([sw.add(3, 2.0)])
        assert panel.value == sw.Recipe([sw.add(3, 2.0)])
        panel.recipe = {"interventions": [{"kind": "none"}]}
        with pytest.raises(sw.errors.SaewidgetsError):
            _ = panel.value


# -- pages and hostile text


def answers_of(panel: sw.AttributionPanel, **options: Any) -> tuple[dict[str, Any], Callable[[str, Any], Any], str]:
    html = panel.page(**options)
    state, answers = recorded(html)
    filed = {json.dumps([one["ch"], one["p"]], sort_keys=True): one for one in answers}
    return state, lambda ch, p: filed.get(json.dumps([ch, p], sort_keys=True)), html


@pytest.mark.slow
@pytest.mark.parametrize("sort", ["size", "negative", "effect"])
def test_a_page_answers_for_each_token_and_for_what_is_on_screen(panel: sw.AttributionPanel, sort: str) -> None:
    good(panel, "check", {"of": of(panel), "top": 3, "random": 3, "seed": 0})
    good(panel, "without", {"of": of(panel), "features": [5]})
    last = int(panel.attribution.by_feature()["feature"].iloc[-1])
    panel.sort, panel.selected_tokens, panel.feature, panel.chosen = sort, [2, 4], last, [5]
    state, answer, html = answers_of(panel, features=2)
    assert html == panel.page(features=2), "the same bytes"
    assert not state["editable"]
    asked = {"of": of(panel), "include_special": False, "limit": 20}
    for tokens in ([], [2, 4], *([i] for i in range(len(panel.attribution.tokens)))):
        one = answer("rank", {**asked, "tokens": tokens, "sort": sort})
        assert one["r"] == json.loads(json.dumps(rank(panel, **one["p"]))), tokens
    for other in ("size", "positive", "negative", "effect"):
        assert answer("rank", {**asked, "tokens": [], "sort": other})
    assert answer("attribution", of(panel)) and answer("predictions", {"prompt": PROMPT, "sae": LATE})
    assert answer("colour", {"of": of(panel), "f": last})
    for row in [*answer("rank", {**asked, "tokens": [], "sort": "negative"})["r"]["rows"][:2]]:
        assert answer("colour", {"of": of(panel), "f": row["f"]})
    assert len(answer("check", {"of": of(panel), "top": 3, "random": 3, "seed": 0})["r"]["rows"]) == 6
    assert answer("without", {"of": of(panel), "features": [5]})["r"]["removed"] == [5]


@pytest.mark.slow
def test_a_page_has_the_checks_of_what_it_shows_alone(panel: sw.AttributionPanel) -> None:
    good(panel, "check", {"of": of(panel, target=FOIL, foil=TARGET), "top": 3, "random": 3})
    assert not [one for one in recorded(panel.page())[1] if one["ch"] == "check"]


def test_the_page_and_the_picture_without_scripts_need_nothing(panel: sw.AttributionPanel) -> None:
    panel.target = TARGET
    html = panel.page()
    assert "default-src &#x27;none&#x27;" in html
    assert not [part for part in ("http://", "https://") if f'src="{part}' in html or f'href="{part}' in html]
    picture = panel.fallback_html()
    table = panel.attribution.by_feature().head(10)
    for f, value in zip(table["feature"], table["attribution"], strict=True):
        assert f">{f}<" in picture and f">{value:.4g}<" in picture
    assert "logit difference" in picture and "share of the reconstruction error" in picture


def test_hostile_text_is_text(engine: sw.Engine) -> None:
    panel = sw.AttributionPanel(engine, None, HOSTILE[:50], "</script>", measure="logprob")
    r, _ = good(panel, "attribution", of(panel))
    assert "</script><script>" in "".join(r["str"]) and "</script>" in r["metric"]
    check_inert(panel.page())
    check_inert(panel.fallback_html())
    panel.target = "\ud800 lone"
    assert panel.target == "\ufffd lone"
    assert good(panel, "attribution", of(panel))[0]["n"] > 0


# -- life


def test_answers_belong_to_their_questions_while_a_cell_computes(panel: sw.AttributionPanel, engine: sw.Engine) -> None:
    cell = threading.Thread(target=lambda: [engine.activations([PROMPT] * 20) for _ in range(5)])
    cell.start()
    for target in (" the", " God", " and", " heaven"):
        r, _ = good(panel, "attribution", of(panel, target=target, foil=""))
        assert r["metric"] == f"logit {target!r}"
    cell.join()
    panel.close()
    with pytest.raises(RuntimeError, match="closed"):
        _ = panel.engine


def test_truth_is_no_trivial_case(engine: sw.Engine) -> None:
    truth: Truth = truth_of(engine, PROMPT)
    assert np.abs(truth.attributions[1:]).max() > 0.01 and counted_of(truth).sum() == len(truth.ids) - 1
