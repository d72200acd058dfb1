"""What a workbench shows of several features at once: which group spans a space, and which other feature stands beside one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...geometry.beside.side import Side
from ..beside.widget import FeatureComparison

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...index.feature_index import FeatureIndex

__all__ = ["beside_its_nearest", "is_group", "nearest"]

# A feature with so many whose decoder rows are nearest to its own.
_NEAREST = 6
# More than so many are no group that anybody would look at as points; a lasso takes thousands.
_MOST = 60


def is_group(features: Sequence[int]) -> bool:
    """Whether so many features are looked at as one space: two to sixty."""
    return 2 <= len(features) <= _MOST


def nearest(index: FeatureIndex, feature: int | None) -> list[int]:
    """A feature and those whose decoder rows are nearest to its own; none of none."""
    return [] if feature is None else [feature, *_nearest(index, feature)]


def beside_its_nearest(
    engine: Engine, index: FeatureIndex, sae: str, feature: int | None, text: str
) -> FeatureComparison:
    """A feature beside the one whose decoder row is nearest to its own."""
    first = int(index.order("density")[0]) if feature is None else feature
    other = next(iter(_nearest(index, first)), (first + 1) % len(index))
    sides = [Side(engine=engine, index=index, feature=one, sae=sae) for one in (first, other)]
    return FeatureComparison(*sides, text=text)


def _nearest(index: FeatureIndex, feature: int) -> list[int]:
    """Of those that fire: a direction that is never written spans nothing."""
    count = index.column("count")
    return [one.feature for one in index.feature(feature).neighbours if count[one.feature] > 0][:_NEAREST]
