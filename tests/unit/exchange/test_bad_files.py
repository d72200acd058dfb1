"""Files that are broken: what is good of them is taken, and what is not is told with file and line."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest
from exchange_made import OF, batch, bulk, dashboard_feature, lines, np_activation, read_gz, write_gz, write_json

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.formats.errors import FormatError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return bulk(tmp_path / "files", random.Random(0))[0]


def opened(place: Path, match: str, **how: object) -> sw.FeatureIndex:
    with pytest.warns(UserWarning, match=match):
        return sw.FeatureIndex.from_neuronpedia(place, **how)


GOOD = {**OF, "tokens": ["a"], "values": [1.0]}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"modelId": "gpt2-small", "lay', "it is no JSON"),
        ("[1, 2]", "it is list, not an object"),
        (json.dumps({**OF, "index": "9", "tokens": ["a"]}), "it has no values"),
        (json.dumps({**OF, "index": "9", "tokens": ["a"], "values": [1, 2]}), "1 tokens and 2 values"),
        (json.dumps({**GOOD, "index": "-3"}), "its feature is '-3'"),
        (json.dumps({**GOOD, "index": None}), "it does not say of which feature"),
        (json.dumps({**GOOD, "index": "1", "tokens": [5]}), "tokens is 5, not a text"),
        (json.dumps({**GOOD, "index": "1", "values": ["x"]}), "values is 'x', not a number"),
        (json.dumps({**GOOD, "index": "1", "layer": 7}), "not two texts"),
        (json.dumps({**GOOD, "index": "1", "tokens": [], "values": []}), "it has no token"),
        ("[" * 100_000, "it is no JSON"),
    ],
)
def test_a_bad_line_costs_that_line(home: Path, line: str, why: str) -> None:
    rows = read_gz(home / "activations" / "batch-0.jsonl.gz")
    write_gz(home / "activations" / "batch-0.jsonl.gz", [rows[0], line, *rows[1:]])
    index = opened(home, "1 rows were left out, first batch-0.jsonl.gz:2")
    assert index.imported is not None
    assert (index.imported.skipped_count, index.imported.examples) == (1, len(rows))
    (skipped,) = index.imported.skipped
    assert (skipped.file, skipped.line) == ("batch-0.jsonl.gz", 2)
    assert why in skipped.why
    assert "batch-0.jsonl.gz:2" in index.provenance["left out"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"frac_nonzero": "much"}, "frac_nonzero is 'much', not a number"),
        ({"pos_str": "x"}, "pos_str is 'x', not a list"),
        ({"pos_values": [1.0]}, "top_tokens"),
        ({"correlated_features_indices": [0.5]}, "not a whole number"),
        ({"freq_hist_data_bar_heights": [1]}, "hist_values"),
    ],
)
def test_a_bad_feature_costs_that_feature(home: Path, change: dict[str, object], why: str) -> None:
    rows = read_gz(home / "features" / "batch-0.jsonl.gz")
    write_gz(home / "features" / "batch-0.jsonl.gz", [rows[0], {**rows[1], **change}])
    index = opened(home, "1 rows were left out")
    assert why in str(index.imported.skipped[0])
    assert index.imported.features == 3
    assert index.feature(0).density == rows[0]["frac_nonzero"]


@pytest.mark.slow
def test_a_truncated_file_is_read_as_far_as_it_goes(home: Path) -> None:
    place = home / "activations" / "batch-0.jsonl.gz"
    rows = [np_activation(i % 4, [f"word{i * 7919 % 1000}"] * 3, [0.5, i + 1.0, 0.25]) for i in range(3000)]
    whole = gzip.compress(lines(rows))
    place.write_bytes(whole[: len(whole) // 2])
    index = opened(home, "batch-0.jsonl.gz")
    assert 100 < index.imported.examples < 3000
    assert "damaged or cut off" in index.imported.skipped[-1].why or "no JSON" in index.imported.skipped[-1].why
    assert index.imported.skipped[-1].line > 100


def test_an_empty_file_is_told(home: Path) -> None:
    (home / "activations" / "batch-0.jsonl.gz").write_bytes(gzip.compress(b""))
    index = opened(home, "the file is empty")
    assert index.imported.features == 4
    assert len(index.examples(1)) == 0
    (home / "activations" / "batch-1.jsonl.gz").write_bytes(b"")
    opened(home, "the file is empty")


def test_rows_of_another_sae_are_left_out_and_told(home: Path) -> None:
    rows = read_gz(home / "features" / "batch-0.jsonl.gz")
    other = {**rows[0], "layer": "8-res-jb", "frac_nonzero": 0.9}
    write_gz(home / "features" / "batch-0.jsonl.gz", [other, *rows])
    index = opened(home, "rows of gpt2-small/8-res-jb, not of gpt2-small/7-res-jb")
    assert index.imported.of == "gpt2-small/7-res-jb"
    assert index.imported.skipped_count == 1
    assert index.feature(0).density == rows[0]["frac_nonzero"]
    chosen = opened(home, "rows of gpt2-small/7-res-jb", of="gpt2-small/8-res-jb")
    assert chosen.feature(0).density == 0.9
    assert chosen.imported.features == 1


def test_features_beyond_the_width_are_left_out_and_told(home: Path) -> None:
    index = opened(home, r"feature \d is outside the dictionary \(0 to 2\)", n_features=3)
    assert len(index) == 3
    assert index.imported.skipped_count == 1 + 3  # the feature and its examples
    assert all(n.feature < 3 for f in range(3) for n in index.feature(f).neighbours)
    with pytest.raises(SaewidgetsError, match="outside the index"):
        index.feature(3)
    assert len(sw.FeatureIndex.from_neuronpedia(home, n_features=100)) == 100


def test_a_mistyped_feature_does_not_make_the_index_huge(home: Path) -> None:
    rows = read_gz(home / "features" / "batch-0.jsonl.gz")
    write_gz(home / "features" / "batch-2.jsonl.gz", [{**rows[0], "index": "1000000000000"}])
    assert len(opened(home, "feature 1000000000000 is outside .* n_features= allows more")) == 4


def test_of_dashboards_of_two_saes_those_of_the_first_file_are_taken(tmp_path: Path) -> None:
    dice = random.Random(2)
    write_json(tmp_path / "batch-0.json", batch([dashboard_feature(dice, 0, 2)]))
    write_json(tmp_path / "batch-1.json", batch([dashboard_feature(dice, 1, 2)], layer=8))
    with pytest.warns(UserWarning, match="rows of gpt2-small/8-res-jb"):
        assert sw.FeatureIndex.from_saedashboard(tmp_path).imported.features == 1
    with pytest.warns(UserWarning, match="rows of gpt2-small/7-res-jb"):
        other = sw.FeatureIndex.from_saedashboard(tmp_path, of="gpt2-small/8-res-jb")
    assert other.imported.of == "gpt2-small/8-res-jb"
    with pytest.raises(FormatError):
        sw.FeatureIndex.from_saedashboard(tmp_path, of="gpt2-small/9-res-jb")


def test_a_feature_that_is_there_twice(home: Path) -> None:
    rows = read_gz(home / "features" / "batch-0.jsonl.gz")
    write_gz(home / "features" / "batch-1.jsonl.gz", [{**rows[0], "frac_nonzero": 0.9}])
    index = opened(home, "feature 0 is there twice")
    assert index.feature(0).density == rows[0]["frac_nonzero"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"features": [], "sae_set": "x"}', "null", "[1]", '"x"', "{}"])
def test_where_there_is_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / "batch-0.json").write_text(content)
    for read in (sw.FeatureIndex.from_saedashboard, sw.FeatureIndex.from_neuronpedia):
        with pytest.raises(FormatError):
            read(tmp_path / "batch-0.json", path=tmp_path / "index")
    assert not (tmp_path / "index" / "manifest.json").exists()


def test_other_places(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sw.FeatureIndex.from_neuronpedia(tmp_path / "nowhere")
    with pytest.raises(FormatError, match="no file of JSON"):
        sw.FeatureIndex.from_neuronpedia(tmp_path)
    with pytest.raises(FormatError, match="No file"):
        sw.FeatureIndex.from_neuronpedia([])
    (tmp_path / "x.csv").write_text("a,b")
    with pytest.raises(FormatError, match="none of"):
        sw.FeatureIndex.from_saedashboard(tmp_path / "x.csv")


def test_a_bad_batch_costs_that_batch(tmp_path: Path) -> None:
    dice = random.Random(3)
    good = dashboard_feature(dice, 0, 3)
    write_json(tmp_path / "batch-0.json", batch([good]))
    (tmp_path / "batch-1.json").write_text('{"model_id": "gpt2-small",\n "features": [')
    bad = {**dashboard_feature(dice, 2, 3), "activations": [{"tokens": ["a"], "values": []}, *good["activations"]]}
    write_json(tmp_path / "batch-2.json", batch([bad, 5, {"feature_index": "x"}]))
    with pytest.warns(UserWarning, match="4 rows were left out, first batch-1.json:2: it is no JSON"):
        index = sw.FeatureIndex.from_saedashboard(tmp_path)
    told = [str(one) for one in index.imported.skipped]
    assert "feature 2: activation 1: it has 1 tokens and 0 values" in told[1]
    assert "entry 2 of 'features' is int" in told[2]
    assert "entry 3 of 'features': its feature is 'x'" in told[3]
    assert index.imported.features == 2


def test_numbers_that_are_none(tmp_path: Path) -> None:
    """NaN and infinity, which Python's JSON writes and reads, and null: no number is shown in their place, none is written."""
    row = dashboard_feature(random.Random(1), 0, 1)
    row |= {"frac_nonzero": float("nan"), "pos_values": [float("nan"), None, float("inf"), 10**400, *range(6)]}
    row["neuron_alignment_values"] = [float("nan"), 0.5, float("-inf")]
    row["activations"][0]["values"] = [float("nan")] * len(row["activations"][0]["tokens"])
    row["activations"][0]["bin_max"] = float("inf")
    index = sw.FeatureIndex.from_saedashboard(write_json(tmp_path / "batch-0.json", batch([row])))
    assert len(index.feature(0).logits.top) == 6
    assert index.feature(0).density == index.feature(0).count / index.counted
    (file,) = index.to_saedashboard(tmp_path / "out")
    assert "NaN" not in file.read_text() and "Infinity" not in file.read_text()
    written = json.loads(file.read_text())["features"][0]
    assert written["pos_values"][:4] == [-10000] * 4
    assert "frac_nonzero" not in written


@pytest.mark.usefixtures("fake_comm")
def test_hostile_strings_reach_no_page_unescaped(tmp_path: Path) -> None:
    hostile = [
        "</script><script>alert(1)</script>",
        "\u0000",
        "\u2028",
        "\ud83d",
        "<img src=x onerror=alert(1)>",
        "\u202e",
    ]
    row = dashboard_feature(random.Random(1), 0, 1)
    row |= {"pos_str": [*hostile, *"abcd"], "dataset": hostile[0]}
    row["activations"] = [{"tokens": hostile, "values": [1.0] * 6, "bin_min": -1, "bin_max": 1.0, "bin_contains": -1}]
    place = write_json(tmp_path / "batch-0.json", batch([row], sae_set=hostile[0], model_id="../../evil"))
    index = sw.FeatureIndex.from_saedashboard(place)
    page = tmp_path / "page.html"
    sw.FeatureDashboard(index=index, feature=0).to_html(page)
    text = page.read_text("utf-8")
    assert "<script>alert" not in text and "<img src=x" not in text
    home = index.to_neuronpedia(tmp_path / "out")
    assert (tmp_path / "out").resolve() in home.resolve().parents
