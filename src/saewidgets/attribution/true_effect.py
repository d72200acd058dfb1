"""The honest check: features are really taken out, one at a time, and the metric is computed again.

An attribution is a linear estimate. How good it is on this text, for this metric, is not known before somebody asks the model,
so that is one call: the features with the largest attributions, and as many random ones, against which a ranking must show
that it means something.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..engine.arrays import Bools, Doubles, Floats, Ints
from ..engine.labels import said
from ..engine.ticket import Progress, Ticket
from .errors import MetricError
from .removal import Removed, metric_without
from .result import Attribution

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from ..engine.engine import Engine

__all__ = ["TrueEffects", "true_effects", "true_effects_of"]


@dataclass(frozen=True, eq=False, repr=False)
class TrueEffects:
    """Attributions beside what happens without each feature.

        effect = m(as it is) - m(without the feature)

    with a · d subtracted at its hook, at every position of the row, the reconstruction error kept and the rest of the model
    run on; a from the text as it is. An attribution estimates it, so both have one sign.

    Attributes:
        metric, method: what was attributed, and how.
        by: "feature": taken out at all its counted positions at once; "position": at one.
        sae, text, position, features: [n] which; text and position are -1 for all of them.
        activations: [n] (the largest in magnitude), attributions: [n], effects: [n]; over several texts: means.
        top: [n] whether it was chosen for its attribution, and not at random.
        total: how many there were to choose from.
        descriptions: [n] what is said of it.
        notes: what a reader must know.

    Example:
        >>> checked = sw.true_effects(engine, found)
        >>> checked.correlations(), checked.figure()
    """

    metric: str
    method: str
    by: str
    sae: tuple[str, ...]
    text: Ints
    position: Ints
    features: Ints
    activations: Floats
    attributions: Doubles
    effects: Doubles
    top: Bools
    total: int
    descriptions: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.features)

    def to_pandas(self) -> pd.DataFrame:
        """One row a feature: sae, text, position, feature, description, chosen ("top" or "random"), activation, attribution, effect."""
        import pandas as pd

        return pd.DataFrame(
            {
                "sae": list(self.sae),
                "text": self.text,
                "position": self.position,
                "feature": self.features,
                "description": list(self.descriptions),
                "chosen": np.where(self.top, "top", "random"),
                "activation": self.activations,
                "attribution": self.attributions,
                "effect": self.effects,
            }
        )

    def correlations(self) -> pd.DataFrame:
        """How well each ranking tells the effect: measure, among, n, pearson, spearman.

        `measure`: "attribution" and "activation" with the effect, and "activation, size" with the size of the effect, for an
        activation says nothing of a sign. `among`: all that were checked, those at the "top", the "random" ones. The top ones
        were chosen by attribution, which stretches its correlation: read it beside that of the random ones. NaN for fewer than
        3, or where one does not vary.
        """
        import pandas as pd

        pairs = {
            "attribution": (self.attributions, self.effects),
            "activation": (self.activations.astype(np.float64), self.effects),
            "activation, size": (np.abs(self.activations.astype(np.float64)), np.abs(self.effects)),
        }
        some = {"all": np.ones(len(self), bool), "top": self.top, "random": ~self.top}
        rows = [
            {"measure": measure, "among": among, "n": int(keep.sum()), **_correlated(x[keep], y[keep])}
            for among, keep in some.items()
            for measure, (x, y) in pairs.items()
        ]
        return pd.DataFrame(rows)

    def beside(self, other: Attribution) -> TrueEffects:
        """The same features and effects, judged by another attribution of the same texts (linearised, integrated ...).

        Example:
            >>> relp = sw.attribute(engine, text, metric, linearised="relp")
            >>> checked.beside(relp).correlations()

        Raises:
            MetricError: if that is not of the same features and texts.
        """
        known = {(row.sae, row.feature, row.text, row.position): row.attribution for row in _rows_of(other, self.by)}
        keys = zip(self.sae, self.features.tolist(), self.text.tolist(), self.position.tolist(), strict=True)
        values = [known.get(key) for key in keys]
        if None in values:
            raise MetricError(
                "The other attribution does not have these features: it is of other texts or dictionaries."
            )
        return replace(self, method=other.method, attributions=np.array(values, dtype=np.float64))

    def figure(self) -> Figure:
        """A plotly scatter: attribution against effect, with the line on which they agree."""
        from .figures import effects_figure

        r = self.correlations()
        pearson = r[r["measure"] == "attribution"].set_index("among")["pearson"]
        title = (
            f"{self.metric}: {len(self)} of {self.total} taken out; Pearson {pearson['all']:.2f} "
            f"(random ones {pearson['random']:.2f})"
        )
        return effects_figure(self.to_pandas(), title)

    def __repr__(self) -> str:
        r = _correlated(self.attributions, self.effects)["pearson"]
        return f"TrueEffects({self.metric}: {len(self)} of {self.total} by {self.by}, Pearson {r:.2f} with the effect)"


def true_effects(
    engine: Engine,
    found: Attribution,
    *,
    top: int = 20,
    random: int = 20,
    by: Literal["feature", "position"] = "feature",
    seed: int = 0,
    on_progress: Progress | None = None,
) -> TrueEffects:
    """Take the `top` features by |attribution|, and `random` others that are active, out of the texts, one at a time.

    Args:
        engine: the one of the attribution.
        found: what `sw.attribute` gave.
        top, random: how many; fewer if there are fewer.
        by: "feature": at all its counted positions; "position": each feature and position by itself.
        seed: of the choice.
        on_progress: called with (done, in all), on the worker thread.

    Raises:
        MetricError: if the attribution is of dictionaries that this engine has not, or if nothing was active.
        OutOfMemoryError: if a single text does not fit.

    Example:
        >>> sw.true_effects(engine, found).correlations()
    """
    return engine.worker.run(
        lambda ticket: true_effects_of(engine, found, top=top, random=random, by=by, seed=seed, ticket=ticket),
        on_progress,
    )


def true_effects_of(
    engine: Engine,
    found: Attribution,
    *,
    top: int,
    random: int,
    by: str,
    seed: int,
    ticket: Ticket,
    tell: Callable[[TrueEffects], None] = lambda _: None,
) -> TrueEffects:
    """`true_effects`, on the worker; `tell` is told what is known so far."""
    if by not in ("feature", "position"):
        raise ValueError(f"by is 'feature' or 'position', not {by!r}.")
    missing = [name for name in found.dictionaries if name not in engine.dictionaries]
    if missing:
        raise MetricError(f"The attribution is of {missing[0]!r}, which this engine has not: it is another engine's.")
    rows = _rows_of(found, by)
    if not len(rows):
        raise MetricError("No feature is active on a counted token of these texts: there is nothing to take out.")
    order = np.argsort(-np.abs([row.attribution for row in rows]), kind="stable")
    rest = order[top:]
    picked = np.random.default_rng(seed).choice(rest, min(random, len(rest)), replace=False)
    chosen = np.concatenate([order[:top], np.sort(picked)]).astype(np.int64)
    is_top = np.arange(len(chosen)) < min(top, len(order))
    some = [rows[i] for i in chosen]
    candidates = [candidate for row in some for candidate in row.candidates]
    owner = np.repeat(np.arange(len(some)), [len(row.candidates) for row in some])
    effects = np.full(len(candidates), np.nan)

    def table(done: Bools) -> TrueEffects:
        complete = np.array([done[owner == i].all() for i in range(len(some))], dtype=bool)
        keep = np.flatnonzero(complete)
        return TrueEffects(
            metric=found.metric,
            method=found.method,
            by=by,
            sae=tuple(some[i].sae for i in keep),
            text=np.array([some[i].text for i in keep], dtype=np.int64),
            position=np.array([some[i].position for i in keep], dtype=np.int64),
            features=np.array([some[i].feature for i in keep], dtype=np.int64),
            activations=np.array([some[i].activation for i in keep], dtype=np.float32),
            attributions=np.array([some[i].attribution for i in keep]),
            # A text in which it is silent loses nothing without it.
            effects=np.array([effects[owner == i].sum() / (found.n_texts if by == "feature" else 1) for i in keep]),
            top=is_top[keep],
            total=len(rows),
            descriptions=tuple(said(found.labels[some[i].sae], some[i].feature) for i in keep),
            notes=found.notes,
        )

    finished = np.zeros(len(candidates), bool)
    ticket.expect(len(candidates))
    for text in sorted({text for text, _ in candidates}):
        of_text = [i for i, (t, _) in enumerate(candidates) if t == text]
        at = 0
        for values in metric_without(engine, found.plan, text, [[candidates[i][1]] for i in of_text], ticket):
            now = of_text[at : at + len(values)]
            effects[now] = found.values[text] - np.array(values)
            finished[now] = True
            at += len(values)
            ticket.progress(int(finished.sum()), len(candidates))
            tell(table(finished))
    return table(finished)


@dataclass(frozen=True)
class _Row:
    sae: str
    feature: int
    text: int
    position: int
    activation: float
    attribution: float
    candidates: tuple[tuple[int, Removed], ...]


def _rows_of(found: Attribution, by: str) -> list[_Row]:
    """What can be taken out, with its attribution."""
    keep = found.counted[found.sae, found.token]
    d, feature, token = found.sae[keep], found.features[keep], found.token[keep]
    acts, values = found.activations[keep], found.attributions[keep]
    text = found.text[token]
    position = token - found.text_ptr[text]
    key = np.stack([d, feature] + ([text, position] if by == "position" else []), 1)
    _, which = np.unique(key, axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    rows = []
    for entries in np.split(order, np.flatnonzero(np.diff(which.ravel()[order])) + 1) if len(order) else []:
        name, f = found.dictionaries[d[entries[0]]], int(feature[entries[0]])
        candidates = []
        for t in np.unique(text[entries]):
            of_text = entries[text[entries] == t]
            candidates.append((int(t), Removed(name, f, position[of_text], acts[of_text])))
        strongest = entries[np.argmax(np.abs(acts[entries]))]
        one = by == "position"
        share = 1 if one else found.n_texts
        rows.append(
            _Row(
                name,
                f,
                int(text[entries[0]]) if one or found.n_texts == 1 else -1,
                int(position[entries[0]]) if one else -1,
                float(acts[strongest]),
                float(values[entries].sum() / share),
                tuple(candidates),
            )
        )
    return rows


def _correlated(x: Doubles, y: Doubles) -> dict[str, float]:
    from scipy.stats import pearsonr, spearmanr

    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return {"pearson": float("nan"), "spearman": float("nan")}
    return {"pearson": float(pearsonr(x, y).statistic), "spearman": float(spearmanr(x, y).statistic)}
