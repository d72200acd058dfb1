"""A dashboard of a file that SAEDashboard or Neuronpedia wrote, by the format's definition."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import tiny
from dashboard_made import feature_params, good
from exchange_made import OF, Row, batch, bulk, np_activation, write_gz, write_json

import saewidgets as sw
from saewidgets.index.errors import IndexMismatchError
from saewidgets.index.record.schema import IMPORTED, STORE
from saewidgets.storage.array_folder import Folder

CENTRES = [round(0.1 + 0.2 * i, 5) for i in range(50)]  # bars of 0.2 from 0 to 10
HEIGHTS = [100 - 2 * i for i in range(50)]


def window(low: float, high: float, contains: float, tokens: list[str], values: list[float], at: int) -> Row:
    bounds = {"bin_min": low, "bin_max": high, "bin_contains": contains}
    return {**bounds, "tokens": tokens, "values": values, "qualifying_token_index": at}


def alive() -> Row:
    return {
        "feature_index": 1,
        "neuron_alignment_indices": [5, 3],
        "neuron_alignment_values": [0.5, 0.25],
        "neuron_alignment_l1": [0.04, 0.02],
        "correlated_neurons_indices": [9],
        "correlated_neurons_l1": [0.5],
        "correlated_neurons_pearson": [0.75],
        "correlated_features_indices": [0, 2],
        "correlated_features_l1": [0.25, 0.125],
        "correlated_features_pearson": [0.5, -0.25],
        "neg_str": ["ãĤ±", " the"],
        "neg_values": [-2.5, -10000],
        "pos_str": [" Monday", "<script>"],
        "pos_values": [3.5, 1.25],
        "frac_nonzero": 0.0255,
        "freq_hist_data_bar_values": CENTRES,
        "freq_hist_data_bar_heights": HEIGHTS,
        "logits_hist_data_bar_values": [i - 24.5 for i in range(50)],
        "logits_hist_data_bar_heights": [10] * 50,
        "n_prompts_total": 1000,
        "n_tokens_in_prompt": 100,
        "dataset": "some/corpus",
        "decoder_weights_dist": [],
        "activations": [
            window(-1, 9.9, -1, ["On", " Monday", " we"], [0.0, 9.9, 1.5], 1),
            window(-1, 9.9, -1, ["ãĤ±", "Ġ", "rain"], [float("nan"), 0.0, 8.25], 2),
            window(-1, 9.9, -1, ["first", " token"], [7.5, 0.0], -1),
            window(4.95, 5.94, 0.01, [" Tuesday", " it"], [5.5, 0.0], 0),
            window(0.0, 0.99, 0.99, ["a", " b"], [0.5, 0.0], 0),
            window(0.0, 0.99, 0.99, ["nothing", " here"], [0.0, 0.0], 0),
            window(0.0, 0.99, 0.99, ["not", " the", " one"], [0.0, 0.0, 0.25], 1),
        ],
    }


def dead() -> Row:
    empty = {k: [] for k in alive() if isinstance(alive()[k], list)}
    nothing = [window(-1, 0.0, -1, ["a", "b"], [0.0, 0.0], -1)] * 3
    return {**empty, "feature_index": 2, "frac_nonzero": 0.0, "activations": nothing}


@pytest.fixture
def index(tmp_path: Path) -> sw.FeatureIndex:
    write_json(tmp_path / "dash" / "batch-0.json", batch([alive(), dead()]))
    write_json(tmp_path / "dash" / "skipped_indexes.json", {"skipped_indexes": [0]})
    return sw.FeatureIndex.from_saedashboard(tmp_path / "dash", path=tmp_path / "index")


def test_the_numbers_are_the_file_s(index: sw.FeatureIndex) -> None:
    info = index.feature(1)
    assert (info.density, info.maximum, info.count) == (0.0255, pytest.approx(9.9), sum(HEIGHTS))
    assert index.counted == info.counted == 100_000
    assert (info.mean, info.std, info.tokens, info.intervals, info.complete) == (None, None, (), (), False)
    assert info.histogram is not None and info.logits is not None
    assert info.histogram.counts.tolist() == HEIGHTS
    assert (info.histogram.low, info.histogram.high) == (pytest.approx(0, abs=1e-6), pytest.approx(10, rel=1e-6))
    assert info.histogram.sums is None
    assert [(w.token, w.value) for w in info.logits.top] == [(" Monday", 3.5), ("<script>", 1.25)]
    assert [(w.token, w.value) for w in info.logits.bottom] == [("ケ", -2.5)]  # a sentinel is no weight
    assert info.logits.histogram.counts.tolist() == [10] * 50
    assert (info.logits.histogram.low, info.logits.histogram.high) == (-25, 25)
    assert np.isnan(info.logits.skew)
    assert [(a.neuron, a.value, a.share) for a in info.alignment] == [
        (5, 0.5, pytest.approx(0.04)),
        (3, 0.25, pytest.approx(0.02)),
    ]
    assert [(n.neuron, n.pearson, n.cosine) for n in info.neurons] == [(9, 0.75, 0.5)]
    assert [(c.feature, c.pearson, c.together) for c in info.correlated] == [(0, 0.5, None), (2, -0.25, None)]
    assert "Monday" not in repr(info)


def test_the_examples_are_the_file_s(index: sw.FeatureIndex) -> None:
    found = index.examples(1)
    assert [group.key for group in found.groups] == ["top", "1", "0"]
    assert [(e.text, e.focus, round(e.activation, 3)) for e in found["top"].examples] == [
        ("On Monday we", 1, 9.9),
        ("ケ rain", 2, 8.25),
        ("first token", 0, 7.5),
    ]
    spoilt = found["top"].examples[1]
    assert np.isnan(spoilt.activations[0])  # no number in the file, so none here
    assert spoilt.activations[1:].tolist() == [0, 8.25]
    assert (found["1"].low, found["1"].high, found["1"].count) == (4.95, 5.94, None)
    assert "1.000% of all tokens" in found["1"].note
    shown = [(e.text, e.focus) for e in found["0"].examples]
    assert shown == [("a b", 0), ("not the one", 2)]  # where it is silent it is no example of activations
    assert len(index.examples(1, group="silent")) == 0
    assert [e.text for e in index.examples(1, low=5, high=6)] == [" Tuesday it"]
    assert [e.text for e in index.examples(1, group="top", token="Monday")] == ["On Monday we"]


def test_what_is_dead_and_what_is_not_there(index: sw.FeatureIndex) -> None:
    assert index.feature(2).dead
    assert len(index.examples(2)) == 0
    assert index.stated(2) == ""
    assert "not in the SAEDashboard files" in index.stated(0)
    assert len(index) == 3
    table = index.features
    assert table["density"].tolist()[1:] == [0.0255, 0]
    assert np.isnan(table["density"][0])  # what is not in the files is not silent
    assert table["top_logits"][1][:2] == [" Monday", "<script>"]
    assert index.order("density")[0] == 1
    assert "2.550% of tokens" in index.describe(1).text
    index.figure()


@pytest.mark.usefixtures("fake_comm")
def test_views_say_what_is_not_in_the_files(index: sw.FeatureIndex) -> None:
    dashboard, browser = sw.FeatureDashboard(index=index, feature=1), sw.FeatureBrowser(index)
    r, _ = good(dashboard, "feature", feature_params(1))
    assert (r["silent"], r["density"]) == (None, 0.0255)
    assert "all tokens" in r["density_of"] and "counted" not in r["density_of"]
    assert "notes" not in dict(r["provenance"])
    r, _ = good(dashboard, "feature", feature_params(0))
    assert (r["density"], r["count"], r["max"]) == (None, None, None)
    assert "not in the SAEDashboard files" in r["silent"]
    assert "never" not in r["silent"]
    assert good(dashboard, "feature", feature_params(2))[0]["density"] == 0
    chosen = {"query": "", "by": "words", "sort": "", "descending": True, "filters": [], "only": ""}
    rows, arrays = good(browser, "rows", {"chosen": chosen, "first": 0, "count": 200})
    assert (rows["total"], rows["of"], arrays["feature"].tolist()) == (2, 2, [1, 2])
    assert browser.to_pandas().index.tolist() == [1, 2]
    assert "2 of 2 features" in browser.fallback_html()
    assert dashboard.page() and browser.page()
    (said,) = [one for one in good(dashboard, "feature", feature_params(1))[0]["said"] if one["kind"] == "automatic"]
    assert said["by"] == "Made of the numbers of the files of the index; nobody wrote it"


def test_it_says_whose_numbers_it_shows(index: sw.FeatureIndex) -> None:
    told = index.provenance
    assert told["numbers of"].startswith("SAEDashboard export, gpt2-small/7-res-jb")
    assert "some/corpus, 1,000 prompts of 100 tokens, 100,000 tokens" in told["corpus"]
    for word in ("density", "histogram", "interval", "folds", "verify"):
        assert word in told["notes"]
    assert index.imported is not None
    assert (index.imported.features, index.imported.examples, index.imported.skipped_count) == (2, 10, 0)
    assert repr(index.imported) == "Imported(gpt2-small/7-res-jb of SAEDashboard: 2 features, 10 examples)"


@pytest.mark.usefixtures("fake_comm")
def test_a_dashboard_without_a_model(index: sw.FeatureIndex, tmp_path: Path) -> None:
    dashboard = sw.FeatureDashboard(index=index, feature=1)
    assert dashboard.info.maximum == pytest.approx(9.9)
    page = tmp_path / "page.html"
    dashboard.to_html(page, features=[1, 2, 0])
    text = page.read_text("utf-8")
    assert "SAEDashboard export" in text
    assert "On Monday" in dashboard.fallback_html() or "Monday" in dashboard.fallback_html()
    notes = [dashboard._feature_reply(f, np.array([f]), can_label=False).data["notes"] for f in (0, 1)]
    assert "not in the SAEDashboard files" in notes[0][0]
    assert not any("Statistics are exact" in note for note in notes[1])
    assert any("by its definitions" in note for note in notes[1])


def test_an_engine_is_refused_and_told_how_to_compare(index: sw.FeatureIndex) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae("standard")) as engine:
        with pytest.raises(IndexMismatchError, match=r"weights .* not known.*sw\.verify"):
            index.check(engine)
        with pytest.raises(IndexMismatchError, match="sw.verify"):
            sw.FeatureIndex.open(index.path, engine=engine)
        with pytest.raises(IndexMismatchError, match="sw.verify"):
            sw.FeatureDashboard(engine, index)


def test_the_folder_opens_again_and_has_what_the_schema_says(index: sw.FeatureIndex) -> None:
    again = sw.FeatureIndex.open(index.path)
    assert again.feature(1) is not None
    again.verify()
    folder = Folder(next(index.path.glob("store-*")))
    assert set(folder.names()) <= set(STORE) | set(IMPORTED)
    assert set(IMPORTED) <= set(folder.names())
    for name in folder.names():
        said = {**STORE, **IMPORTED}[name]
        kind = folder.read(name).dtype
        assert kind.kind == "u" if said.dtype == "index" else kind == said.dtype, name


def test_labels_notes_and_search_work(index: sw.FeatureIndex) -> None:
    index.set_label(1, "weekdays")
    index.add_explanations({1: "days of the week"}, "mine")
    assert index.describe(1).text == "weekdays"
    assert index.search("week")["description"].tolist() != []
    assert [index.label(f) for f in range(3)] == [None, "weekdays", None]


def test_the_same_files_are_made_once(tmp_path: Path) -> None:
    write_json(tmp_path / "dash" / "batch-0.json", batch([alive()]))
    first = sw.FeatureIndex.from_saedashboard(tmp_path / "dash")
    assert (tmp_path / "cache") in first.path.parents
    stamp = (first.path / "manifest.json").stat().st_mtime_ns
    assert sw.FeatureIndex.from_saedashboard(tmp_path / "dash").path == first.path
    assert (first.path / "manifest.json").stat().st_mtime_ns == stamp
    write_json(tmp_path / "dash" / "batch-0.json", batch([{**alive(), "frac_nonzero": 0.5}]))
    second = sw.FeatureIndex.from_saedashboard(tmp_path / "dash")
    assert second.path != first.path
    assert second.feature(1).density == 0.5
    with pytest.raises(IndexMismatchError, match="another index"):
        sw.FeatureIndex.from_saedashboard(tmp_path / "dash", path=first.path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("words")
    with pytest.raises(IndexMismatchError, match="other things"):
        sw.FeatureIndex.from_saedashboard(tmp_path / "dash", path=tmp_path / "full")


@pytest.mark.slow
def test_a_bulk_folder_is_joined_and_explained(tmp_path: Path) -> None:
    home, features, acts = bulk(tmp_path, random.Random(5))
    for place in (home, tmp_path):
        index = sw.FeatureIndex.from_neuronpedia(place)
        for feature, row in enumerate(features):
            info = index.feature(feature)
            assert info.maximum == pytest.approx(row["maxActApprox"])
            assert [n.feature for n in info.neighbours] == row["topkCosSimIndices"]
            mine = [a for a in acts if a["index"] == str(feature)]
            assert len(index.examples(feature, group="top", fold=False)) == len(mine)
            assert sorted(round(e.activation, 3) for e in index.examples(feature, group="top", fold=False)) == sorted(
                a["maxValue"] for a in mine
            )
            assert index.describe(feature).text == f"about {feature}"
        assert index.provenance["hook"] == "blocks.7.hook_resid_pre"
        assert index.counted == 100_000


def test_one_feature_s_json(tmp_path: Path) -> None:
    example = np_activation(7, ["On", "▁Monday"], [0.0, 2.5])
    content = {**OF, "index": "7", "frac_nonzero": 0.25, "maxActApprox": 2.5, "pos_str": ["▁x"], "pos_values": [1.0]}
    content |= {"activations": [example], "explanations": [{"description": "days", "typeName": "by hand"}]}
    index = sw.FeatureIndex.from_neuronpedia(write_json(tmp_path / "feature.json", content))
    assert len(index) == 8
    assert index.feature(7).density == 0.25
    assert [e.text for e in index.examples(7)] == ["On Monday"]
    assert index.describe(7).text == "days"
    assert index.feature(7).histogram is None
    assert "do not say" in index.provenance["corpus"]
    several = write_json(tmp_path / "several.json", [content, {**content, "index": "3"}])
    assert sw.FeatureIndex.from_neuronpedia(several).imported.features == 2


def test_files_of_several_places(tmp_path: Path) -> None:
    one = write_json(tmp_path / "a" / "batch-0.json", batch([alive()]))
    two = write_json(tmp_path / "b" / "batch-0.json", batch([dead()]))
    assert sw.FeatureIndex.from_saedashboard([one, two]).imported.features == 2


def test_an_index_of_files_is_written_in_the_other_format(index: sw.FeatureIndex, tmp_path: Path) -> None:
    home = index.to_neuronpedia(tmp_path / "np")
    again = sw.FeatureIndex.from_neuronpedia(home)
    assert again.feature(1).density == 0.0255
    assert again.feature(1).logits.top == index.feature(1).logits.top or [
        (w.token, w.value) for w in again.feature(1).logits.top
    ] == [(w.token, w.value) for w in index.feature(1).logits.top]
    assert [e.text for e in again.examples(1)] == [e.text for e in index.examples(1)]
    row = json.loads((home / "source.jsonl").read_text())
    assert (row["id"], row["num_prompts"], row["num_tokens_in_prompt"]) == ("7-res-jb", 1000, 100)


def test_of_a_large_maximum_the_bars_keep_their_bounds(tmp_path: Path) -> None:
    """The maximum is over tokens that the histogram leaves out (BOS), and the bars are not stretched to it."""
    row = {**OF, "index": "0", "frac_nonzero": 0.0255, "maxActApprox": 3000.0}
    row |= {"freq_hist_data_bar_values": CENTRES, "freq_hist_data_bar_heights": HEIGHTS}
    write_gz(tmp_path / "features" / "batch-0.jsonl.gz", [row])
    info = sw.FeatureIndex.from_neuronpedia(tmp_path).feature(0)
    assert info.maximum == 3000
    assert info.histogram.high == pytest.approx(10)
