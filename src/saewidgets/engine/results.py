"""Pieces of forward passes become a `FeatureActivations`, with everything a reader of its numbers must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .activations import Bools, FeatureActivations
from .dictionary.base import Dictionary
from .provenance import context_of, untrained_positions
from .ranking import Floats, Ints
from .reading import Piece, join
from .tokens import Tokenizer

OUTLIER_FACTOR = 10.0


def assemble_result(
    texts: Sequence[Sequence[int]],
    pieces: Sequence[Sequence[Piece]],
    dictionary: Dictionary,
    tokenizer: Tokenizer,
    columns: Ints | None,
    provenance: Mapping[str, str],
    notes: Sequence[str],
) -> FeatureActivations:
    """Put the windows of one dictionary together, with everything a reader of the numbers must know."""
    flat = [piece for of_text in pieces for piece in of_text]
    none = np.zeros(0, np.float32)
    joined = join(flat) if flat else Piece(np.zeros(0, np.int64), np.zeros(0, np.int64), none, none, None)
    ids = np.array([i for text in texts for i in text], dtype=np.int64)
    displays = [tokenizer.display(text) for text in texts]
    special = np.isin(ids, np.array(sorted(tokenizer.special_ids), dtype=np.int64))
    beyond = [untrained_positions(dictionary, len(text)) for text in texts]
    outlier = norm_outliers(joined.norm, special)
    beyond_context = np.concatenate(beyond) if beyond else np.zeros(0, bool)
    said = [*notes]
    sae_context = context_of(dictionary)
    past = sum(max(0, len(text) - sae_context) for text in texts) if sae_context else 0
    if past:
        said.append(
            f"{past} tokens lie beyond the {sae_context} tokens of context that {dictionary.name!r} was trained with: their "
            "activations may mean little."
        )
    if outlier.any():
        said.append(
            f"{int(outlier.sum())} norm outlier{'s' if outlier.sum() > 1 else ''} (attention sinks: norm over "
            f"{OUTLIER_FACTOR:g} times the median) left out of rankings and colour scales."
        )
    return FeatureActivations(
        token_ids=ids,
        tokens=tuple(s for d in displays for s in d.strings),
        parts=np.array([p for d in displays for p in d.parts], dtype=np.uint8),
        text_ptr=np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64),
        special=special,
        outlier=outlier,
        beyond_context=beyond_context,
        indptr=np.concatenate([[0], np.cumsum(joined.counts)]).astype(np.int64),
        feature_ids=joined.features.astype(np.int64),
        values=joined.values,
        n_features=dictionary.n_features,
        columns=columns,
        input_norm=joined.norm,
        reconstruction_error=joined.error,
        signed=dictionary.signed or bool((joined.values < 0).any()),
        activation_name=dictionary.activation_name,
        dictionary=dictionary.name,
        provenance=provenance,
        labels=dictionary.labels,
        notes=tuple(said),
    )


def norm_outliers(norm: Floats, special: Bools) -> Bools:
    """Tokens whose norm is over 10 times the median of the non-special tokens (the lower median of an even number).

    A few first tokens after BOS are attention sinks with norms far outside what an SAE was trained on.
    """
    usual = norm[~special]
    if not len(usual):
        return np.zeros(len(norm), bool)
    median = float(np.quantile(usual, 0.5, method="lower"))
    return ~special & (norm > OUTLIER_FACTOR * median)
