"""What a user passes as `sae`, as dictionaries by name."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from ..errors import SaeMismatchError
from ..ranking import Ints
from .base import Dictionary
from .sae import SaeDictionary

if TYPE_CHECKING:
    from sae_lens import SAE

    from .sae import AnySae

    OneSae: TypeAlias = AnySae | Dictionary
    Saes: TypeAlias = OneSae | Sequence[OneSae] | Mapping[str, OneSae]


def by_name(sae: Saes, labels: Mapping[int, str] | None) -> dict[str, Dictionary]:
    named: Iterable[tuple[str | None, OneSae]]
    if isinstance(sae, Mapping):
        named = [(str(name), one) for name, one in sae.items()]
    elif isinstance(sae, (list, tuple)):
        named = [(None, one) for one in sae]
    else:
        named = [(None, cast("OneSae", sae))]
    found: dict[str, Dictionary] = {}
    for name, one in named:
        dictionary = _as_dictionary(one, name)
        if dictionary.name in found:
            raise SaeMismatchError(
                f"Two dictionaries are called {dictionary.name!r}. Pass a dict: Engine(model, {{'a': sae_a, 'b': sae_b}})."
            )
        found[dictionary.name] = dictionary
    if not found:
        raise SaeMismatchError("Engine needs at least one SAE, Directions or Neurons.")
    if labels is not None:
        if len(found) > 1:
            raise SaeMismatchError("labels= names the features of one dictionary, but the engine has several.")
        only = next(iter(found.values()))
        only.check_features(list(labels))
        only.labels = dict(labels)
    return found


def _as_dictionary(one: OneSae, name: str | None) -> Dictionary:
    from sae_lens import SAE

    if isinstance(one, Dictionary):
        # A copy with a name and labels of its own, on the same weights: the user's object may be in another engine, too.
        own = copy.copy(one)
        own.name, own.labels = one.name if name is None else name, dict(one.labels)
        return own
    if isinstance(one, SAE):
        return SaeDictionary(cast("SAE[Any]", one), name)
    raise TypeError(
        f"Engine needs an SAE of sae-lens, sw.Directions or sw.Neurons, not {type(one).__name__}. "
        "SAE.from_pretrained(...) gives an SAE; raw vectors go into sw.Directions(vectors, hook_name)."
    )


def columns_of(dictionary: Dictionary, features: Sequence[int] | None) -> Ints | None:
    if features is None:
        return None
    return np.unique(np.array(dictionary.check_features(features), dtype=np.int64))
