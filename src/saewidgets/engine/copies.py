"""A model and a dictionary made anew in another way: to find out how somebody else's numbers were computed.

The user's objects are never changed: each way is a copy, made when it is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from .dictionary.base import Dictionary
from .engine import Engine
from .model.copied import copied
from .model.processing import processing_of

if TYPE_CHECKING:
    from .model.model import AnyModel

__all__ = ["Way", "bytes_of", "ways"]

_PROCESSED = "weight processing: LayerNorm folded and writing weights centred, as from_pretrained does"
_DTYPES = (torch.bfloat16, torch.float16, torch.float32)


@dataclass(frozen=True)
class Way:
    """One other way.

    Attributes:
        name: what is different, in a few words ("dtype: bfloat16").
        copies: bytes that its copies take.
        make: the engine of it; to be closed.
    """

    name: str
    copies: int
    make: Callable[[], Engine]


def ways(engine: Engine, dictionary: Dictionary) -> list[Way]:
    """The ways in which model and dictionary can be made anew: one setting of the SAE, the model's processing, the dtype."""
    size = bytes_of(engine.model.raw)
    found = [Way(name, 0, partial(_turned, engine, make)) for name, make in dictionary.variants().items()]
    if not processing_of(engine.model.raw).folded:
        found.append(Way(_PROCESSED, size, partial(_anew, engine, dictionary, None, True)))
    for dtype in _DTYPES:
        name = str(dtype).removeprefix("torch.")
        other = dictionary.in_dtype(dtype)
        if dtype != engine.model.dtype and other is not None:
            found.append(Way(f"dtype: the model in {name}", size, partial(_anew, engine, dictionary, dtype, False)))
        if dtype != engine.model.dtype or other is not None:
            found.append(Way(f"dtype: {name}", size, partial(_anew, engine, other or dictionary, dtype, False)))
    return found


def bytes_of(model: AnyModel) -> int:
    """What the weights of a model take."""
    return sum(p.numel() * p.element_size() for p in model.parameters())


def _turned(engine: Engine, make: Callable[[], Dictionary]) -> Engine:
    return _engine(engine, engine.model.raw, make())


def _anew(engine: Engine, dictionary: Dictionary, dtype: torch.dtype | None, processed: bool) -> Engine:
    with engine.lock:
        model = copied(engine.model, dtype=dtype, processed=processed)
    return _engine(engine, model, dictionary)


def _engine(engine: Engine, model: AnyModel, dictionary: Dictionary) -> Engine:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the user's own engine warned of, or what this way is tried for
        return Engine(
            model,
            {dictionary.name: dictionary},
            context_size=engine.context_size,
            prepend_bos=engine.tokenizer.prepend_bos,
            outlier_factor=None,
        )
