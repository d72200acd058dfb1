"""The reference that effects on a text are measured against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import tiny
import torch
from torch import Tensor

from saewidgets.interventions.effects.result import EditEffects

TEXT = "In the beginning God created 日本語 and the earth."


PRE = "blocks.1.hook_resid_pre"


@cache
def model_of(wrapper: str) -> Any:
    """Shared between tests: none may change it."""
    return tiny.MODELS[wrapper]()


def name_of(model: Any, hook: str) -> str:
    return model._resolve_hook_name(hook) if hasattr(model, "_resolve_hook_name") else hook


def flat(x: Tensor) -> Tensor:
    return x.reshape(*x.shape[:2], -1)


class Hand:
    """One text under the model as it is and with `change` [1, pos, d_out] added, by plain hooks."""

    def __init__(self, wrapper: str, sae: Any, ids: Sequence[int], also: Sequence[str] = ()) -> None:
        self.model, self.sae, self.ids, self.tokens = model_of(wrapper), sae, list(ids), torch.tensor([list(ids)])
        meta = sae.cfg.metadata
        if meta.hook_name.endswith("hook_z"):
            sae.turn_off_forward_pass_hook_z_reshaping()
        self.reads, self.out = meta.hook_name, meta.hook_name_out or meta.hook_name
        # A bridge's resid_mid is a copy that only the MLP's norm reads; attn_out is added to the stream just before.
        self.place = self.out.replace("resid_mid", "attn_out") if wrapper == "bridge" else self.out
        self.also = [self.reads, *also]
        self.clean, self.before = self.run(None)
        self.x = self.before[self.reads]
        with torch.no_grad():
            self.acts = sae.encode(self.x)[0]
        self.inside = torch.tensor([i not in (0, 1) for i in ids])
        order = (self.acts[self.inside] != 0).sum(0).argsort(descending=True, stable=True)
        self.f, self.g = order[:2].tolist()

    def run(self, change: Tensor | None, more: Sequence[Any] = ()) -> tuple[Tensor, dict[str, Tensor]]:
        """Log-probabilities [pos, d_vocab], and what flows on from the hooks of interest."""
        seen: dict[str, Tensor] = {}

        def keep(name: str) -> Callable[..., None]:
            def hook(x: Tensor, hook: Any) -> None:
                seen[name] = flat(x)

            return hook

        hooks = [] if change is None else [(self.place, lambda h, hook: h + change.reshape(h.shape))]
        hooks += [*more, *((name, keep(name)) for name in dict.fromkeys(self.also))]
        with torch.no_grad():
            logits = self.model.run_with_hooks(
                self.tokens, fwd_hooks=[(name_of(self.model, name), fn) for name, fn in hooks]
            )
        return logits[0].log_softmax(-1), seen

    def decoded(self, edit: Callable[[Tensor], None], where: Tensor) -> Tensor:
        """[1, pos, d_out] that is added where `edit` changes activations [pos, d_sae] at the tokens `where`."""
        with torch.no_grad():
            old = self.sae.decode(self.sae.encode(self.x))
            acts = self.sae.encode(self.x).clone()
            new = acts[0].clone()
            edit(new)
            acts[0, where] = new[where]
            return self.sae.decode(acts) - old


def close(found: Any, wanted: Any, message: str = "", atol: float = 5e-5) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), atol=atol, rtol=2e-3, err_msg=message)


def check(found: EditEffects, clean: Tensor, edited: Tensor, ids: Sequence[int], k: int = 5) -> None:
    """Every number of `found` that is about the output, from log-probabilities [pos, d_vocab] made by hand."""
    answers = torch.tensor(ids[1:])
    rows = torch.arange(len(ids) - 1)
    p, q = clean[rows, answers], edited[rows, answers]
    for row in (found.p_clean, found.p_edited, found.delta, found.kl, found.lowered, found.raised):
        assert np.isnan(row[0]).all()
    close(found.p_clean[1:], p.exp())
    close(found.p_edited[1:], q.exp())
    close(found.delta[1:], q - p)
    close(found.kl[1:], (clean.exp() * (clean - edited)).sum(-1)[:-1])
    assert (found.kl[1:] >= 0).all()
    change = (edited - clean)[:-1]
    for ids_found, values, largest in (
        (found.lowered_ids, found.lowered, False),
        (found.raised_ids, found.raised, True),
    ):
        said = ids_found[1:] >= 0
        assert said.all(1).tolist() == said.any(1).tolist()
        for pos in range(len(ids) - 1):
            close(values[1 + pos], change[pos].topk(k, largest=largest).values, f"position {pos}")
            if said[pos].all():
                close(change[pos][ids_found[1 + pos]], values[1 + pos])
                assert len(set(ids_found[1 + pos].tolist())) == k
    counted = np.array([i not in (0, 1) for i in ids[1:]])
    close(found.loss_clean, -p.numpy()[counted].mean())
    close(found.loss_edited, -q.numpy()[counted].mean())
    close(found.mean_kl, found.kl[1:][counted].mean())
    assert found.special.tolist() == [i in (0, 1) for i in ids]
    assert found.token_ids.tolist() == list(ids)


def check_sides(
    found: EditEffects,
    saes: dict[str, Any],
    reads: dict[str, str],
    hand: Hand,
    after: dict[str, Tensor],
    mine: set[Any],
) -> None:
    wanted: dict[tuple[str, int], tuple[float, float, float]] = {}
    for name, sae in saes.items():
        with torch.no_grad():
            old, new = (sae.encode(x[reads[name]])[0][hand.inside] for x in (hand.before, after))
        for n in range(old.shape[1]):
            largest = float((new - old)[:, n].abs().max())
            if (name, n) not in mine:
                wanted[name, n] = float(old[:, n].mean()), float(new[:, n].mean()), largest
    said = {(s.dictionary, s.feature): s for s in found.side_effects}
    assert len(said) == len(found.side_effects) and not set(said) & mine
    for key, (a, b, largest) in wanted.items():
        if key not in said:
            assert largest < 1e-4, f"{key} changed and is not said"
            continue
        s = said[key]
        close([s.clean, s.edited, s.change, s.largest], [a, b, b - a, largest], str(key), atol=1e-4)
    sizes = [abs(s.change) for s in found.side_effects]
    assert sizes == sorted(sizes, reverse=True)
