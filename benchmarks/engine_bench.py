"""engine.activations beside a bare forward to the hook and `sae.encode`."""

from __future__ import annotations

import torch

from benchmarks.bare import Bare
from benchmarks.measure import Row, ratio
from saewidgets.engine.engine import Engine

TOKENS = 128


def activations(engine: Engine) -> Row:
    """A 128-token prompt, from its token ids (tokenizing is in neither), to the sparse result with its token strings."""
    text = "In the beginning, God created the heavens and the earth. " * 20
    ids = engine.to_ids(text)[0][:TOKENS]
    tokens = torch.tensor([ids], device=engine.model.input_device)
    bare = Bare(engine)
    found = ratio(lambda: engine.activations(ids), lambda: bare.encode(tokens))
    return Row(
        f"engine.activations, {TOKENS} tokens / bare forward to the hook + sae.encode",
        "<= 1.10",
        f"{found.ratio:.3f} ({found.ours * 1e3:.1f} / {found.reference * 1e3:.1f} ms)",
        found.ratio <= 1.10,
    )
