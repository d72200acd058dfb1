"""Explanations that others wrote: taken from whatever they come in, the bad ones named, the good ones kept."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import saewidgets as sw
from saewidgets.index.errors import IndexCorruptError
from saewidgets.index.explanations.explanation import ExplanationError
from saewidgets.index.explanations.sets import ExplanationSets

TEXTS = {3: "beginnings", 5: "days of the week"}


def row(feature: int | str, text: str, **more: Any) -> dict[str, Any]:
    """A row of Neuronpedia's bulk files."""
    return {
        "id": f"cl{feature}{len(text)}",
        "modelId": "gpt2-small",
        "layer": "7-res-jb",
        "index": str(feature),
        "description": text,
        "authorId": "clkht01d40000jv08hvalcvly",
        "triggeredById": None,
        "typeName": "oai_token-act-pair",
        "explanationModelName": "gpt-4o-mini",
        "notes": None,
        "embedding": [0.5] * 4,
        **more,
    }


def lines(path: Path, *rows: object) -> Path:
    """A file of JSON lines, packed if its name says so; a text is a line as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.name.endswith(".gz") else text.encode())
    return path


def told(index: sw.FeatureIndex) -> dict[int, str]:
    return dict(index.explanations[["feature", "description"]].values.tolist())


def sources(folder: Path) -> dict[str, Any]:
    rows = [row(f, text) for f, text in TEXTS.items()]
    table = pd.DataFrame({"feature": [*TEXTS], "description": [*TEXTS.values()]})
    table.to_csv(folder / "t.csv", index=False)
    table.to_csv(folder / "t.tsv.gz", index=False, sep="\t")
    feature = {"modelId": "gpt2-small", "layer": "7-res-jb", "index": "3", "activations": []}
    (folder / "feature.json").write_text(
        json.dumps([{**feature, "explanations": [{"description": TEXTS[3]}]}, row(5, TEXTS[5])]), "utf-8"
    )
    (folder / "map.json").write_text(json.dumps({str(f): text for f, text in TEXTS.items()}), "utf-8")
    lines(folder / "bulk" / "explanations" / "batch-0.jsonl.gz", rows[0])
    lines(folder / "bulk" / "explanations-gpt-4o-mini" / "batch-10.jsonl.gz", rows[1])
    lines(folder / "bulk" / "features" / "batch-0.jsonl.gz", {"index": "7", "description": "no explanation"})
    return {
        "mapping": TEXTS,
        "mapping with strings": {str(f): text for f, text in TEXTS.items()},
        "rows": rows,
        "DataFrame": table,
        "DataFrame by index": table.set_index("feature"),
        "Series": pd.Series(TEXTS),
        "Arrow": pa.Table.from_pandas(table),
        "csv": folder / "t.csv",
        "packed tsv": str(folder / "t.tsv.gz"),
        "jsonl": lines(folder / "rows.jsonl", *rows),
        "features of Neuronpedia": folder / "feature.json",
        "JSON mapping": folder / "map.json",
        "bulk folder": folder / "bulk",
    }


@pytest.mark.parametrize("kind", [
    "mapping", "mapping with strings", "rows", "DataFrame", "DataFrame by index", "Series", "Arrow", "csv", "packed tsv",
    "jsonl", "features of Neuronpedia", "JSON mapping", "bulk folder",
])  # fmt: skip
def test_whatever_they_come_in(kind: str, index: sw.FeatureIndex, tmp_path: Path) -> None:
    source = sources(tmp_path)[kind]
    added = index.add_explanations(source, "theirs")
    assert (added.added, added.duplicates, added.features, added.skipped_count) == (2, 0, 2, 0)
    assert told(index) == TEXTS and set(index.explanations["source"]) == {"theirs"}
    again = index.add_explanations(source, "theirs")
    assert (again.added, again.duplicates) == (0, 2) and told(index) == TEXTS
    # Its own name, where it has one.
    if isinstance(source, (str, Path)):
        assert index.add_explanations(source).added == 2
    else:
        with pytest.raises(ExplanationError, match="name="):
            index.add_explanations(source)
    # What comes out goes in again.
    index.remove_explanations("theirs")
    frame = (
        index.explanations if isinstance(source, (str, Path)) else pd.DataFrame([row(f, t) for f, t in TEXTS.items()])
    )
    assert index.add_explanations(frame, "back").added == 2


def test_all_that_a_row_says_is_kept(index: sw.FeatureIndex) -> None:
    index.add_explanations(
        [
            row(3, " by a model ", scores=[{"value": 0.75}], notes="n", createdAt="2026-01-02"),
            {"feature": 5, "text": "b", "score": "0.5"},
        ],
        "theirs",
    )
    first, second = index.explanations.to_dict("records")
    assert first == {
        "feature": 3, "description": "by a model", "source": "theirs", "method": "oai_token-act-pair", "model": "gpt-4o-mini",
        "author": "clkht01d40000jv08hvalcvly", "score": 0.75, "measure": "", "notes": "n", "created": "2026-01-02", "key": "cl312",
        "of": "gpt2-small/7-res-jb",
    }  # fmt: skip
    assert (second["score"], second["of"], second["model"]) == (0.5, "", "")


def test_own_label_then_explanation_then_automatic(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    index.check(engine)
    labels = engine.dictionary().labels

    def said(feature: int) -> tuple[str, str, str]:
        found = index.describe(feature)
        assert found is not None and found == labels.describe(feature)
        return found.text, found.kind, found.source

    assert said(3) == ("Genesis", "label", "")
    assert said(5)[1:] == ("automatic", "the index")
    automatic = said(5)[0]
    index.add_explanations(
        [{"feature": 5, "text": "old", "createdAt": "2024"}, {"feature": 5, "text": "new", "createdAt": "2025"}], "a"
    )
    assert said(5) == ("new", "explanation", "a")
    index.add_explanations([{"feature": 5, "text": "measured", "score": 0.2, "createdAt": "2023"}], "a")
    assert said(5) == ("measured", "explanation", "a")
    index.add_explanations({5: "measured"}, "a")  # the same words again, of which nothing more is said
    assert index.describe(5).score == 0.2  # type: ignore[union-attr]
    index.add_explanations({5: "added last", 3: "hidden by its label"}, "b")
    assert said(5) == ("added last", "explanation", "b") and said(3)[0] == "Genesis"
    index.set_label(5, "by hand")
    assert said(5) == ("by hand", "label", "")
    assert index.explanations.query("feature == 5").description.tolist() == ["added last", "measured", "new", "old"]
    index.set_label(5, "")
    index.remove_explanations("b")
    index.remove_explanations("a")
    assert said(5) == (automatic, "automatic", "the index")
    with pytest.raises(KeyError, match="there are none"):
        index.remove_explanations("a")


def test_views_hear_of_them(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    heard: list[int] = []

    class View:
        def renamed(self) -> None:
            heard.append(1)

    view = View()
    index.check(engine)
    engine.dictionary().labels.watch(view.renamed)
    index.add_explanations({5: "days"}, "a")
    index.remove_explanations("a")
    assert len(heard) == 2


@pytest.mark.slow
def test_bad_lines_are_named_and_the_good_ones_kept(index: sw.FeatureIndex, tmp_path: Path) -> None:
    folder = tmp_path / "explanations"
    lines(
        folder / "batch-0.jsonl",
        row(3, "good"),
        '{"index": "5", "description": "cut o',
        row(48, "beyond the width"),
        {"index": "7"},
        {"description": "whose?"},
        {"index": "-2", "description": "x"},
        {"index": "3a", "description": "x"},
        {"index": "4", "description": 7},
        "[1, 2]",
        "",
        row(5, "good too"),
    )
    lines(folder / "batch-1.jsonl")
    whole = lines(
        folder / "batch-2.jsonl.gz", *(row(f, f"number {f} {i}") for i in range(300) for f in range(30))
    ).read_bytes()
    (folder / "batch-2.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "batch-3.jsonl").write_bytes(
        b'{"index": "6", "description": "fine"}\n\xff\xfe\n{"index": "8", "description": "also"}'
    )
    added = index.add_explanations(folder, "bulk")
    frame = index.explanations
    assert {"good", "good too", "fine", "also", "number 0 0"} <= set(frame.description)
    assert 30 < len(frame) < 9000 and added.added == len(frame)
    told = [str(one) for one in added.skipped]
    for said in (
        "batch-0.jsonl:2: it is no JSON",
        "feature 48 is outside the dictionary (0 to 47)",
        "batch-0.jsonl:4: it has no description",
        "batch-0.jsonl:5: it does not say of which feature",
        "batch-0.jsonl:6: its feature is '-2'",
        "batch-0.jsonl:7: its feature is '3a'",
        "batch-0.jsonl:8: 7 is no text",
        "batch-0.jsonl:9: it is list",
        "batch-1.jsonl:1: the file is empty",
        "batch-3.jsonl:2: it is no JSON",
        "the file is damaged or cut off from here",
    ):
        assert any(said in one for one in told), said
    assert added.skipped_count == len(told) == 11 and "Left out: 11" in repr(added)


def test_of_several_saes_the_one_that_most_are_of(index: sw.FeatureIndex) -> None:
    rows = [row(3, "a"), row(4, "b"), row(5, "c", layer="8-res-jb"), {"index": 6, "description": "does not say"}]
    added = index.add_explanations(rows, "mixed")
    assert told(index) == {3: "a", 4: "b", 6: "does not say"}
    assert (added.skipped_count, added.skipped[0].why) == (
        1,
        "1 are of gpt2-small/8-res-jb, not of gpt2-small/7-res-jb",
    )
    assert index.add_explanations(rows, "eight", of="gpt2-small/8-res-jb").added == 2


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (7, "cannot be read from int"),
        ([], "No explanation was found"),
        ([{"index": 99, "description": "x"}], "No explanation was found.*feature 99 is outside"),
        ("file.txt", r"none of \.jsonl"),
        ("empty", "holds no explanations"),
        ({3: None}, "no description"),
    ],
)
def test_nothing_to_take_is_an_error(source: Any, says: str, index: sw.FeatureIndex, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ExplanationError, match=says):
        index.add_explanations(tmp_path / source if isinstance(source, str) else source, "x")
    with pytest.raises(FileNotFoundError):
        index.add_explanations(tmp_path / "nowhere")
    assert index.explanations.empty


def test_hostile_texts_are_kept_as_texts(index: sw.FeatureIndex) -> None:
    texts = {
        1: "<script>alert(1)</script>",
        2: "half \ud83d",
        3: "\u202eabc\u0000d",
        4: "x" * 100_000,
        5: "a\nb\u2028c",
        6: "日本語",
    }
    whose = {
        "index": 7,
        "description": "of a name",
        "modelId": "m \ud83d",
        "layer": "l",
        "notes": "\udc80",
        "id": "\ud800",
    }
    index.add_explanations([whose], "odd")
    index.remove_explanations("odd")
    index.add_explanations(texts, "theirs")
    assert told(index) == {**texts, 2: "half \ufffd"}
    assert index.describe(4).text == texts[4]  # type: ignore[union-attr]


ADDER = """
import sys
from pathlib import Path
from saewidgets.index.explanations.explanation import Explanation
from saewidgets.index.explanations.sets import ExplanationSets
sets = ExplanationSets(Path(sys.argv[1]))
for i in range(12):
    sets.add([Explanation(i, f"{i} of {sys.argv[2]}")], "both")
    sets.add([Explanation(i, "mine")], f"only {sys.argv[2]}")
"""


@pytest.mark.slow
def test_two_processes_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    adders = [subprocess.Popen([sys.executable, "-c", ADDER, str(tmp_path), str(n)]) for n in (0, 1)]
    assert [adder.wait() for adder in adders] == [0, 0]
    frame = ExplanationSets(tmp_path).frame()
    assert sorted(frame.query("source == 'both'").description) == sorted(
        f"{i} of {n}" for i in range(12) for n in (0, 1)
    )
    assert frame.source.value_counts().to_dict() == {"both": 24, "only 0": 12, "only 1": 12}


def test_a_damaged_set_is_named(index: sw.FeatureIndex) -> None:
    index.add_explanations({3: "a"}, "theirs")
    (file,) = (index.path / "explanations").glob("*.arrow")
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(IndexCorruptError, match=file.name):
        _ = index.explanations
