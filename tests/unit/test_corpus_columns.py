"""The columns that a corpus brings keep their names and their values, also where a result has a column of that name."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tiny

import saewidgets as sw
from saewidgets.engine.activations import portion
from saewidgets.index.errors import CorpusError
from saewidgets.widgets.dashboard.asked import AskedExamples
from saewidgets.widgets.dashboard.payload import columns_of, select

# Everything that a result of ours has, and what those are called where they step aside.
NAMES = (
    *("group", "position", "activation", "token", "text", "document", "at", "repeats", "repeats_exact", "sampled"),
    *("name", "tokens", "document_token", "document_document_name", "document_name", "name_", "tokens_", "corpus:name"),
    *("index", "feature", "columns", "", " ", "ein Name, größer"),
)
ROWS: list[dict[str, Any]] = [
    {"body": f"In the beginning {i} God created the heaven and the earth", **{n: f"{n} of {i % 4}" for n in NAMES}}
    for i in range(12)
]
OWN = ["group", "position", "activation", "token", "text", "document", "at", "repeats", "repeats_exact", "sampled"]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> sw.FeatureIndex:
    path = tmp_path_factory.mktemp("columns") / "index"
    with pytest.MonkeyPatch.context() as patch, sw.Engine(tiny.hooked(), tiny.sae("standard")) as engine:
        patch.setattr(portion, "TOKENS", 64)
        sw.build_index(engine, ROWS[:7], path, text_column="body", shard_tokens=64, progress=False, wait=True)
        # Added columns that are of another type, as when a file is appended.
        return sw.extend_index(engine, ROWS[7:], path, text_column="body", shard_tokens=64, progress=False, wait=True)


def test_no_column_hides_a_number_of_the_table(index: sw.FeatureIndex) -> None:
    f = int(index.order("density")[0])
    examples = index.examples(f, fold=False)
    table = examples.to_pandas()
    assert table.columns.is_unique and list(table.columns)[: len(OWN)] == OWN
    assert len(table) == len(examples) > 20
    keys = [group.key for group in examples.groups for _ in group.examples]
    for (_, row), e, key in zip(table.iterrows(), examples, keys, strict=True):
        ours = (key, e.position, e.activation, e.tokens[e.focus], e.text, e.document, e.at, e.repeats)
        assert tuple(row[OWN[:8]]) == ours
        which = int(e.document) % 4  # documents without a name are called by their number
        assert e.columns == {name: f"{name} of {which}" for name in NAMES}
        for name in NAMES:
            called = table.attrs["renamed"].get(name, name)
            assert row[called] == f"{name} of {which}"


def test_only_what_collides_is_renamed_and_that_is_said(index: sw.FeatureIndex) -> None:
    table = index.examples(0).to_pandas()
    # "document_token" is the corpus' own, so "token" has to step further.
    assert table.attrs["renamed"] == {
        name: f"document_document_{name}" if name == "token" else f"document_{name}" for name in OWN
    }
    documents = index.documents
    assert list(documents.columns)[:3] == ["document", "name", "tokens"]
    assert documents.attrs["renamed"] == {
        "document": "document_document",
        "name": "document_document_document_name",  # the corpus has both others
        "tokens": "document_tokens",
    }
    assert documents["name"].tolist() == [str(i) for i in range(12)] and documents["document"].tolist() == list(
        range(12)
    )
    for name in NAMES:
        called = documents.attrs["renamed"].get(name, name)
        assert documents[called].tolist() == [f"{name} of {i % 4}" for i in range(12)]


@pytest.mark.slow
def test_a_corpus_without_a_clash_is_not_renamed(tmp_path: Path) -> None:
    rows = pd.DataFrame({"text": ["the earth", "and heaven"], "kind": ["a", "b"], "year": [1, 2]})
    with sw.Engine(tiny.hooked(), tiny.sae("standard")) as engine:
        index = sw.build_index(engine, rows, tmp_path / "index", progress=False, wait=True)
    f = int(index.order("density")[0])
    table = index.examples(f).to_pandas()
    assert table.attrs["renamed"] == {} == index.documents.attrs["renamed"]
    assert set(table["kind"]) <= {"a", "b"} and list(table.columns) == [*OWN, "kind", "year"]
    assert list(index.documents.columns) == ["document", "name", "tokens", "kind", "year"]
    # A table without rows has the same columns.
    empty = index.examples(f, low=1e9).to_pandas()
    assert len(empty) == 0 and list(empty.columns) == list(table.columns)


@pytest.mark.parametrize("name", NAMES)
def test_a_filter_finds_the_corpus_own_column(index: sw.FeatureIndex, name: str) -> None:
    assert index.columns == NAMES
    f = int(index.order("density")[0])
    examples = index.examples(f, where={name: f"{name} of 2"}, top=10**6, group="top", fold=False)
    assert {int(e.document) for e in examples} == {2, 6, 10}
    listed = {c["name"]: c["values"] for c in columns_of(index)}  # type: ignore[index, call-overload]
    assert listed[name] == [f"{name} of {i}" for i in range(4)]
    shown = select(index, AskedExamples(f, "top", (), "snippet", 5, "", (name, listed[name][3])))
    assert {int(e.document) for e in shown} == {3, 7, 11}


@pytest.mark.slow
def test_what_an_index_knows_of_a_document_where_the_corpus_says_nothing(tmp_path: Path) -> None:
    rows = [{"text": f"heaven and the earth {'the ' * i}", "id": f"doc {i}"} for i in range(4)]
    with sw.Engine(tiny.hooked(), tiny.sae("standard")) as engine:
        index = sw.build_index(engine, rows, tmp_path / "index", progress=False, wait=True)
    f = int(index.order("density")[0])
    tokens = index.documents["tokens"].tolist()
    assert all(a < b for a, b in pairwise(tokens))
    for where in ({"name": "doc 2"}, {"document": 2}, {"tokens": tokens[2]}):
        assert {e.document for e in index.examples(f, where=where, group="top")} == {"doc 2"}
    with pytest.raises(KeyError, match="no column 'id'; it has none.*a document's 'name'"):
        index.examples(f, where={"id": "doc 2"})


def test_columns_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    rows = [{"text": "the earth", **dict.fromkeys(["a\ud800", "a\ufffd"], 1)}]
    with (
        sw.Engine(tiny.hooked(), tiny.sae("standard")) as engine,
        pytest.raises(CorpusError, match=r"'a\\ud800', 'a\ufffd' differ only in .*rename them"),
    ):
        sw.build_index(engine, rows, tmp_path / "index", progress=False, wait=True)
