"""What features are called: taken as people bring it, refused by name, and the same in every view at once."""

from __future__ import annotations

import gc
import json
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tiny
import torch
from front_end import good, rank_params

import saewidgets as sw
from saewidgets.engine.given_labels import labels_from
from saewidgets.engine.labels import Labels
from saewidgets.errors import FeatureIndexError, LabelError, SaeMismatchError
from saewidgets.index.errors import IndexCorruptError

TEXT = "In the beginning God created the heaven"
TEXTS = [TEXT * 3, "Zwölf Boxkämpfer 日本語"]


pytestmark = pytest.mark.usefixtures("fake_comm")


@pytest.fixture
def engine() -> Iterator[sw.Engine]:
    with sw.Engine(tiny.hooked(), {"mine": tiny.sae("jumprelu")}, labels={3: "Genesis"}) as engine:
        yield engine


@pytest.fixture
def index(engine: sw.Engine, tmp_path: Path) -> sw.FeatureIndex:
    return sw.build_index(engine, TEXTS, tmp_path / "index", progress=False, wait=True)


# -- what people bring


@pytest.mark.parametrize(
    "given",
    [
        {3: "cat", 40: "dog"},
        {"3": "cat", " 40": "dog"},
        {np.int64(3): "cat", np.uint8(40): np.str_("dog")},
        {3.0: "cat", np.float32(40): "dog"},
        {3: "cat", 40: "dog", 5: None, 6: float("nan"), 7: "", 8: " \n", 9: np.float32("nan"), 10: pd.NA, 11: pd.NaT},
        [(3, "cat"), (40, "dog")],
        [None] * 3 + ["cat"] + [""] * 36 + ["dog"] + [None] * 7,
        np.array([""] * 3 + ["cat"] + [""] * 36 + ["dog"] + [""] * 7),
        pd.Series({3: "cat", 40: "dog", 41: None}),
        pd.Series(["cat", "dog", np.nan], index=["3", "40", "7"]),
        pd.DataFrame({"feature": [3, 40, 5], "label": ["cat", "dog", None], "density": [0.1, 0.2, 0.3]}),
        pd.DataFrame({"index": ["3", "40"], "description": ["cat", "dog"]}),
        pd.DataFrame({"label": ["cat", "dog"]}, index=pd.Index([3, 40], name="feature")),
        pa.table({"feature": [3, 40], "label": ["cat", "dog"]}),
        Labels({3: "cat", 40: "dog"}),
    ],
    ids=lambda given: type(given).__name__,
)
def test_what_is_meant_is_taken(given: Any) -> None:
    assert labels_from(given, tiny.D_SAE) == {3: "cat", 40: "dog"}
    engine = sw.Engine(tiny.hooked(), tiny.sae(), labels=given)
    assert engine.dictionary().labels == {3: "cat", 40: "dog"}
    acts = engine.activations(TEXT + TEXTS[1])
    firing = [f for f in (3, 40) if np.any(acts[:, f][acts.counted])]
    assert firing and sorted(acts.top(None, label="A").features.tolist()) == [f for f in firing if f == 3]
    assert sorted(acts.top(None).to_pandas().query("label != ''").index) == firing
    heatmap = sw.TokenFeatureHeatmap(engine, TEXT, labels=given)
    assert heatmap.activations.labels == {3: "cat", 40: "dog"}
    directions = sw.Directions(torch.randn(tiny.D_SAE, tiny.D_MODEL), "blocks.1.hook_resid_pre", names=given)
    assert directions.labels == {3: "cat", 40: "dog"}
    engine.close()


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({3: 0.5}, LabelError, "feature 3 is 0.5, which is no text"),
        ({3: 7}, LabelError, r"pass str\(7\)"),
        ({3: True}, LabelError, "True"),
        ({3: b"cat"}, LabelError, "no text"),
        ({3: ["cat"]}, LabelError, "no text"),
        ({3: np.zeros(2)}, LabelError, "no text"),
        ({"cat": 3}, LabelError, "'cat'"),
        ({"3a": "cat"}, LabelError, "'3a'"),
        ({3.5: "cat"}, LabelError, "3.5"),
        ({None: "cat"}, LabelError, "None"),
        ({True: "cat"}, LabelError, "True"),
        ({"3": "cat", 3: "dog"}, LabelError, "both 'cat' and 'dog'"),
        ('{"3": "cat"}', LabelError, "json.loads"),
        (3, LabelError, "int"),
        ({"cat"}, LabelError, "no order"),
        (["cat", "dog"], LabelError, "2 names for the 48 features"),
        (pd.Series([0.5] * 48), LabelError, "0.5"),
        (torch.zeros(48), LabelError, "no text"),
        (pd.DataFrame({"a": [3], "b": ["cat"]}), LabelError, "'a', 'b'"),
        (pd.DataFrame({"feature": [3], "label": ["cat"], "name": ["dog"]}), LabelError, "which are features"),
        ({48: "cat"}, FeatureIndexError, "feature 48"),
        ({-1: "cat"}, FeatureIndexError, "feature -1"),
        ({"48": "cat"}, FeatureIndexError, "feature 48"),
    ],
)
def test_what_is_not_clear_is_refused_by_name(given: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        sw.Engine(tiny.hooked(), tiny.sae(), labels=given)
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine, pytest.raises(error, match=says):
        sw.TokenFeatureHeatmap(engine, TEXT, labels=given)


def test_engines_of_several_dictionaries_and_of_neurons_name_theirs() -> None:
    saes = {"a": tiny.sae(seed=1), "b": tiny.sae(seed=2)}
    with sw.Engine(tiny.hooked(), saes, labels={"b": {"7": "of b"}}) as engine:
        assert not engine.dictionary("a").labels and engine.dictionary("b").labels == {7: "of b"}
    with pytest.raises(SaeMismatchError, match="several"):
        sw.Engine(tiny.hooked(), saes, labels={7: "whose?"})
    # Neurons learn from the model how many they are.
    with sw.Engine(tiny.hooked(), sw.Neurons("blocks.0.mlp.hook_post"), labels={31: "last"}) as engine:
        assert engine.dictionary().labels == {31: "last"}
    with pytest.raises(FeatureIndexError, match="feature 32"):
        sw.Engine(tiny.hooked(), sw.Neurons("blocks.0.mlp.hook_post"), labels={32: "past it"})
    with pytest.raises(SaeMismatchError, match="2 names were given for 1"):
        sw.Directions(torch.ones(tiny.D_MODEL), "blocks.1.hook_resid_pre", names=["a", "b"])


# -- one object


def labelled(rows: list[dict[str, Any]], feature: int) -> list[str | None]:
    return [row["label"] for row in rows if row["f"] == feature]


@pytest.mark.slow
def test_a_name_given_in_the_dashboard_is_in_every_view_at_once(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    before = engine.activations(TEXT)
    f = next(int(i) for i in before.top(None) if i != 3)
    heatmap = sw.TokenFeatureHeatmap(engine, TEXT)
    dashboard = sw.FeatureDashboard(engine, index, feature=f)
    panel = sw.SteeringPanel(engine, index, prompt=TEXT)
    recipe = sw.Recipe(sw.add(f, 1.0))
    asked = {"recipe": recipe.to_dict(), "prompt": TEXT, "chat": False, "messages": []}

    def names() -> dict[str, object]:
        tokens = good(heatmap, "tokens", text=TEXT)
        rank = good(heatmap, "rank", **rank_params(TEXT, limit=100))
        scales = good(panel, "scales", **asked)
        effect = good(panel, "effect", **asked, continuation=None, which=None, freeze=False)
        found = good(panel, "search", q="a new name", sae=None)
        whole = good(dashboard, "feature", f=f, sort="label", list=[])
        return {
            "tokens": tokens["labels"].get(str(f)),
            "rank": labelled(rank["rows"], f)[0],
            "row": scales["rows"][0]["features"][0]["label"],
            "effect": effect["rows"][0]["label"],
            "search": labelled(found["items"], f)[:1],
            "dashboard": whole["label"],
            "table": index.features["label"].fillna("")[f],
            "feature": index.feature(f).label,
            "acts": before.labels.get(f),
            "ranking": before.top(None, label="new name").features.tolist(),
            "page": f"feature {f} a new name" in heatmap.fallback_html(),
        }

    heatmap.feature = f
    assert not any(names().values())
    good(dashboard, "label", f=f, label="a new name")
    assert names() == {
        **dict.fromkeys(("tokens", "rank", "row", "effect", "dashboard", "table", "feature", "acts"), "a new name"),
        "search": ["a new name"],
        "ranking": [f],
        "page": True,
    }
    # It wins over the engine's, which comes back with no other; an empty one takes either away.
    index.set_label(3, "beginnings")
    assert engine.dictionary().labels[3] == index.label(3) == before.labels[3] == "beginnings"
    index.set_label(3, "")
    assert index.label(3) is None and 3 not in engine.dictionary().labels
    good(dashboard, "label", f=f, label=None)
    assert not any(names().values())


def test_views_are_told_that_names_changed(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    heatmap, own = sw.TokenFeatureHeatmap(engine, TEXT), sw.TokenFeatureHeatmap(engine, TEXT, labels={4: "mine"})
    dashboard, panel = sw.FeatureDashboard(engine, index), sw.SteeringPanel(engine, index)
    views = (heatmap, dashboard, panel, own)

    def told() -> list[int]:
        return [sum(content == {"t": "names"} for content, _ in view.comm.customs()) for view in views]

    before = told()
    index.set_label(4, "theirs")
    assert [now - then for now, then in zip(told(), before, strict=True)] == [1, 1, 1, 0]
    assert own.activations.labels == {4: "mine"} and heatmap.activations.labels == {3: "Genesis", 4: "theirs"}
    heatmap.close()
    index.set_label(4, "after it was closed")


@pytest.mark.slow
def test_indexes_keep_their_own_names_and_the_same_folder_is_the_same_index(
    engine: sw.Engine, index: sw.FeatureIndex, tmp_path: Path
) -> None:
    other = sw.build_index(engine, TEXTS[:1], tmp_path / "other", progress=False, wait=True)
    index.set_label(5, "of the one")
    other.set_label(6, "of the other")
    assert index.labels == {3: "Genesis", 5: "of the one"}
    assert other.labels == {3: "Genesis", 6: "of the other"}
    assert engine.dictionary().labels == {3: "Genesis", 5: "of the one", 6: "of the other"}
    other.set_label(5, "given last")
    assert engine.dictionary().labels[5] == "given last" and index.label(5) == "of the one"
    again = sw.FeatureIndex.open(index.path)
    again.set_label(7, "through another door")
    assert index.label(7) == engine.dictionary().labels[7] == "through another door"
    # A name of the engine's dictionary is for this session, and everywhere as well.
    engine.dictionary().labels.set(8, " by hand ")
    assert index.label(8) == other.label(8) == "by hand"
    kept = [json.loads(line) for line in (index.path / "words.jsonl").read_text("utf-8").splitlines()]
    assert [(one["f"], one["text"]) for one in kept] == [(5, "of the one"), (7, "through another door")]


def test_names_are_clean_whoever_brings_them(index: sw.FeatureIndex) -> None:
    with sw.Engine(tiny.hooked(), {"mine": tiny.sae("jumprelu")}, labels={5: "half \ud83d", 6: "\ud83d\ude00"}) as own:
        index.check(own)
        assert own.dictionary().labels == index.labels == {5: "half \ufffd", 6: "😀"}
        own.dictionary().labels.set(7, "\udc80")
        panel = sw.SteeringPanel(own, index, prompt=TEXT, recipe=sw.add(5, 1.0))
        asked = {"prompt": TEXT, "chat": False, "messages": []}
        scales = good(panel, "scales", **asked, recipe=panel.recipe)
        assert scales["rows"][0]["features"][0]["label"] == "half \ufffd"
        assert labelled(good(panel, "search", q="7", sae=None)["items"], 7) == ["\ufffd"]
        # A recipe's own label is a name as well, and comes from a view or from Python.
        panel.recipe = sw.Recipe(sw.add(5, 1.0, label="half \ud83d")).to_dict()
        assert panel.recipe["interventions"][0]["label"] == "half \ufffd"
        typed = {**panel.recipe, "interventions": [{**panel.recipe["interventions"][0], "label": "lone \ud800"}]}
        scales = good(panel, "scales", **asked, recipe=typed)
        assert scales["rows"][0]["features"][0]["label"] == "lone \ufffd" and "lone \ufffd" in scales["text"]


def test_labels_are_a_mapping() -> None:
    labels = Labels({3: "cat", 1: "ant"})
    assert (list(labels), len(labels), bool(labels)) == ([1, 3], 2, True)
    assert labels == {1: "ant", 3: "cat"} and labels == {1: "ant", 3: "cat"} and labels != {1: "ant"}
    assert labels.get(np.int64(3)) == "cat" and labels.get(2, "") == "" and 2 not in labels and 3 in labels
    assert dict(labels) == labels.to_dict() == {1: "ant", 3: "cat"}
    with pytest.raises(KeyError):
        labels[2]
    copied = Labels(labels)
    copied.set(3, "")
    copied.set(2, "bee")
    assert copied == {1: "ant", 2: "bee"} and labels == {1: "ant", 3: "cat"}
    assert not Labels() and not Labels({1: ""})


@pytest.mark.slow
def test_looking_up_costs_the_same_however_many_there_are(index: sw.FeatureIndex) -> None:
    """A look-up that merges all labels takes 266 ms at 131,072; one that does not, a microsecond."""

    def seconds(n: int) -> float:
        engine = Labels({f: f"feature {f}" for f in range(n)})
        own = Labels({f: f"mine {f}" for f in range(0, n, 2)})
        engine.link(own)
        best = float("inf")
        for _ in range(30):
            start = time.perf_counter()
            for _ in range(300):
                assert own.get(0) and engine.get(1) and own.get(n) is None
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(131_072) < 30 * seconds(16)


def test_many_threads_name_and_look_at_once(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    labels, wrong = engine.dictionary().labels, []

    def name(of: sw.FeatureIndex, features: range) -> None:
        for f in features:
            of.set_label(f, f"name {f}")

    def look() -> None:
        for _ in range(2000):
            for f, label in labels.to_dict().items():
                if label not in ("Genesis", f"name {f}"):
                    wrong.append((f, label))
            labels.get(9)

    doors = [index, sw.FeatureIndex.open(index.path)]
    threads = [threading.Thread(target=name, args=(doors[i], range(10 + i, 40, 2))) for i in range(2)]
    threads += [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    expected = {3: "Genesis", **{f: f"name {f}" for f in range(10, 40)}}
    assert labels == index.labels == expected
    assert sw.FeatureIndex.open(index.path).labels == {f: f"name {f}" for f in range(10, 40)}


@pytest.mark.slow
def test_names_hold_neither_index_nor_widget(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    opened = sw.FeatureIndex.open(index.path, engine=engine)
    opened.set_label(9, "stays in the session")
    heatmap = sw.TokenFeatureHeatmap(engine, TEXT)
    heatmap.close()
    gone = [weakref.ref(opened), weakref.ref(heatmap)]
    del opened, heatmap
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
    assert engine.dictionary().labels[9] == "stays in the session"


@pytest.mark.parametrize("content", ['{"3": null}', '{"3": 5}', '{"3": {"a": 1}}'])
def test_kept_names_that_are_none_are_damage(content: str, index: sw.FeatureIndex) -> None:
    (index.path / "labels.json").write_text(content)
    with pytest.raises(IndexCorruptError, match=r"labels\.json"):
        sw.FeatureIndex.open(index.path)


# -- the same directions and neurons in several engines

HOOK = "blocks.1.hook_resid_pre"


@pytest.mark.parametrize("kind", ["directions", "neurons"])
def test_an_object_of_the_user_s_in_two_engines_stays_the_user_s(kind: str) -> None:
    vectors = torch.randn(4, tiny.D_MODEL, generator=torch.Generator().manual_seed(0))
    mine = (
        sw.Directions(vectors, HOOK, names=["up", None, "down", None])
        if kind == "directions"
        else sw.Neurons("blocks.0.mlp.hook_post")
    )
    brought, called = dict(mine.labels), mine.name
    with (
        sw.Engine(tiny.hooked(), {"first": mine, "sae": tiny.sae()}, labels={"first": {1: "one", 2: "new"}}) as first,
        sw.Engine(tiny.hooked(), {"second": mine}, labels={1: "two"}) as second,
        sw.Engine(tiny.hooked(), mine) as third,
    ):
        assert mine.name == called and dict(mine.labels) == brought
        assert [*first.dictionaries] == ["first", "sae"] and [*second.dictionaries] == ["second"]
        assert dict(first.dictionary("first").labels) == {**brought, 1: "one", 2: "new"}
        assert dict(second.dictionary().labels) == {**brought, 1: "two"}
        second.dictionary().labels.set(0, "of the second")
        assert first.dictionary("first").labels.get(0) == brought.get(0) and dict(mine.labels) == brought
        values = [e.activations(TEXT, sae=name)[:, 1] for e, name in ((first, "first"), (second, None), (third, None))]
        for found in values[1:]:
            np.testing.assert_allclose(found, values[0], rtol=1e-6)
        assert sw.effects(first, TEXT, sw.add(1, 2.0, sae="first")).token_ids.size
        panel = sw.SteeringPanel(first, prompt=TEXT, recipe=sw.add(1, 1.0, sae="first"))
        row = good(panel, "scales", recipe=panel.recipe, prompt=TEXT, chat=False, messages=[])["rows"][0]
        assert row["ok"] and row["features"][0]["label"] == "one"
        if kind == "directions":
            mine.vectors = mine.vectors * 3  # the weights are the user's, too: each engine has those it was given
            assert np.allclose(second.activations(TEXT)[:, 1], values[0], rtol=1e-6)


def test_labels_of_a_published_sae(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saewidgets.engine.engine.load_sae", lambda *_: tiny.sae())
    monkeypatch.setattr("saewidgets.engine.engine.load_model", lambda *_: tiny.hooked())
    published = {"release": "some-release", "sae_id": "some/id"}
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        best = int(engine.activations(TEXT).top(1).features[0])
    for labels in ({str(best): "cat"}, {"some-release/some/id": {best: "cat"}}):
        with sw.Engine.from_pretrained(**published, labels=labels) as engine:  # type: ignore[arg-type]
            assert dict(engine.dictionary().labels) == {best: "cat"}
            assert engine.activations(TEXT).top(1).to_pandas()["label"].tolist() == ["cat"]
    with pytest.raises(LabelError):
        sw.Engine.from_pretrained(**published, labels={"three": "cat"})  # type: ignore[arg-type]
