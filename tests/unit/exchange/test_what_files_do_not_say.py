"""What a file does not say is not shown as a number, and what it says stands under its own definition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exchange_made import OF, Row, batch, np_activation, write_gz, write_json

import saewidgets as sw
from saewidgets.widgets.browser.features import Features
from saewidgets.widgets.feature.card import card_reply
from saewidgets.widgets.table.asked import Chosen

HEIGHTS = [10, *[1] * 49]
BARS: Row = {
    "freq_hist_data_bar_values": [round(0.1 + 0.2 * i, 5) for i in range(50)],
    "freq_hist_data_bar_heights": HEIGHTS,
}


def window(values: list[float], low: float = -1, high: float | None = 10.0, at: int = 0) -> Row:
    tokens = [f"t{i}" for i in range(len(values))]
    bounds = {"bin_min": low, "bin_max": high, "bin_contains": -1 if low < 0 else 0.5}
    return {**bounds, "tokens": tokens, "values": values, "qualifying_token_index": at}


def opened(tmp_path: Path, *features: Row, **how: Any) -> sw.FeatureIndex:
    return sw.FeatureIndex.from_saedashboard(write_json(tmp_path / "batch-0.json", batch(features)), **how)


def sent(index: sw.FeatureIndex, feature: int) -> dict[str, Any]:
    dashboard = sw.FeatureDashboard(index=index, feature=feature)
    told = dashboard._feature_reply(feature, np.arange(len(index)), can_label=False).data
    json.dumps(told, allow_nan=False)
    json.dumps(card_reply(index, feature).data, allow_nan=False)
    return dict(told)


ABSENT, SILENT, FIRES, UNSAID, STATED, SHOWN = range(6)


@pytest.fixture
def index(tmp_path: Path) -> sw.FeatureIndex:
    """Feature 0 is not in the files, 1 is dead, 2 has everything; of 3 there are logits alone, of 4 a density, of 5 an
    example."""
    said = {"n_prompts_total": 100, "n_tokens_in_prompt": 100}
    return opened(
        tmp_path,
        {"feature_index": SILENT, "frac_nonzero": 0.0, **said, "activations": [window([0.0, 0.0], high=0.0)]},
        {"feature_index": FIRES, "frac_nonzero": 0.0059, **said, **BARS, "activations": [window([9.5, 0.0])]},
        {"feature_index": UNSAID, "pos_str": ["x"], "pos_values": [1.0], "activations": []},
        {"feature_index": STATED, "frac_nonzero": 0.00001, "activations": []},
        {"feature_index": SHOWN, "activations": [window([2.0, 1.0], high=3.5)]},
    )


def test_a_search_finds_no_feature_of_which_nothing_is_said(index: sw.FeatureIndex) -> None:
    assert index.search("files say whether active").index.intersection([ABSENT, UNSAID]).empty
    assert SILENT in index.search("never active").index


@pytest.mark.slow
@pytest.mark.usefixtures("fake_comm")
def test_a_header_says_of_what_and_never_that_the_unknown_is_silent(index: sw.FeatureIndex) -> None:
    told = [sent(index, f) for f in range(6)]
    assert "not in the SAEDashboard files" in told[ABSENT]["silent"]
    assert told[SILENT]["silent"] == "This feature never fires, says its file."
    assert "do not say whether" in told[UNSAID]["silent"]
    assert [told[f]["silent"] for f in (FIRES, STATED, SHOWN)] == [None] * 3
    assert [t["count"] for t in told] == [None, 0, sum(HEIGHTS), None, None, None]
    assert [t["density"] for t in told] == [None, 0.0, 0.0059, None, 0.00001, None]
    assert told[FIRES]["density_of"] == f"of all tokens, says its file; active on {sum(HEIGHTS)}"
    assert told[STATED]["density_of"] == "of all tokens, says its file"
    assert not any(
        "counted" in str(t[key]) for t in told for key in ("density_of", "neurons_label", "correlated_label")
    )
    assert [t["max"] for t in told] == [None, None, 10.0, None, None, 3.5]
    for feature, t in enumerate(told):
        page = sw.FeatureDashboard(index=index, feature=feature).fallback_html()
        assert ("never fires" in page) == ("never fires" in repr(index.feature(feature))) == (feature == SILENT)
        assert "nan" not in page and not any("counted" in s["text"] for s in t["said"])
    groups = [index.examples(f)["top"] for f in (ABSENT, SILENT)]
    assert [len(group.examples) for group in groups] == [0, 0]
    detail = [card_reply(index, f).data["examples"]["groups"][0]["detail"] for f in (ABSENT, SILENT)]
    assert "never active" not in detail[0] and "never active" in detail[1]


@pytest.mark.slow
def test_a_table_has_gaps_where_files_say_nothing(index: sw.FeatureIndex) -> None:
    table = index.features
    assert [None if x is None or x != x else x for x in table["density"]] == [None, 0, 0.0059, None, 0.00001, None]
    assert table["count"].tolist() == [table["count"][0], 0, sum(HEIGHTS), *[table["count"][0]] * 3]
    assert table["count"].isna().tolist() == [True, False, False, True, True, True]
    reply = Features(index).window(Chosen(sort="feature", descending=False), 0, 10)
    assert reply.arrays["count"].tolist() == [0, sum(HEIGHTS), -1, -1, -1]  # without the one that is not in the files
    says = {name: column.says for name, column in Features(index).columns.items()}
    assert not any("ounted token" in said for said in says.values())
    assert "its file" in says["density"]
    assert index.alive == 3
    assert "3 fire" in repr(index)
    told = [index.describe(f).text for f in (ABSENT, SILENT, UNSAID)]
    assert told[0].startswith("its files do not say") and told[1].startswith("never active")
    assert told[2].startswith("its files do not say")
    assert index.figure().layout.title.text.startswith("2 of 3 features fire")


@pytest.mark.slow
def test_without_the_number_of_tokens_examples_are_no_corpus(tmp_path: Path) -> None:
    """An export of examples alone: 2 of its 3 tokens are active, which is no density."""
    write_gz(tmp_path / "activations" / "batch-0.jsonl.gz", [np_activation(0, ["a", "b", "c"], [1.0, 2.0, 0.0])])
    info = (index := sw.FeatureIndex.from_neuronpedia(tmp_path)).feature(0)
    assert np.isnan(info.density) and info.count is None
    assert (info.maximum, info.dead, info.silence) == (2.0, False, None)
    assert "do not say on how many tokens" in index.provenance["corpus"]


def test_bars_alone_are_counts_and_no_density(tmp_path: Path) -> None:
    write_gz(tmp_path / "features" / "batch-0.jsonl.gz", [{**OF, "index": "0", **BARS}])
    info = sw.FeatureIndex.from_neuronpedia(tmp_path).feature(0)
    assert info.count == sum(HEIGHTS)
    assert np.isnan(info.density)


def test_the_maximum_is_of_all_tokens_also_of_one_that_is_not_shown(tmp_path: Path) -> None:
    """SAEDashboard's bin_max of the largest activations is the maximum over all positions, of which it drops the first."""
    given = {"feature_index": 0, "frac_nonzero": 0.1, "activations": [window([3.0, 9.9], high=12.0, at=1)]}
    assert opened(tmp_path, given).feature(0).maximum == 12


