"""A dictionary of 131,072 features: how long until one of them can be looked at."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

import saewidgets as sw
from benchmarks import table_bench
from benchmarks.bare import Bare, token_batches
from benchmarks.index_bench import first_chunks
from benchmarks.measure import Row, seconds_of
from saewidgets.engine.dictionary.sae import SaeDictionary
from saewidgets.engine.engine import Engine

_FEATURES, _ACTIVE = 131_072, 64


def wide_engine(engine: Engine) -> Engine:
    """The demo model with a random TopK SAE of 131,072 features at the hook of the demo's."""
    from sae_lens.saes import TopKSAE, TopKSAEConfig
    from sae_lens.saes.sae import SAEMetadata

    dictionary = engine.dictionary()
    assert isinstance(dictionary, SaeDictionary)
    torch.manual_seed(0)
    context = dictionary.sae.cfg.metadata.context_size
    metadata = SAEMetadata(hook_name=dictionary.hook_name, context_size=context)
    sae = TopKSAE(TopKSAEConfig(d_in=dictionary.d_in, d_sae=_FEATURES, k=_ACTIVE, metadata=metadata))
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.normal_(0, 0.05)
    return Engine(engine.model.raw, sae.to(engine.model.input_device).eval())


def rows(engine: Engine, tokens: int = 16_384, frames: bool = True) -> list[Row]:
    """From the call of `build_index` to the first dashboard with its examples, beside the bare loop over the same batches.

    Half of the bare loop runs before and half after, so that a machine that slows down slows both.
    """
    corpus = sw.load_corpus()
    wide = wide_engine(engine)
    batches = token_batches(wide, first_chunks(wide, corpus, tokens))
    bare = Bare(wide)
    bare.encode(batches[-1][:1])
    half = len(batches) // 2

    def read(some: list[torch.Tensor]) -> None:
        for batch in some:
            bare.encode(batch)

    before = seconds_of(lambda: read(batches[:half]))
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        index = sw.build_index(wide, corpus, Path(folder) / "wide", tokens=tokens, progress=False)
        built = time.perf_counter() - start
        dashboard = sw.FeatureDashboard(wide, index)
        dashboard.page()  # all that the first look asks for: the feature, its tables and its examples
        ours = time.perf_counter() - start
        tables = table_bench.rows(index, frames)
        wide.close()  # what remains of all features is not waited for
    reference = before + seconds_of(lambda: read(batches[half:]))
    name = f"{_FEATURES:,} features, {index.tokens:,} tokens: time to the first dashboard / bare loop"
    return [
        Row(name, "<= 1.3", f"{ours / reference:.3f} ({ours:.1f} / {reference:.1f} s)", ours / reference <= 1.3),
        Row("- of it, until `build_index` returns", "-", f"{built / reference:.3f} ({built:.1f} s)", None),
        *tables,
    ]
