"""Attributions of a tiny model by their definition, with hooks and autograd: what the panel is measured against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tiny
import torch
from dashboard_made import good
from torch import Tensor

import saewidgets as sw
from saewidgets.widgets.channel import plain

EARLY, LATE = "blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre"
PROMPT = "In the beginning God created"
THREE = [PROMPT, "the heaven and the earth", "God"]
TARGET, FOIL = " and", " the"


@dataclass(frozen=True)
class Truth:
    """Of one text: ids, the metric and its function of the last logits, and by position what each part is worth."""

    ids: list[int]
    answer: list[int]
    value: float
    metric: Callable[[Tensor], float]
    logits: Tensor
    acts: np.ndarray
    attributions: np.ndarray
    error: np.ndarray
    bias: np.ndarray
    embedding: np.ndarray

    @property
    def worth(self) -> np.ndarray:
        """[pos] of all features."""
        return np.asarray(self.attributions.sum(1))


def both(order: Sequence[str] = ("early", "late")) -> sw.Engine:
    """An engine with an SAE before each block."""
    saes = {"early": tiny.sae("standard", EARLY), "late": tiny.sae("jumprelu", LATE, seed=2)}
    return sw.Engine(tiny.hooked(), {name: saes[name] for name in order})


def sae_named(engine: Any, name: str) -> Any:
    """The SAE of a dictionary, to look at or to change."""
    return engine.dictionary(name).sae


def truth_of(engine: sw.Engine, text: str, answer: str | None = None) -> Truth:
    """logit(TARGET) - logit(FOIL) at the text's end; or the log-probability of `answer` after it."""
    model: Any = engine.model.raw
    sae = tiny.sae_of(engine)
    ids = engine.to_ids(text)[0]
    wanted = engine.tokenizer.answer_ids(answer) if answer else []
    a, b = (engine.tokenizer.answer_ids(token)[0] for token in (TARGET, FOIL))
    seen: dict[str, Tensor] = {}

    def keep(value: Tensor, hook: Any) -> Tensor:
        value.retain_grad()
        seen[hook.name] = value
        return value

    model.reset_hooks()
    whole = [*ids, *wanted[:-1]]
    hooks = [("hook_embed", keep), (LATE, keep)]
    logits = model.run_with_hooks(torch.tensor([whole]), fwd_hooks=hooks, return_type="logits")[0]
    if wanted:
        value = sum(logits[len(ids) - 1 + i].log_softmax(-1)[token] for i, token in enumerate(wanted))
    else:
        value = logits[-1, a] - logits[-1, b]
    value.backward()
    model.zero_grad()
    x, g = seen[LATE].detach()[0], seen[LATE].grad[0]  # type: ignore[index]
    with torch.no_grad():
        acts = sae.encode(x)
        rebuilt = sae.decode(acts)
        embedded = seen["hook_embed"]
        return Truth(
            ids=ids,
            answer=wanted,
            value=float(value),
            metric=lambda last: float(last[a] - last[b]),
            logits=logits.detach(),
            acts=acts.numpy(),
            attributions=(acts * (g @ sae.W_dec.T)).numpy(),
            error=((x - rebuilt) * g).sum(-1).numpy(),
            bias=(g @ sae.b_dec).numpy(),
            embedding=(embedded * embedded.grad)[0].sum(-1).numpy(),  # type: ignore[operator]
        )


def counted_of(truth: Truth) -> np.ndarray:
    """[pos] all but BOS."""
    return np.arange(len(truth.ids)) > 0


def logits_without(engine: sw.Engine, truth: Truth, features: Sequence[int]) -> Tensor:
    """Logits [pos, d_vocab] with a · d of all `features` subtracted at every counted position, in one forward."""
    sae = tiny.sae_of(engine)
    change = torch.from_numpy(truth.acts[:, list(features)]) @ sae.W_dec[list(features)].detach()
    change[0] = 0

    def take(value: Tensor, hook: Any) -> Tensor:
        return value - change

    with torch.no_grad():
        found: Tensor = engine.model.raw.run_with_hooks(  # type: ignore[union-attr, operator]
            torch.tensor([truth.ids]), fwd_hooks=[(LATE, take)], return_type="logits"
        )[0]
    return found


def of(panel: sw.AttributionPanel, **changed: Any) -> dict[str, Any]:
    """What a view asks about."""
    return {**plain(panel._question()), **changed}


def rank(panel: sw.AttributionPanel, **changed: Any) -> dict[str, Any]:
    """A ranking, as long as it is."""
    r, arrays = good(panel, "rank", {"of": of(panel), "limit": 100, **changed})
    assert not arrays
    return dict(r)


def told(widget: Any, name: str) -> list[Any]:
    """What the kernel made of a trait, as the view hears it."""
    updates = [data for data, _ in widget.comm.sent if data.get("method") == "update"]
    return [data["state"][name] for data in updates if name in data["state"]]
