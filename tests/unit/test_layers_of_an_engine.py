"""Views of an engine with several dictionaries: one is chosen, and numbers, names, corpus and cards are those of that one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import traitlets
from attribution_made import of, sae_named
from dashboard_made import ROWS, TEXT, failed, good
from front_end import rank_params, recorded

import saewidgets as sw
from saewidgets.errors import FeatureIndexError, SaewidgetsError

pytestmark = pytest.mark.usefixtures("fake_comm")

HOOKS = {"late": "blocks.1.hook_resid_post", "early": "blocks.0.hook_resid_pre", "mid": "blocks.1.hook_resid_pre"}
TWO = ["In the beginning God created the heaven", "In the beginning God created the earth"]


def saes() -> dict[str, Any]:
    return {name: tiny.sae("standard", hook, seed=seed) for seed, (name, hook) in enumerate(HOOKS.items())}


@pytest.fixture
def engine() -> sw.Engine:
    return sw.Engine(tiny.hooked(), saes())


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, sw.FeatureIndex]:
    path = tmp_path_factory.mktemp("layers")
    with sw.Engine(tiny.hooked(), saes()) as engine:
        made = {}
        for name in ("early", "mid"):
            made[name] = sw.build_index(engine, ROWS, path / name, sae=name, progress=False, wait=True)
            made[name].set_label(3, f"three of {name}")
        return made


def dense_of(engine: sw.Engine, name: str, text: str) -> np.ndarray:
    """[pos, F] of one dictionary, by plain hooks and its own encode."""
    model, sae = tiny.hooked(), saes()[name]
    with torch.no_grad():
        _, cache = model.run_with_cache(torch.tensor(engine.to_ids([text])))
        return sae.encode(cache[HOOKS[name]])[0].double().numpy()


def test_they_stand_in_the_models_order_and_the_first_given_is_the_default(engine: sw.Engine) -> None:
    for widget in (sw.TokenFeatureHeatmap(engine, TEXT), sw.PromptComparison(engine, texts=TWO)):
        assert (widget.saes, widget.sae, widget.default_sae) == (["early", "mid", "late"], "late", "late")
    assert sw.AttributionPanel(engine, None, TEXT, " the").saes == ["early", "mid", "late"]
    alone = sw.Engine(tiny.hooked(), tiny.sae())
    assert len(sw.TokenFeatureHeatmap(alone, TEXT).saes) == 1


def test_the_heatmaps_numbers_are_of_the_dictionary_that_a_question_names(engine: sw.Engine) -> None:
    widget = sw.TokenFeatureHeatmap(engine, TEXT)
    for name in ("early", "late", "mid", None):
        dense = dense_of(engine, name or "late", TEXT)
        r, arrays = good(widget, "tokens", {"text": TEXT, "sae": name, "rank": rank_params(TEXT, limit=500)})
        token = np.repeat(np.arange(r["n"]), np.diff(arrays["indptr"].astype(int)))
        shown = np.zeros_like(dense)
        shown[token, arrays["feat"]] = arrays["act"]
        assert shown == pytest.approx(dense, abs=1e-5)
        ranked, _ = good(widget, "rank", {**rank_params(TEXT, limit=500), "sae": name})
        assert ranked["rows"] == r["rank"]["rows"], "a ranking alone is the one that comes with the tokens"
        counted = widget.engine.activations(TEXT, sae=name).counted
        for row in ranked["rows"]:
            assert row["max"] == pytest.approx(dense[counted, row["f"]].max(), abs=1e-5)
    assert "'early'" in failed(widget, "tokens", {"text": TEXT, "sae": "none"})["message"]


def test_another_dictionary_takes_the_features_along_and_leaves_the_text(engine: sw.Engine) -> None:
    widget = sw.TokenFeatureHeatmap(engine, TEXT, features=[3, 5], selected_tokens=[2])
    widget.sae = "early"
    assert (widget.features, widget.feature, widget.selected_tokens, widget.text) == ([], None, [2], TEXT)
    assert widget.activations[:, 5] == pytest.approx(dense_of(engine, "early", TEXT)[:, 5], abs=1e-5)
    widget.comm.view_sets(sae="mid", features=[4], feature=4)  # what a view brings along stays
    assert (widget.sae, widget.features) == ("mid", [4])
    widget.sae = ""
    assert widget.sae == "late", "one name, so that views of several dictionaries can be linked"
    with pytest.raises(KeyError, match="'mid'"):
        widget.sae = "none"
    with pytest.raises(FeatureIndexError):
        widget.features = [10**6]
    widget.close()
    compared = sw.PromptComparison(engine, texts=TWO, features=[3], at="max")
    compared.sae = "mid"
    assert (compared.features, compared.at) == ([], "max")


def test_a_comparison_is_of_the_dictionary_that_a_question_names(engine: sw.Engine) -> None:
    widget = sw.PromptComparison(engine, texts=TWO)
    for name in ("early", "mid", None):
        one, other = (dense_of(engine, name or "late", text)[-1] for text in TWO)
        r, _ = good(widget, "tokens", {"texts": TWO, "sae": name, "rank": {"at": "last", "limit": 500}})
        assert r["rank"]["rows"], name
        for row in r["rank"]["rows"]:
            assert row["values"] == pytest.approx([one[row["f"]], other[row["f"]]], abs=1e-5)
        alone, _ = good(widget, "differences", {"texts": TWO, "sae": name, "at": "last", "limit": 500})
        assert alone["rows"] == r["rank"]["rows"]


@pytest.mark.parametrize("kind", ["heatmap", "comparison", "attribution"])
def test_each_dictionary_has_the_words_corpus_and_cards_of_its_own_index(
    engine: sw.Engine, indexes: dict[str, sw.FeatureIndex], kind: str
) -> None:
    given = [indexes["mid"], indexes["early"]]
    widget: Any = {
        "heatmap": lambda: sw.TokenFeatureHeatmap(engine, TEXT, index=given),
        "comparison": lambda: sw.PromptComparison(engine, given, TWO),
        "attribution": lambda: sw.AttributionPanel(engine, given, TEXT, " the"),
    }[kind]()
    assert widget.sae == "mid", "the first index's"
    for name, index in indexes.items():
        card, _ = good(widget, "card", {"f": 3, "sae": name})
        assert (card["label"], card["density"]) == (f"three of {name}", index.feature(3).density)
    assert "needs an index" in failed(widget, "card", {"f": 3, "sae": "late"})["message"]
    if kind == "attribution":
        assert sorted(widget.indexed) == ["early", "mid"]
        return
    assert widget.indexed
    widget.sae = "late"
    assert not widget.indexed
    widget.sae = "early"
    assert widget.indexed
    if kind == "heatmap":
        widget.sort, widget.max_density, widget.color_scale = "density", 0.5, "max"
        r, _ = good(widget, "rank", {**rank_params(TEXT, sort="density", limit=500), "sae": "early"})
        density = {row["f"]: row["density"] for row in r["rows"]}
        assert density == {f: pytest.approx(indexes["early"].feature(f).density) for f in density}
        widget.sae = "late"
        assert (widget.sort, widget.max_density, widget.color_scale) == ("max", 1.0, "text")


def test_an_index_of_nothing_here_two_of_one_and_what_is_none(
    engine: sw.Engine, indexes: dict[str, sw.FeatureIndex]
) -> None:
    for make in (sw.PromptComparison, sw.AttributionPanel):
        with pytest.raises(ValueError, match="one of each dictionary"):
            make(engine, [indexes["mid"], indexes["mid"]], TWO)
        with pytest.raises(TypeError, match="FeatureIndex"):
            make(engine, ["index"], TWO)
    with pytest.raises(SaewidgetsError):
        sw.TokenFeatureHeatmap(engine, TEXT, index=indexes["mid"], sae="early")
    other = sw.Engine(tiny.hooked(), {"early": saes()["early"]})
    with pytest.raises(SaewidgetsError):
        sw.TokenFeatureHeatmap(other, TEXT, index=list(indexes.values()))


def test_an_index_of_weights_that_changed_is_put_aside_alone(
    engine: sw.Engine, indexes: dict[str, sw.FeatureIndex]
) -> None:
    heatmap = sw.TokenFeatureHeatmap(engine, TEXT, index=list(indexes.values()), sae="mid")
    panel = sw.AttributionPanel(engine, list(indexes.values()), TEXT, " the", sae="mid")
    with torch.no_grad():
        sae_named(engine, "mid").W_enc *= 1.5
    for widget in (heatmap, panel):
        widget.refresh()
    assert not heatmap.indexed and panel.indexed == ["early"]
    r, _ = good(heatmap, "tokens", {"text": TEXT, "sae": "mid"})
    assert any("no longer" in note for note in r["notes"])
    r, _ = good(heatmap, "tokens", {"text": TEXT, "sae": "early"})
    assert not any("no longer" in note for note in r["notes"])
    heatmap.sae = "early"
    assert heatmap.indexed


def test_labels_of_a_widget_are_of_the_dictionary_that_it_was_made_with(engine: sw.Engine) -> None:
    widget = sw.TokenFeatureHeatmap(engine, TEXT, sae="mid", labels={f: f"mine {f}" for f in range(16)})
    for name, labelled in (("mid", True), ("early", False)):
        r, _ = good(widget, "rank", {**rank_params(TEXT, limit=500), "sae": name})
        named = [row for row in r["rows"] if row["f"] < 16]
        assert named and all((row["label"] == f"mine {row['f']}") is labelled for row in named)


def test_a_page_has_one_dictionary_and_does_not_offer_others(engine: sw.Engine, tmp_path: Path) -> None:
    for widget in (
        sw.TokenFeatureHeatmap(engine, TEXT, sae="early"),
        sw.PromptComparison(engine, texts=TWO, sae="early"),
    ):
        state, answers = recorded(widget.page())
        assert state["sae"] == "early" and "saes" not in state
        assert {one["p"]["sae"] for one in answers if one["ch"] in ("tokens", "rank", "differences")} == {"early"}


def attributed(engine: sw.Engine, name: str, target: int) -> np.ndarray:
    """[pos, F] activation times the gradient of the target's logit after the text along the decoder row, by plain hooks."""
    model, sae = tiny.hooked(), saes()[name]
    kept: list[torch.Tensor] = []

    def keep(x: torch.Tensor, hook: Any) -> torch.Tensor:
        kept.append(x.detach().requires_grad_())
        return kept[0]

    logits = model.run_with_hooks(torch.tensor(engine.to_ids([TEXT])), fwd_hooks=[(HOOKS[name], keep)])
    (gradient,) = torch.autograd.grad(logits[0, -1, target], kept[0])
    with torch.no_grad():
        return (sae.encode(kept[0])[0] * (gradient[0] @ sae.W_dec.T)).double().numpy()


