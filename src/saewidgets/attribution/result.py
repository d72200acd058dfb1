"""What an attribution found: a sparse table, its sums, and what its numbers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..engine.arrays import Bools, Doubles, Floats, Ints
from ..engine.labels import Labels, said
from .freezes import FREEZES
from .removal import Removed
from .sums import FeatureSums, summed

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from .metrics.base import Plan

__all__ = ["Attribution"]


@dataclass(frozen=True, eq=False, repr=False)
class Attribution:
    """Where a metric came from: features, reconstruction errors, biases and tokens, at every position of one or more texts.

    With a the activation of a feature at a position, m the metric, g the gradient of m at the dictionary's hook,

        attribution = a · ∂m/∂a = a · (decoder row · g)

    a linear estimate of how much m would fall without the feature there. What the dictionary leaves over is in the table of
    positions: its error err = y - reconstruction as err · g, and what its decoder adds besides the features (b_dec, a skip) as
    bias · g. At every position Σ a·∂m/∂a + err·g + bias·g = y·g.

    The gradient passes every dictionary unchanged, as in SAELens' tutorial 2.0 and Marks et al. (2024): with several
    dictionaries the attribution of an earlier feature is its *total* effect along all ways, those through later features
    included, and attributions of different dictionaries must not be added up.

    Sums leave out special tokens and norm outliers unless asked for (`include_special`); the table has them, marked.

    Attributes:
        metric: what was attributed, in words; `said` on each text.
        values: [texts] the metric.
        dictionaries: names, in the engine's order; those that the metric cannot depend on are left out (`notes` say so).
        token_ids, tokens: [n] of all texts, one after another; text_ptr: [texts + 1].
        parts: [n]; see `TokenText`.
        special: [n]; outlier: [dictionaries, n] norm outliers around each.
        sae, token, features: [nnz] of each active feature: number of its dictionary, token of [n], feature.
        activations, gradients: [nnz] a and ∂m/∂a.
        error, bias, total: [dictionaries, n] err·g, bias·g, y·g.
        embedding: [n] the token's own embedding times the gradient there: its total effect.
        linearised: what was frozen, by name (`FREEZES` in words); () for the plain gradient.
        steps: 1 for the gradient here; n for the mean over n steps from here towards nothing (integrated gradients, each
            dictionary's features and error together, one dictionary at a time).
        labels, provenance: of each dictionary, by name.
        notes: what a reader must know.
        plan: the metric on these texts, for whoever runs them again.

    Example:
        >>> found = sw.attribute(engine, text, sw.logit_diff(" earth", " sky"))
        >>> found.by_feature(), found.error_share
    """

    metric: str
    said: tuple[str, ...]
    values: Doubles
    dictionaries: tuple[str, ...]
    token_ids: Ints
    tokens: tuple[str, ...]
    parts: Ints
    text_ptr: Ints
    special: Bools
    outlier: Bools
    sae: Ints
    token: Ints
    features: Ints
    activations: Floats
    gradients: Floats
    error: Doubles
    bias: Doubles
    total: Doubles
    embedding: Doubles
    linearised: tuple[str, ...]
    steps: int
    labels: Mapping[str, Labels]
    plan: Plan
    provenance: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def attributions(self) -> Doubles:
        """[nnz] a · ∂m/∂a."""
        return self.activations.astype(np.float64) * self.gradients

    @property
    def n_texts(self) -> int:
        """Number of texts."""
        return len(self.text_ptr) - 1

    @cached_property
    def counted(self) -> Bools:
        """[dictionaries, n] tokens that sums are over: neither special nor norm outliers."""
        return ~(self.special[None] | self.outlier)

    @cached_property
    def text(self) -> Ints:
        """[n] the text of each token."""
        return np.searchsorted(self.text_ptr, np.arange(len(self.tokens)), side="right") - 1

    @property
    def method(self) -> str:
        """How it was computed, in words: to be shown beside the numbers."""
        how = "gradient" if self.steps == 1 else f"integrated gradients ({self.steps} steps, one dictionary at a time)"
        held = "; ".join(FREEZES[name] for name in self.linearised)
        return f"activation × {how}" + (f", held fixed: {held}" if held else "")

    @property
    def error_share(self) -> dict[str, float]:
        """Which part of the gradient's flow is the reconstruction error's, by dictionary: between 0 and 1, NaN without any.

        Σ|err·g| / Σ(|err·g| + |Σ_f a·∂m/∂a| + |bias·g|), sums over counted tokens. The tutorial's own ratio of gradients is
        1/2 for every SAE, because error and reconstruction are only added.
        """
        shares = {}
        for d, name in enumerate(self.dictionaries):
            counted = self.counted[d]
            error, features, bias = (np.abs(x[d][counted]).sum() for x in (self.error, self._of_features, self.bias))
            whole = error + features + bias
            shares[name] = float(error / whole) if whole > 0 else float("nan")
        return shares

    @cached_property
    def _of_features(self) -> Doubles:
        """[dictionaries, n] Σ_f a · ∂m/∂a."""
        found = np.zeros(self.error.shape)
        np.add.at(found, (self.sae, self.token), self.attributions)
        return found

    # -- tables

    def to_pandas(self) -> pd.DataFrame:
        """One row an active feature at a position: sae, text, position, token, special, outlier, feature, label, activation,
        gradient, attribution.
        """
        import pandas as pd

        text, d = self.text[self.token], self.sae
        names = [dict(self.labels[name].items()) for name in self.dictionaries]  # living ones are put together once
        return pd.DataFrame(
            {
                "sae": np.array(self.dictionaries, dtype=object)[d],
                "text": text,
                "position": self.token - self.text_ptr[text],
                "token": np.array(self.tokens, dtype=object)[self.token],
                "special": self.special[self.token],
                "outlier": self.outlier[d, self.token],
                "feature": self.features,
                "label": [names[i].get(int(f), "") for i, f in zip(d, self.features, strict=True)],
                "activation": self.activations,
                "gradient": self.gradients,
                "attribution": self.attributions,
            }
        )

    def by_feature(self, *, sae: str | None = None, include_special: bool = False) -> pd.DataFrame:
        """One row a feature, by |attribution|: its sum over counted positions.

        Columns: sae, feature, description (its label, or else what a linked index says), attribution, positive and negative
        (the sum of each sign), max_activation (of the largest magnitude), positions (where it is active), top_position,
        top_token (where its |attribution| is largest). Of several
        texts: attribution is the mean over texts (0 where it is silent), with std over them (ddof=1) and texts (in how many
        it is active), and positions and top_token are of all.
        """
        import pandas as pd

        sums = self.sums(sae=sae, include_special=include_special)
        columns = {
            "sae": np.array(self.dictionaries, dtype=object)[sums.sae],
            "feature": sums.features,
            "description": [
                said(self.labels[self.dictionaries[d]], int(f)) for d, f in zip(sums.sae, sums.features, strict=True)
            ],
            "attribution": sums.attribution,
            "positive": sums.positive,
            "negative": sums.negative,
            "max_activation": sums.activation,
            "positions": sums.positions,
            "top_position": sums.top - self.text_ptr[self.text[sums.top]],
            "top_token": np.array(self.tokens, dtype=object)[sums.top],
        }
        if self.n_texts > 1:
            columns |= {"std": sums.std, "texts": sums.texts}
        return pd.DataFrame(columns)

    def sums(
        self, *, sae: str | None = None, include_special: bool = False, tokens: Sequence[int] | None = None
    ) -> FeatureSums:
        """`by_feature` as arrays, without words; over the given tokens of [n] only, if there are any."""
        keep = self._kept(sae, include_special)
        if tokens is not None:
            keep &= np.isin(self.token, np.asarray(list(tokens), dtype=np.int64))
        return summed(
            self.sae[keep],
            self.features[keep],
            self.token[keep],
            self.text[self.token[keep]],
            self.activations[keep],
            self.attributions[keep],
            self.n_texts,
        )

    def by_position(self, *, sae: str | None = None) -> pd.DataFrame:
        """One row a token and dictionary: sae, text, position, token, special, outlier, features, error, bias, total, embedding.

        features + error + bias = total = y · g. `embedding` is the token's own embedding times the gradient there.
        """
        import pandas as pd

        chosen = [self._index(sae)] if sae is not None else range(len(self.dictionaries))
        n = len(self.tokens)
        frames = [
            pd.DataFrame(
                {
                    "sae": self.dictionaries[d],
                    "text": self.text,
                    "position": np.arange(n) - self.text_ptr[self.text],
                    "token": list(self.tokens),
                    "special": self.special,
                    "outlier": self.outlier[d],
                    "features": self._of_features[d],
                    "error": self.error[d],
                    "bias": self.bias[d],
                    "total": self.total[d],
                    "embedding": self.embedding,
                }
            )
            for d in chosen
        ]
        return pd.concat(frames, ignore_index=True)

    def only(self, sae: str) -> Attribution:
        """The same of one dictionary."""
        d = self._index(sae)
        keep = self.sae == d
        return replace(
            self,
            dictionaries=(sae,),
            sae=np.zeros(int(keep.sum()), np.int64),
            token=self.token[keep],
            features=self.features[keep],
            activations=self.activations[keep],
            gradients=self.gradients[keep],
            **{name: getattr(self, name)[d : d + 1] for name in ("outlier", "error", "bias", "total")},
        )

    def removed(self, sae: str, text: int, features: Sequence[int]) -> list[Removed]:
        """Features of a dictionary on the counted tokens of a text, as what is to be taken out of it (see `removal`)."""
        d, start = self._index(sae), self.text_ptr[text]
        here = (self.sae == d) & (self.text[self.token] == text) & self.counted[d, self.token]
        taken = [(f, here & (self.features == f)) for f in features]
        return [Removed(sae, f, self.token[k] - start, self.activations[k]) for f, k in taken if np.any(k)]

    def figure(self, k: int = 20, *, sae: str | None = None, include_special: bool = False) -> Figure:
        """A plotly picture: what each token's features, error and bias are worth, and the `k` features that matter most."""
        from .figures import attribution_figure

        name = self.dictionaries[0] if sae is None else sae
        tokens = self.by_position(sae=name)
        shown = tokens if include_special else tokens[~(tokens["special"] | tokens["outlier"])]
        features = self.by_feature(sae=name, include_special=include_special).head(k)
        title = f"{self.metric}: {self.method}; {name}, error share {self.error_share[name]:.0%}"
        return attribution_figure(shown, features, title)

    def _kept(self, sae: str | None, include_special: bool) -> Bools:
        keep = np.ones(len(self.sae), bool) if include_special else self.counted[self.sae, self.token]
        if sae is not None:
            keep &= self.sae == self._index(sae)
        return keep

    def _index(self, sae: str) -> int:
        if sae not in self.dictionaries:
            raise KeyError(
                f"There is no attribution of {sae!r}; there is of {', '.join(map(repr, self.dictionaries))}."
            )
        return self.dictionaries.index(sae)

    def __repr__(self) -> str:
        of = f"{self.n_texts} texts, " if self.n_texts != 1 else ""
        shares = ", ".join(f"{share:.0%}" for share in self.error_share.values())
        return (
            f"Attribution({self.metric}: {of}{len(self.tokens)} tokens, {len(self.features)} active features of "
            f"{', '.join(map(repr, self.dictionaries))}, error share {shares})"
        )
