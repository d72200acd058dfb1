"""A copy of a HookedTransformer that shares nothing with it but the tokenizer.

`copy.deepcopy` makes no such copy: a HookedSAETransformer's MLPs call closures over the modules that they were made with, so
the copy's would go on computing with the original's weights. So the copy is built anew, and given the weights.
"""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any, cast

import torch

from ...errors import SaewidgetsError

if TYPE_CHECKING:
    from .model import AnyModel, Model

__all__ = ["copied"]


def copied(model: Model, *, dtype: torch.dtype | None = None, processed: bool = False) -> AnyModel:
    """A copy, without the user's hooks and without what is spliced into the model.

    Args:
        dtype: of its weights; default: as they are.
        processed: fold the norms and centre the weights, as `from_pretrained` does.

    Raises:
        SaewidgetsError: for a bridge, which wraps a model of Hugging Face and cannot be built anew from its weights.
    """
    raw = cast(Any, model.raw)
    if model.is_bridge:
        raise SaewidgetsError(
            "a TransformerBridge cannot be copied: load the model in that way yourself, and verify with an engine of it"
        )
    cfg = copy.deepcopy(raw.cfg)
    # Nothing is drawn (the global dice are the user's), and nothing is loaded by name.
    cfg.init_weights, cfg.seed, cfg.tokenizer_name = False, None, None
    cfg.dtype = model.dtype if dtype is None else dtype
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made = type(raw)(cfg)
    made.load_state_dict(raw.state_dict(), strict=False)
    made.tokenizer = raw.tokenizer
    if processed:
        made.process_weights_()
    return cast("AnyModel", made.train(raw.training))
