"""What the tests of forwards that are the user's share."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
import torch
from by_hand import FEATURE, HOOK, STRENGTH
from torch import Tensor

import saewidgets as sw
from saewidgets.interventions.recipe.constructors import add
from saewidgets.interventions.recipe.intervention import Intervention

WRAPPERS = pytest.mark.parametrize("wrapper", tiny.MODELS)


IDS, OTHER = [0, 40, 75, 300, 1, 51, 60, 61], [0, 12, 30]


TOKENS = torch.tensor([IDS])


def make(wrapper: str = "hooked", hook: str = HOOK) -> tuple[Any, sw.Engine]:
    model = tiny.MODELS[wrapper]()
    return model, sw.Engine(model, tiny.sae("jumprelu", hook=hook))


def edit(**options: Any) -> Intervention:
    return add(FEATURE, STRENGTH, **options)


def close(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
