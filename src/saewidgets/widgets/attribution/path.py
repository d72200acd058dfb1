"""The way from the prediction to a feature that is explained: features, each on one token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

import traitlets

from ...engine.arrays import whole

if TYPE_CHECKING:
    from ...engine.engine import Engine

__all__ = ["Step", "path_of"]


class Step(TypedDict):
    """A feature of a dictionary, on a position of one of the prompts."""

    sae: str
    feature: int
    text: int
    position: int


def path_of(value: Sequence[Mapping[str, object]], engine: Engine) -> list[Step]:
    """Steps with all that a step has: the first prompt and its last token, where nothing is said of them.

    Raises:
        TraitError: for what is no step. FeatureIndexError: for a feature that there is not.
    """
    return [_step(one, engine) for one in value]


def _step(one: Mapping[str, object], engine: Engine) -> Step:
    try:
        if unknown := set(one) - {"sae", "feature", "text", "position"}:
            raise TypeError(f"it has no {min(map(str, unknown))!r}")
        dictionary = engine.dictionary(None if one.get("sae") is None else str(one["sae"]))
        feature, text, position = (whole(one.get(*a)) for a in (("feature",), ("text", 0), ("position", -1)))
    except (KeyError, TypeError) as error:
        raise traitlets.TraitError(
            f"path is a list of steps, such as {{'sae': {engine.default!r}, 'feature': 3, 'text': 0, 'position': 5}}, not "
            f"{dict(one)!r}: {error}"
        ) from None
    return Step(sae=dictionary.name, feature=dictionary.check_features([feature])[0], text=text, position=position)
