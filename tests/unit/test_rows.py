"""Rows in batches, when memory runs out on the way."""

from __future__ import annotations

import pytest
import torch

from saewidgets.engine.memory import in_batches
from saewidgets.errors import OutOfMemoryError

ERRORS = [torch.OutOfMemoryError("no"), RuntimeError("CUDA out of memory."), MemoryError("out of memory")]


@pytest.fixture(autouse=True)
def no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is simulated leaves nothing to collect, and a whole collection takes a second."""
    monkeypatch.setattr("saewidgets.engine.memory.gc.collect", lambda: 0)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("n", "step", "fits"),
    [
        (0, 3, 1),
        (1, 0, 1),
        (1, 99, 99),
        (2, 16, 1),
        (7, 3, 2),
        (7, 99, 5),
        (16, 3, 1),
        (16, 16, 2),
        (16, 16, 99),
        (16, 99, 5),
    ],
)
def test_every_row_once_and_in_order(n: int, step: int, fits: int, error: Exception) -> None:
    tried: list[int] = []

    def run(part: slice) -> list[int]:
        tried.append(part.stop - part.start)
        if tried[-1] > fits:
            raise error
        return list(range(part.start, part.stop))

    made, notes = in_batches(n, step, run)
    assert made == list(range(n)) and max(tried, default=0) <= max(step, 1)
    # Never again as many as did not fit.
    for at, size in enumerate(tried):
        assert size <= fits or all(later < size for later in tried[at + 1 :])
    ran_out = max(tried, default=0) > fits
    assert len(notes) == ran_out and all("Memory ran out" in note for note in notes)


def test_one_row_that_does_not_fit_is_an_error_that_says_what_to_do() -> None:
    def run(part: slice) -> list[int]:
        raise torch.OutOfMemoryError("no")

    with pytest.raises(OutOfMemoryError, match="shorter prompt"):
        in_batches(3, 4, run)


def test_other_errors_pass() -> None:
    tried: list[int] = []

    def run(part: slice) -> list[int]:
        tried.append(part.start)
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        in_batches(3, 4, run)
    assert len(tried) == 1
