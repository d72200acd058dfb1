"""The heatmap beside an index: what features are said to be, their density, a colour scale of the corpus, and cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import traitlets
from dashboard_made import ROWS, TEXT, ask, build, failed, good, make_engine
from front_end import rank_params

import saewidgets as sw

pytestmark = pytest.mark.usefixtures("fake_comm")


def dense_of(engine: sw.Engine, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Activations [pos, F] and which tokens count, as the engine says of a text."""
    acts = engine.activations(text)
    return acts[:, :].astype(np.float64), ~(acts.special | acts.outlier)


@pytest.fixture
def texts(engine: sw.Engine, tmp_path: Path) -> tuple[sw.FeatureIndex, np.ndarray]:
    """An index of texts that fit into one forward, and their activations [tokens, F] where tokens count."""
    rows = []
    for row in ROWS[1:]:
        found, counted = dense_of(engine, row["text"])
        rows.append(found[counted])
    return build(engine, tmp_path / "texts", ROWS[1:]), np.concatenate(rows)


def test_density_and_largest_activation_are_of_the_corpus(
    engine: sw.Engine, texts: tuple[sw.FeatureIndex, np.ndarray]
) -> None:
    index, corpus = texts
    widget = sw.TokenFeatureHeatmap(engine, TEXT, index=index)
    r, _ = good(widget, "rank", rank_params(TEXT, limit=48))
    assert len(r["rows"]) > 10
    for row in [*r["rows"], *r["selected"]]:
        column = corpus[:, row["f"]]
        assert row["density"] == pytest.approx((column != 0).mean())
        most = np.abs(column).max()
        assert row["most"] == (pytest.approx(most, rel=1e-5) if most else None)


def test_the_sparsest_first_and_the_dense_hidden(engine: sw.Engine, texts: tuple[sw.FeatureIndex, np.ndarray]) -> None:
    index, corpus = texts
    widget = sw.TokenFeatureHeatmap(engine, TEXT, index=index)
    density = (corpus != 0).mean(0)
    dense, counted = dense_of(engine, TEXT)
    largest = dense[counted].max(0)
    active = np.flatnonzero(largest)
    cut = float(np.median(density[active]))
    for sort, expected in {
        "max": sorted(active, key=lambda f: -largest[f]),
        "density": sorted(active, key=lambda f: (density[f], -largest[f])),
    }.items():
        r, _ = good(widget, "rank", rank_params(TEXT, sort=sort, limit=5, max_density=cut))
        kept = [int(f) for f in expected if density[f] <= cut]
        assert [row["f"] for row in r["rows"]] == kept[:5]
        assert (r["total"], r["hidden"]) == (len(kept), len(active) - len(kept))
        assert 0 < r["hidden"] < len(active)


def test_without_an_index_nothing_is_hidden_and_its_settings_are_refused(engine: sw.Engine) -> None:
    widget = sw.TokenFeatureHeatmap(engine, TEXT)
    r, _ = good(widget, "rank", rank_params(TEXT))
    assert r["hidden"] == 0
    assert {(row["density"], row["most"], row["said"] is None) for row in r["rows"]} == {(None, None, True)}
    for name, value in {"sort": "density", "max_density": 0.1, "color_scale": "max"}.items():
        with pytest.raises(traitlets.TraitError, match=r"needs an index.*index=index"):
            setattr(widget, name, value)
        with pytest.raises(traitlets.TraitError, match="needs an index"):
            sw.TokenFeatureHeatmap(engine, TEXT, **{name: value})
    assert "needs an index" in failed(widget, "card", {"f": 3})["message"]


def test_an_index_of_another_sae_is_refused(index: sw.FeatureIndex) -> None:
    other = make_engine("topk")
    with pytest.raises(sw.errors.SaewidgetsError):
        sw.TokenFeatureHeatmap(other, TEXT, index=index)


# -- what is said


def test_each_kind_of_words_is_told_apart(engine: sw.Engine, tmp_path: Path) -> None:
    index = build(engine, tmp_path / "own")
    widget = sw.TokenFeatureHeatmap(engine, TEXT, index=index)
    r, _ = good(widget, "rank", rank_params(TEXT))
    explained, plain = [row["f"] for row in r["rows"] if row["label"] is None][:2]
    index.add_explanations({explained: "words of beginnings"}, "a model's")
    index.set_label(plain, "mine")
    by_feature = {row["f"]: row for row in good(widget, "rank", rank_params(TEXT))[0]["rows"]}
    assert by_feature[plain]["label"] == "mine"
    assert by_feature[plain]["said"] is None
    said = by_feature[explained]["said"]
    assert (by_feature[explained]["label"], said["text"], said["kind"]) == (None, "words of beginnings", "explanation")
    assert "a model's" in said["by"]
    others = [row["said"] for f, row in by_feature.items() if f not in (explained, plain, 3)]
    assert {one["kind"] for one in others} == {"automatic"}
    assert all("nobody" in one["by"] for one in others)
    # The filter looks through all of it.
    found, _ = good(widget, "rank", rank_params(TEXT, query="BEGINNINGS"))
    assert explained in [row["f"] for row in found["rows"]]


