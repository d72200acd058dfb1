"""Documents by features from the definition: forwards of single windows, `sae.encode`, loops over tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import norms
import numpy as np
import tiny
import torch

FACTOR = 1.25
"""Of the norm outliers: small enough that tiny models have some."""

LONG = "In the beginning God created the heaven and the earth. " * 14
TEXTS = [
    "In the beginning God created 日本語 and the earth.",
    "",
    LONG,
    "the earth",
    "Zwölf Boxkämpfer 😀 <|eos|> and the heaven",
    "God",
]

BOS = 0

AGGREGATES: dict[str, Callable[[np.ndarray[Any, Any]], float]] = {
    "max": lambda values: float(values[np.argmax(np.abs(values))]),
    "sum": lambda values: float(values.astype(np.float64).sum()),
    "mean": lambda values: float(values.astype(np.float64).mean()),
    "count": lambda values: float((values != 0).sum()),
    "share": lambda values: float((values != 0).mean()),
}


def place(architecture: str) -> tuple[str, str | None]:
    if architecture in tiny.TRANSCODERS:
        return "blocks.1.mlp.hook_in", "blocks.1.hook_mlp_out"
    return "blocks.1.hook_resid_pre", None


def windows_of(ids: Sequence[int]) -> list[tuple[list[int], int]]:
    """What goes through the model, and how many tokens of its beginning are only context."""
    found = [(list(ids[: tiny.N_CTX]), 0)]
    for start in range(tiny.N_CTX, len(ids), tiny.N_CTX - 1):
        found.append(([BOS, *ids[start : start + tiny.N_CTX - 1]], 1))
    return found if len(ids) else []


def counted_activations(model: Any, sae: Any, ids: Sequence[int], factor: float = FACTOR) -> np.ndarray[Any, Any]:
    """[counted tokens, features] of one document."""
    hook = sae.cfg.metadata.hook_name
    rows = [np.zeros((0, tiny.D_SAE), np.float32)]
    for window, lead in windows_of(ids):
        with torch.no_grad():
            x = model.run_with_cache(torch.tensor([window]))[1][hook]
            acts = sae.encode(x)[0].numpy()
        special = np.array(window) <= 1
        out = norms.outliers(model, norms.streams_of(hook), window, factor)
        own = np.arange(len(window)) >= lead
        rows.append(acts[own & ~special & ~out])
    return np.concatenate(rows)


def reference(model: Any, sae: Any, documents: Sequence[Sequence[int]], aggregate: str) -> tuple[Any, list[int]]:
    """[documents, features], and how many tokens of each count."""
    found, tokens = np.zeros((len(documents), tiny.D_SAE)), []
    for d, ids in enumerate(documents):
        acts = counted_activations(model, sae, ids)
        tokens.append(len(acts))
        for f in range(tiny.D_SAE):
            if len(acts):
                found[d, f] = AGGREGATES[aggregate](acts[:, f])
    return found, tokens


def ids_of(texts: Sequence[str]) -> list[list[int]]:
    encode = tiny.tokenizer()
    return [[BOS, *encode(text, add_special_tokens=False)["input_ids"]] if text else [] for text in texts]
