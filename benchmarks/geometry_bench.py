"""`sw.splitting` of two dictionaries beside one dense correlation of the same activations, by blocks of tokens."""

from __future__ import annotations

import statistics
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

import saewidgets as sw
from benchmarks.index_memory import RandomTexts
from benchmarks.measure import Row, seconds_of
from saewidgets.index.scan.shards import Shard

_FEATURES, _ACTIVE, _WIDTH, _CONTEXT, _VOCABULARY = 6144, 36, 64, 128, 1000
_BUDGET = 0.5
# Of each feature; what `sw.splitting` keeps, too.
_BEST = 10
# Tokens of a dense block.
_TOKENS = 2048


def rows(tokens: int = 16_384, rounds: int = 2, features: int = _FEATURES) -> list[Row]:
    """All measurements: of random TopK SAEs, as many of whose features are active on a token as of the demo's."""
    with TemporaryDirectory() as folder:
        a, b = _indexes(Path(folder), tokens, features)
        wanted = _dense(a, b)
        found = sw.splitting(a, b, k=_BEST)
        np.testing.assert_allclose(found.a.r, wanted, atol=1e-6)  # the same numbers, or there is nothing to compare
        # Each half of the rounds begins with the other, so that a machine that slows down slows both.
        pairs = []
        for i in range(rounds):
            if i % 2:
                reference, ours = seconds_of(lambda: _dense(a, b)), seconds_of(lambda: sw.splitting(a, b, k=_BEST))
            else:
                ours, reference = seconds_of(lambda: sw.splitting(a, b, k=_BEST)), seconds_of(lambda: _dense(a, b))
            pairs.append((ours, reference))
    ratio = statistics.median(x / y for x, y in pairs)
    ours, reference = (statistics.median(column) for column in zip(*pairs, strict=True))
    return [
        Row(
            f"splitting of 2 x {features:,} features, {tokens:,} tokens, {_ACTIVE} active on each, with both masked cosines, decoder "
            f"cosines and families / one dense correlation in float64, by blocks of {_TOKENS:,} tokens",
            f"<= {_BUDGET}",
            f"{ratio:.3f} ({ours:.1f} / {reference:.1f} s)",
            ratio <= _BUDGET,
        )
    ]


def _indexes(folder: Path, tokens: int, features: int) -> list[sw.FeatureIndex]:
    from sae_lens.saes import TopKSAE, TopKSAEConfig
    from sae_lens.saes.sae import SAEMetadata
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = HookedTransformer(
            HookedTransformerConfig(
                n_layers=2,
                d_model=_WIDTH,
                n_ctx=_CONTEXT,
                d_head=16,
                d_vocab=_VOCABULARY,
                act_fn="gelu",
                device="cpu",
                seed=0,
            )
        )
    saes = {}
    for name in "ab":
        metadata = SAEMetadata(hook_name="blocks.1.hook_resid_pre", context_size=_CONTEXT)
        sae = TopKSAE(TopKSAEConfig(d_in=_WIDTH, d_sae=features, k=_ACTIVE, metadata=metadata))
        with torch.no_grad():
            for parameter in sae.parameters():
                parameter.normal_(0, 0.4)
        saes[name] = sae.eval()
    engine = sw.Engine(model.eval(), saes)
    return [
        sw.build_index(
            engine, RandomTexts(tokens), folder / name, sae=name, feature_correlations=False, progress=False, wait=True
        )
        for name in saes
    ]


def _dense(a: sw.FeatureIndex, b: sw.FeatureIndex) -> npt.NDArray[np.float32]:
    """The k largest r of each feature of `a` with those of `b`, largest first, NaN where r is not above 0: [F, k].

    Both scans are cut into the same shards, as they are of one corpus and were read by one engine.
    """
    first, second = a.every, b.every
    assert first is not None and second is not None
    product = np.zeros((len(a), len(b)))
    for shards in zip(first.shards, second.shards, strict=True):
        x, y = (_by_token(shard, n) for shard, n in zip(shards, (len(a), len(b)), strict=True))
        for start in range(0, x.shape[0], _TOKENS):
            part = slice(start, start + _TOKENS)
            product += x[part].astype(np.float64).toarray().T @ y[part].astype(np.float64).toarray()
    n, sums = a.counted, [[i.column(name) for name in ("total", "squares")] for i in (a, b)]
    size = [np.sqrt(n * squares - total**2) for total, squares in sums]
    product *= n
    product -= np.outer(sums[0][0], sums[1][0])
    with np.errstate(divide="ignore", invalid="ignore"):
        product /= np.outer(*size)
    r = np.nan_to_num(product, copy=False)
    best = np.take_along_axis(r, np.argpartition(r, len(b) - _BEST, axis=1)[:, -_BEST:], 1)
    best = np.sort(best, axis=1)[:, ::-1].astype(np.float32)
    return np.where(best > 0, best, np.float32(np.nan))


def _by_token(shard: Shard, n_features: int) -> sparse.csr_array:
    """A shard's activations [tokens, n_features]."""
    ptr, position, value = shard.entries(0, n_features)
    return sparse.csc_array((value, position, ptr), (len(shard), n_features)).tocsr()


if __name__ == "__main__":
    from benchmarks.measure import table

    print(table(rows()))