def test_a_name_given_to_the_index_is_asked_for_by_every_view(engine: sw.Engine, tmp_path: Path) -> None:
    index = build(engine, tmp_path / "own")
    views: list[Any] = [
        sw.TokenFeatureHeatmap(engine, TEXT, index=index),
        sw.TokenFeatureHeatmap(engine, TEXT, index=index, labels={5: "only here"}),
        sw.SteeringPanel(engine, index, prompt=TEXT),
    ]
    before = [sum(data.get("content", {}).get("t") == "names" for data, _ in view.comm.sent) for view in views]
    dashboard = sw.FeatureDashboard(engine, index, feature=9)
    good(dashboard, "label", {"f": 9, "label": "from the dashboard"})
    for view, n in zip(views, before, strict=True):
        assert sum(data.get("content", {}).get("t") == "names" for data, _ in view.comm.sent) > n
    items = good(views[2], "search", {"q": "from the dash", "sae": None})[0]["items"]
    assert [(item["f"], item["label"]) for item in items][:1] == [(9, "from the dashboard")]
    names = {}
    for token in range(len(views[0].activations)):
        names |= good(views[0], "said", {"text": TEXT, "token": token})[0]["names"]
    assert names["9"] == {"label": "from the dashboard", "said": None}


def test_said_of_the_strongest_on_a_token(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.TokenFeatureHeatmap(engine, TEXT, index=index)
    dense, _ = dense_of(engine, TEXT)
    for token in (1, 4):
        strongest = np.argsort(-np.abs(dense[token]), kind="stable")[:8]
        strongest = [f for f in strongest if dense[token, f]]
        r, _ = good(widget, "said", {"text": TEXT, "token": token})
        assert set(r["names"]) == {str(f) for f in strongest}
    assert good(widget, "said", {"text": TEXT, "token": 10_000})[0] == {"names": {}}


def test_an_index_of_other_weights_is_put_aside_with_a_word(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.TokenFeatureHeatmap(engine, TEXT, index=index, sort="density", max_density=0.5, color_scale="max")
    sae = tiny.sae_of(engine)
    before = sae.W_enc.detach().clone()
    with torch.no_grad():
        sae.W_enc[0, 0] += 0.5
    widget.refresh()
    assert (widget.indexed, widget.sort, widget.max_density, widget.color_scale) == (False, "max", 1.0, "text")
    r, _ = good(widget, "rank", rank_params(TEXT))
    assert {(row["density"], row["most"]) for row in r["rows"]} == {(None, None)}
    told, _ = good(widget, "tokens", {"text": TEXT})
    assert any("no longer of what the engine has" in note for note in told["notes"])
    assert "no longer of what the engine has" in failed(widget, "card", {"f": 3})["message"]
    with pytest.raises(traitlets.TraitError, match="no longer of what the engine has"):
        widget.sort = "density"
    assert "card" not in {one.channel for one in widget.shot().questions}
    with torch.no_grad():
        sae.W_enc.copy_(before)
    widget.refresh()
    assert widget.indexed
    assert good(widget, "rank", rank_params(TEXT))[0]["rows"][0]["density"] is not None
    assert not any("no longer" in note for note in good(widget, "tokens", {"text": TEXT})[0]["notes"])


# -- the card


def test_a_card_says_what_the_index_says(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.TokenFeatureHeatmap(engine, TEXT, index=index)
    for f in np.flatnonzero(index.column("count"))[:4].tolist():
        info = index.feature(f)
        r, arrays = good(widget, "card", {"f": f})
        assert (r["f"], r["count"], r["density"], r["max"]) == (f, info.count, info.density, info.maximum)
        np.testing.assert_array_equal(arrays["hist_counts"], info.histogram.counts)
        assert info.logits is not None
        assert [(t["t"], t["v"]) for t in r["promotes"]] == [(t.token, t.value) for t in info.logits.top[:5]]
        found = [e for group in r["examples"]["groups"] for e in group["examples"]]
        assert 0 < len(found) <= 3
        assert r["logits_label"] == info.logits.label
        assert r["density_of"] == f"{info.count:,} of {info.counted:,} counted tokens"
        best = found[0]
        assert arrays["act"][best["start"] + best["b"]] == pytest.approx(info.maximum)
        assert len(arrays["act"]) == len(r["examples"]["str"]) == len(arrays["flags"])


def test_a_card_of_a_feature_that_never_fires_and_of_none(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.TokenFeatureHeatmap(engine, TEXT, index=index)
    r, _ = good(widget, "card", {"f": 7})
    assert (r["count"], r["max"], r["histogram"]) == (0, None, None)
    assert "never fires" in r["said"]["text"]
    message, _ = ask(widget, "card", {"f": 4800})
    assert message["e"]["type"] == "FeatureIndexError"


def test_a_page_has_the_cards_of_what_it_lists(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.TokenFeatureHeatmap(engine, "the heaven", index=index, limit=4, features=[3])
    asked: list[Any] = list(widget.shot().questions)
    listed = {3, *widget.activations.top(4), *widget.activations.top(4, include_special=True)}
    assert {one.asked.feature for one in asked if one.channel == "card"} == listed
    assert {one.asked.token for one in asked if one.channel == "said"} == set(range(len(widget.activations)))
    assert {one.asked.sort for one in asked if one.channel == "rank"} == {"max", "sum", "mean", "density"}
    assert "by max over" in widget.fallback_html()
    widget.sort = "density"
    assert "by density, the sparsest first, over" in widget.fallback_html()
