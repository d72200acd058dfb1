"""Many rows, as many at a time as memory allows."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from ..engine.errors import OutOfMemoryError
from ..engine.model.model import is_out_of_memory

__all__ = ["in_batches"]

T = TypeVar("T")


def in_batches(n: int, step: int, run: Callable[[slice], Sequence[T]]) -> tuple[list[T], list[str]]:
    """What `run` gives for `n` rows, `step` of them at a time, and fewer from where memory runs out.

    Args:
        run: from a slice of rows to one result a row.

    Returns:
        The results, and a note if memory ran out.

    Raises:
        OutOfMemoryError: if a single row does not fit.

    Example:
        >>> texts, notes = in_batches(64, 32, lambda part: write_texts(rows[part]))
    """
    made: list[T] = []
    notes: list[str] = []
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
        step = (part.stop - part.start) // 2
        notes = [f"Memory ran out: batches were made smaller ({step} texts at a time)."]
    return made, notes
