"""An index beside an engine: which of its dictionaries the index is of, and whether it still is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import SaewidgetsError

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..index.feature_index import FeatureIndex


def indexed(engine: Engine, index: FeatureIndex, sae: str | None = None) -> str:
    """The dictionary that `index` is of, by name: `sae`, or the first of the engine's that fits.

    Raises:
        SaewidgetsError: saying why it is of none of them.
    """
    refused: SaewidgetsError | None = None
    for name in engine.dictionaries if sae is None else [engine.dictionary(sae).name]:
        try:
            index.check(engine, name)
        except SaewidgetsError as error:
            refused = refused or error
        else:
            return name
    assert refused is not None
    raise refused


def parted(engine: Engine, index: FeatureIndex, sae: str) -> str:
    """Why `index` is of the engine's dictionary `sae` no longer, once its weights have changed; "" if it still is."""
    try:
        index.check(engine, sae)
    except SaewidgetsError as error:
        return f"The index is no longer of what the engine has: {error}"
    return ""
