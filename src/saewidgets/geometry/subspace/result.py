"""A subspace as a result: points on components, where they stand in their texts, and what their shape is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ...engine.arrays import Doubles, Floats, Ints
from ..errors import GeometryError
from .places import Places
from .scores import Scores

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["Subspace"]

_BEFORE, _AFTER = 10, 5


@dataclass(frozen=True, eq=False, repr=False)
class Subspace:
    """What a few features write, at the tokens where any of them fires, on its principal components.

    Attributes:
        features: [k].
        points: [n, c] coordinates on the components, c = min(5, n, d_out, k); in the hook's units, mean 0.
        explained: [c] share of the points' variance, decreasing.
        components: [c, d_out] unit vectors, orthogonal, in the space that the dictionary writes to; the entry of each that is
            largest in magnitude is positive. mean: [d_out] of what the features write: mean + points @ components rebuilds it,
            up to the components that are left out.
        circularity: [c, c] how much each pair of components looks like a circle, 0 to 1 (`geometry.circularity`).
        pair: the most circular one of those whose components hold a hundredth of the variance each, counted from 0: what a picture
            shows first, and what `scores` is of. (In the paper days lie on the second and third component, the first being how
            strongly features fire.)
        activations: [n, k] of the features.
        token: [n] the points' tokens. position: [n] where these stand, counted in the corpus (of texts: in all, one after another).
        places: where these are in their texts.
        scores: whether the pair is more than one dimension, by the paper's numbers, beside those of shuffled features.
        dictionary: name of the dictionary. labels: feature to label, living.
        provenance: what was done. notes: what a reader must know.

    Example:
        >>> days = sw.subspace(index, [2592, 4445, 4663, 4733, 6531, 8179, 9566, 20927, 24185])
        >>> days.figure()
        >>> days.to_pandas().groupby("token")[["pc2", "pc3"]].mean()
    """

    features: Ints
    points: Doubles
    explained: Doubles
    components: Doubles
    mean: Doubles
    circularity: Doubles
    pair: tuple[int, int]
    activations: Floats
    token: tuple[str, ...]
    position: Ints
    places: Places
    scores: Scores
    dictionary: str
    labels: Mapping[int, str]
    provenance: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of points."""
        return len(self.points)

    def to_pandas(self) -> pd.DataFrame:
        """One row a point: token, context (10 tokens before it to 5 after), document, position_in_document, position, the corpus'
        own columns, pc1 ..., feature_<i> ... (activations).

        A column of the corpus that is called like one of ours has "document_" in front.
        """
        import pandas as pd

        windows = [self.places.window(i, _BEFORE, _AFTER)[0] for i in range(len(self))]
        ours: dict[str, object] = {
            "token": list(self.token),
            "context": ["".join(window) for window in windows],
            "document": [self.places.document_name(i) for i in range(len(self))],
            "position_in_document": self.places.in_document,
            "position": self.position,
        }
        numbers: dict[str, Doubles | Floats] = {f"pc{c + 1}": self.points[:, c] for c in range(self.points.shape[1])}
        numbers |= {f"feature_{f}": self.activations[:, k] for k, f in enumerate(self.features.tolist())}
        theirs: dict[str, object] = {}
        for name in self.places.columns:
            called = name
            while called in ours or called in numbers or called in theirs:
                called = f"document_{called}"
            theirs[called] = self.places.column(name)
        return pd.DataFrame({**ours, **theirs, **numbers})

    def figure(
        self,
        components: Sequence[int] | None = None,
        *,
        colour: Literal["token", "position", "document"] | str = "token",
    ) -> Figure:
        """A plotly scatter of the points on two components, or on three.

        Args:
            components: which, counted from 0; default: `pair`.
            colour: by "token" (the most frequent; the others grey), "position" in the document, "document", or by a column of
                the corpus: a colour for each of its values, or a scale where they are numbers.

        Raises:
            GeometryError: for another number of components, one that is not there, or one named twice.
            KeyError: for a column that the corpus has not.
        """
        from .figures import Picture, points_figure

        chosen = list(self.pair) if components is None else [int(c) for c in components]
        self.must_have(chosen)
        named = ", ".join(map(str, self.features[:6].tolist())) + (" ..." if len(self.features) > 6 else "")
        title = f"{self.dictionary}: {named}; {len(self):,} tokens"
        return points_figure(Picture(self.points, self.explained, self.token, self.places, title), chosen, colour)

    def must_have(self, components: Sequence[int]) -> None:
        """Raise unless these are two or three different components that there are."""
        c = self.points.shape[1]
        if len(components) not in (2, 3) or len(set(components)) < len(components):
            raise GeometryError(f"A picture has two or three different components, not {list(components)}.")
        wrong = next((i for i in components if not 0 <= i < c), None)
        if wrong is not None:
            raise GeometryError(f"There is no component {wrong}: these points have {c}, counted from 0.")

    def __repr__(self) -> str:
        first, second = self.pair
        said = self.scores
        return (
            f"Subspace({len(self.features)} features of {self.dictionary!r}, {len(self):,} tokens; components {first + 1} and "
            f"{second + 1}: circularity {self.circularity[self.pair]:.2f}, separability {said.separability:.2f} bits, "
            f"mixture {said.mixture:.2f})"
        )
