"""`sw.cooccurrence`: which of a few features fire together, as a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ...engine.arrays import Doubles, Ints
from ...engine.labels import said
from ...engine.ticket import Progress
from ..errors import GeometryError
from ..read_again import active
from .layout import layout
from .together import jaccard, lift, phi

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from ...index.feature_index import FeatureIndex

__all__ = ["Cooccurrence", "Measure", "cooccurrence"]

Measure: TypeAlias = Literal["jaccard", "phi", "together"]
_SAYS: dict[Measure, str] = {"jaccard": "Jaccard", "phi": "phi", "together": "tokens together"}
_MOST = 256


@dataclass(frozen=True, eq=False, repr=False)
class Cooccurrence:
    """On how many tokens each pair of k features fires together.

    Attributes:
        features: [k], in the order in which they were asked for.
        together: [k, k] tokens where both fire; on the diagonal where the feature does.
        tokens: counted tokens that these are of. all: whether that is all of the corpus; else texts of the features' examples.
        measure: what edges are drawn by.
        place: [k, 2] of the nodes, in [-1, 1].
        labels, provenance, notes: as of the index.

    Example:
        >>> days = sw.cooccurrence(index, [2717, 101, 4006])
        >>> days.to_pandas()
        >>> days.figure()
    """

    features: Ints
    together: Ints
    tokens: int
    all: bool
    measure: Measure
    place: Doubles
    labels: Mapping[int, str] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Features."""
        return len(self.features)

    @property
    def count(self) -> Ints:
        """[k] tokens where each fires."""
        return np.diagonal(self.together).copy()

    @property
    def expected(self) -> Doubles:
        """[k, k] tokens where both would fire if they were independent: count * count / tokens."""
        return np.outer(self.count, self.count) / max(self.tokens, 1)

    @property
    def jaccard(self) -> Doubles:
        """[k, k] tokens where both fire / where either does; NaN where neither ever does."""
        return jaccard(self.together, self.count[:, None], self.count[None])

    @property
    def phi(self) -> Doubles:
        """[k, k] Pearson's r of firing; NaN where one never (or always) fires."""
        return phi(self.together, self.count[:, None], self.count[None], self.tokens)

    @property
    def nodes(self) -> pd.DataFrame:
        """One row a feature: description, count, density, partners (how many of the others it ever fires with), x, y."""
        import pandas as pd

        columns = {
            "description": [said(self.labels, f) for f in self.features.tolist()],
            "count": self.count,
            "density": self.count / max(self.tokens, 1),
            "partners": (self.together > 0).sum(1) - (self.count > 0),
            "x": self.place[:, 0],
            "y": self.place[:, 1],
        }
        return pd.DataFrame(columns, index=pd.Index(self.features, name="feature"))

    def to_pandas(self) -> pd.DataFrame:
        """One row a pair, by `measure` from the largest down: a, b, together, expected, lift (together / expected), jaccard, phi,
        description_a, description_b. Pairs that never fire together are among them."""
        import pandas as pd

        i, j = np.triu_indices(len(self), 1)
        together, count = self.together[i, j], self.count
        columns: dict[str, object] = {
            "a": self.features[i],
            "b": self.features[j],
            "together": together,
            "expected": self.expected[i, j],
            "lift": lift(together, count[i], count[j], self.tokens),
            "jaccard": self.jaccard[i, j],
            "phi": self.phi[i, j],
        }
        for side, at in (("a", i), ("b", j)):
            columns[f"description_{side}"] = [said(self.labels, f) for f in self.features[at].tolist()]
        table = pd.DataFrame(columns)
        return table.sort_values(self.measure, ascending=False, kind="stable", na_position="last", ignore_index=True)

    def figure(self, *, least: float = 0.0) -> Figure:
        """A plotly network: nodes as large as their features are frequent, edges as wide as `measure` is large.

        Args:
            least: edges of a smaller measure, or none above 0, are not drawn.
        """
        from .network_figure import network_figure

        table, nodes = self.to_pandas(), self.nodes
        table = table[(table[self.measure] > 0) & (table[self.measure] >= least)]
        at = {f: i for i, f in enumerate(self.features.tolist())}
        edges = [(at[a], at[b]) for a, b in zip(table["a"], table["b"], strict=True)]
        says = [
            f"{a} and {b}<br>together on {n:,} tokens, {lifted:.3g} times what chance gives<br>Jaccard {j:.3g}, phi {p:.3g}"
            for a, b, n, lifted, j, p in table[["a", "b", "together", "lift", "jaccard", "phi"]].itertuples(index=False)
        ]
        on = f"{self.tokens:,} tokens" + ("" if self.all else " of their examples")
        title = f"{len(self)} features on {on}: edges by {_SAYS[self.measure]}"
        return network_figure(self.place, nodes, edges, table[self.measure].to_numpy(np.float64), says, title)

    def __repr__(self) -> str:
        pairs = int((np.triu(self.together, 1) > 0).sum())
        return (
            f"Cooccurrence({len(self)} features, {pairs:,} of {len(self) * (len(self) - 1) // 2:,} pairs fire together, on "
            f"{self.tokens:,} tokens{'' if self.all else ' of their examples'})"
        )


