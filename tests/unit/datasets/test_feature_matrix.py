"""Documents by features, against loops over forwards of single windows; what a text may be; how much is held at once."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from matrix_made import AGGREGATES, FACTOR, LONG, TEXTS, ids_of, place, reference

import saewidgets as sw
from saewidgets.datasets import read
from saewidgets.datasets.errors import DatasetError
from saewidgets.engine.activations import portion
from saewidgets.engine.activations.piece import Piece
from saewidgets.engine.activations.reader import Reader
from saewidgets.errors import CancelledError, FeatureIndexError
from saewidgets.index.errors import CorpusError


def made(architecture: str = "jumprelu", **options: Any) -> sw.Engine:
    hook, out = place(architecture)
    return sw.Engine(tiny.hooked(), tiny.sae(architecture, hook, hook_out=out), outlier_factor=FACTOR, **options)


def wanted(architecture: str, aggregate: str, texts: Sequence[str] = TEXTS) -> tuple[Any, list[int]]:
    hook, out = place(architecture)
    return reference(tiny.hooked(), tiny.sae(architecture, hook, hook_out=out), ids_of(texts), aggregate)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_every_architecture_by_definition(architecture: str) -> None:
    with made(architecture) as engine:
        found = sw.feature_matrix(engine, TEXTS)
    values, tokens = wanted(architecture, "max")
    assert found.matrix.dtype == np.float32 and found.matrix.shape == (6, tiny.D_SAE)
    np.testing.assert_allclose(found.matrix.toarray(), values, atol=1e-5, rtol=1e-4)
    assert found.tokens.tolist() == tokens
    assert 0 < np.count_nonzero(values) < values.size
    assert (values < 0).any() == found.signed == (architecture == "abstopk")


@pytest.mark.parametrize("architecture", ["jumprelu", "abstopk"])
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_every_aggregate_by_definition(architecture: str, aggregate: Any) -> None:
    with made(architecture) as engine:
        found = sw.feature_matrix(engine, TEXTS, aggregate=aggregate)
    values, _ = wanted(architecture, aggregate)
    np.testing.assert_allclose(found.matrix.toarray(), values, atol=2e-5, rtol=1e-4)
    assert found.aggregate == aggregate


def test_what_is_left_out_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts have norm outliers, special tokens within, and windows: else the tests above test less than they say."""
    with made() as engine:
        acts = engine.activations([text for text in TEXTS if text])
        assert acts.outlier.sum() > 3
        assert (acts.special & (acts.token_ids == 1)).any()
        assert len(ids_of([LONG])[0]) > 2 * tiny.N_CTX
        notes = sw.feature_matrix(engine, TEXTS).notes
    assert any("1 text has no counted token: its row is 0 (1)" in note for note in notes)
    assert any("computed in windows" in note for note in notes)
    assert any(f"{acts.outlier.sum():,} norm outliers" in note for note in notes)


@pytest.mark.slow
@pytest.mark.parametrize("aggregate", ["max", "sum", "count"])
def test_a_document_longer_than_a_block_is_read_in_steps(monkeypatch: pytest.MonkeyPatch, aggregate: Any) -> None:
    with made() as engine:
        whole = sw.feature_matrix(engine, TEXTS, aggregate=aggregate)
        monkeypatch.setattr(portion, "TOKENS", 70)
        parts = sw.feature_matrix(engine, TEXTS, aggregate=aggregate)
    np.testing.assert_allclose(parts.matrix.toarray(), whole.matrix.toarray(), atol=1e-5)
    assert parts.tokens.tolist() == whole.tokens.tolist()
    np.testing.assert_allclose(parts.matrix.toarray(), wanted("jumprelu", aggregate)[0], atol=1e-5, rtol=1e-4)


