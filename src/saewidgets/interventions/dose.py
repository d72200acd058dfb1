"""The result of a sweep: the curves, the usable band, a table and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .generation import Continuation
from .recipe.recipe import Intervention
from .sampling import Sampling

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    from plotly.graph_objects import Figure

    Doubles: TypeAlias = npt.NDArray[np.float64]

__all__ = ["Measures", "Sweep", "band_of"]

PERPLEXITY_FACTOR = 2.0
REPETITION = 0.3


@dataclass(frozen=True)
class Measures:
    """Four numbers a text, over its generated tokens: see `Sweep`."""

    target: Doubles
    kl: Doubles
    perplexity: Doubles
    repetition: Doubles

    def part(self, which: slice) -> Measures:
        """Those of some texts."""
        return Measures(self.target[which], self.kl[which], self.perplexity[which], self.repetition[which])


@dataclass(frozen=True)
class Sweep:
    """Texts at several strengths of one intervention, and what is measured of each, over its generated tokens.

    - target: `target_name`; by default the mean activation of the edited feature over the text's tokens, special ones left
      out, when the *unedited* model reads it: whether the text became what the feature is about, not whether the feature
      was pushed.
    - kl: mean KL(clean || edited) of the next-token distributions, both reading that text, in nats.
    - perplexity: of the text under the unedited model.
    - repetition: share of its 4-grams that stood in it before.

    Attributes:
        strengths: [n] values of the intervention, in `unit`; texts: one a strength; baseline: the unedited text.
        curve, base: the measures of the texts and of the baseline; control_curves: of every control, at every strength.
        controls: (kind, name) of each.
        band: the lowest and highest strength of the usable band, or None; band_rule: what makes it usable.
    """

    strengths: Doubles
    unit: str
    intervention: Intervention
    row: int
    target_name: str
    texts: tuple[Continuation, ...]
    baseline: Continuation
    base: Measures
    curve: Measures
    controls: tuple[tuple[str, str], ...]
    control_curves: tuple[Measures, ...]
    band: tuple[float, float] | None
    band_rule: str
    sampling: Sampling
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def target(self) -> Doubles:
        """[n] the target measure at every strength."""
        return self.curve.target

    @property
    def kl(self) -> Doubles:
        """[n] mean KL at every strength."""
        return self.curve.kl

    @property
    def perplexity(self) -> Doubles:
        """[n] perplexity at every strength."""
        return self.curve.perplexity

    @property
    def repetition(self) -> Doubles:
        """[n] repetition at every strength."""
        return self.curve.repetition

    def to_pandas(self) -> pd.DataFrame:
        """One row a strength and what was edited: the feature itself first, then the controls (which show no text)."""
        import pandas as pd

        said = [
            ("edit", repr(self.intervention), self.curve),
            *((k, n, c) for (k, n), c in zip(self.controls, self.control_curves, strict=True)),
        ]
        rows = [
            {
                "edited": kind,
                "name": name,
                "strength": float(self.strengths[i]),
                "target": float(measures.target[i]),
                "kl": float(measures.kl[i]),
                "perplexity": float(measures.perplexity[i]),
                "repetition": float(measures.repetition[i]),
                "usable": bool(
                    kind == "edit" and self.band is not None and self.band[0] <= self.strengths[i] <= self.band[1]
                ),
                "text": self.texts[i].text if kind == "edit" else None,
            }
            for kind, name, measures in said
            for i in range(len(self.strengths))
        ]
        return pd.DataFrame(rows)

    def figure(self) -> Figure:
        """The four curves over strength, controls grey, the usable band shaded."""
        import plotly.graph_objects as go
        from plotly.subplots import make_subplots

        names = [
            self.target_name,
            "mean KL(clean || edited), nats",
            "perplexity under the unedited model",
            "repeated 4-grams",
        ]
        order = np.argsort(self.strengths, kind="stable")
        figure = make_subplots(rows=2, cols=2, subplot_titles=names)
        for n, field_name in enumerate(("target", "kl", "perplexity", "repetition")):
            at = {"row": n // 2 + 1, "col": n % 2 + 1}
            for (kind, name), measures in zip(self.controls, self.control_curves, strict=True):
                dash = "dot" if kind == "direction" else "solid"
                line = go.Scatter(
                    x=self.strengths[order],
                    y=getattr(measures, field_name)[order],
                    name=name,
                    line={"color": "#999", "width": 1, "dash": dash},
                    showlegend=n == 0,
                )
                figure.add_trace(line, **at)
            edited = go.Scatter(
                x=self.strengths[order],
                y=getattr(self.curve, field_name)[order],
                name="the edit",
                mode="lines+markers",
                line={"color": "#0072b2"},
                showlegend=n == 0,
            )
            figure.add_trace(edited, **at)
            if self.band is not None:
                figure.add_vrect(x0=self.band[0], x1=self.band[1], fillcolor="#0072b2", opacity=0.1, line_width=0, **at)
        figure.update_layout(title=f"Dose-response of {self.intervention!r}", height=640)
        return figure

    def __repr__(self) -> str:
        band = "no usable band" if self.band is None else f"usable from {self.band[0]:g} to {self.band[1]:g}"
        return f"Sweep({self.intervention!r}: {len(self.strengths)} strengths, {len(self.controls)} controls, {band})"


def band_of(
    strengths: Doubles,
    base: Measures,
    curve: Measures,
    controls: Sequence[Measures],
    perplexity_factor: float = PERPLEXITY_FACTOR,
    repetition: float = REPETITION,
) -> tuple[tuple[float, float] | None, str]:
    """The longest run of strengths at which the edit does more than the controls and the text stays a text.

    Returns:
        Its ends, or None; and the rule, as a sentence.
    """
    highest = np.max([c.target for c in controls], axis=0) if controls else np.full(len(strengths), -np.inf)
    limit = max(repetition, float(base.repetition[0]))
    usable = (
        (curve.target > np.maximum(highest, base.target[0]))
        & (curve.perplexity <= perplexity_factor * base.perplexity[0])
        & (curve.repetition <= limit)
    )
    rule = (
        f"Target above the unedited text's{' and above that of every control at the same strength' if controls else ''}, "
        f"perplexity at most {perplexity_factor:g} times the unedited text's, at most {limit:.0%} of 4-grams repeated."
    )
    order = np.argsort(strengths, kind="stable")
    best: list[int] = []
    run: list[int] = []
    for i in order:
        run = [*run, int(i)] if usable[i] else []
        best = run if len(run) > len(best) else best
    return ((float(strengths[best[0]]), float(strengths[best[-1]])) if best else None), rule
