"""Nothing is lost that a format carries: file to index to file, and index to file to index."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from exchange_made import OF, Row, batch, bulk, dashboard_feature, read_gz, write_json

import saewidgets as sw


def features_in(files: list[Path]) -> dict[int, Row]:
    return {row["feature_index"]: row for file in files for row in json.loads(file.read_text("utf-8"))["features"]}


@pytest.mark.parametrize("seed", range(6))
def test_saedashboard_to_index_to_saedashboard(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    width = dice.randrange(2, 6)
    given = [
        dashboard_feature(dice, i, width, dead=dice.random() < 0.3, dfa=dice.random() < 0.3)
        for i in range(width)
        if i == width - 1 or dice.random() < 0.8
    ]
    write_json(tmp_path / "given" / "batch-0.json", batch(given[:1], sae_id_suffix="l0_80"))
    if given[1:]:
        write_json(tmp_path / "given" / "batch-1.json", batch(given[1:], sae_id_suffix="l0_80"))
    index = sw.FeatureIndex.from_saedashboard(tmp_path / "given", path=tmp_path / "index")
    files = index.to_saedashboard(tmp_path / "written")
    head = json.loads(files[0].read_text("utf-8"))
    assert {key: head[key] for key in ("model_id", "layer", "sae_set", "sae_id_suffix")} == {
        "model_id": "gpt2-small",
        "layer": 7,
        "sae_set": "res-jb",
        "sae_id_suffix": "l0_80",
    }
    assert features_in(files) == {row["feature_index"]: row for row in given}


@pytest.mark.parametrize("seed", range(4))
def test_neuronpedia_to_index_to_neuronpedia(seed: int, tmp_path: Path) -> None:
    home, features, acts = bulk(tmp_path / "given", random.Random(seed))
    index = sw.FeatureIndex.from_neuronpedia(home, path=tmp_path / "index")
    written = index.to_neuronpedia(tmp_path / "written")
    assert written == tmp_path / "written" / "gpt2-small" / "7-res-jb"
    assert read_gz(written / "features" / "batch-0.jsonl.gz") == features

    def ordered(rows: list[Row]) -> list[Row]:
        return sorted(rows, key=lambda row: (row["index"], row["dataIndex"], row["tokens"]))

    assert ordered(read_gz(written / "activations" / "batch-0.jsonl.gz")) == ordered(acts)
    said = read_gz(written / "explanations" / "batch-0.jsonl.gz")
    assert [(row["index"], row["description"], row["explanationModelName"]) for row in said] == [
        (str(i), f"about {i}", "gpt-4o-mini") for i in range(4)
    ]
    assert all({key: row[key] for key in OF} == OF for row in said)
    for kind in ("source", "release"):
        (found,), (wanted,) = (json.loads(f"[{(place / f'{kind}.jsonl').read_text()}]") for place in (written, home))
        assert found == wanted


def built(seed: int, path: Path) -> sw.FeatureIndex:
    """An index of random texts under a random SAE."""
    dice = random.Random(seed)
    words = "In the beginning God created 日本語 😀 Zwölf heaven".split()
    texts = [" ".join(dice.choices(words, k=dice.randrange(1, 40))) for _ in range(12)]
    with sw.Engine(tiny.hooked(seed), tiny.sae("jumprelu", seed=seed), labels={3: "Genesis"}) as engine:
        return sw.build_index(engine, texts, path, progress=False, wait=True)


def same_numbers(found: Any, wanted: Any, name: str) -> None:
    if isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-6, abs=1e-7), name
    elif isinstance(wanted, tuple):
        assert len(found) == len(wanted), name
        for one, other in zip(found, wanted, strict=True):
            same_numbers(one, other, name)
    elif hasattr(wanted, "__dataclass_fields__"):
        same_numbers(tuple(vars(found).values()), tuple(vars(wanted).values()), name)
    else:
        assert found == wanted, name


def without(rows: tuple[Any, ...], *names: str) -> tuple[Any, ...]:
    """Rows without what a format has no place for."""
    return tuple(tuple(v for k, v in vars(row).items() if k not in names) for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["neuronpedia", "saedashboard"])
@pytest.mark.parametrize("seed", [1, 2])
def test_index_to_file_to_index(form: str, seed: int, tmp_path: Path) -> None:
    index = built(seed, tmp_path / "index")
    if form == "neuronpedia":
        index.to_neuronpedia(tmp_path / "files")
        again = sw.FeatureIndex.from_neuronpedia(tmp_path / "files")
        assert again.describe(3).text == "Genesis"
    else:
        index.to_saedashboard(tmp_path / "files")
        again = sw.FeatureIndex.from_saedashboard(tmp_path / "files")
    assert len(again) == len(index)
    assert "of counted tokens" in again.provenance["notes"] and "all tokens" not in again.provenance["notes"]
    assert again.feature(3).density_of.startswith("of counted tokens")
    assert again.counted == index.counted
    for feature in range(len(index)):
        there, here = index.feature(feature), again.feature(feature)
        for name in ("density", "count", "maximum", "minimum", "alignment", "neurons", "decoder_hook", "hook"):
            if form == "neuronpedia" or "hook" not in name:  # SAEDashboard's batches name no hook
                same_numbers(getattr(here, name), getattr(there, name), name)
        if form == "neuronpedia":
            same_numbers(here.neighbours, there.neighbours, "neighbours")
        same_numbers(without(here.correlated, "together"), without(there.correlated, "together"), "correlated")
        if there.histogram is not None:
            same_numbers((here.histogram.low, here.histogram.high), (there.histogram.low, there.histogram.high), "bars")
            assert np.array_equal(here.histogram.counts, there.histogram.counts)
        for side in ("top", "bottom"):
            wanted, found = getattr(there.logits, side), getattr(here.logits, side)
            same_numbers(tuple(w.value for w in found), tuple(w.value for w in wanted), side)
        assert np.array_equal(here.logits.histogram.counts, there.logits.histogram.counts)
        same_examples(again, index, feature)


def same_examples(again: sw.FeatureIndex, index: sw.FeatureIndex, feature: int) -> None:
    there, here = index.examples(feature, window=None), again.examples(feature, window=None)
    for group in there.groups:
        if group.key == "top" or group.key.isdigit():
            mine = [
                g for g in here.groups if (g.low == group.low and g.high == group.high) or g.key == group.key == "top"
            ]
            assert len(mine) == bool(group.examples or group.key == "top")
            # Examples that look alike for another token, or for none that is shown, are one.
            wanted = {(e.text, e.focus, round(e.activation, 4)) for e in group.examples}
            found = {(e.text, e.focus, round(e.activation, 4)) for g in mine for e in g.examples}
            assert found == wanted
            for example in group.examples:
                twin = next(e for g in mine for e in g.examples if (e.text, e.focus) == (example.text, example.focus))
                counted = example.flags == 0
                assert np.array_equal(twin.activations[counted], example.activations[counted])
                assert (twin.activations[~counted] == 0).all()


@pytest.mark.slow
def test_what_is_written_is_what_sae_lens_computes(tmp_path: Path) -> None:
    """The rows of a bulk folder, against the SAE on the cached input; and the same index gives the same bytes."""
    model, sae = tiny.hooked(), tiny.sae("standard")
    with sw.Engine(model, sae) as engine:
        index = sw.build_index(engine, tiny.TEXTS, tmp_path / "index", progress=False, wait=True)
    home = index.to_neuronpedia(tmp_path / "one", model="gpt2-small", source="1-res-mine", features=[5, 2])
    rows = read_gz(home / "features" / "batch-0.jsonl.gz")
    assert [(row["modelId"], row["layer"], row["index"]) for row in rows] == [
        ("gpt2-small", "1-res-mine", str(f)) for f in (2, 5)
    ]
    acts = read_gz(home / "activations" / "batch-0.jsonl.gz")
    for row in rows:  # the intervals share out the active tokens, and what they contain is a share of all
        shares = {a["binMin"]: a["binContains"] for a in acts if a["index"] == row["index"] and a["binMin"] >= 0}
        assert sum(shares.values()) == pytest.approx(row["frac_nonzero"])
    seen = 0
    for row in acts:
        ids = model.to_tokens("".join(row["tokens"]), prepend_bos=False)
        if ids.shape[1] != len(row["tokens"]):
            continue  # a chunk that begins or ends within a character
        _, cache = model.run_with_cache(ids)
        wanted = sae.encode(cache[sae.cfg.metadata.hook_name])[0, :, int(row["index"])].detach().numpy()
        assert np.allclose(row["values"][1:], wanted[1:], atol=1e-5)
        assert row["values"][0] == 0  # BOS does not count
        assert row["maxValue"] == max(row["values"]) == row["values"][row["maxValueTokenIndex"]]
        seen += 1
    assert seen > 3
    index.to_neuronpedia(tmp_path / "two", model="gpt2-small", source="1-res-mine", features=[5, 2])
    for file in (tmp_path / "one").rglob("*.*"):
        assert file.read_bytes() == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes()