def test_an_example_of_an_interval_is_shown_at_a_token_of_it(tmp_path: Path) -> None:
    inside = window([0.0, 7.5, 0.75], 0.0, 1.0, at=-1)  # the token that it was drawn for is not shown
    outside = window([7.5, 0.0], 0.0, 1.0, at=-1)
    open_ended = window([4.0], 3.0, None)
    given = {"feature_index": 0, "frac_nonzero": 0.1, "activations": [window([9.0]), inside, outside, open_ended]}
    found = opened(tmp_path, given).examples(0, window=None)
    assert [(e.activation, e.focus) for e in found["0"].examples] == [(0.75, 2)]
    assert [e.activation for e in found["1"].examples] == [4.0]


@pytest.mark.slow
@pytest.mark.usefixtures("fake_comm")
def test_lists_with_gaps_are_shown_without_them(tmp_path: Path) -> None:
    nan = float("nan")
    lists = {
        "neuron_alignment_indices": [3, 4, 5],
        "neuron_alignment_values": [nan, 0.5],
        "neuron_alignment_l1": [0.1, None],
        "correlated_neurons_indices": [1, 2],
        "correlated_neurons_pearson": [None, 0.25],
        "correlated_neurons_l1": [0.2, nan],
    }
    index = opened(tmp_path, {"feature_index": 0, "frac_nonzero": 0.1, **lists, "activations": [window([1.0])]})
    told = sent(index, 0)
    assert told["alignment"] == [{"i": 4, "v": 0.5, "share": None}]
    assert told["neurons"] == [{"i": 2, "r": 0.25, "cos": None}]


