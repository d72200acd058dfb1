"""The result of reading one text as the model is and edited: definitions, units, tables, a picture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ...engine.arrays import Bools, Floats, Ints
from ...engine.descriptions import Description
from ...engine.text.counted import predictions
from ..recipe.units import Resolved

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

__all__ = ["EditEffects", "EditedFeature", "FrozenEffects", "SideEffect"]


@dataclass(frozen=True)
class EditedFeature:
    """One feature that the recipe changes, on every token of the text.

    Attributes:
        dictionary, feature, label: which.
        kinds: what is done to it: "add", "clamp" ...
        clean: [pos] its activation where the edit begins, in the edited run: before this hook's edits, after those at
            earlier hooks.
        requested: [pos] the activation asked for; NaN where the recipe asks for none (not edited there, or geometric
            kinds, which speak of projections).
        realised: [pos] the activation that the dictionary reads after the edit. It differs from the requested one where
            re-encoding does: other features of an edit push it, top-k drops it, a threshold cuts it. NaN if it cannot be
            read (transcoders write elsewhere).
        edited: [pos] where it was changed.
        note: why something is missing; "" otherwise.
        description: what is said of it (its label, or else what an index says).
    """

    dictionary: str
    feature: int
    label: str | None
    kinds: tuple[str, ...]
    clean: Floats
    requested: Floats
    realised: Floats
    edited: Bools
    note: str = ""
    description: Description | None = None


@dataclass(frozen=True)
class SideEffect:
    """A feature that the recipe does not name, and that changed: mean activations over the tokens that count for it.

    Attributes:
        change: mean edited less mean clean.
        largest: the largest |change| on a token.
        description: what is said of it (its label, or else what an index says).
    """

    dictionary: str
    feature: int
    label: str | None
    clean: float
    edited: float
    change: float
    largest: float
    description: Description | None = None


@dataclass(frozen=True)
class FrozenEffects:
    """The effect while all attention patterns stay those of the clean run: see `EditEffects`."""

    delta: Floats
    kl: Floats
    loss: float


@dataclass(frozen=True)
class EditEffects:
    """What a recipe does to a text of `pos` tokens. All logarithms are natural (nats), the model's own temperature is 1.

    Attributes:
        token_ids, tokens, parts: [pos] the text; see `TokenText` for `parts`.
        special: [pos] special and chat-template tokens, left out of means.
        outlier: [pos] norm outliers of the clean text, at a dictionary that is edited; left out of means, too.
        n_prompt: tokens of it that are prompt.
        p_clean, p_edited: [pos] probability of each token given those before it, as the model is and edited; NaN at 0.
        delta: [pos] change of its log-probability; NaN at 0.
        kl: [pos] KL(clean || edited) of the distribution that predicts the token; NaN at 0.
        lowered_ids, lowered, raised_ids, raised: [pos, k] the tokens whose log-probability changed most there, and by how
            much; -1 and 0 where nothing changed.
        vocabulary: strings of those tokens.
        loss_clean, loss_edited: mean of minus log-probability over `counted` tokens.
        frozen: the same with attention patterns frozen, if asked for.
        features: what the recipe changes, requested and realised.
        side_effects: what else changed, largest first, of every dictionary of the engine.
        resolved: the recipe with its units as numbers.
        notes: what a reader must know.
        provenance: model, SAE, BOS, dtype, versions.
    """

    token_ids: Ints
    tokens: tuple[str, ...]
    parts: tuple[int, ...]
    special: Bools
    outlier: Bools
    n_prompt: int
    p_clean: Floats
    p_edited: Floats
    delta: Floats
    kl: Floats
    lowered_ids: Ints
    lowered: Floats
    raised_ids: Ints
    raised: Floats
    vocabulary: Mapping[int, str]
    loss_clean: float
    loss_edited: float
    frozen: FrozenEffects | None
    features: tuple[EditedFeature, ...]
    side_effects: tuple[SideEffect, ...]
    resolved: Resolved
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def counted(self) -> Bools:
        """[pos] tokens that means are over: neither special nor norm outliers, nor predicted at one, nor the first."""
        return predictions(~(self.special | self.outlier), self.outlier)

    @property
    def mean_kl(self) -> float:
        """Mean of `kl` over counted tokens."""
        return float(self.kl[self.counted].mean()) if self.counted.any() else float("nan")

    def to_pandas(self) -> pd.DataFrame:
        """One row a token: probabilities, change, KL, and of every edited feature clean, requested and realised activation."""
        import pandas as pd

        columns: dict[str, object] = {
            "token": list(self.tokens),
            "special": self.special,
            "outlier": self.outlier,
            "p_clean": self.p_clean,
            "p_edited": self.p_edited,
            "delta": self.delta,
            "kl": self.kl,
        }
        if self.frozen is not None:
            columns |= {"delta_frozen": self.frozen.delta, "kl_frozen": self.frozen.kl}
        features: dict[str, str] = {}
        for row in self.features:
            named = f"{row.dictionary}/{row.feature}"
            name = re.sub(r"\W", "_", f"{row.dictionary}_{row.feature}")
            while f"{name}_clean" in columns:  # another raw direction
                name += "_"
            features[name] = named
            columns |= {
                f"{name}_clean": row.clean,
                f"{name}_requested": row.requested,
                f"{name}_realised": row.realised,
            }
        table = pd.DataFrame(columns, index=pd.RangeIndex(len(self.tokens), name="position"))
        table.attrs["features"] = features
        return table

    def side_pandas(self) -> pd.DataFrame:
        """One row a feature that changed without being named."""
        import pandas as pd

        names = ["dictionary", "feature", "label", "clean", "edited", "change", "largest"]
        return pd.DataFrame([vars(s) for s in self.side_effects], columns=names)

    def figure(self) -> Figure:
        """Change of the log-probability of every token, as bars."""
        import plotly.graph_objects as go

        shown = [f"{i} {t}" for i, t in enumerate(self.tokens)]
        colours = np.where(np.nan_to_num(self.delta) < 0, "#d55e00", "#0072b2").tolist()
        figure = go.Figure(go.Bar(x=shown, y=self.delta, marker_color=colours))
        figure.update_layout(
            title="Change of each token's log-probability", yaxis_title="edited less clean (nats)", xaxis_title="token"
        )
        return figure

    def __repr__(self) -> str:
        return (
            f"EditEffects({self.resolved.recipe!r}: {len(self.tokens)} tokens, loss {self.loss_clean:.4g} -> "
            f"{self.loss_edited:.4g} nats, mean KL {self.mean_kl:.4g})"
        )
