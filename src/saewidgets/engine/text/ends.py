"""Which tokens end a text or a turn by the model's own configuration.

A chat model stops at more tokens than its tokenizer's EOS (Gemma's <end_of_turn>, Llama 3's <|eot_id|>), and only its
configuration names them. Generation ends there, and they are no text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..model.model import Model

__all__ = ["end_ids_of"]


def end_ids_of(model: Model) -> frozenset[int]:
    """Token ids that the model's configurations name as EOS, one or several.

    Looked for in the generation configuration and the configuration of the Hugging Face model behind a bridge (also of
    its text part), and in `model.cfg`. A HookedTransformer keeps no such facts of the model that it was made from: set
    `model.cfg.eos_token_id` to have them. Ids that the model's vocabulary does not have are left out.
    """
    inner = getattr(model.raw, "original_model", None) if model.is_bridge else None
    configs = [model.raw.cfg, *(getattr(inner, name, None) for name in ("generation_config", "config"))]
    texts = [getattr(config, "text_config", None) for config in configs]
    found = [i for config in (*configs, *texts) for i in _ids(getattr(config, "eos_token_id", None))]
    return frozenset(i for i in found if 0 <= i < int(model.cfg.d_vocab))


def _ids(value: object) -> list[int]:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return [int(value)]
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [int(i) for i in value if isinstance(i, (int, np.integer)) and not isinstance(i, bool)]
    return []
