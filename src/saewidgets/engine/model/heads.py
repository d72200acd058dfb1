"""How many heads a hook has: keys and values can have fewer than queries (grouped-query attention)."""

from __future__ import annotations

import re

from .model import Model

_KEYS_AND_VALUES = re.compile(r"\.attn\.(hook_(rot_)?[kv]|[kv]\.hook_out)$")


def heads_at(model: Model, hook_name: str) -> int:
    """Heads of the value at `hook_name`: the key-value heads at keys and values, else the query heads.

    Args:
        model: whose configuration says how many there are.
        hook_name: a hook inside attention, by any name the model answers to.

    Example:
        >>> heads_at(engine.model, "blocks.0.attn.hook_k")
    """
    cfg = model.raw.cfg
    of_keys = getattr(cfg, "n_key_value_heads", None)
    if of_keys and any(_KEYS_AND_VALUES.search(name) for name in (hook_name, model.resolve(hook_name))):
        return int(of_keys)
    return int(cfg.n_heads)
