"""Many rows, as many at a time as memory allows."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from ..engine.errors import OutOfMemoryError
from ..engine.model import is_out_of_memory

__all__ = ["MEMORY_RAN_OUT", "in_batches"]

T = TypeVar("T")

MEMORY_RAN_OUT = "Memory ran out: texts were run in batches of {step}."


def in_batches(n: int, step: int, run: Callable[[slice], Sequence[T]]) -> tuple[list[T], int]:
    """What `run` gives for `n` rows, `step` of them at a time, and fewer from where memory runs out.

    Args:
        run: from a slice of rows to one result a row.

    Returns:
        The results, and how many rows the last batches had.

    Raises:
        OutOfMemoryError: if a single row does not fit.

    Example:
        >>> texts, step = in_batches(64, 32, lambda part: write_texts(rows[part]))
    """
    made: list[T] = []
    step = max(1, step)
    while len(made) < n:
        part = slice(len(made), min(len(made) + step, n))
        try:
            made += run(part)
            continue
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if part.stop - part.start == 1:
                raise OutOfMemoryError(
                    "A single text does not fit in memory. Use a shorter prompt, fewer tokens, or a smaller dtype."
                ) from error
        # Outside the handler: the exception's traceback would keep the tensors alive.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        step = max(1, (part.stop - part.start) // 2)
    return made, step
