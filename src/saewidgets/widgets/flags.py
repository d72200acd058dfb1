"""What a view is told of a token beside its string, in bits: the one form in which tokens cross is `str` and `flags`.

The bits are named in constants.json; js/src/tokens/flags.ts reads them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..engine.arrays import Bools
from ..engine.text import tokenizer
from .constants import BEYOND, FIRST_PIECE, LATER_PIECE, OUTLIER, SPECIAL

Flags = npt.NDArray[np.uint8]


def flags(
    parts: Sequence[int] | npt.NDArray[np.integer],
    special: Bools | None = None,
    outlier: Bools | None = None,
    beyond: Bools | None = None,
) -> Flags:
    """[pos] the bits of tokens: special, norm outlier, piece of a character, position that the SAE was not trained on."""
    pieces = np.asarray(parts, np.uint8)
    out: Flags = np.zeros(len(pieces), np.uint8)
    for bit, where in (
        (SPECIAL, special),
        (OUTLIER, outlier),
        (FIRST_PIECE, (pieces & tokenizer.FIRST_PIECE) > 0),
        (LATER_PIECE, (pieces & tokenizer.LATER_PIECE) > 0),
        (BEYOND, beyond),
    ):
        if where is not None:
            out[where] |= bit
    return out
