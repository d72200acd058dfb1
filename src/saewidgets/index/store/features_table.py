"""`FeatureIndex.features`: one row a feature, to sort and filter; and the orders that features can be stepped through in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ...engine.arrays import Ints
from ...engine.labels import Labels
from ...storage.array_folder import Array, Folder
from ..record.settings import NONE
from .kept import kept_of
from .stated import count_of, density_of, is_imported, maximum_of
from .texts import Texts

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from .feature import Neighbour

Order: TypeAlias = Literal["index", "density", "max", "mean", "label"]
ORDERS: tuple[Order, ...] = ("index", "density", "max", "mean", "label")

_SHOWN = 5


def features_table(folder: Folder, texts: Texts, labels: Labels) -> pd.DataFrame:
    """The table of all features of a store."""
    import pandas as pd

    numbers = numbers_of(folder)
    count = folder.read("count").astype(np.int64)
    words = _Words(texts)
    columns: dict[str, Any] = {
        "label": [*map(labels.to_dict().get, range(len(count)))],
        **{name: numbers.pop(name) for name in ("density", "count", "max", "min", "mean", "std")},
        "top_token": words.of(folder.read("token")[:, 0]),
    }
    if is_imported(folder):  # not of every feature a file says it
        columns["count"] = pd.array(columns["count"], "Int64")
    if "logit_top" in folder:
        for side, name in (("top", "top_logits"), ("bottom", "bottom_logits")):
            columns[name] = words.lists(folder.read(f"logit_{side}")[:, :_SHOWN])
        columns |= {name: numbers.pop(name) for name in ("logit_std", "logit_skew", "logit_kurtosis")}
    if "neuron_r" in numbers:
        # A feature that never fires goes with no neuron.
        neuron = folder.read("neuron")[:, 0].astype(np.int64)
        columns["neuron"] = pd.array(neuron, "Int64").copy()
        columns["neuron"][(count == 0) | (neuron == NONE)] = pd.NA
        columns["neuron_r"] = numbers.pop("neuron_r")
    if "neighbour_cosine" in numbers:
        nearest = folder.read("neighbour")[:, 0].astype(np.int64)
        columns["neighbour"] = nearest if (nearest != NONE).all() else _or_missing(nearest)
        columns["neighbour_cosine"] = numbers.pop("neighbour_cosine")
    table = pd.DataFrame(columns, index=pd.RangeIndex(len(count), name="feature"))
    kept = kept_of(folder)
    if kept is not None:
        table.attrs["estimated"] = {"top_token": kept.of_top_token}
    return table


def numbers_of(folder: Folder) -> dict[str, Array]:
    """The columns of the table that are numbers, as far as they are computed: [F] each; NaN for what a feature does not have."""
    count = folder.read("count").astype(np.int64)
    active = np.maximum(count, 1)
    mean = folder.read("total") / active
    spread = np.sqrt(np.maximum(folder.read("squares") / active - mean**2, 0))
    found: dict[str, Array] = {
        "density": density_of(folder),
        "count": count_of(folder),
        "max": maximum_of(folder),
        "min": folder.read("low").astype(np.float64),
        "mean": np.where(count > 0, mean, np.nan),
        "std": np.where(count > 0, spread, np.nan),
    }
    if "logit_top" in folder:
        for name in ("std", "skew", "kurtosis"):
            found[f"logit_{name}"] = folder.read(f"logit_{name}").astype(np.float64)
    if "neuron" in folder and folder.read("neuron").shape[1]:
        found["neuron_r"] = np.where(count > 0, folder.read("neuron_r")[:, 0].astype(np.float64), np.nan)
    if "neighbour" in folder and folder.read("neighbour").shape[1]:
        found["neighbour_cosine"] = folder.read("neighbour_cosine")[:, 0].astype(np.float64)
    return found


def _or_missing(ids: Array) -> Any:
    """Integers with gaps, where a file does not say."""
    import pandas as pd

    found = pd.array(ids, "Int64").copy()
    found[ids == NONE] = pd.NA
    return found


class _Words:
    """Token ids to strings, each looked up once."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._known: dict[int, str | None] = {NONE: None}

    def of(self, ids: Array) -> list[str | None]:
        for token in np.unique(ids).tolist():
            if token not in self._known:
                self._known[token] = self._texts.string(token)
        return [self._known[token] for token in ids.tolist()]

    def lists(self, ids: Array) -> list[list[str | None]]:
        flat = self.of(ids.reshape(-1))
        width = ids.shape[1]
        return [flat[i : i + width] for i in range(0, len(flat), width)]


def order_of(folder: Folder, by: Order, labels: Labels) -> Ints:
    """All features of a store in an order (see `FeatureIndex.order`)."""
    count = folder.read("count").astype(np.int64)
    if by == "index":
        return np.arange(len(count))
    if by == "label":
        names = labels.to_dict()
        return np.array(sorted(range(len(count)), key=lambda f: (f not in names, names.get(f, ""), f)), np.int64)
    if by == "density":
        key = density_of(folder)
    elif by == "max":
        key = np.nan_to_num(maximum_of(folder), nan=-np.inf)
    elif by == "mean":
        key = np.nan_to_num(np.where(count > 0, folder.read("total") / np.maximum(count, 1), -np.inf), nan=-np.inf)
    else:
        raise ValueError(f"There is no order {by!r}: choose one of {', '.join(ORDERS)}.")
    return np.argsort(-key, kind="stable")


def neighbours_table(found: Sequence[Neighbour], labels: Labels) -> pd.DataFrame:
    """Features and cosines, with their labels."""
    import pandas as pd

    rows = [{"feature": n.feature, "cosine": n.cosine, "label": labels.get(n.feature)} for n in found]
    return pd.DataFrame(rows, columns=["feature", "cosine", "label"]).set_index("feature")


def density_figure(density: Array, counted: int | None) -> Figure:
    """Density of all features that fire (log10); the silent ones are counted in the title. `counted` tokens; None: of files."""
    from plotly import graph_objects as go

    alive = density > 0
    figure = go.Figure(go.Histogram(x=np.log10(density[alive]), nbinsx=60, marker_color="#e69f00"))
    known = int((~np.isnan(density)).sum())
    on = "; densities as their files give them" if counted is None else f" on {counted:,} tokens"
    title = f"{alive.sum():,} of {known:,} features fire{on}"
    figure.update_layout(title=title, xaxis_title="log10 activation density", yaxis_title="features")
    return figure.update_layout(template="simple_white")
