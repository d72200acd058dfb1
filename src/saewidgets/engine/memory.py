"""Batches that shrink when memory runs out: nothing computed is lost, and nothing is tried again that did not fit."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from ..errors import OutOfMemoryError, SaewidgetsError

__all__ = ["in_batches", "is_out_of_memory", "until_it_fits"]

T = TypeVar("T")

_REMEDY = "A single text does not fit in memory. Use a shorter prompt, fewer tokens, or a smaller dtype."


def in_batches(
    n: int,
    step: int,
    run: Callable[[slice], Sequence[T]],
    *,
    remedy: Callable[[int], str] = lambda _row: _REMEDY,
    shrunk: Callable[[int], None] = lambda _step: None,
) -> tuple[list[T], list[str]]:
    """What `run` gives for `n` rows, `step` of them at a time, and fewer from where memory runs out.

    Args:
        run: from a slice of rows to one result a row. What it raises for another reason goes through.
        remedy: what to say of a row that does not fit even alone.
        shrunk: told the new step each time.

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
                raise OutOfMemoryError(remedy(part.start)) from error
        _give_back()
        step = (part.stop - part.start) // 2
        shrunk(step)
        notes = [f"Memory ran out: batches were made smaller ({step} texts at a time)."]
    return made, notes


def until_it_fits(run: Callable[[], T], smaller: Callable[[], bool]) -> T:
    """What `run` gives; where memory runs out it is run again, after `smaller` made it ask for less.

    Args:
        smaller: makes `run` ask for less the next time; False if it cannot.

    Raises:
        RuntimeError, MemoryError: the allocator's 'no', once `smaller` cannot help: for `in_batches` further up.
    """
    while True:
        try:
            return run()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or not smaller():
                raise
        _give_back()


def _give_back() -> None:
    """Outside an exception's handler: its traceback would keep the tensors alive."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` is an allocator's 'no', on any device."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return (
        isinstance(error, (RuntimeError, MemoryError))
        and not isinstance(error, SaewidgetsError)
        and ("out of memory" in text or "not enough memory" in text or "can't allocate memory" in text)
    )
