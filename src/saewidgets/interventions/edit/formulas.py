"""The formulas: what the interventions on one dictionary add to the value at its hook.

All rows of a batch and all features are computed together: each formula gives a coefficient per token, and the change
is coefficients times vectors. Rows that differ in nothing but the value of an intervention (a sweep) share a term.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..recipe.intervention import Intervention
from ..recipe.kinds import Tokens, kind_of
from ..recipe.recipe import Recipe
from ..recipe.units import Amount, Resolved
from .positions import Scope

__all__ = ["Change", "Terms"]

Encode = Callable[[Tensor | None], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class Change:
    """What is added, and for `Seen`: where features were changed and what was asked for (see there)."""

    change: Tensor
    edited: Tensor
    requested: Tensor


@dataclass
class _Term:
    """One feature's part of one intervention, for the rows that have it."""

    intervention: Intervention
    recipe: Recipe
    feature: int
    values: Tensor
    low: Tensor
    median: Tensor
    present: Tensor

    def needs_activation(self) -> bool:
        i = self.intervention
        return kind_of(i).reads(i) or i.only_active


class Terms:
    """All interventions of a batch on one dictionary.

    Args:
        key: what to call it.
        like: an amount of the dictionary that is changed.
        rows: the batch's resolved recipes; those parts of them that have its key are taken.

    Attributes:
        dictionary: what is changed; row: in the recipe, the first that does.
        features: the features that are changed, in the order of `Seen`.
        spliced: [rows] where the reconstruction replaces the value.
    """

    def __init__(self, key: str, like: Amount, rows: Sequence[Resolved | None]) -> None:
        self.key, self.dictionary, self.row = key, like.dictionary, like.row
        self._n = len(rows)
        self._terms: list[_Term] = []
        by_shape: dict[object, _Term] = {}
        self.spliced = torch.zeros(self._n, dtype=torch.bool)
        for b, row in enumerate(rows):
            for amount in row.amounts if row is not None else ():
                if amount.key != like.key:
                    continue
                assert row is not None
                self.spliced[b] |= not row.recipe.keep_error
                self._put(by_shape, b, amount, row.recipe)
        self.features = list(dict.fromkeys(t.feature for t in self._terms))
        self._columns = self._wanted()
        self._place: dict[int, int] = {}
        changed = torch.tensor(self.features)
        dictionary = self.dictionary
        self._contribution = dictionary.contribution(changed)
        self._unit = self._contribution / self._contribution.norm(dim=-1, keepdim=True)
        self._stored = dictionary.stored(changed)
        others = [t.intervention.by for t in self._terms if t.intervention.by is not None]
        self._others = dict(zip(others, dictionary.contribution(torch.tensor(others, dtype=torch.long)), strict=True))

    def _put(self, by_shape: dict[object, _Term], b: int, amount: Amount, recipe: Recipe) -> None:
        i = amount.intervention
        shape = (
            *(getattr(i, name) for name in ("kind", "unit", "positions", "special", "only_active", "when", "by")),
            *(recipe.system, recipe.thinking, amount.feature),
        )
        if shape not in by_shape:
            zeros = torch.zeros(self._n)
            by_shape[shape] = _Term(
                i, recipe, amount.feature, zeros, torch.full((self._n,), -torch.inf), torch.ones(self._n), zeros.bool()
            )
            self._terms.append(by_shape[shape])
        term = by_shape[shape]
        term.values[b], term.present[b] = amount.value, True
        term.low[b] = -torch.inf if i.low is None else i.low
        term.median[b] = 1.0 if amount.median_norm is None else amount.median_norm

    def _wanted(self) -> Tensor:
        """The features whose activations the formulas need."""
        wanted = [t.feature for t in self._terms if t.needs_activation()]
        wanted += [t.intervention.when.feature for t in self._terms if t.intervention.when is not None]
        return torch.tensor(list(dict.fromkeys(wanted)), dtype=torch.long)

    @property
    def reads(self) -> bool:
        """Whether the formulas need activations at all."""
        return bool(len(self._columns)) or bool(self.spliced.any())

    @property
    def counts(self) -> bool:
        """Whether it matters which tokens are norm outliers."""
        return any(not t.intervention.special for t in self._terms)

    def kinds(self, feature: int) -> list[str]:
        """What is done to a feature."""
        return list(dict.fromkeys(t.intervention.kind for t in self._terms if t.feature == feature))

    def change(self, x: Tensor, h: Tensor, encode: Encode, scope: Scope, want: bool) -> Change:
        """What is added to `h` [batch, pos, d_out], given what the dictionary reads, `x` [batch, pos, d_in].

        Args:
            encode: activations of the wanted columns, or (None) all of them and the reconstruction.
            scope: which token is what.
            want: also what `Seen` tells.
        """
        acts, rebuilt = self._activations(encode, want)
        scale = self.dictionary.decoder_scale(x)
        outliers: Tensor | None = None
        change = torch.zeros(*h.shape, device=h.device, dtype=torch.float32)
        edited = torch.zeros(*x.shape[:2], len(self.features) if want else 0, dtype=torch.bool, device=x.device)
        requested = torch.full(edited.shape, torch.nan, device=x.device)
        for term in self._terms:
            mask = scope.where(term.intervention, term.recipe) & term.present[:, None]
            if not mask.any():
                continue
            if not term.intervention.special:
                if outliers is None:
                    outliers = scope.outliers(self.key)
                mask = mask & ~outliers
            where = self._conditions(term, mask.to(x.device), acts)
            part, asked = self._formula(term, where, acts, scale, h)
            change += part
            if want:
                n = self.features.index(term.feature)
                edited[..., n] |= where
                requested[..., n] = torch.where(where, asked, requested[..., n])
        if rebuilt is not None:
            # At every position, special tokens too: a splice knows no positions.
            drop = (self.spliced[:, None] & scope.real).to(h.device)[..., None]
            change += torch.where(drop, rebuilt.reshape(h.shape).float() - h.float(), 0.0)
        return Change(change, edited, requested)

    def _activations(self, encode: Encode, want: bool) -> tuple[Tensor | None, Tensor | None]:
        """Activations by `_place`, and the reconstruction where the error is dropped."""
        columns = self._columns
        if want:
            columns = torch.tensor(list(dict.fromkeys([*columns.tolist(), *self.features])), dtype=torch.long)
        self._place = {f: n for n, f in enumerate(columns.tolist())}
        if self.spliced.any():
            acts, rebuilt = encode(None)
            return acts[..., columns.to(acts.device)].float(), rebuilt
        if not len(columns):
            return None, None
        return encode(columns)[0], None

    def _conditions(self, term: _Term, mask: Tensor, acts: Tensor | None) -> Tensor:
        i = term.intervention
        if i.only_active:
            assert acts is not None
            mask = mask & (acts[..., self._place[term.feature]] != 0)
        if i.when is not None:
            assert acts is not None
            mask = mask & (acts[..., self._place[i.when.feature]] > i.when.above)
        return mask

    def _formula(
        self, term: _Term, where: Tensor, acts: Tensor | None, scale: Tensor, h: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What the term adds [batch, pos, d_out], and the activation it asks for [batch, pos] (NaN for none)."""
        i, n, device = term.intervention, self.features.index(term.feature), h.device
        known = acts is not None and term.feature in self._place
        tokens = Tokens(
            value=term.values[:, None].to(device),
            low=term.low[:, None].to(device),
            median=term.median[:, None].to(device),
            a=acts[..., self._place[term.feature]].to(device) if acts is not None and known else None,
            size=scale[..., 0].to(device),
            h=h,
            d=self._contribution[n].to(device),
            unit=self._unit[n].to(device),
            stored=self._stored[n].to(device),
            other=None if i.by is None else self._others[i.by].to(device),
        )
        added = kind_of(i).adds(i, tokens)
        parts = [torch.where(where, amount, 0.0)[..., None] * vector for amount, vector in added.parts]
        change = parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)
        asked = torch.full(where.shape, torch.nan, device=device) if added.wanted is None else added.wanted
        return change, asked
