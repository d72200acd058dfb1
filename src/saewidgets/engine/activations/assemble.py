"""Pieces of forward passes become a `FeatureActivations`, with everything a reader of its numbers must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..arrays import Ints
from ..dictionary.base import Dictionary
from ..provenance import context_of, untrained_positions
from ..text.counted import Counting
from ..text.tokenizer import Tokenizer
from .piece import Piece, join
from .result import FeatureActivations


def assemble_result(
    texts: Sequence[Sequence[int]],
    pieces: Sequence[Sequence[Piece]],
    dictionary: Dictionary,
    tokenizer: Tokenizer,
    counting: Counting,
    columns: Ints | None,
    provenance: Mapping[str, str],
    notes: Sequence[str],
) -> FeatureActivations:
    """Put the windows of one dictionary together, with everything a reader of the numbers must know."""
    flat = [piece for of_text in pieces for piece in of_text]
    none = np.zeros(0, np.float32)
    joined = join(flat) if flat else Piece(np.zeros(0, np.int64), np.zeros(0, np.int64), none, none, None, none)
    ids = np.array([i for text in texts for i in text], dtype=np.int64)
    displays = [tokenizer.display(text) for text in texts]
    roles = counting.roles(ids, joined.relative)
    beyond = [untrained_positions(dictionary, len(text)) for text in texts]
    beyond_context = np.concatenate(beyond) if beyond else np.zeros(0, bool)
    said = [*notes]
    sae_context = context_of(dictionary)
    past = sum(max(0, len(text) - sae_context) for text in texts) if sae_context else 0
    if past:
        said.append(
            f"{past} tokens lie beyond the {sae_context} tokens of context that {dictionary.name!r} was trained with: their "
            "activations may mean little."
        )
    n_outliers = int(roles.outlier.sum())
    if n_outliers:
        said.append(
            f"{n_outliers} norm outlier{'s' if n_outliers > 1 else ''} (attention sinks: norm in the residual stream over "
            f"{counting.factor:g} times the model's reference norm) left out of rankings and colour scales."
        )
    return FeatureActivations(
        token_ids=ids,
        tokens=tuple(s for d in displays for s in d.strings),
        parts=np.array([p for d in displays for p in d.parts], dtype=np.uint8),
        text_ptr=np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64),
        special=roles.special,
        outlier=roles.outlier,
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