@pytest.mark.parametrize("special", [False, True])
def test_the_panel_says_what_each_layer_is_worth(engine: sw.Engine, special: bool) -> None:
    panel = sw.AttributionPanel(engine, None, TEXT, " the", include_special=special)
    (target,) = engine.tokenizer.answer_ids(" the")
    for tokens in ([], [1, 2]):
        r, _ = good(panel, "rank", {"of": of(panel), "tokens": tokens, "include_special": special})
        assert [one["name"] for one in r["layers"]] == ["early", "mid", "late"], "in the model's order"
        for one in r["layers"]:
            worth = attributed(engine, one["name"], target)
            counted = np.full(len(worth), True) if special else engine.activations(TEXT, sae=one["name"]).counted
            if tokens:
                counted &= np.isin(np.arange(len(worth)), tokens)
            sums = worth[counted].sum(0)
            assert one["positive"] == pytest.approx(sums[sums > 0].sum(), rel=1e-4)
            assert one["negative"] == pytest.approx(sums[sums < 0].sum(), rel=1e-4)
            assert one["n"] == (dense_of(engine, one["name"], TEXT)[counted] != 0).any(0).sum()
            assert one["error_share"] == pytest.approx(panel.attribution.error_share[one["name"]])


def test_sources_are_told_of_the_dictionary_that_reads_heads() -> None:
    z = "blocks.1.attn.hook_z"
    with sw.Engine(tiny.hooked(), {"stream": tiny.sae(), "heads": tiny.sae("standard", z, seed=3)}) as engine:
        widget = sw.TokenFeatureHeatmap(engine, TEXT)
        told = {}
        for name in (None, "heads"):
            r, _ = good(widget, "tokens", {"text": TEXT, "sae": name})
            told[name] = r["sources"]
        assert told == {None: False, "heads": True}
        f = int(engine.activations(TEXT, sae="heads").top(1).features[0])
        r, arrays = good(widget, "sources", {"f": f, "text": TEXT, "token": None, "example": None, "sae": "heads"})
        found = sw.by_source(engine, TEXT, f, sae="heads")
        assert (r["at"], r["activation"]) == (found.position, pytest.approx(found.activation))
        assert arrays["by_token"].sum() + r["rest"] == pytest.approx(found.activation, abs=1e-5)
        active = int(engine.activations(TEXT).token(4)[0][0])
        refused = failed(widget, "sources", {"f": active, "text": TEXT, "token": 4, "example": None, "sae": None})
        assert "hook_z" in refused["message"]


