"""Engines and indexes whose features stand beside each other, and what sae-lens says of the same texts, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tiny
import torch
from norms import outliers, streams_of

import saewidgets as sw

HOOK, EARLIER = "blocks.1.hook_resid_pre", "blocks.0.hook_resid_post"
WORDS = "God created heaven earth night day in the beginning and was without form".split()
ROWS = [
    *({"text": " ".join(WORDS[(i * k) % 13] for k in range(1, 10)), "id": f"d{i}"} for i in range(1, 13)),
    {"text": "日本語のテキスト </script> 😀", "id": "<b>hostile</b>"},
]
TEXT = "In the beginning God created 日本語</script> and the"


@dataclass
class Source:
    """One of the two: a model, an SAE, and how tokens are left out."""

    model: Any
    sae: Any
    factor: float = 10.0
    known: dict[tuple[int, ...], np.ndarray[Any, Any]] = field(default_factory=dict)
    counts: dict[tuple[int, ...], np.ndarray[Any, Any]] = field(default_factory=dict)

    def encoded(self, ids: Sequence[int]) -> np.ndarray[Any, Any]:
        """[pos, features] as sae-lens encodes the cached hook."""
        if tuple(ids) not in self.known:
            hook = self.sae.cfg.metadata.hook_name
            with torch.no_grad():
                cached = self.model.run_with_cache(torch.tensor([list(ids)]))[1][hook]
                self.known[tuple(ids)] = self.sae.encode(cached)[0].numpy()
        return self.known[tuple(ids)]

    def counted(self, ids: Sequence[int]) -> np.ndarray[Any, Any]:
        """[pos] neither BOS nor EOS nor a norm outlier."""
        if tuple(ids) not in self.counts:
            stream = streams_of(self.sae.cfg.metadata.hook_name)
            self.counts[tuple(ids)] = (np.asarray(ids) > 1) & ~outliers(self.model, stream, ids, self.factor)
        return self.counts[tuple(ids)]


def ids_of(text: str, bos: bool = True) -> list[int]:
    return [*([0] if bos else []), *tiny.tokenizer()(text, add_special_tokens=False)["input_ids"]]


def on_corpus(a: Source, b: Source, f: int, g: int, rows: Sequence[Any] = ROWS) -> tuple[np.ndarray[Any, Any], ...]:
    """[tokens, 2] activations on the whole corpus, and [tokens, 2] whether each side counts the token."""
    every = [ids_of(row["text"]) for row in rows]
    values = [np.stack([a.encoded(ids)[:, f], b.encoded(ids)[:, g]], 1) for ids in every]
    counts = [np.stack([a.counted(ids), b.counted(ids)], 1) for ids in every]
    return np.concatenate(values), np.concatenate(counts)


@dataclass
class World:
    """Two models with one tokenizer: the base one with two SAEs, the tuned one with one."""

    path: Path
    base: sw.Engine
    tuned: sw.Engine
    strict: sw.Engine
    sources: dict[str, Source]
    indexes: dict[str, sw.FeatureIndex]

    def pair(self, a: str, b: str) -> tuple[Source, Source]:
        return self.sources[a], self.sources[b]

    def side(self, name: str, feature: int) -> tuple[sw.FeatureIndex, int]:
        return self.indexes[name], feature

    def dense(self, name: str, k: int = 0) -> int:
        """A feature that fires often."""
        return int(self.indexes[name].order("density")[k])


def build(engine: sw.Engine, path: Path, rows: Sequence[Any] = ROWS, **more: Any) -> sw.FeatureIndex:
    return sw.build_index(engine, rows, path, progress=False, wait=True, **more)


def world(path: Path) -> World:
    base_model, tuned_model = tiny.hooked(0), tiny.hooked(3)
    one, two, other = tiny.sae(seed=1), tiny.sae("abstopk", EARLIER, seed=2), tiny.sae("topk", seed=4)
    base = sw.Engine(base_model, {"one": one, "two": two})
    tuned = sw.Engine(tuned_model, {"other": other})
    # It leaves out every token whose norm is a little over the usual.
    strict = sw.Engine(base_model, {"strict": one}, outlier_factor=1.1)
    indexes = {
        "one": build(base, path / "one", sae="one"),
        "two": build(base, path / "two", sae="two"),
        "other": build(tuned, path / "other"),
        "strict": build(strict, path / "strict"),
    }
    sources = {
        "one": Source(base_model, one),
        "two": Source(base_model, two),
        "other": Source(tuned_model, other),
        "strict": Source(base_model, one, 1.1),
    }
    return World(path, base, tuned, strict, sources, indexes)
