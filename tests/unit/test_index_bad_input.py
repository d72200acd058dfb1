"""Everything that is no corpus, no index, or no longer one: a clear error, and nothing that stays broken afterwards."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from forks import contents

import saewidgets as sw
from saewidgets.engine.activations.reader import Reader
from saewidgets.errors import FeatureIndexError, NonFiniteError, SaewidgetsError
from saewidgets.index.errors import (
    CorpusError,
    IndexCorruptError,
    IndexMismatchError,
    IndexVersionError,
    IndexWriteError,
)
from saewidgets.index.scan import scan
from saewidgets.storage import array_folder as files

TEXTS = [tiny.TEXTS[i % 2][i % 9 : i % 9 + 60] + str(i) for i in range(12)]


@pytest.fixture(scope="module")
def engine() -> Iterator[sw.Engine]:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as made:
        yield made


@pytest.fixture(scope="module")
def built(engine: sw.Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sw.build_index(engine, TEXTS, tmp_path_factory.mktemp("built") / "index", progress=False, wait=True).path


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "index"))


def build(engine: sw.Engine, corpus: Any, path: Path, **how: Any) -> sw.FeatureIndex:
    return sw.build_index(engine, corpus, path, progress=False, wait=True, **how)


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


def test_a_bad_document_late_in_the_corpus_keeps_the_shards_before_it(engine: sw.Engine, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_BLOCK_TOKENS", 64)
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


@pytest.mark.parametrize("name", _corpora())
def test_every_kind_of_corpus_is_the_same_index(name: str, engine: sw.Engine, built: Path, tmp_path: Path) -> None:
    build(engine, _corpora()[name](), tmp_path / "index")
    assert contents(tmp_path / "index") == contents(built)


def test_a_tensor_of_token_ids_is_taken_as_it_is_but_for_its_padding(engine: sw.Engine, tmp_path: Path) -> None:
    tokens = torch.tensor([[0, 5, 6, 7, 1, 1], [8, 9, 10, 11, 12, 13]])
    index = build(engine, tokens, tmp_path / "index")
    assert index.texts.ids(0, 10) == (0, 5, 6, 7, *range(8, 14))
    assert (index.tokens, index.counted) == (10, 9)
    one = build(engine, np.array([8, 9, 10]), tmp_path / "one")
    assert one.tokens == one.counted == 3 and len(one.documents) == 1


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


def test_columns_of_mixed_types_do_not_depend_on_shards(engine: sw.Engine, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_BLOCK_TOKENS", 4)
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


@pytest.mark.parametrize("feature", [-1, tiny.D_SAE, 10**12])
def test_a_feature_that_is_not_there(feature: int, built: Path) -> None:
    index = sw.FeatureIndex.open(built)
    for work in (
        lambda: index.feature(feature),
        lambda: index.examples(feature),
        lambda: index.activations(feature),
        lambda: index.neighbours(feature),
        lambda: index.set_label(feature, "x"),
    ):
        with pytest.raises(FeatureIndexError, match="features 0 to 47"):
            work()


# -- files that are damaged


def _flips(size: int) -> list[int]:
    return sorted({0, size // 3, size // 2, size - 1})


def test_a_flipped_byte_in_any_file_is_noticed_and_the_file_named(copy: Path) -> None:
    store = sw.FeatureIndex.open(copy).folder.path
    assert len(list(store.iterdir())) > 30
    for file in sorted(store.iterdir()):
        whole = file.read_bytes()
        for at in _flips(len(whole)):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(IndexCorruptError, match=file.name.replace(".", r"\.")):
                sw.FeatureIndex.open(copy).verify()
        file.write_bytes(whole)
    sw.FeatureIndex.open(copy).verify()


def test_a_changed_number_in_the_table_of_contents_is_noticed(copy: Path) -> None:
    file = sw.FeatureIndex.open(copy).folder.path / "contents.json"
    text = file.read_text()
    counted = json.loads(text)["facts"]["counted"]
    assert f'"counted": {counted}' in text
    file.write_text(text.replace(f'"counted": {counted}', f'"counted": {counted + 1}'))
    with pytest.raises(IndexCorruptError, match="contents.json"):
        sw.FeatureIndex.open(copy).verify()


def test_a_file_that_is_truncated_or_missing_is_noticed_when_the_index_is_opened(copy: Path) -> None:
    store = sw.FeatureIndex.open(copy).folder.path
    for file in sorted(store.iterdir()):
        whole = file.read_bytes()
        for left in (whole[:-1], whole[: len(whole) // 2], b"", whole + b"\0"):
            file.write_bytes(left)
            with pytest.raises(IndexCorruptError, match=file.name.replace(".", r"\.")):
                sw.FeatureIndex.open(copy)
        file.unlink()
        with pytest.raises(IndexCorruptError, match=file.name.replace(".", r"\.")):
            sw.FeatureIndex.open(copy)
        file.write_bytes(whole)


def test_a_flipped_byte_is_noticed_by_the_view_that_reads_it(copy: Path) -> None:
    file = sw.FeatureIndex.open(copy).folder.path / "kept_value.npy"
    whole = bytearray(file.read_bytes())
    whole[-1] ^= 1
    file.write_bytes(whole)
    index = sw.FeatureIndex.open(copy)
    last = int(np.flatnonzero(index.column("count"))[-1])
    with pytest.raises(IndexCorruptError, match="kept_value.npy.*altered"):
        index.examples(last)


def test_a_damaged_shard_is_noticed(copy: Path, engine: sw.Engine) -> None:
    file = copy / "shard-000000" / "value.npy"
    whole = bytearray(file.read_bytes())
    whole[-2] ^= 4
    file.write_bytes(whole)
    with pytest.raises(IndexCorruptError, match="value.npy"):
        sw.FeatureIndex.open(copy).verify()
    with pytest.raises(IndexCorruptError, match="value.npy"):
        build(engine, TEXTS, copy, seed=5)
    assert sw.FeatureIndex.open(copy).tokens, "the store is unhurt"


@pytest.mark.parametrize("name", ["manifest.json", "scan.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"format": 2}', b'{"format": "x"}', b"\xff\xfe"])
def test_a_damaged_manifest_or_scan_is_named(name: str, content: bytes, copy: Path, engine: sw.Engine) -> None:
    (copy / name).write_bytes(content)
    with pytest.raises(IndexCorruptError, match=name):
        build(engine, TEXTS, copy)


@pytest.mark.parametrize("name", ["manifest.json", "scan.json"])
def test_a_newer_format_says_so(name: str, copy: Path, engine: sw.Engine) -> None:
    content = json.loads((copy / name).read_text())
    (copy / name).write_text(json.dumps({**content, "format": 99, "new": 1}))
    with pytest.raises(IndexVersionError, match="format 99.*Upgrade"):
        build(engine, TEXTS, copy)
    if name == "manifest.json":
        with pytest.raises(IndexVersionError, match="format 99"):
            sw.FeatureIndex.open(copy)


@pytest.mark.parametrize("name", ["manifest.json", "scan.json"])
def test_a_former_format_says_that_it_must_be_built_again(name: str, copy: Path, engine: sw.Engine) -> None:
    content = json.loads((copy / name).read_text())
    (copy / name).write_text(json.dumps({**content, "format": 1}))
    before = contents(copy) if name == "scan.json" else None
    with pytest.raises(
        IndexVersionError, match=f"{name} is of format 1.*Build the index again with build_index, at another"
    ):
        build(engine, TEXTS, copy)
    if name == "manifest.json":
        for work in (
            lambda: sw.FeatureIndex.open(copy),
            lambda: sw.FeatureIndex.open(copy, engine=engine),
            lambda: sw.extend_index(engine, TEXTS[:2], copy, progress=False, wait=True),
        ):
            with pytest.raises(IndexVersionError, match="format 1.*Build the index again"):
                work()
    else:
        assert contents(copy) == before


def test_what_is_no_index(engine: sw.Engine, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "nowhere", tmp_path / "folder", tmp_path / "file"):
        with pytest.raises(IndexMismatchError, match="no index"):
            sw.FeatureIndex.open(path)
        with pytest.raises(IndexMismatchError, match="no finished index"):
            sw.extend_index(engine, TEXTS, path, progress=False, wait=True)
    with pytest.raises(IndexMismatchError, match="thesis.tex"):
        build(engine, TEXTS, tmp_path / "folder")
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["thesis.tex"]
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(IndexWriteError, match="choose another path"):
            build(engine, TEXTS, path)


# -- disks


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_place_that_cannot_be_written(
    code: int, engine: sw.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refused)
        with pytest.raises(IndexWriteError, match=os.strerror(code)):
            build(engine, TEXTS, tmp_path / "index")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", refused)
        with pytest.raises(IndexWriteError, match=os.strerror(code)):
            build(engine, TEXTS, tmp_path / "index")


def _full_at(patch: pytest.MonkeyPatch, at: int) -> list[int]:
    """From the `at`-th write on the disk is full; [writes that were tried]."""
    calls = [0]

    def around(owner: object, name: str) -> None:
        original = getattr(owner, name)

        def limited(*args: Any, **kwargs: Any) -> object:
            calls[0] += 1
            if at and calls[0] >= at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return original(*args, **kwargs)

        patch.setattr(owner, name, limited)

    around(files.ArrayWriter, "append")
    around(files.FolderWriter, "put_bytes")
    around(Path, "write_text")
    return calls


def test_a_full_disk_at_any_write_is_told_and_the_same_call_goes_on(
    engine: sw.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "_BLOCK_TOKENS", 96)
    with monkeypatch.context() as patch:
        calls = _full_at(patch, 0)
        whole = contents(build(engine, TEXTS, tmp_path / "whole", shard_tokens=150).path)
    assert calls[0] > 60
    for at in [1, 2, 3, 8, 14, 15, 28, 29, calls[0] // 2, calls[0]]:
        path = tmp_path / str(at)
        with monkeypatch.context() as patch:
            _full_at(patch, at)
            with pytest.raises(IndexWriteError, match="disk is full"):
                build(engine, TEXTS, path, shard_tokens=150)
        build(engine, TEXTS, path, shard_tokens=150)
        assert contents(path) == whole, f"full at write {at} of {calls[0]}"
        assert not list(path.glob("**/.*.tmp"))


# -- labels


def test_labels_are_kept_beside_the_index(copy: Path) -> None:
    index = sw.FeatureIndex.open(copy)
    before = contents(copy)
    for label in ("earth", "</script>", "日本語 😀", "a\0b"):
        index.set_label(3, label)
        assert sw.FeatureIndex.open(copy).label(3) == label
    index.set_label(np.int64(4), "  spaces  ")
    assert sw.FeatureIndex.open(copy).labels == {3: "a\0b", 4: "spaces"}
    assert index.feature(4).label == "spaces" and index.features.loc[4, "label"] == "spaces"
    assert index.order("label")[:2].tolist() == [3, 4]
    index.set_label(3, "")
    index.set_label(5, " ")
    assert sw.FeatureIndex.open(copy).labels == {4: "spaces"}
    assert contents(copy) == before


def test_a_label_with_a_lone_surrogate_does_no_harm(copy: Path) -> None:
    index = sw.FeatureIndex.open(copy)
    index.set_label(3, "before")
    index.set_label(3, "half an emoji \ud83d")
    assert "half an emoji" in str(sw.FeatureIndex.open(copy).label(3))
    index.set_label(4, "after")
    assert sw.FeatureIndex.open(copy).label(4) == "after"


def test_labels_of_the_engine_are_taken_over_and_can_be_taken_away(copy: Path) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu"), labels={3: "given", 4: "too"}) as own:
        index = sw.FeatureIndex.open(copy, engine=own)
        assert index.labels == {3: "given", 4: "too"}
        index.set_label(3, "mine")
        index.set_label(4, "")
        assert index.labels == {3: "mine"}
        assert sw.FeatureIndex.open(copy, engine=own).labels == {3: "mine"}


def test_labels_of_two_open_indexes_do_not_lose_each_other(copy: Path) -> None:
    one, other = sw.FeatureIndex.open(copy), sw.FeatureIndex.open(copy)
    one.set_label(1, "one")
    other.set_label(2, "other")
    assert sw.FeatureIndex.open(copy).labels == {1: "one", 2: "other"}


@pytest.mark.parametrize("content", [b"{", b"[1]", b"3", b'{"x": "y"}', b"\xff\xfe", b""])
def test_damaged_labels_are_named(content: bytes, copy: Path) -> None:
    (copy / "labels.json").write_bytes(content)
    with pytest.raises(IndexCorruptError, match="labels.json"):
        sw.FeatureIndex.open(copy)


def test_a_label_that_cannot_be_written_changes_nothing(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = sw.FeatureIndex.open(copy)
    index.set_label(1, "kept")
    with monkeypatch.context() as patch:
        _full_at(patch, 1)
        with pytest.raises(IndexWriteError):
            index.set_label(1, "lost")
    assert index.label(1) == sw.FeatureIndex.open(copy).label(1) == "kept"


# -- questions that make no sense


def test_examples_of_odd_arguments(built: Path) -> None:
    index = sw.FeatureIndex.open(built)
    f = int(index.order("density")[0])
    assert not index.examples(f, low=1e9).groups[0].examples
    assert not index.examples(f, low=2, high=1).groups[0].examples
    with pytest.raises(
        ValueError, match="'no such token' is no token of the vocabulary, and the corpus has it nowhere"
    ):
        index.examples(f, token="no such token", group="top")
    assert not index.examples(f, top=0, group="top").groups[0].examples
    with pytest.raises(KeyError, match="no column 'colour'"):
        index.examples(f, where={"colour": "red"})
    with pytest.raises((ValueError, SaewidgetsError)):
        index.examples(f, group="botom")  # type: ignore[arg-type]
    with pytest.raises((ValueError, SaewidgetsError)):
        index.order("size")  # type: ignore[arg-type]


def test_a_window_of_nothing_but_the_token_is_folded_too(built: Path) -> None:
    index = sw.FeatureIndex.open(built)
    f = int(index.order("density")[0])
    alone = index.examples(f, window=0, group="top", top=10**6)["top"].examples
    assert all(len(e.tokens) == 1 for e in alone)
    assert len({e.token_ids for e in alone}) == len(alone), "equal snippets are folded, also those of one token"
