"""What a user passes as `sae`, as dictionaries by name."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from ...errors import SaeMismatchError
from ..arrays import Ints
from ..given_labels import labels_from
from ..labels import Labels
from .base import Dictionary
from .sae import SaeDictionary

if TYPE_CHECKING:
    from sae_lens import SAE

    from ..given_labels import LabelsLike
    from .sae import AnySae

    OneSae: TypeAlias = AnySae | Dictionary
    Saes: TypeAlias = OneSae | Sequence[OneSae] | Mapping[str, OneSae]


def by_name(sae: Saes) -> dict[str, Dictionary]:
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
    return found


def name_features(dictionaries: Mapping[str, Dictionary], labels: LabelsLike | Mapping[str, LabelsLike]) -> None:
    """Call the features of an engine's dictionaries by `labels`: of the only one, or by name of the dictionary.

    The names that directions bring stay, where `labels` says nothing of them. To be called once the dictionaries know their
    sizes: `Neurons` learn theirs from the model.

    Raises:
        SaeMismatchError: for the labels of one dictionary where there are several. LabelError, FeatureIndexError: see
            `labels_from`.
    """
    several: Mapping[str, object]
    if isinstance(labels, Mapping) and labels and all(isinstance(one, str) and one in dictionaries for one in labels):
        several = cast("Mapping[str, object]", labels)
    elif len(dictionaries) == 1:
        several = {next(iter(dictionaries)): labels}
    else:
        raise SaeMismatchError(
            "labels= names the features of one dictionary, but the engine has several: pass a dict by dictionary, such as "
            f"{{{next(iter(dictionaries))!r}: {{3: 'cat'}}}}."
        )
    for name, given in several.items():
        dictionary = dictionaries[name]
        dictionary.labels = Labels({**dictionary.labels, **labels_from(given, dictionary.n_features, name)})


def _as_dictionary(one: OneSae, name: str | None) -> Dictionary:
    from sae_lens import SAE

    if isinstance(one, Dictionary):
        # A copy with a name and labels of its own, on the same weights: the user's object may be in another engine, too.
        own = copy.copy(one)
        own.name, own.labels = one.name if name is None else name, Labels(dict(one.labels))
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
