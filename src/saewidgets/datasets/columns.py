"""Numbers of features as columns of a table, with what must agree before they stand beside others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..engine.activations.figures import escaped
from ..engine.arrays import Doubles, Ints

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["FeatureColumn", "FeatureColumns", "bars", "labelled", "spread"]

_LONGEST = 60


@dataclass(frozen=True, eq=False)
class FeatureColumn:
    """A column of a table of features.

    Attributes:
        title: its head; says: what the number is, in a sentence.
        values: [features of the dictionary]; NaN where there is none.
        form: "num", "share" or "count". log: whether steps are logarithmic.
        shown: whether it stands in the table from the start.
    """

    title: str
    says: str
    values: Doubles
    form: str = "num"
    log: bool = False
    shown: bool = False


@dataclass(frozen=True, eq=False)
class FeatureColumns:
    """Columns of one result.

    Attributes:
        columns: by name, the one to sort by first.
        dictionary: name of the dictionary; identity: which one it is, and of which model.
        provenance: of the result. notes: what the reader must know of it.
    """

    columns: Mapping[str, FeatureColumn]
    dictionary: str
    identity: Mapping[str, object]
    provenance: Mapping[str, str]
    notes: tuple[str, ...] = ()


def spread(values: Doubles | Ints, features: Ints, n_features: int) -> Doubles:
    """Values of some features as a column of all; NaN for the others."""
    found = np.full(n_features, np.nan)
    found[features] = values
    return found


def labelled(features: Ints, labels: Mapping[int, str]) -> list[str]:
    """The label of each feature; "" where it has none."""
    known = dict(labels.items())  # living ones are put together once, and not for each of many features
    return [known.get(f, "") for f in features.tolist()]


def bars(table: pd.DataFrame, effect: str, title: str, axis: str) -> Figure:
    """Features as horizontal bars, the first on top, each with its interval where there is one.

    Args:
        table: with "feature", "description", "low", "high" and the column `effect`.
    """
    import plotly.graph_objects as go

    value = table[effect].to_numpy(float)
    names = [_name(*pair) for pair in zip(table["feature"], table["description"], strict=True)]
    error = {
        "type": "data",
        "symmetric": False,
        "array": table["high"].to_numpy(float) - value,
        "arrayminus": value - table["low"].to_numpy(float),
        "thickness": 1,
    }
    colors = np.where(value >= 0, "#0072b2", "#e69f00")
    figure = go.Figure(go.Bar(x=value, y=list(range(len(table))), orientation="h", marker_color=colors, error_x=error))
    figure.update_yaxes(tickmode="array", tickvals=list(range(len(table))), ticktext=names, autorange="reversed")
    figure.update_layout(title=escaped(title), xaxis_title=escaped(axis), template="simple_white", showlegend=False)
    return figure.update_layout(height=160 + 24 * len(table))


def _name(feature: int, description: str) -> str:
    text = " ".join(description.split())
    return escaped(f"{feature} {text[:_LONGEST]}{'…' if len(text) > _LONGEST else ''}".rstrip())
