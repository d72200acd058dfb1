"""engine.activations beside a bare forward to the hook and `sae.encode`; an attribution beside one forward and backward."""

from __future__ import annotations

import torch

from benchmarks.bare import Bare
from benchmarks.measure import Row, ratio
from saewidgets.attribution.attribute import attribute
from saewidgets.attribution.metrics.of_logits import logit_diff
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


def attribution(engine: Engine) -> Row:
    """Every active feature on every token of a 128-token prompt, beside the model's forward and a backward to its hook."""
    text = "In the beginning, God created the heavens and the earth. " * 20
    ids = engine.to_ids(text)[0][:TOKENS]
    model, metric = engine.model.raw, logit_diff(" earth", " sky")
    target, foil = (engine.tokenizer.answer_ids(token)[0] for token in (" earth", " sky"))
    tokens = torch.tensor([ids], device=engine.model.input_device)
    hook = engine.model._module(engine.model.resolve(engine.dictionary().hook_name))

    def bare() -> None:
        kept: list[torch.Tensor] = []

        def see(_module: object, _inputs: object, value: torch.Tensor) -> None:
            kept.append(value)

        handle = hook.register_forward_hook(see)
        with torch.enable_grad():
            logits = model(tokens, return_type="logits")
            torch.autograd.grad(logits[0, -1, target] - logits[0, -1, foil], kept)
        handle.remove()

    found = ratio(lambda: attribute(engine, ids, metric), bare, pairs=12)
    return Row(
        f"sw.attribute, all active features of {TOKENS} tokens / one forward + backward",
        "<= 1.5",
        f"{found.ratio:.3f} ({found.ours * 1e3:.1f} / {found.reference * 1e3:.1f} ms)",
        found.ratio <= 1.5,
    )
