"""Builds one index and prints the peak of resident memory, in MB, before and after: `python -m benchmarks.index_memory`.

A process of its own for each, because a peak never goes down.
"""

from __future__ import annotations

import argparse
import resource
import sys
import warnings
from collections.abc import Iterator
from tempfile import TemporaryDirectory

import numpy as np
import torch

import saewidgets as sw
from saewidgets.engine.engine import Engine

_CONTEXT, _VOCABULARY = 128, 1000


class RandomTexts:
    """Documents of random token ids, made when they are asked for: a corpus that takes no memory itself."""

    def __init__(self, tokens: int) -> None:
        self._count = tokens // _CONTEXT

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng(0)
        for _ in range(self._count):
            yield generator.integers(0, _VOCABULARY, _CONTEXT).tolist()


def tiny_engine() -> Engine:
    """Two random layers with a TopK SAE that is wide for them, so that the index is what takes memory and not the model."""
    from sae_lens.saes import TopKSAE, TopKSAEConfig
    from sae_lens.saes.sae import SAEMetadata
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = HookedTransformer(
            HookedTransformerConfig(
                n_layers=2, d_model=64, n_ctx=_CONTEXT, d_head=16, d_vocab=_VOCABULARY, act_fn="gelu", device="cpu", seed=0
            )
        )
    metadata = SAEMetadata(hook_name="blocks.1.hook_resid_pre", context_size=_CONTEXT)
    sae = TopKSAE(TopKSAEConfig(d_in=64, d_sae=4096, k=32, metadata=metadata))
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.normal_(0, 0.4)
    return Engine(model.eval(), sae.eval())


def peak() -> float:
    """Peak of this process so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("tiny", "demo"))
    parser.add_argument("tokens", type=int)
    arguments = parser.parse_args()
    engine = tiny_engine() if arguments.kind == "tiny" else sw.load_demo()
    corpus = RandomTexts(arguments.tokens) if arguments.kind == "tiny" else sw.load_corpus()
    before = peak()
    with TemporaryDirectory() as folder:
        sw.build_index(engine, corpus, folder, tokens=arguments.tokens, progress=False)
    print(before, peak())


if __name__ == "__main__":
    main()
