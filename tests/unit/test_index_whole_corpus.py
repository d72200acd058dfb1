"""An index is of all of its corpus: whatever differs, wherever, raises or is continued, and nothing is counted twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny

import saewidgets as sw
from saewidgets.engine.activations import portion
from saewidgets.engine.activations.reader import Reader
from saewidgets.index import job as job_module
from saewidgets.index.corpus import passage
from saewidgets.index.errors import CorpusError, IndexMismatchError
from saewidgets.index.scan import scan

LICENCE = "Permission is granted to anyone. " * 2
TEXTS = [tiny.TEXTS[i % 2][i % 9 : i % 9 + 70] + str(i) for i in range(12)]
LONG = "In the beginning God created the heaven and the earth. " * 12
MORE = [f"something else {i}" for i in range(5)]


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portion, "TOKENS", 96)
        yield


def build(path: Path, corpus: Any = TEXTS, **how: Any) -> sw.FeatureIndex:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        return sw.build_index(engine, corpus, path, progress=False, wait=True, shard_tokens=96, **how)


def extend(path: Path, corpus: Any = MORE, **how: Any) -> sw.FeatureIndex:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        return sw.extend_index(engine, corpus, path, progress=False, wait=True, shard_tokens=96, **how)


def lengths(*corpora: list[str]) -> int:
    """Tokens of the texts, a BOS each and at the start of each further chunk of 64."""
    total = 0
    for text in (text for corpus in corpora for text in corpus):
        n = len(tiny.tokenizer()(text, add_special_tokens=False)["input_ids"])
        total += n + 1 + (max(0, n - 63) + 62) // 63
    return total


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("built") / "index").path


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "index"))


def shipped(index: Path, to: Path) -> Path:
    """A finished index without its scan."""
    return Path(shutil.copytree(index, to, ignore=shutil.ignore_patterns("shard-*", "sums-*", "scan.json")))


def _no_forward(*_: object) -> None:
    raise AssertionError("the model ran")


# -- another corpus that begins the same

OTHERS: dict[str, list[str]] = {
    "the last text": [*TEXTS[:-1], TEXTS[-1] + "!"],
    "one in the middle": [*TEXTS[:5], "other", *TEXTS[6:]],
    "two changed places": [*TEXTS[:8], TEXTS[9], TEXTS[8], *TEXTS[10:]],
    "one fewer": TEXTS[:-1],
    "only the first": TEXTS[:1],
    "one twice": [*TEXTS[:3], TEXTS[2], *TEXTS[3:]],
    "the first one only, and others": [TEXTS[0], *MORE],
    "none": [],
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("how", [{}, {"seed": 5}, {"keep": 3}, {"tokens": 50}], ids=str)
def test_another_corpus_that_begins_the_same_is_refused(name: str, how: dict[str, Any], copy: Path) -> None:
    with pytest.raises(IndexMismatchError, match="another corpus.*choose another path"):
        build(copy, OTHERS[name], **how)
    assert build(copy).tokens == lengths(TEXTS)


@pytest.mark.parametrize("name", OTHERS)
def test_an_index_without_its_scan_is_compared_as_well(name: str, built: Path, tmp_path: Path) -> None:
    path = shipped(built, tmp_path / "shipped")
    assert build(path).tokens == lengths(TEXTS)
    with pytest.raises(
        IndexMismatchError, match="another corpus. Open it with FeatureIndex.open, or choose another path"
    ):
        build(path, OTHERS[name])


@pytest.mark.slow
def test_a_long_document_that_differs_only_after_its_first_chunk(tmp_path: Path) -> None:
    path = build(tmp_path / "index", [LONG, "end"]).path
    assert build(path, [LONG, "end"]).tokens == lengths([LONG, "end"])
    for other in ([LONG + "Amen.", "end"], [LONG[:-60], "end"], [LONG]):
        with pytest.raises(IndexMismatchError, match="another corpus"):
            build(path, other)


@pytest.mark.slow
def test_other_columns_or_names_of_the_same_texts(tmp_path: Path) -> None:
    rows = [{"text": text, "id": f"doc {i}", "lang": "en", "year": float(i)} for i, text in enumerate(TEXTS)]
    path = build(tmp_path / "index", rows).path
    same = pd.DataFrame(rows)[["year", "text", "lang", "id"]].astype({"year": int})
    assert build(path, same).tokens == lengths(TEXTS), "the order of columns and whole numbers' type say nothing"
    for key, value in (("lang", "de"), ("id", "renamed"), ("year", 99.0), ("new", 1)):
        changed = [*rows[:7], {**rows[7], key: value}, *rows[8:]]
        for where in (path, shipped(path, tmp_path / key)):
            with pytest.raises(IndexMismatchError, match="names or other columns differ"):
                build(where, changed)


def test_nothing_runs_and_nothing_is_written_to_open_a_finished_index(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {p: p.stat().st_mtime_ns for p in copy.rglob("*")}
    monkeypatch.setattr(Reader, "read", _no_forward)
    monkeypatch.setattr(job_module, "write_store", _no_forward)
    assert build(copy, (text for text in TEXTS)).tokens == lengths(TEXTS)
    assert {p: p.stat().st_mtime_ns for p in copy.rglob("*")} == before


# -- appended documents


@pytest.mark.slow
@pytest.mark.parametrize("make", [list, iter, tuple, np.array, lambda t: pd.DataFrame({"text": t})])
@pytest.mark.parametrize("how", [{}, {"seed": 5}], ids=str)
def test_appended_documents_are_scanned(make: Callable[[Any], Any], how: dict[str, Any], copy: Path) -> None:
    grown = build(copy, make([*TEXTS, *MORE]), **how)
    assert grown.tokens == lengths(TEXTS, MORE)
    assert list(grown.documents["name"]) == [str(i) for i in range(len(TEXTS) + len(MORE))]
    fresh = build(copy.parent / "fresh", [*TEXTS, *MORE], **how)
    for name in ("count", "total", "squares", "high", "bins", "intervals"):
        np.testing.assert_allclose(grown.column(name), fresh.column(name), rtol=1e-5, atol=1e-5)
    with pytest.raises(IndexMismatchError, match="another corpus"):
        build(copy, TEXTS, **how)


@pytest.mark.slow
def test_only_the_appended_documents_are_read(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = Reader.read

    def counted(self: Reader, texts: Any, *args: Any) -> Any:
        read.append(sum(map(len, texts)))
        return original(self, texts, *args)

    monkeypatch.setattr(Reader, "read", counted)
    build(copy, [*TEXTS, *MORE])
    assert sum(read) == lengths(MORE)


@pytest.mark.slow
def test_a_growth_that_was_killed_goes_on(copy: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan.Scan, "_commit", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            build(copy, [*TEXTS, *MORE])
    assert sw.FeatureIndex.open(copy).tokens == lengths(TEXTS), "until then it is what it was"
    assert build(copy, [*TEXTS, *MORE]).tokens == lengths(TEXTS, MORE)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_what_comes_after_the_tokens_that_were_asked_for_does_not_matter(tmp_path: Path) -> None:
    path = build(tmp_path / "index", tokens=150).path
    tokens = sw.FeatureIndex.open(path).tokens
    assert 150 <= tokens < 150 + 64
    assert build(path, [*TEXTS, *MORE], tokens=150).tokens == tokens
    assert build(path, [*TEXTS[:-1], "other"], tokens=tokens).tokens == tokens
    assert build(shipped(path, tmp_path / "shipped"), [*TEXTS, *MORE], tokens=100).tokens == tokens
    with pytest.raises(IndexMismatchError, match="another corpus"):
        build(path, [TEXTS[0], "other", *TEXTS[2:]], tokens=150)
    whole = build(tmp_path / "whole")
    assert build(whole.path, [*TEXTS, *MORE], tokens=whole.tokens).tokens == whole.tokens


@pytest.mark.slow
def test_appended_documents_where_nothing_can_be_added(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(IndexMismatchError, match=r"goes on after the .* tokens.*has no scan.*choose another path"):
        build(shipped(copy, tmp_path / "shipped"), [*TEXTS, *MORE])
    extend(copy)
    assert build(copy).tokens == build(copy, [*TEXTS, *MORE]).tokens == lengths(TEXTS, MORE)
    for corpus in ([*TEXTS, "new"], [*TEXTS, *MORE, "new"], [*TEXTS, *MORE[:2]]):
        with pytest.raises(IndexMismatchError, match="goes on after.*extend_index"):
            build(copy, corpus)
    packed = shipped(copy, tmp_path / "packed")
    assert build(packed).tokens == build(packed, [*TEXTS, *MORE]).tokens == lengths(TEXTS, MORE)
    with pytest.raises(IndexMismatchError, match="another corpus"):
        build(packed, TEXTS[:-1])


# -- extensions


@pytest.mark.slow
def test_a_corpus_whose_beginning_is_known_is_added(tmp_path: Path) -> None:
    first, second = [LICENCE, LONG, *TEXTS[:4]], [LICENCE, LONG, *MORE]
    path = build(tmp_path / "index", first).path
    both = extend(path, second)
    assert both.tokens == lengths(first, second)
    third = [LICENCE, *TEXTS[4:6]]
    assert extend(path, third).tokens == lengths(first, second, third)
    for again in (first, second, third):
        with pytest.warns(UserWarning, match="nothing was added"):
            assert extend(path, again).tokens == lengths(first, second, third)


@pytest.mark.slow
@pytest.mark.parametrize("make", [list, iter])
@pytest.mark.parametrize("kept", [2**20, 0])
def test_a_beginning_that_was_looked_at_is_not_lost(
    make: Callable[[Any], Any], kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passage, "_KEPT_TOKENS", kept)
    first, second = [LICENCE, *TEXTS[:4]], [LICENCE, *MORE]
    path = build(tmp_path / "index", make(first)).path
    if make is iter and not kept:
        with pytest.raises(CorpusError, match="generator cannot: pass a list"):
            extend(path, make(second))
    else:
        extend(path, make(second))
    assert extend(path, MORE).tokens >= lengths(first, MORE)
    with pytest.warns(UserWarning, match="nothing was added"):
        extend(path, make(first))
    documents = list(sw.FeatureIndex.open(path).documents["tokens"])
    wanted = [*first, *MORE] if make is iter and not kept else [*first, *second, *MORE]
    assert documents == [lengths([text]) for text in wanted]


@pytest.mark.slow
def test_a_beginning_of_a_corpus_that_is_there_is_there(copy: Path) -> None:
    for corpus in (TEXTS, TEXTS[:3], iter(TEXTS)):
        with pytest.warns(UserWarning, match="nothing was added"):
            assert extend(copy, corpus).tokens == lengths(TEXTS)
    with pytest.warns(UserWarning, match="nothing was added"):
        extend(copy, [*TEXTS, "new"], tokens=lengths(TEXTS))


@pytest.mark.slow
def test_a_corpus_that_goes_on_after_one_that_is_there_would_count_twice(copy: Path) -> None:
    with pytest.raises(IndexMismatchError, match="would count twice. Pass only those that are new"):
        extend(copy, [*TEXTS, *MORE])
    assert build(copy).tokens == lengths(TEXTS)
    assert extend(copy, MORE).tokens == lengths(TEXTS, MORE)
    for corpus in ([*TEXTS, *MORE], [*MORE, "new"]):
        with pytest.raises(IndexMismatchError, match="would count twice"):
            extend(copy, corpus)
    assert extend(copy, ["new"]).tokens == lengths(TEXTS, MORE, ["new"])


@pytest.mark.slow
def test_after_an_empty_extension_another_can_follow(copy: Path) -> None:
    assert extend(copy, []).tokens == lengths(TEXTS)
    assert extend(copy, MORE).tokens == lengths(TEXTS, MORE)


@pytest.mark.slow
def test_an_extension_that_was_killed_goes_on_with_all_of_its_corpus_only(copy: Path) -> None:
    corpus = [TEXTS[0], *MORE, LONG]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_module, "write_store", _interrupt_all)
        with pytest.raises(KeyboardInterrupt):
            extend(copy, corpus)
    for other in ([*corpus[:-1], "other"], corpus[:-1], [TEXTS[0]]):
        with pytest.raises(IndexMismatchError, match="another corpus"):
            extend(copy, other)
    assert extend(copy, corpus).tokens == lengths(TEXTS, corpus)


def _interrupt_all(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


# -- what can be read only once


@pytest.mark.slow
def test_a_generator_is_read_once_from_its_beginning(tmp_path: Path) -> None:
    index = build(tmp_path / "index", (text for text in TEXTS))
    assert list(index.documents["tokens"]) == [lengths([text]) for text in TEXTS]
    assert build(index.path, (text for text in TEXTS), seed=2).tokens == index.tokens


def test_a_generator_that_was_read_says_so(copy: Path) -> None:
    corpus = iter(TEXTS)
    assert build(copy, corpus).tokens == lengths(TEXTS)
    with pytest.raises(IndexMismatchError, match="It is empty.*generator can be read only once"):
        build(copy, corpus)
