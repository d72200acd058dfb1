"""`FeatureIndex.features`: one row a feature, to sort and filter."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

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

_SHOWN = 5


def features_table(folder: Folder, texts: Texts, labels: Labels) -> pd.DataFrame:
    """The table of all features of a store."""
    import pandas as pd

    numbers = numbers_of(folder)
    count = folder.read("count").astype(np.int64)
    columns: dict[str, Any] = {
        "label": _labels_of(labels, len(count)),
        **{name: numbers.pop(name) for name in ("density", "count", "max", "min", "mean", "std")},
        "top_token": texts.strings_of(folder.read("token")[:, 0]).tolist(),
    }
    if is_imported(folder):  # not of every feature a file says it
        columns["count"] = pd.array(columns["count"], "Int64")
    if "logit_top" in folder:
        with _no_collection():
            for side, name in (("top", "top_logits"), ("bottom", "bottom_logits")):
                columns[name] = texts.strings_of(folder.read(f"logit_{side}")[:, :_SHOWN]).tolist()
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


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the search for circles: lists of strings have none, and while two million are made it would look at all that there is,
    again and again, for longer than they take."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


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


def _labels_of(labels: Labels, n: int) -> Array:
    """[n] the name of each feature, or None."""
    names = labels.now
    features, values = np.fromiter(names, np.int64, len(names)), np.empty(len(names), object)
    values[:] = [*names.values()]
    found, inside = np.full(n, None, object), features < n
    found[features[inside]] = values[inside]
    return found


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
