"""What one window of a text gave: its activations as CSR parts, and what a reader must know of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats, Ints
from .windows import Window


@dataclass
class Piece:
    """What one window gave: CSR parts of its own tokens.

    Attributes:
        norm: [tokens] of what the dictionary read.
        error: [tokens] relative reconstruction error, if asked for.
        relative: [tokens] norm in the residual stream, in reference norms of the model there: what makes a norm outlier.
    """

    counts: Ints
    features: Ints
    values: Floats
    norm: Floats
    error: Floats | None
    relative: Floats


def join(pieces: Sequence[Piece]) -> Piece:
    """The tokens of all pieces, one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    error = [p.error for p in pieces if p.error is not None]
    return Piece(
        counts=np.concatenate([p.counts for p in pieces]),
        features=np.concatenate([p.features for p in pieces]),
        values=np.concatenate([p.values for p in pieces]),
        norm=np.concatenate([p.norm for p in pieces]),
        error=np.concatenate(error) if error else None,
        relative=np.concatenate([p.relative for p in pieces]),
    )


def split(piece: Piece, batch: Sequence[Window]) -> list[Piece]:
    """Cut the tokens of a whole batch into its windows, leaving out their lead."""
    ptr = np.concatenate([[0], np.cumsum(piece.counts)])
    result, at = [], 0
    for window in batch:
        tokens = slice(at + window.lead, at + len(window))
        entries = slice(ptr[tokens.start], ptr[tokens.stop])
        result.append(
            Piece(
                piece.counts[tokens],
                piece.features[entries],
                piece.values[entries],
                piece.norm[tokens],
                None if piece.error is None else piece.error[tokens],
                piece.relative[tokens],
            )
        )
        at += len(window)
    return result
