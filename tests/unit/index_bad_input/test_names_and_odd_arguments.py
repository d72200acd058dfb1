"""Names beside an index, and odd arguments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
from forks import contents

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.index.errors import IndexCorruptError

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
