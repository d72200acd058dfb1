"""Two dictionaries over one corpus of token ids, and all their activations, dense, as sae-lens computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import norms
import numpy as np
import pytest
import tiny
import torch
from sae_lens.saes import StandardSAE, StandardSAEConfig
from sae_lens.saes.sae import SAEMetadata
from test_activations_equal_sae_lens import reference

import saewidgets as sw
from saewidgets.engine.activations import portion

WORDS = "In the beginning God created heaven and earth without form void darkness face deep day night".split()


def documents(n: int = 24, seed: int = 0) -> list[list[int]]:
    """Token ids that begin with BOS, of different lengths."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, int(rng.integers(3, 12)))) for _ in range(n)]
    return [[0, *tiny.tokenizer()(text, add_special_tokens=False)["input_ids"]][: tiny.N_CTX] for text in texts]


@dataclass
class Dense:
    """One row a token of the corpus, special ones among them."""

    acts: np.ndarray[Any, Any]
    counted: np.ndarray[Any, Any]


def dense(model: Any, sae: Any, corpus: Sequence[Sequence[int]], factor: float | None) -> Dense:
    """Float64; and which tokens are neither BOS, EOS nor norm outliers."""
    acts, counted = [], []
    streams = norms.streams_of(sae.cfg.metadata.hook_name)
    most = {stream: factor * norms.reference(model, stream) for stream in streams} if factor is not None else {}
    for ids in corpus:
        acts.append(reference(model, sae, torch.tensor([list(ids)])).astype(np.float64))
        far = np.any([np.zeros(len(ids), bool), *(norms.norms(model, at, ids) > n for at, n in most.items())], axis=0)
        counted.append((np.asarray(ids) > 1) & ~far)
    return Dense(np.concatenate(acts), np.concatenate(counted))


def build(
    engine: sw.Engine, corpus: Any, path: Path, *, sae: str | None = None, block: int = 0, **options: Any
) -> sw.FeatureIndex:
    """An index; with `block` its shards are cut after that many tokens."""
    with pytest.MonkeyPatch.context() as patch:
        if block:
            patch.setattr(portion, "TOKENS", block)
            options["shard_tokens"] = 1
        return sw.build_index(engine, corpus, path, sae=sae, progress=False, wait=True, **options)


# -- features of tokens: what fires on what is said by hand

NAMED = "x y z u v w p q s m n".split()
TOKEN = {name: 100 + i for i, name in enumerate(NAMED)}
_PLACES = range(12, 16)


def model_of_tokens() -> Any:
    """A model in which each named token has a direction of its own in the residual stream, and positions have four."""
    model = tiny.hooked()
    with torch.no_grad():
        model.W_E.zero_()
        for i, token in enumerate(TOKEN.values()):
            model.W_E[token, i] = 1
        model.W_pos.zero_()
        model.W_pos[:, list(_PLACES)] = torch.rand(tiny.N_CTX, 4, generator=torch.Generator().manual_seed(0))
    return model


def sae_of_tokens(features: Sequence[str], *, bias: dict[int, float] | None = None, d_sae: int = 0) -> Any:
    """An SAE whose feature i fires on the tokens named in `features[i]` ("" for none), by a strength that varies with the
    position; and on others, where `bias` lifts it."""
    d_sae = d_sae or len(features)
    facts = SAEMetadata(
        hook_name="blocks.0.hook_resid_pre", hook_name_out=None, prepend_bos=True, context_size=tiny.N_CTX
    )
    made = StandardSAE(StandardSAEConfig(d_in=tiny.D_MODEL, d_sae=d_sae, apply_b_dec_to_input=False, metadata=facts))
    torch.manual_seed(d_sae)
    with torch.no_grad():
        made.W_enc.zero_()
        made.b_enc.fill_(-1.0)
        made.b_dec.zero_()
        made.W_dec.normal_()
        for i, names in enumerate(features):
            made.W_enc[list(_PLACES), i] = 0.1
            for name in names:
                made.W_enc[NAMED.index(name), i] = 2.0
            made.b_enc[i] = (bias or {}).get(i, -1.0)
    return made.eval()


def documents_of_tokens(often: str = "xyzuvwpqmn", n: int = 40, seed: int = 0, rare: int = 2) -> list[list[int]]:
    """Named tokens in any order; "s" only `rare` times."""
    rng = np.random.default_rng(seed)
    found = [[0, *(TOKEN[name] for name in rng.choice(list(often), 20))] for _ in range(n)]
    for i in range(rare):
        found[i].append(TOKEN["s"])
    return found
