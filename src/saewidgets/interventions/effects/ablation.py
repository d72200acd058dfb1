"""What a text loses when a feature is taken out of it: the measure of what a feature is for.

Two forwards of the model, one as it is and one with the feature subtracted at its hook, compared token by token. The
care is in what stays: the reconstruction error, the special tokens, the user's hooks, and the memory, for logits of a
whole batch are the largest thing in the house.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...engine.activations.windows import Window, batches, to_tensor
from ...engine.arrays import Bools, Floats
from ...engine.dictionary.base import Dictionary
from ...engine.memory import in_batches
from ...engine.ticket import Progress, Ticket
from ...errors import NonFiniteError, SaewidgetsError
from .ablation_result import AblationEffect
from .compare_logits import Changes, changes
from .direct_effect import DirectPath, direct_path

if TYPE_CHECKING:
    from ...engine.engine import Engine

__all__ = ["AblationEffect", "ablate", "ablation_effects"]

# Logits of one forward, in numbers: 128 MB of float32, and there are two at a time. One text may have more.
_LOGITS = 2**25
_MAX_TOKENS = 8192


def ablate(
    engine: Engine,
    text: str | Sequence[int],
    feature: int,
    *,
    sae: str | None = None,
    special: bool = False,
    k: int = 3,
    on_progress: Progress | None = None,
) -> AblationEffect:
    """The effect of ablating `feature` on one text: a string, or token ids.

    Runs on the engine's worker; otherwise as `ablation_effects`.

    Raises:
        SaewidgetsError: for more than one text, and as `ablation_effects`.

    Example:
        >>> ablate(engine, "In the beginning, God created the heavens and the", 7650).to_pandas()
    """
    read = engine.tokenized(text)
    if len(read.ids) != 1:
        raise SaewidgetsError(f"Give one text, not {len(read.ids)}.")
    effect = engine.worker.run(
        lambda ticket: ablation_effects(engine, read.ids, feature, sae=sae, special=special, k=k, ticket=ticket)[0],
        on_progress,
    )
    return replace(effect, notes=tuple(read.notes))


def ablation_effects(
    engine: Engine,
    texts: Sequence[Sequence[int]],
    feature: int,
    *,
    sae: str | None = None,
    special: bool = False,
    where: Sequence[Bools] | None = None,
    k: int = 3,
    ticket: Ticket | None = None,
) -> list[AblationEffect]:
    """The effect of ablating `feature` on texts of token ids, one `AblationEffect` a text. Run it on the engine's worker.

    See `AblationEffect` for the definition. Activations are those of the clean run, also for dictionaries in which a
    token's depend on its neighbours (temporal SAEs), and are not computed anew downstream. A transcoder is read at
    `hook_name`, and a d is subtracted at `hook_name_out`. Where the user has spliced an SAE in at the hook, everything
    refers to what comes out of it.

    Log-probabilities are float32, but of the model's own logits: in bfloat16 those are rounded to 3 digits, and so
    effects below 0.1 nats or so are noise.

    Args:
        engine: model and dictionaries.
        texts: token ids, each at most the engine's context.
        feature: the feature.
        sae: which dictionary; default: the first.
        special: ablate at special tokens (BOS, EOS, ...) and norm outliers too.
        where: a mask [pos] for each text of where to ablate, instead of what `special` says.
        k: how many of the most lowered and raised tokens.
        ticket: of the job that this runs in. Progress is in tokens.

    Raises:
        FeatureIndexError: for a feature outside the dictionary; TokenIdError: for an id outside the vocabulary.
        SaewidgetsError: for an empty text, or one longer than the context.
        ValueError: if a mask has another length than its text.
        NonFiniteError: if activations or log-probabilities are NaN or infinite.
        OutOfMemoryError: if a single text does not fit.

    Example:
        >>> ids = engine.to_ids(["The cat sat", "Der Hund"])
        >>> effects = engine.worker.run(lambda ticket: ablation_effects(engine, ids, 12, ticket=ticket))
    """
    dictionary = engine.dictionary(sae)
    (feature,) = dictionary.check_features([feature])
    todo = [Window(i, 0, tuple(_checked(engine, i, ids))) for i, ids in enumerate(texts)]
    if k < 0:
        raise ValueError(f"k is a number of tokens, not {k}.")
    if where is not None and [len(mask) for mask in where] != [len(window) for window in todo]:
        raise ValueError("where= needs one mask for each text, of its length.")
    ticket = ticket or Ticket()
    limit = max(1, min(_MAX_TOKENS, _LOGITS // int(engine.model.cfg.d_vocab)))
    with torch.no_grad():
        row = dictionary.contribution(torch.tensor([feature]))
        way = direct_path(engine.model, dictionary, row)
        run = _Run(engine, dictionary, feature, special, where, k, limit, row[0], way)
    total, done = sum(map(len, todo)), 0
    ticket.expect(total)
    found: dict[int, AblationEffect] = {}
    for batch in batches(todo, lambda: run.max_tokens, engine.model.causal):
        ticket.breathe()

        def some(part: slice, batch: list[Window] = batch) -> list[AblationEffect]:
            nonlocal done
            with engine.lock, torch.no_grad():
                made = run.forward(batch[part], ticket)
            found.update({window.text: effect for window, effect in zip(batch[part], made, strict=True)})
            done += sum(map(len, batch[part]))
            ticket.progress(done, total)
            return made

        in_batches(
            len(batch), len(batch), some, remedy=partial(_remedy, batch), shrunk=partial(run.shrink, len(batch[0]))
        )
    return [found[i] for i in range(len(todo))]


def _checked(engine: Engine, i: int, ids: Sequence[int]) -> list[int]:
    plain = engine.tokenizer.check_ids(ids)
    if not plain:
        raise SaewidgetsError(f"Text {i} has no tokens: there is nothing to ablate in it.")
    if len(plain) > engine.context_size:
        raise SaewidgetsError(
            f"Text {i} has {len(plain)} tokens, more than the context of {engine.context_size}. The effect of an ablation "
            "does not reach beyond one forward: cut the text into pieces of that length."
        )
    return plain


def _remedy(batch: Sequence[Window], row: int) -> str:
    return (
        f"A text of {len(batch[row])} tokens does not fit in memory. Ablation holds two whole sets of logits: use a shorter text, "
        "or a smaller dtype."
    )


@dataclass
class _Run:
    engine: Engine
    dictionary: Dictionary
    feature: int
    special: bool
    where: Sequence[Bools] | None
    k: int
    max_tokens: int
    row: Tensor
    way: DirectPath | str

    def shrink(self, longest: int, windows: int) -> None:
        self.max_tokens = max(longest * windows, 1)

    def forward(self, batch: list[Window], ticket: Ticket) -> list[AblationEffect]:
        """The effects on one batch."""
        model, dictionary = self.engine.model, self.dictionary
        site = self.engine.site(dictionary)
        tokens = to_tensor(batch, model.input_device)
        last = f"blocks.{int(model.raw.cfg.n_layers) - 1}.hook_resid_post"
        streams = self.engine.roles.streams(dictionary, ticket) if self.where is None and not self.special else ()
        names = {dictionary.hook_name, *streams, *(() if isinstance(self.way, str) else (last,))}
        seen: dict[str, Tensor] = {}
        clean = model.logits(tokens, reads={name: partial(seen.__setitem__, name) for name in names}, ticket=ticket)

        relative = self.engine.roles.relative_norm(dictionary, seen) if streams else None
        x = site.flatten(seen[dictionary.hook_name])
        x = x if dictionary.device is None else x.to(dictionary.device)
        acts, amounts = self._activations(batch, x, relative)
        active = amounts.any(1).nonzero()[:, 0]
        edited: dict[int, Tensor] = {}
        if len(active):
            ticket.beat()
            change = amounts[active][..., None] * self.row.to(amounts.device)
            edits = {site.write_hook: partial(site.add, change=-change)}
            logits = model.logits(tokens[active.to(tokens.device)], edits, ticket=ticket)
            edited = dict(zip(active.tolist(), logits, strict=True))

        done = []
        for i, window in enumerate(batch):
            part = slice(0, len(window))
            ids = tokens[i, part]
            gone = amounts[i, part] != 0
            # What lies before the first ablated token is bit for bit the same, whatever a batch of another shape rounds.
            first = int(gone.nonzero()[0, 0]) if model.causal and gone.any() else 0
            found = changes(clean[i, part], edited[i][part] if i in edited else None, ids, first, self.k)
            if isinstance(self.way, str):
                direct: Tensor | str = self.way
            else:
                direct = self.way.effect(seen[last][i, part], amounts[i, part], ids, found.clean)
            done.append(self._effect(window, acts[i, part], gone, found, direct))
        return done

    def _activations(self, batch: list[Window], x: Tensor, relative: Floats | None) -> tuple[Tensor, Tensor]:
        """Activations [batch, pos], and in units of the decoder row what of them is to be subtracted."""
        acts = torch.zeros(x.shape[:2], device=x.device)
        counted = torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device)
        columns = torch.tensor([self.feature])
        for i, window in enumerate(batch):
            # Text by text: some dictionaries look at the neighbours, and none may see the padding.
            values = x[i : i + 1, : len(window)]
            acts[i, : len(window)] = self.dictionary.encode(values, columns)[0, :, 0].float()
            counted[i, : len(window)] = torch.from_numpy(
                self._ablated(window, None if relative is None else relative[i, : len(window)])
            )
        if not torch.isfinite(acts).all():
            raise NonFiniteError(
                f"Activations of feature {self.feature} of {self.dictionary.name!r} are NaN or infinite."
            )
        scale = self.dictionary.decoder_scale(x)[..., 0]
        return acts, torch.where(counted & (acts != 0), acts * scale, torch.zeros_like(acts))

    def _ablated(self, window: Window, relative: Floats | None) -> Bools:
        """Where a text is ablated."""
        if self.where is not None:
            return self.where[window.text]
        if self.special:
            return np.ones(len(window), bool)
        return self.engine.counting.roles(window.ids, relative).counted

    def _effect(
        self, window: Window, acts: Tensor, gone: Tensor, found: Changes, direct: Tensor | str
    ) -> AblationEffect:
        silent = np.full(len(window), np.nan, np.float32)
        return AblationEffect(
            feature=self.feature,
            token_ids=np.array(window.ids, dtype=np.int64),
            tokens=tuple(self.engine.tokenizer.display(window.ids).strings),
            activations=acts.cpu().numpy(),
            ablated=gone.cpu().numpy(),
            delta=found.delta.numpy(),
            direct=silent if isinstance(direct, str) else direct.numpy(),
            p_clean=found.clean.exp().numpy(),
            p_ablated=(found.clean + found.delta).exp().numpy(),
            lowered_ids=found.lowered_ids.numpy(),
            lowered=found.lowered.numpy(),
            raised_ids=found.raised_ids.numpy(),
            raised=found.raised.numpy(),
            direct_note=direct if isinstance(direct, str) else "",
        )
