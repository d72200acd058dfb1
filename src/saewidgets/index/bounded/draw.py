"""The number by which tokens and chunks are drawn: uniform, and a function of nothing but the seed and where they are.

So whoever reads a part of the corpus draws the same, and the smallest numbers of all are among the smallest of each part.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...storage.array_folder import Array

__all__ = ["Draw", "chunk_draw", "token_draw"]

Draw = npt.NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
# So that a token is not drawn because its chunk is.
_CHUNKS = 0x51


def token_draw(seed: int, document: Array, position: Array) -> Draw:
    """[n] a number of 64 bits for each token, given by its document and its position there."""
    return _drawn(seed, document, position)


def chunk_draw(seed: int, document: Array, start: Array) -> Draw:
    """[n] the same for chunks."""
    return _drawn(seed + _CHUNKS, document, start)


def _drawn(seed: int, a: Array, b: Array) -> Draw:
    start = np.uint64(seed * _GOLDEN % 2**64)
    with np.errstate(over="ignore"):  # modulo 2**64
        return _mixed(_mixed(a.astype(np.uint64) + start) + b.astype(np.uint64) * np.uint64(_GOLDEN))


def _mixed(x: Draw) -> Draw:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = x + np.uint64(_GOLDEN)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: Draw = x ^ (x >> np.uint64(31))
    return found
