"""A recipe becomes changes of the values at hooks, at absolute positions, for every row of a batch.

One `Edits` accompanies one batch of token sequences from its first token on, whether it goes through the model at once
or token by token with a KV cache; it keeps count of positions, so that both are the same edit. Interventions at one
hook are simultaneous: all are computed from the value before any of them, and their changes are summed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...engine.arrays import Bools
from ...engine.model.site import Site
from ...errors import NonFiniteError
from ..recipe.units import Amount, Resolved
from .formulas import Terms
from .positions import Scope

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...engine.model.model import Edit

__all__ = ["Edits", "Seen"]


@dataclass
class Seen:
    """What one dictionary met in the last forward, for views that compare requested with realised activations.

    Attributes:
        before, after: [batch, pos, d_in] what it reads, before and after all edits at this hook. The same for
            transcoders, which write elsewhere.
        edited: [batch, pos, n] which of `Terms.features` were changed where.
        requested: [batch, pos, n] the activation that the recipe asked for; NaN where it asks for none.
    """

    before: Tensor
    after: Tensor
    edited: Tensor
    requested: Tensor


@dataclass
class Edits:
    """The changes of a batch, one recipe a row.

    Args:
        engine: model and dictionaries.
        rows: for each row a resolved recipe, or None for a row that stays as it is.
        scope: where each row's text is what.
        keep: keep `seen` after every forward.

    Example:
        >>> edits = Edits(engine, [None, resolved], Scope(engine.counting, n_prompt=[9, 9]))
        >>> logits = engine.model.logits(tokens, edits.hooks(tokens))
    """

    engine: Engine
    rows: Sequence[Resolved | None]
    scope: Scope
    keep: bool = False
    seen: dict[str, Seen] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.terms: list[Terms] = []
        first: dict[object, Amount] = {}
        for row in self.rows:
            for amount in row.amounts if row is not None else ():
                first.setdefault(amount.key, amount)
        taken: set[str] = set()
        for amount in first.values():
            key = amount.dictionary.name if amount.intervention.direction is None else f"direction {amount.row}"
            while key in taken:  # another direction, in another row of the batch
                key += "'"
            taken.add(key)
            self.terms.append(Terms(key, amount, self.rows))
            if self.terms[-1].counts:
                self.scope.judge(key, amount.dictionary)
        self._sites = {terms.key: self.engine.site(terms.dictionary) for terms in self.terms}
        self._inputs: dict[str, Tensor] = {}
        self._history: dict[str, Tensor] = {}

    @property
    def noop(self) -> bool:
        """True if there is nothing to do in any row."""
        return not self.terms

    def hooks(self, tokens: Tensor, real: Tensor | None = None) -> dict[str, Edit]:
        """What to do at which hook in the next forward, of `tokens` [batch, pos] that follow those of the forwards before.

        Args:
            real: [batch, pos] False at padding; default: there is none.
        """
        self.scope.advance(tokens, real)
        self._inputs.clear()
        self.seen.clear()
        return self.functions

    @cached_property
    def functions(self) -> dict[str, Edit]:
        """Hook name to what happens there. Calls are right only after `hooks` was told the tokens."""
        # Two edits of one hook, and reading there for a hook further on: in one function, edits first.
        writes: dict[str, list[Terms]] = {}
        reads: dict[str, list[str]] = {}
        for terms in self.terms:
            model, site = self.engine.model, self._site(terms)
            writes.setdefault(model.resolve(site.write_hook), []).append(terms)
            if site.source is not None:
                reads.setdefault(model.resolve(site.source), []).append(site.source)
        names = dict.fromkeys([*reads, *writes])
        return {name: partial(self._at, writes.get(name, []), reads.get(name, [])) for name in names}

    def edited(self) -> Bools:
        """[batch, pos] where the last forward was changed; it must have been one with `keep`."""
        found = torch.zeros_like(self.scope.real)
        for terms in self.terms:
            found |= self.seen[terms.key].edited.any(-1).cpu() | terms.spliced[:, None]
        return (found & self.scope.real).numpy()

    def _at(self, writers: list[Terms], readers: list[str], value: Tensor) -> Tensor:
        new = value
        # Those that read the sum of this and the stream come after what is edited here itself.
        for later in (False, True):
            base = new
            for terms in writers:
                if self._site(terms).later == later:
                    new = self._site(terms).add(new, self._change(terms, base))
        if not torch.isfinite(new).all() and self._broken(value, new):
            names = ", ".join(repr(terms.dictionary.name) for terms in writers)
            raise NonFiniteError(
                f"With what the recipe adds at {names}, the model's values are NaN or infinite. Use a smaller strength; if "
                "the model runs in float16, load it in bfloat16 or float32."
            )
        if self.keep:
            for terms in writers:
                self.seen[terms.key].after = self._read(terms, new)
        for name in readers:
            self._inputs[name] = new
        return new

    def _broken(self, value: Tensor, new: Tensor) -> bool:
        """Whether finite values became others, at tokens that are no padding."""
        broken = torch.isfinite(value) & ~torch.isfinite(new)
        return bool(broken[self.scope.real.to(value.device)].any())

    def _site(self, terms: Terms) -> Site:
        return self._sites[terms.key]

    def _read(self, terms: Terms, value: Tensor) -> Tensor:
        """What the dictionary reads [batch, pos, d_in], where the hook that it writes to has `value`."""
        site = self._site(terms)
        return site.read(value, None if site.source is None else self._inputs[site.source])

    def _change(self, terms: Terms, value: Tensor) -> Tensor:
        """What `terms` adds to `value`: [batch, pos, d_out] float32."""
        dictionary = terms.dictionary
        x = self._read(terms, value)
        h = x if dictionary.hook_name_out is None else self._site(terms).target(value)
        if dictionary.device is not None:
            x, h = x.to(dictionary.device), h.to(dictionary.device)
        encode = partial(self._encode, terms, x)
        made = terms.change(x, h, encode, self.scope, want=self.keep)
        if self.keep:
            self.seen[terms.key] = Seen(x, x, made.edited, made.requested)
        return made.change

    def _encode(self, terms: Terms, x: Tensor, columns: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Activations [batch, pos, columns] and no reconstruction; or, without columns, all and the reconstruction."""
        dictionary, real = terms.dictionary, self.scope.real
        run: Callable[[Tensor], tuple[Tensor, Tensor | None]] = (
            dictionary.autoencode if columns is None else lambda part: (dictionary.encode(part, columns), None)
        )
        if not dictionary.per_text:
            acts, rebuilt = run(x)
            return acts.float(), rebuilt
        # Those look at the whole text so far, each text alone and without its padding.
        key = f"{terms.key} {'all' if columns is None else 'some'}"
        whole = torch.cat([self._history[key], x], 1) if key in self._history else x
        self._history[key] = whole
        every = torch.cat([self.scope.real_before, real], 1).to(x.device)
        results: list[tuple[Tensor, Tensor | None]] = []
        for b in range(len(x)):
            acts, rebuilt = run(whole[b : b + 1, every[b]])
            results.append(
                (
                    _unpadded(acts, every[b], x.shape[1]),
                    None if rebuilt is None else _unpadded(rebuilt, every[b], x.shape[1]),
                )
            )
        joined = torch.cat([acts for acts, _ in results]).float()
        rebuilds = [r for _, r in results if r is not None]
        return joined, torch.cat(rebuilds) if rebuilds else None


def _unpadded(values: Tensor, real: Tensor, n: int) -> Tensor:
    """Values [1, real tokens, ...] put back among the padding; the last `n` positions of it."""
    full = values.new_zeros(1, len(real), *values.shape[2:])
    full[0, real] = values[0]
    return full[:, -n:]