def test_features_of_the_dictionary_before_are_passed_over_with_a_new_text(engine: sw.Engine) -> None:
    """`sae` and the features that go with it come to a view one after the other: it may ask with those of before."""
    probes = sw.Directions(torch.randn(2, tiny.D_MODEL, generator=torch.Generator().manual_seed(0)), HOOKS["mid"])
    with sw.Engine(tiny.hooked(), {"mid": saes()["mid"], "probes": probes}) as narrow:
        heatmap = sw.TokenFeatureHeatmap(narrow, TEXT, features=[40])
        r, _ = good(heatmap, "tokens", {"text": TEXT, "sae": "probes", "rank": rank_params(TEXT, features=[40, 1])})
        assert (r["sae"], r["n_features"], [row["f"] for row in r["rank"]["selected"]]) == ("probes", 2, [1])
        assert (
            failed(heatmap, "rank", {**rank_params(TEXT, features=[40]), "sae": "probes"})["type"]
            == "FeatureIndexError"
        )
        prompts = sw.PromptComparison(narrow, texts=TWO, features=[40])
        r, _ = good(prompts, "tokens", {"texts": TWO, "sae": "probes", "rank": {"at": "last", "features": [40, 1]}})
        assert (r["sae"], [row["f"] for row in r["rank"]["selected"]]) == ("probes", [1])


