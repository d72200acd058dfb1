"""Cases of a test, fewer than every combination: ideas, not grids."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
import tiny


def on_either(names: Sequence[str], cases: Sequence[tuple[Any, ...]]) -> pytest.MarkDecorator:
    """Each case on one of the two wrappers of a model, by seeded dice; each wrapper gets half of them.

    For cases that are about arithmetic which does not ask what the wrapper is. Where the wrapper is the point, both are
    tried in every case.
    """
    wrappers = [list(tiny.MODELS)[i % len(tiny.MODELS)] for i in range(len(cases))]
    random.Random(len(cases)).shuffle(wrappers)
    return pytest.mark.parametrize(
        ("wrapper", *names), [(wrapper, *case) for wrapper, case in zip(wrappers, cases, strict=True)]
    )
