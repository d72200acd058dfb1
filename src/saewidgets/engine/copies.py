"""A model and a dictionary made anew in another way: to find out how somebody else's numbers were computed.

The user's objects are never changed: each way is a copy, made when it is asked for.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch

from .dictionary.base import Dictionary
from .engine import Engine
from .model.processing import processing_of

if TYPE_CHECKING:
    from .model.model import AnyModel

__all__ = ["Way", "bytes_of", "ways"]

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
    model = engine.model.raw
    size = bytes_of(model)
    found = [
        Way(name, 0, lambda made=made: _engine(engine, model, made()))  # type: ignore[misc]
        for name, made in dictionary.variants().items()
    ]
    if not processing_of(model).folded:
        found.append(
            Way(
                "weight processing: LayerNorm folded and writing weights centred, as from_pretrained does",
                size,
                lambda: _engine(engine, _processed(engine), dictionary),
            )
        )
    for dtype in _DTYPES:
        if dtype != engine.model.dtype or dictionary.in_dtype(dtype) is not None:
            name = str(dtype).removeprefix("torch.")
            found.append(Way(f"dtype: {name}", size, lambda dtype=dtype: _in(engine, dictionary, dtype)))  # type: ignore[misc]
    return found


def bytes_of(model: AnyModel) -> int:
    """What the weights of a model take."""
    return sum(p.numel() * p.element_size() for p in model.parameters())


def _in(engine: Engine, dictionary: Dictionary, dtype: torch.dtype) -> Engine:
    with engine.lock:
        model = cast(Any, copy.deepcopy(engine.model.raw)).to(dtype)
    return _engine(engine, model, dictionary.in_dtype(dtype) or dictionary)


def _processed(engine: Engine) -> AnyModel:
    with engine.lock:
        made = cast(Any, copy.deepcopy(engine.model.raw))
    if engine.model.is_bridge:
        made.enable_compatibility_mode()
    else:
        made.process_weights_()
    return cast("AnyModel", made)


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