def cooccurrence(
    index: FeatureIndex,
    features: Sequence[int],
    *,
    measure: Measure = "jaccard",
    read: int = 20_000,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Cooccurrence:
    """Which of a few features fire together, how often, and how much more often than chance: a network.

    Networks of SAE latents by how often they fire on the same tokens are in Clarke, Bhatnagar and Bloom 2024, "Compositionality and
    Ambiguity: Latent Co-occurrence and Interpretable Subspaces"; Jaccard and phi are among the affinities of Li et al. 2024, "The
    Geometry of Concepts".

    Args:
        features: 2 to 256, each once. Those that never fire are kept, without an edge, and `notes` say so.
        measure: "jaccard", tokens where both fire / where either does; "phi", Pearson's r of firing, which is below 0 where
            features avoid each other; "together", the tokens themselves.
        read: tokens that the model reads again at most, where the index has neither its scan nor all activations of the features:
            texts of their examples, where they fire more often than elsewhere (`all`, `notes`).
        seed: of the layout, and of those texts.

    Raises:
        GeometryError: for fewer than 2 features or more than 256, one of them twice, or another measure.
        FeatureIndexError: for a feature outside the index.
        IndexMismatchError: where the activations are neither on disk nor can be read again, with the remedy.

    Example:
        >>> sw.cooccurrence(index, sw.neighbours(index, 2717).index).figure()
    """
    if measure not in _SAYS:
        raise GeometryError(f"measure is one of {', '.join(map(repr, _SAYS))}, not {measure!r}.")
    wanted = [index.check_feature(f) for f in features]
    twice = sorted({f for f in wanted if wanted.count(f) > 1})
    if twice:
        raise GeometryError(
            f"Feature {', '.join(map(str, twice))} is there more than once: a feature is one node, name it once."
        )
    if not 2 <= len(wanted) <= _MOST:
        raise GeometryError(f"{len(wanted)} features: a network is of 2 to {_MOST}.")
    found = active(index, wanted, read=read, seed=seed, on_progress=on_progress)
    fires = (found.values != 0).astype(np.float32)
    # Tokens are counted in pieces that float32 counts exactly.
    together = sum(
        ((fires[i : i + 2**23].T @ fires[i : i + 2**23]).astype(np.int64) for i in range(0, len(fires), 2**23)),
        np.zeros((len(wanted), len(wanted)), np.int64),
    )
    notes = [found.note] if found.note else []
    silent = [f for f, n in zip(wanted, np.diagonal(together).tolist(), strict=True) if not n]
    if silent:
        where = "the corpus" if found.all else "the texts that were read again"
        notes.append(f"Without an edge, as they never fire on {where}: features {', '.join(map(str, silent))}.")
    made = Cooccurrence(
        np.array(wanted, np.int64),
        together,
        found.tokens,
        found.all,
        measure,
        np.zeros((len(wanted), 2)),
        index.labels,
        index.provenance,
        tuple(notes),
    )
    if not (np.triu(together, 1) > 0).any():
        notes.append("No two of these features ever fire on the same token.")
    weights = np.nan_to_num(getattr(made, measure).astype(np.float64))
    return Cooccurrence(
        made.features,
        together,
        made.tokens,
        made.all,
        measure,
        layout(weights, seed),
        made.labels,
        made.provenance,
        tuple(notes),
    )