def test_views_of_one_engine_are_linked_by_what_they_show(engine: sw.Engine) -> None:
    heatmap, layers = sw.TokenFeatureHeatmap(engine, TEXT, sae="mid"), sw.LayerLens(engine, TEXT)
    panel = sw.AttributionPanel(engine, None, TEXT, " the")
    traitlets.link((heatmap, "sae"), (layers, "sae"))
    traitlets.link((layers, "sae"), (panel, "sae"))
    for view, name in ((heatmap, "late"), (layers, "early"), (panel, "mid"), (heatmap, "")):
        view.sae = name
        assert heatmap.sae == layers.sae == panel.sae == (name or "late")


def test_an_index_that_is_put_aside_describes_nothing(engine: sw.Engine, indexes: dict[str, sw.FeatureIndex]) -> None:
    heatmap = sw.TokenFeatureHeatmap(engine, TEXT, index=indexes["mid"])
    layers = sw.LayerLens(engine, TEXT, index=indexes["mid"])

    def said() -> list[Any]:
        rows = good(heatmap, "rank", {**rank_params(TEXT), "sae": "mid"})[0]["rows"]
        listed = layers.features
        return [row["said"] for row in rows] + [text or None for text in listed[listed["sae"] == "mid"]["description"]]

    assert any(said())
    with torch.no_grad():
        sae_named(engine, "mid").W_enc *= 1.5
    for view in (heatmap, layers):
        view.refresh()
    assert not any(said())