HUGE = "1" * 5000


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"frac_nonzero": 2},
        {"frac_nonzero": -1},
        {"activations": 5},
        {"activations": {"tokens": []}},
        {"feature_index": HUGE},
        {"n_prompts_total": HUGE},
        {"correlated_features_indices": [10**30]},
        {"activations": [window([1.0]) | {"qualifying_token_index": 1e300}]},
    ],
)
def test_numbers_that_cannot_be_are_told_with_their_place(change: Row, tmp_path: Path) -> None:
    good = {"feature_index": 0, "frac_nonzero": 0.1, "activations": [window([1.0])]}
    with pytest.warns(UserWarning, match="1 rows were left out, first batch-0.json:1"):
        index = opened(tmp_path, good, {**good, "feature_index": 1, **change})
    assert index.feature(0).density == 0.1


@pytest.mark.slow
@pytest.mark.parametrize("value", [10**400, 1e300], ids=["digits", "float"])
def test_values_that_no_float32_has_are_none(value: float, tmp_path: Path) -> None:
    rows = [{"feature_index": 0, "frac_nonzero": 0.1, "activations": [window([1.5, value], high=2.0)]}]
    index = opened(tmp_path, *rows)
    assert index.feature(0).maximum == 2
    assert np.isnan(next(iter(index.examples(0))).activations[1])


@pytest.mark.slow
def test_a_number_of_thousands_of_digits_spoils_its_file_alone(tmp_path: Path) -> None:
    good = write_json(tmp_path / "batch-0.json", batch([{"feature_index": 0, "frac_nonzero": 0.1, "activations": []}]))
    (tmp_path / "batch-1.json").write_text(good.read_text().replace("0.1", HUGE))
    with pytest.warns(UserWarning, match="batch-1.json:1: it is no JSON that can be read"):
        assert len(sw.FeatureIndex.from_saedashboard(tmp_path)) == 1


@pytest.mark.slow
def test_bars_that_are_no_counts_are_no_histogram(tmp_path: Path) -> None:
    for heights in ([0.5] * 50, [10**12] * 50, [-1, *[1] * 49]):
        bars = {**BARS, "freq_hist_data_bar_heights": heights}
        index = opened(tmp_path, {"feature_index": 0, "frac_nonzero": 0.1, **bars, "activations": []})
        assert index.feature(0).histogram is None
        assert index.feature(0).count is None


@pytest.mark.slow
def test_an_export_without_examples_is_read_without_a_warning(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    index = opened(tmp_path, {"feature_index": 0, "frac_nonzero": 0.1, "activations": []})
    again = sw.FeatureIndex.from_neuronpedia(index.to_neuronpedia(tmp_path / "out"))
    assert again.feature(0).density == 0.1
    assert not recwarn.list
