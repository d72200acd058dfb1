"""Corpora that are odd or none: told what is wrong, with nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from forks import contents
from index_bad_made import TEXTS, build

import saewidgets as sw
from saewidgets.engine.activations import portion
from saewidgets.engine.activations.reader import Reader
from saewidgets.errors import NonFiniteError
from saewidgets.index.errors import (
    CorpusError,
    IndexMismatchError,
)

# -- no corpus

NOT_CORPORA: dict[str, tuple[Any, str]] = {
    "empty": ([], "empty"),
    "only empty texts": (["", "", None], "empty"),
    "an exhausted generator": (iter(()), "empty"),
    "a string": ("In the beginning", "one string"),
    "bytes": (b"In the beginning", "one string"),
    "a dict": ({"train": TEXTS}, "'train'"),
    "a number": (3, "int"),
    "None": (None, "NoneType"),
    "numbers": ([1, 2, 3], "Document 0 is a int"),
    "floats": ([1.5], "Document 0 is a float"),
    "a tensor of floats": (torch.ones(2, 3), "float32"),
    "an array of three axes": (np.ones((1, 2, 3), int), "(1, 2, 3)"),
    "token ids that are floats": ([[5.5, 6.7]], "integers"),
    "token ids that are texts": ([["5", "6"]], "integers"),
    "nested token ids": ([[[5, 6]]], "integers"),
    "an id outside the vocabulary": ([[5], [6, 99999]], "Document 1.*99999"),
    "a negative id": (np.array([[5, -1]]), "-1"),
    "no text column": ([{"a": "x", "b": "y"}], "text_column= one of 'a', 'b'"),
    "bytes in the list": ([b"x"], "bytes"),
    "a table without the column": (pd.DataFrame({"a": ["x"], "b": ["y"]}), "text_column"),
    "only special tokens": (np.array([[0, 1, 1], [0, 0, 1]]), "special"),
}


@pytest.mark.parametrize("name", NOT_CORPORA)
def test_what_is_no_corpus_says_so_and_leaves_the_path_usable(name: str, engine: sw.Engine, tmp_path: Path) -> None:
    corpus, told = NOT_CORPORA[name]
    with pytest.raises(CorpusError, match=told.replace("(", r"\(").replace(")", r"\)")):
        build(engine, corpus, tmp_path / "index")
    with pytest.raises(IndexMismatchError):
        sw.FeatureIndex.open(tmp_path / "index")
    assert len(build(engine, TEXTS[:2], tmp_path / "index").documents) == 2, "the right corpus, given afterwards"


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"text_column": "body"}, "'body'"),
        ({"id_column": "url"}, "'url'"),
        ({"tokens": 0}, "tokens=0"),
        ({"tokens": -3}, "tokens=-3"),
        ({"shard_tokens": 0}, "shard_tokens=0"),
        ({"context_size": 1}, "context_size=1"),
        ({"context_size": 65}, "context_size=65"),
    ],
)
def test_arguments_that_make_no_sense(how: dict[str, Any], told: str, engine: sw.Engine, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=told):
        build(engine, [{"text": "the earth", "id": "a"}], tmp_path / "index", **how)


@pytest.mark.slow
def test_a_bad_document_late_in_the_corpus_keeps_the_shards_before_it(engine: sw.Engine, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portion, "TOKENS", 64)
        with pytest.raises(CorpusError, match="Document 11 is a int"):
            build(engine, [*TEXTS[:11], 7], tmp_path / "index", shard_tokens=64)
        with pytest.raises(IndexMismatchError, match="did not end: [1-9][0-9]* tokens are done"):
            sw.FeatureIndex.open(tmp_path / "index")
        with pytest.MonkeyPatch.context() as counted:
            forwards = _counting(counted, Reader, "_forward")
            mended = build(engine, TEXTS, tmp_path / "index", shard_tokens=64)
    assert len(mended.documents) == 12 and 0 < len(forwards) <= 3


def _counting(patch: pytest.MonkeyPatch, owner: object, name: str) -> list[None]:
    calls: list[None] = []
    original = getattr(owner, name)

    def counted(*args: object, **kwargs: object) -> object:
        calls.append(None)
        return original(*args, **kwargs)

    patch.setattr(owner, name, counted)
    return calls


# -- all that is a corpus


def _corpora() -> dict[str, Callable[[], Any]]:
    ids = [[0, *tiny.tokenizer()(text, add_special_tokens=False)["input_ids"]] for text in TEXTS]
    return {
        "texts": lambda: TEXTS,
        "a tuple": lambda: tuple(TEXTS),
        "a generator": lambda: (text for text in TEXTS),
        "dicts": lambda: [{"text": text} for text in TEXTS],
        "one other column": lambda: [{"body": text} for text in TEXTS],
        "pandas": lambda: pd.DataFrame({"text": TEXTS}),
        "a pandas column": lambda: pd.Series(TEXTS),
        "NumPy strings": lambda: np.array(TEXTS),
        "token ids": lambda: ids,
        "tensors": lambda: [torch.tensor(i) for i in ids],
        "arrays": lambda: [np.array(i) for i in ids],
        "ids in a table": lambda: pd.DataFrame({"text": ids}),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", _corpora())
def test_every_kind_of_corpus_is_the_same_index(name: str, engine: sw.Engine, built: Path, tmp_path: Path) -> None:
    build(engine, _corpora()[name](), tmp_path / "index")
    assert contents(tmp_path / "index") == contents(built)


@pytest.mark.slow
def test_a_tensor_of_token_ids_is_taken_as_it_is_but_for_its_padding(engine: sw.Engine, tmp_path: Path) -> None:
    tokens = torch.tensor([[0, 5, 6, 7, 1, 1], [8, 9, 10, 11, 12, 13]])
    index = build(engine, tokens, tmp_path / "index")
    assert index.texts.ids(0, 10) == (0, 5, 6, 7, *range(8, 14))
    assert (index.tokens, index.counted) == (10, 9)
    one = build(engine, np.array([8, 9, 10]), tmp_path / "one")
    assert one.tokens == one.counted == 3 and len(one.documents) == 1


@pytest.mark.slow
def test_one_token(engine: sw.Engine, tmp_path: Path) -> None:
    index = build(engine, [[20]], tmp_path / "index")
    assert (index.tokens, index.counted) == (1, 1)
    for f in index.order("density")[: index.alive].tolist():
        feature = index.feature(f)
        assert feature.density == 1 and feature.std == 0 and feature.count == 1
        assert feature.histogram is not None and feature.histogram.counts.tolist() == [1] + [0] * 49
        assert feature.maximum == feature.minimum == feature.mean
        assert [e.position for e in index.examples(f, group="top")] == [0]
        assert not index.examples(f, group="silent")["silent"].examples
        assert all(n.pearson == 0 for n in feature.neurons), "nothing varies"
    index.features, index.figure(), repr(index.feature(0))


@pytest.mark.slow
def test_gaps_in_a_table(engine: sw.Engine, tmp_path: Path) -> None:
    table = pd.DataFrame({"text": ["the earth", None, float("nan"), "", "and the heaven"], "n": [1.0, 2, 3, 4, None]})
    index = build(engine, table, tmp_path / "index")
    assert list(index.documents["name"]) == ["0", "4"]
    assert index.texts.column("n").to_pylist() == [1.0, None]
    masked = table.convert_dtypes()
    masked["when"] = pd.to_datetime(["2020-01-01", None, None, None, None])
    index = build(engine, masked, tmp_path / "masked")
    assert list(index.documents["name"]) == ["0", "4"]
    assert index.texts.column("n").to_pylist() == [1, None]
    assert index.texts.column("when").to_pylist()[1] is None


def test_rows_that_do_not_have_the_same_columns(engine: sw.Engine, tmp_path: Path) -> None:
    rows = [{"text": "the earth"}, {"text": "and heaven", "lang": "en"}, {"text": "Zwölf", "lang": "de", "year": 1}]
    index = build(engine, rows, tmp_path / "index")
    assert set(index.columns) == {"lang", "year"}
    assert index.texts.column("lang").to_pylist() == [None, "en", "de"]
    f = int(index.order("density")[0])
    assert {e.document for e in index.examples(f, where={"lang": "de"}, group="top", fold=False)} == {"2"}


MIXED: list[dict[str, Any]] = [
    {"text": "the earth", "mixed": 1, "year": 1999, "maybe": None},
    {"text": "and heaven", "mixed": "one", "year": 2000, "maybe": "a"},
    {"text": "the beginning", "mixed": [1, 2], "year": 2001, "maybe": None},
    {"text": "God created", "mixed": None, "year": 2002, "maybe": "b"},
]


def test_columns_of_mixed_types(engine: sw.Engine, tmp_path: Path) -> None:
    index = build(engine, MIXED, tmp_path / "index")
    assert index.texts.column("mixed").to_pylist() == ["1", "one", "[1, 2]", None]
    assert index.texts.column("maybe").to_pylist() == [None, "a", None, "b"], "missing is not the string 'None'"
    f = int(index.order("density")[0])
    for e in index.examples(f, where={"year": 2000}, group="top", fold=False):
        assert e.document == "1"


@pytest.mark.slow
def test_columns_of_mixed_types_do_not_depend_on_shards(engine: sw.Engine, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portion, "TOKENS", 4)
        one = build(engine, MIXED, tmp_path / "one")
        several = build(engine, MIXED, tmp_path / "several", shard_tokens=4)
    assert one.texts.documents.to_pylist() == several.texts.documents.to_pylist()


HOSTILE = [
    "\ud800 lone surrogate \udfff",
    "a NUL \0 inside",
    "</script><script>alert(1)</script>",
    "<|bos|><|bos|> twice",
    "<|eos|> in the middle <|eos|>",
    "\u202e\ufeff\r\n\t\x1b[31m",
    " " * 30,
    "😀" * 40,
    "e\u0301" * 10,
]


@pytest.mark.slow
def test_hostile_texts_names_and_columns(engine: sw.Engine, tmp_path: Path) -> None:
    rows = [{"text": text, "id": text, "note": text, text: text} for text in HOSTILE]
    index = build(engine, rows, tmp_path / "index")
    names = list(index.documents["name"])
    assert len(names) == len(HOSTILE) and names[1:] == HOSTILE[1:]
    assert index.texts.column("note").to_pylist()[1:] == HOSTILE[1:]
    for f in index.order("density")[:5].tolist():
        for e in index.examples(f, window=None):
            assert "".join(e.tokens).encode(), "what is shown can be sent"
            assert e.document.encode()
    index.verify()


@pytest.mark.parametrize("value", [2**70, -(2**70), {"a": {1}}, {1, 2}, b"\xff", object, 3 + 4j, np.float32(1.5)])
def test_columns_of_odd_values(value: Any, engine: sw.Engine, tmp_path: Path) -> None:
    rows = [{"text": "the earth", "odd": value}, {"text": "and heaven", "odd": value}]
    index = build(engine, rows, tmp_path / "index")
    assert index.columns == ("odd",)
    f = int(index.order("density")[0])
    assert len(index.examples(f, group="top"))


def test_columns_called_like_ours(engine: sw.Engine, tmp_path: Path) -> None:
    rows = [{"text": "the earth", "name": "n", "tokens": "t", "document": "d", "id": "i"}]
    index = build(engine, rows, tmp_path / "index")
    assert list(index.documents["name"]) == ["i"]
    assert index.columns == ("name", "tokens", "document")
    assert [index.texts.column(name).to_pylist() for name in index.columns] == [["n"], ["t"], ["d"]]


# -- features


@pytest.mark.slow
def test_a_feature_that_never_fires(tmp_path: Path) -> None:
    sae = tiny.sae("standard")
    sae.b_enc.data[7] = -1000
    with sw.Engine(tiny.hooked(), sae) as own:
        index = build(own, TEXTS, tmp_path / "index")
    feature = index.feature(7)
    assert feature.dead and feature.count == 0 and feature.density == 0 and "never fires" in repr(feature)
    assert feature.maximum is feature.minimum is feature.mean is feature.std is feature.histogram is None
    assert feature.intervals == feature.tokens == feature.neurons == feature.correlated == ()
    assert feature.neighbours and feature.alignment and feature.logits, "the weights say as much as of others"
    assert "never fires" in str(feature.correlated_missing) and "never fires" in str(feature.neurons_missing)
    with pytest.raises(ValueError, match="never fires"):
        feature.figure()
    examples = index.examples(7)
    assert not examples["top"].examples and len(examples["silent"].examples) > 0
    assert all(e.activation == 0 and not np.nansum(np.abs(e.activations)) for e in examples)
    for how in ({"group": "top"}, {"group": "intervals"}, {"low": 0.5, "high": 1}, {"token": "earth"}):
        assert not [e for e in index.examples(7, **how) if e.activation]  # type: ignore[arg-type]
    index.examples(7).to_pandas(), feature.to_pandas()
    assert index.features.loc[7, "count"] == 0 and np.isnan(index.features.loc[7, "mean"])
    assert index.alive < len(index) and 7 not in index.order("density")[: index.alive]


@pytest.mark.slow
def test_activations_that_are_all_equal(tmp_path: Path) -> None:
    sae = tiny.sae("standard")
    sae.W_enc.data[:, 7] = 0
    sae.b_enc.data[7] = 0.1
    with sw.Engine(tiny.hooked(), sae) as own:
        index = build(own, TEXTS, tmp_path / "index")
    feature = index.feature(7)
    assert feature.density == 1 and feature.std == pytest.approx(0, abs=1e-7)
    assert feature.maximum == feature.minimum == np.float32(0.1)
    assert feature.histogram is not None and feature.histogram.counts.tolist() == [index.counted] + [0] * 49
    assert [i.count for i in feature.intervals] == [index.counted] + [0] * 9
    assert all(n.pearson == 0 for n in feature.neurons) and all(c.pearson == 0 for c in feature.correlated)
    positions = [e.position for e in index.examples(7, group="top", top=30, fold=False)]
    assert positions == np.flatnonzero(index.texts.flags(0, index.tokens) == 0)[:30].tolist(), "ties by position"
    assert not index.examples(7, group="silent")["silent"].examples
    feature.figure(log=False)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_activations_that_are_not_finite_are_refused_and_the_documents_named(bad: float, tmp_path: Path) -> None:
    model = tiny.hooked()
    word = tiny.tokenizer()(" earth")["input_ids"][0]
    model.W_E.data[word] = bad
    rows = [{"text": text, "id": f"doc {i}"} for i, text in enumerate(["Zwölf", "the earth", "heaven"])]
    with (
        sw.Engine(model, tiny.sae("jumprelu")) as own,
        pytest.raises(
            NonFiniteError,
            match="'doc 0' to 'doc 2'.*values at 'blocks.1.hook_resid_pre'.*NaN or infinite on [0-9]+ tokens",
        ),
    ):
        build(own, rows, tmp_path / "index")
