"""Which other features an edit changes: what every dictionary reads in the clean and in the edited run, compared.

Activations of all features of a text are large (65,000 features x 1,000 tokens is 260 MB), and here there would be two
of them; only their means and largest differences are wanted, so they are made for a few tokens at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...engine.arrays import Bools
from .result import SideEffect

if TYPE_CHECKING:
    from ...engine.dictionary.base import Dictionary
    from ...engine.engine import Engine

__all__ = ["side_effects"]

# Activations at once, in numbers: 64 MB of float32, of which three are alive.
_CHUNK = 2**24


def side_effects(
    engine: Engine,
    before: Mapping[str, Tensor],
    after: Mapping[str, Tensor],
    counted: Mapping[str, Bools],
    named: Collection[tuple[str, int]],
    n: int,
) -> list[SideEffect]:
    """The `n` features whose mean activation over `counted` tokens changed most, of all dictionaries of the engine.

    Args:
        before, after: hook name to its value [1, pos, ...] in the clean and in the edited run.
        counted: for each dictionary by name, [pos].
        named: (dictionary, feature) to leave out, because the recipe names them.

    Returns:
        Largest |change of mean| first. Features that changed at no counted token are not among them.
    """
    found: list[SideEffect] = []
    for dictionary in engine.dictionaries.values() if n else ():
        among = counted[dictionary.name]
        if not among.any():
            continue
        site = engine.site(dictionary)
        clean, edited = (site.flatten(run[dictionary.hook_name]) for run in (before, after))
        old, new, largest = _compared(dictionary, clean, edited, among)
        change, labels = new - old, dictionary.labels
        skip = {f for name, f in named if name == dictionary.name}
        for f in change.abs().topk(min(n + len(skip), len(change))).indices.tolist():
            if f not in skip and largest[f] > 0:
                numbers = float(old[f]), float(new[f]), float(change[f]), float(largest[f])
                found.append(SideEffect(dictionary.name, f, labels.get(f), *numbers, labels.describe(f)))
    return sorted(found, key=lambda s: -abs(s.change))[:n]


def _compared(dictionary: Dictionary, clean: Tensor, edited: Tensor, counted: Bools) -> tuple[Tensor, Tensor, Tensor]:
    """Of each feature the two means, and the largest |difference| on a token: [n_features] each."""
    old, new = (torch.zeros(dictionary.n_features, dtype=torch.float64) for _ in range(2))
    largest = torch.zeros(dictionary.n_features)
    for a, b in _chunks(dictionary, clean, edited, torch.from_numpy(counted)):
        old += a.sum(0).cpu()
        new += b.sum(0).cpu()
        largest = torch.maximum(largest, b.sub_(a).abs_().max(0).values.cpu())
    return old / counted.sum(), new / counted.sum(), largest


def _chunks(dictionary: Dictionary, clean: Tensor, edited: Tensor, counted: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Activations [tokens, n_features] of the counted tokens in both runs, a few tokens at a time."""
    if dictionary.device is not None:
        clean, edited = clean.to(dictionary.device), edited.to(dictionary.device)
    counted = counted.to(clean.device)
    if dictionary.per_text:  # a token's activations depend on its neighbours, special ones too
        yield dictionary.encode(clean)[0][counted].float(), dictionary.encode(edited)[0][counted].float()
        return
    # Copies: neurons' activations are the values at the hook themselves.
    old, new = clean[0][counted], edited[0][counted]
    step = max(1, _CHUNK // max(1, dictionary.n_features))
    for at in range(0, len(old), step):
        parts = (dictionary.encode(x[None, at : at + step])[0].float() for x in (old, new))
        yield next(parts), next(parts)