def test_of_two_equally_large_ones_the_positive() -> None:
    from saewidgets.datasets.aggregate import reduced

    for values in ([-2.0, 2.0, 1.0], [2.0, 1.0, -2.0]):
        assert reduced(np.zeros(3, np.int64), np.array(values), "max").value.tolist() == [2]
    assert reduced(np.zeros(2, np.int64), np.array([-3.0, 2.0]), "max").value.tolist() == [-3]


def test_some_features_only() -> None:
    with made() as engine:
        whole = sw.feature_matrix(engine, TEXTS)
        some = sw.feature_matrix(engine, TEXTS, features=[40, 3])
    assert some.features.tolist() == [3, 40] and some.matrix.shape == whole.matrix.shape
    np.testing.assert_allclose(some.matrix.toarray()[:, [3, 40]], whole.matrix.toarray()[:, [3, 40]], atol=1e-6)
    assert set(some.matrix.indices.tolist()) <= {3, 40}
    assert "(2 encoded)" in repr(some)
    with pytest.raises(FeatureIndexError, match="not encoded"):
        some.to_pandas([5])


# -- what is held


class Held:
    """How many tokens go into a reading, and how many activations are alive when the next begins."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tokens: list[int] = []
        self.alive: list[int] = []
        self._made: list[weakref.ref[Piece]] = []
        original = Reader.read

        def counting(reader: Reader, texts: Any, *args: Any, **kwargs: Any) -> Any:
            self.tokens.append(sum(map(len, texts)))
            self.alive.append(sum(1 for ref in self._made if ref() is not None))
            pieces = original(reader, texts, *args, **kwargs)
            self._made += [weakref.ref(one) for of in pieces[0] for one in of]
            return pieces

        monkeypatch.setattr(Reader, "read", counting)


def test_no_more_than_a_block_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portion, "TOKENS", 100)
    texts = [*TEXTS * 4, LONG * 2]
    with made() as engine:
        held = Held(monkeypatch)
        sw.feature_matrix(engine, iter(texts))
    assert sum(held.tokens) >= sum(map(len, ids_of(texts)))
    assert max(held.tokens) <= 100 and len(held.tokens) > 10
    assert max(held.alive) == 0, "a block's activations are forgotten before the next is read"


def test_texts_are_read_as_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portion, "TOKENS", 20)
    drawn, at_first = 0, []

    def texts() -> Any:
        nonlocal drawn
        for _ in range(50):
            drawn += 1
            yield "In the beginning"

    original = Reader.read

    def watching(*args: Any, **kwargs: Any) -> Any:
        at_first.append(drawn)
        return original(*args, **kwargs)

    monkeypatch.setattr(Reader, "read", watching)
    with made() as engine:
        assert len(sw.feature_matrix(engine, texts())) == 50
    assert at_first[0] < 10


def test_too_dense_to_be_held_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "_MOST_ENTRIES", 50)
    with made("standard") as engine, pytest.raises(DatasetError, match="ask for some of its features"):
        sw.feature_matrix(engine, TEXTS)


def test_dense_dictionaries_are_read_less_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portion, "ENTRIES", 32 * 40)
    with sw.Engine(tiny.hooked(), sw.Neurons("blocks.0.mlp.hook_post")) as engine:
        held = Held(monkeypatch)
        found = sw.feature_matrix(engine, TEXTS)
    assert max(held.tokens) <= tiny.N_CTX
    assert found.activation_name == "neuron value" and found.signed


# -- texts


def test_texts_may_be_ids_series_tables_and_streams() -> None:
    with made() as engine:
        whole = sw.feature_matrix(engine, TEXTS).matrix.toarray()
        frame = pd.DataFrame({"text": TEXTS, "stars": range(6)}, index=list("abcdef"))
        for texts in (
            ids_of(TEXTS),
            frame["text"],
            frame,
            iter(TEXTS),
            [{"text": text} for text in TEXTS],
            pd.Series([*TEXTS[:1], None, *TEXTS[2:]]),
        ):
            np.testing.assert_array_equal(sw.feature_matrix(engine, texts).matrix.toarray(), whole)
        other = frame.rename(columns={"text": "review"})
        np.testing.assert_array_equal(sw.feature_matrix(engine, other, text_column="review").matrix.toarray(), whole)
        assert sw.feature_matrix(engine, frame).index.tolist() == list("abcdef")  # type: ignore[union-attr]
        assert sw.feature_matrix(engine, frame["text"]).to_pandas([3]).index.tolist() == list("abcdef")


def test_what_is_no_text_is_said() -> None:
    with made() as engine:
        for texts, says in (
            ([3.5], "Document 0 is a float"),
            ("one string", "Put it into a list"),
            ([[9999]], "Document 0"),
        ):
            with pytest.raises(CorpusError, match=says):
                sw.feature_matrix(engine, texts)  # type: ignore[arg-type]
        with pytest.raises(DatasetError, match="There are no texts"):
            sw.feature_matrix(engine, [])
        with pytest.raises(ValueError, match="aggregate is one of max, sum, mean, count, share, not 'min'"):
            sw.feature_matrix(engine, TEXTS, aggregate="min")  # type: ignore[arg-type]
        with pytest.raises(DatasetError, match="features is empty"):
            sw.feature_matrix(engine, TEXTS, features=[])
        with pytest.raises(FeatureIndexError):
            sw.feature_matrix(engine, TEXTS, features=[tiny.D_SAE])


def test_broken_values_name_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    from saewidgets.errors import NonFiniteError

    with made() as engine:
        with torch.no_grad():
            tiny.sae_of(engine).b_enc[3] = float("nan")
        with pytest.raises(NonFiniteError, match="In the texts 0 to 5: "):
            sw.feature_matrix(engine, TEXTS)


# -- progress


def test_progress_counts_texts_and_a_cancelled_run_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portion, "TOKENS", 40)
    told: list[tuple[int, int]] = []
    with made() as engine:
        sw.feature_matrix(engine, TEXTS, on_progress=lambda *at: told.append(at))
        assert told[-1] == (6, 6) and told == sorted(told)
        assert {n for _, n in told} == {6}
        assert len({done for done, _ in told}) >= 3
        told.clear()
        sw.feature_matrix(engine, iter(TEXTS), on_progress=lambda *at: told.append(at))
        assert told[-1] == (6, 0)

        from saewidgets.datasets.build import _Run

        original = _Run.rows

        def cancelling(run: Any, ticket: Any) -> Any:
            ticket.cancel()
            return original(run, ticket)

        monkeypatch.setattr(_Run, "rows", cancelling)
        with pytest.raises(CancelledError):
            sw.feature_matrix(engine, TEXTS)


# -- the result


def test_as_columns_of_a_table() -> None:
    with made(labels={3: "three"}) as engine:
        found = sw.feature_matrix(engine, TEXTS)
    dense = found.matrix.toarray()
    table = found.to_pandas([40, 3])
    assert table.columns.tolist() == [40, 3] and table.columns.name == "feature"
    np.testing.assert_array_equal(table.to_numpy(), dense[:, [40, 3]])
    every = found.to_pandas()
    active = np.flatnonzero((dense != 0).any(0))
    assert every.columns.tolist() == active.tolist()
    np.testing.assert_array_equal(every.to_numpy(), dense[:, active])
    assert found.labels[3] == "three"
    assert found.provenance["model"] == "custom"
    assert repr(found).startswith("FeatureMatrix(6 documents x 48 features of ")
    with pytest.raises(FeatureIndexError, match="Feature 48 is outside"):
        found.to_pandas([48])


def test_it_is_what_activations_say_of_each_text() -> None:
    with made("topk") as engine:
        found = sw.feature_matrix(engine, TEXTS)
        for d, text in enumerate(TEXTS):
            if text:
                top = engine.activations(text).top(None)
                np.testing.assert_allclose(found.matrix.toarray()[d, top.features], top.extreme, rtol=1e-4, atol=1e-5)
                assert len(top) == np.count_nonzero(found.matrix.toarray()[d])
