"""`sw.contrast` of two sets of texts beside a bare loop over the same tokens, and its statistics over a wide dictionary."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np
import scipy.sparse
from torch import Tensor

import saewidgets as sw
from benchmarks.bare import Bare
from benchmarks.measure import Row, seconds_of
from saewidgets.datasets.read import Reading, blocks
from saewidgets.engine.activations.windows import Window, batches, to_tensor
from saewidgets.engine.engine import Engine

# Of each text, some 80 tokens: as long as a prompt, or a short review.
_CHARACTERS = 240
_BUDGET = 1.25
_SECONDS = {"a contrast by frequency": 5, "a contrast by mean": 5, "Spearman's r": 5, "20 categories": 10}


def rows(engine: Engine, texts: int = 200, rounds: int = 3) -> list[Row]:
    """All measurements."""
    some = [text[:_CHARACTERS] for text in sw.load_corpus()["text"].head(2 * texts)]
    return [_contrast(engine, some[::2], some[1::2], rounds), *_statistics(rounds)]


def _contrast(engine: Engine, a: list[str], b: list[str], rounds: int) -> Row:
    """From texts to the ranked table; half of the bare loop runs before it and half after it, so that a machine that slows
    down slows both."""
    bare = Bare(engine)
    first, second = (_batches(engine, side) for side in (a, b))
    bare.encode(first[-1])
    pairs = []
    for _ in range(rounds):
        before = seconds_of(lambda: _read(bare, first))
        ours = seconds_of(lambda: sw.contrast(engine, a, b).to_pandas())
        pairs.append((ours, before + seconds_of(lambda: _read(bare, second))))
    ratio = statistics.median(x / y for x, y in pairs)
    ours, reference = (statistics.median(column) for column in zip(*pairs, strict=True))
    tokens = sum(batch.numel() for batch in (*first, *second))
    return Row(
        f"contrast of 2 x {len(a)} texts, {tokens:,} tokens / bare loop of forward to the hook + sae.encode, same batches",
        f"<= {_BUDGET}",
        f"{ratio:.3f} ({ours:.2f} / {reference:.2f} s)",
        ratio <= _BUDGET,
    )


def _batches(engine: Engine, texts: Sequence[str]) -> list[Tensor]:
    """The texts' token ids in the batches that `feature_matrix` makes of them, padding included."""
    reading = Reading(engine, engine.dictionary(), None, "max")
    return [
        to_tensor(batch, engine.model.input_device)
        for block in blocks(engine.to_ids(list(texts)), reading.block_tokens)
        for batch in batches(
            [Window(i, 0, tuple(ids)) for i, ids in enumerate(block)], lambda: engine._reader.max_tokens, True
        )
    ]


def _read(bare: Bare, some: Sequence[Tensor]) -> None:
    for tokens in some:
        bare.encode(tokens)


def _statistics(rounds: int, documents: int = 400, width: int = 131_072, active: int = 2_000) -> list[Row]:
    """The statistics alone, of matrices as a wide dictionary gives them."""
    from saewidgets.datasets.aggregate import Rows
    from saewidgets.datasets.saved import Made

    rng = np.random.default_rng(0)
    # Few features are active in many documents and many in few.
    share = np.minimum(rng.pareto(1, width) * active / width / 4, 0.9)
    dense = [np.flatnonzero(rng.random(width) < share) for _ in range(documents)]
    counts = np.array([len(one) for one in dense])
    tokens = np.full(documents, 100)
    values = rng.gamma(1, 1, int(counts.sum())).astype(np.float32)
    found = Rows(counts, np.concatenate(dense), values, tokens, tokens, tokens * 0)
    matrix = sw.FeatureMatrix.of(
        found,
        Made({"n_features": width}, "max", None),
        dictionary="wide",
        activation_name="activation",
        signed=False,
        provenance={},
        notes=(),
    )
    assert isinstance(matrix.matrix, scipy.sparse.csr_array)
    truth, stars = rng.random(documents) < 0.5, rng.normal(size=documents)
    asked = {
        "a contrast by frequency": lambda: sw.associate(matrix, truth),
        "a contrast by mean": lambda: sw.associate(matrix, truth, by="mean"),
        "Spearman's r": lambda: sw.associate(matrix, stars),
        "20 categories": lambda: sw.associate(matrix, np.arange(documents) % 20, kind="category"),
    }
    measured = {name: statistics.median(seconds_of(one) for _ in range(rounds)) for name, one in asked.items()}
    return [
        Row(
            f"- {name}, {documents} texts x {width:,} features ({values.size:,} active)",
            f"<= {_SECONDS[name]} s",
            f"{seconds:.2f} s",
            seconds <= _SECONDS[name],
        )
        for name, seconds in measured.items()
    ]
