"""Builds one index and prints what memory its process needed: `python -m benchmarks.index_memory tiny 65536`.

A process of its own for each, because a peak never goes down.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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
                n_layers=2,
                d_model=64,
                n_ctx=_CONTEXT,
                d_head=16,
                d_vocab=_VOCABULARY,
                act_fn="gelu",
                device="cpu",
                seed=0,
            )
        )
    metadata = SAEMetadata(hook_name="blocks.1.hook_resid_pre", context_size=_CONTEXT)
    sae = TopKSAE(TopKSAEConfig(d_in=64, d_sae=4096, k=32, metadata=metadata))
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.normal_(0, 0.4)
    return Engine(model.eval(), sae.eval())


def peak() -> float:
    """Peak of resident memory of this program so far, in MB.

    From /proc where there is one: a process that was started by a large one inherits its `ru_maxrss`.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    if found:
        return int(found[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


@contextmanager
def watching_private() -> Iterator[list[float]]:
    """The largest private memory seen, in MB, looked at every 10 ms; nothing where the system does not say.

    Resident memory also counts pages of mapped files, which the system keeps as long as it has room and can take back.
    """
    seen: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            _, resident, shared, *_ = map(int, statm.read_text().split())
            seen[:] = [max([*seen, (resident - shared) * os.sysconf("SC_PAGE_SIZE") / 1e6])]

    statm = Path("/proc/self/statm")
    watcher = threading.Thread(target=watch, daemon=True)
    if statm.exists():
        watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        if statm.exists():
            watcher.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("tiny", "demo"))
    parser.add_argument("tokens", type=int)
    arguments = parser.parse_args()
    engine = tiny_engine() if arguments.kind == "tiny" else sw.load_demo()
    corpus = RandomTexts(arguments.tokens) if arguments.kind == "tiny" else sw.load_corpus()
    before = peak()
    with TemporaryDirectory() as folder, watching_private() as private:
        sw.build_index(engine, corpus, folder, tokens=arguments.tokens, progress=False, wait=True)
    print(json.dumps({"before": before, "peak": peak(), "private": max(private, default=None)}))


if __name__ == "__main__":
    main()
