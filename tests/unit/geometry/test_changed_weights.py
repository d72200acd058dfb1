"""An SAE that is trained on after its corpus was read: old activations are not shown on new decoder rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import planted_shapes as shapes
import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets.index.errors import IndexMismatchError

ASKED: dict[str, Callable[[sw.FeatureIndex], object]] = {
    "subspace": lambda index: sw.subspace(index, shapes.CIRCLE),
    "candidate_groups": sw.candidate_groups,
    "candidate_groups without scores": lambda index: sw.candidate_groups(index, score=False),
    "neighbours": lambda index: sw.neighbours(index, 0, k=40),
    "feature_map": sw.feature_map,
    "decoder": lambda index: index.decoder([0]),
}


@pytest.fixture(scope="module", params=[True, False], ids=["scan", "bounded"])
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sw.FeatureIndex]:
    with shapes.engine() as engine:
        yield shapes.index(
            tmp_path_factory.mktemp("changed") / "index", engine, keep=16, keep_activations=request.param
        )


@pytest.fixture
def trained_on(index: sw.FeatureIndex) -> Iterator[sw.FeatureIndex]:
    """One step further, and afterwards where it was."""
    sae = tiny.sae_of(index.engine)
    before = {name: weight.detach().clone() for name, weight in sae.named_parameters()}
    with torch.no_grad():
        sae.W_dec[0] *= -1
        sae.b_enc[0] += 0.5
    yield index
    with torch.no_grad():
        for name, weight in sae.named_parameters():
            weight.copy_(before[name])


@pytest.mark.parametrize("asked", ASKED)
def test_what_needs_the_decoder_says_so(trained_on: sw.FeatureIndex, asked: str) -> None:
    with pytest.raises(IndexMismatchError, match="were changed since .* load them again, or build an index"):
        ASKED[asked](trained_on)


def test_what_needs_texts_to_be_read_again_says_so(trained_on: sw.FeatureIndex) -> None:
    asked = (
        lambda: sw.cooccurrence(trained_on, [*shapes.LINE, 0]),
        lambda: sw.neighbours(trained_on, 0, by="correlation", k=3),
    )
    assert len(asked[1]()) <= 3  # that is stored
    if trained_on.every is not None:
        assert asked[0]().tokens == trained_on.counted
        return
    with pytest.raises(IndexMismatchError, match="were changed since"):
        asked[0]()
    beside = sw.beside((trained_on, 0), (trained_on, shapes.LINE[0]))
    assert beside.corpus is None and "were changed since" in beside.corpus_missing


def test_what_is_of_the_scan_alone_is_there_without_decoder_cosines(trained_on: sw.FeatureIndex) -> None:
    if trained_on.every is None:
        pytest.skip("needs the scan")
    found = sw.splitting(trained_on, trained_on)
    assert found.a.cosine is None and any("left out: The weights" in note for note in found.notes)


def test_what_is_put_back_is_no_change(index: sw.FeatureIndex, tmp_path: Path) -> None:
    assert len(sw.subspace(index, shapes.CIRCLE)) > 100
    assert sw.FeatureIndex.open(index.path, engine=index.engine).decoder([0]).shape == (1, tiny.D_MODEL)
