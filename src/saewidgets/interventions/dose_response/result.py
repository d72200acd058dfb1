"""The result of a sweep: what was measured of every text, means with intervals, usable strengths, tables and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ...engine.arrays import Bools, Doubles, Ints
from ..generation.generate import Continuation
from ..generation.sampling import Sampling
from ..recipe.intervention import Intervention
from .curves import MEASURES, READINGS, Curve, Measures, difference, mean_of
from .figure import Drawn, figure_of
from .promoted import Promoted, Readings
from .usable import Band

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


__all__ = ["Sweep"]


@dataclass(frozen=True)
class Sweep:
    """Texts at several strengths of one intervention, and what was measured of each.

    There are `n` texts a strength: `samples` for each of `prompts`. Text i continues prompt i // samples with the dice of
    sample i % samples, at every strength, in the unedited texts and in the controls alike, so texts with the same i are
    pairs that differ in the edit. Of each text, over its generated tokens:

    - target: `target_name`; by default the mean activation of the edited feature over the text's tokens, special ones left
      out, when the *unedited* model reads it: whether the text became what the feature is about, not whether the feature
      was pushed.
    - kl: mean KL(clean || edited) of the next-token distributions, both reading that text, in nats.
    - perplexity: of the text under the unedited model.
    - repetition: share of its 4-grams that stood in it before.

    And without sampling, of the prompts themselves (and what was given to follow them), see `Readings`:

    - promoted: log-probability that the next token is one of those that the feature promotes, mean over counted tokens.
    - activation: of the edited feature, read from the edited run ("realised"), mean over counted tokens.

    Attributes:
        strengths: [k] values of the intervention, in `unit`.
        prompts: as text; samples: texts a prompt and strength.
        texts: [k][n]; baseline: [n] the unedited texts.
        curve, base: the measures of the texts [k, n] and of the unedited ones [n]; control_curves: of every control, [k, n].
        controls: (kind, name) of each.
        promoted: the tokens that the feature promotes; None if it has no direct path to the logits.
        reading, reading_base: [k, prompts] and [prompts]; reading_controls: of every control, [k, prompts].
        reading_tokens: [prompts] counted tokens of each.
        directions: [k] which way the edit should move the feature: 1 raises, -1 suppresses, 0 no edit (`directions_of`).
        usable: [k] the strengths that meet `band_rule`; bands: their runs.
        level: of the intervals by which strengths are judged, and which `curve_of` gives (`level_of`).
    """

    strengths: Doubles
    unit: str
    intervention: Intervention
    row: int
    target_name: str
    prompts: tuple[str, ...]
    samples: int
    texts: tuple[tuple[Continuation, ...], ...]
    baseline: tuple[Continuation, ...]
    base: Measures
    curve: Measures
    controls: tuple[tuple[str, str], ...]
    control_curves: tuple[Measures, ...]
    promoted: Promoted | None
    reading: Readings
    reading_base: Readings
    reading_controls: tuple[Readings, ...]
    reading_tokens: Ints
    directions: Ints
    usable: Bools
    bands: tuple[Band, ...]
    band_rule: str
    level: float
    sampling: Sampling
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Texts a strength: prompts times samples."""
        return len(self.prompts) * self.samples

    @property
    def band(self) -> tuple[float, float] | None:
        """Lowest and highest strength of the longest run of usable ones (the lower of two as long); None without any."""
        inside = [int((self.usable & (b.low <= self.strengths) & (self.strengths <= b.high)).sum()) for b in self.bands]
        longest = self.bands[int(np.argmax(inside))] if inside else None
        return None if longest is None else (longest.low, longest.high)

    @property
    def target(self) -> Doubles:
        """[k] mean target at every strength."""
        return mean_of("target", self.curve.target)

    @property
    def kl(self) -> Doubles:
        """[k] mean KL at every strength."""
        return mean_of("kl", self.curve.kl)

    @property
    def perplexity(self) -> Doubles:
        """[k] geometric mean of perplexity at every strength."""
        return mean_of("perplexity", self.curve.perplexity)

    @property
    def repetition(self) -> Doubles:
        """[k] mean repetition at every strength."""
        return mean_of("repetition", self.curve.repetition)

    @property
    def promoted_logprob(self) -> Doubles:
        """[k] log-probability of the promoted tokens at every strength, mean over prompts."""
        return mean_of("promoted", self.reading.promoted)

    @property
    def promoted_change(self) -> Doubles:
        """[k] its change: edited minus unedited."""
        return mean_of("promoted", self.reading.promoted - self.reading_base.promoted)

    @property
    def realised(self) -> Doubles:
        """[k] activation of the feature read from the edited run at every strength, mean over prompts."""
        return mean_of("activation", self.reading.activation)

    def curve_of(self, measure: str) -> Curve:
        """One of "target", "kl", "perplexity", "repetition", "promoted" and "activation", as it is drawn.

        The first four over `n` pairs of texts; the last two over prompts.

        Raises:
            ValueError: for any other name.
        """
        if measure in MEASURES:
            edited, base = getattr(self.curve, measure), getattr(self.base, measure)
            controls = [getattr(c, measure) for c in self.control_curves]
        elif measure in READINGS:
            edited, base = getattr(self.reading, measure), getattr(self.reading_base, measure)
            controls = [getattr(c, measure) for c in self.reading_controls]
        else:
            raise ValueError(f"There is no measure {measure!r}: choose from {', '.join((*MEASURES, *READINGS))}.")
        interval = difference(measure, edited, base, self.level)
        mean = mean_of(measure, edited)
        low, high = interval.low - interval.mean, interval.high - interval.mean
        low, high = (mean * np.exp(low), mean * np.exp(high)) if measure == "perplexity" else (mean + low, mean + high)
        means = np.array([mean_of(measure, c) for c in controls], np.float64).reshape(len(controls), len(mean))
        return Curve(mean, low, high, interval.n, float(mean_of(measure, base)), means)

    def title_of(self, measure: str) -> str:
        """What the numbers of a measure are, for a reader."""
        return {
            "target": self.target_name,
            "kl": "mean KL(unedited || edited) of the predictions, both reading the text, nats",
            "perplexity": "perplexity of the text under the unedited model (geometric mean)",
            "repetition": "repetition: share of a text's 4-grams that stood in it before",
            "promoted": self._promoted_title(),
            "activation": f"realised activation of {self._feature}, read from the edited run; {self._over}",
        }[measure]

    @property
    def _feature(self) -> str:
        i = self.intervention
        return "the direction" if i.direction is not None else f"feature {i.features[0]}"

    @property
    def _over(self) -> str:
        n, several = int(self.reading_tokens.sum()), len(self.prompts) > 1
        return f"mean over {n} counted tokens of {f'{len(self.prompts)} prompts' if several else 'the prompt'}"

    def _promoted_title(self) -> str:
        if self.promoted is None:
            return "log-probability of promoted tokens: there are none"
        k = len(self.promoted.token_ids)
        return f"log-probability (nats) that one of {k} tokens that {self._feature} promotes comes next; {self._over}"

    def to_pandas(self) -> pd.DataFrame:
        """One row a measure, strength and what was edited: the edit itself first, then the controls.

        Columns: edited ("edit", "feature", "direction"), name, strength, measure, mean, low, high (see `Curve`; of the edit
        alone), n (pairs), unedited, direction and usable (of the edit).
        """
        import pandas as pd

        rows: list[dict[str, object]] = []
        said = [("edit", repr(self.intervention)), *self.controls]
        curves = {measure: self.curve_of(measure) for measure in (*MEASURES, *READINGS)}
        for number, (kind, name) in enumerate(said):
            for i, strength in enumerate(self.strengths.tolist()):
                for measure, one in curves.items():
                    edit = number == 0
                    rows.append(
                        {
                            "edited": kind,
                            "name": name,
                            "strength": strength,
                            "measure": measure,
                            "mean": float(one.mean[i] if edit else one.controls[number - 1, i]),
                            "low": float(one.low[i]) if edit else float("nan"),
                            "high": float(one.high[i]) if edit else float("nan"),
                            "n": int(one.n[i]),
                            "unedited": one.unedited,
                            "direction": _way(int(self.directions[i])) if edit else "",
                            "usable": bool(edit and self.usable[i]),
                        }
                    )
        return pd.DataFrame(rows)

    def texts_to_pandas(self) -> pd.DataFrame:
        """One row a text: the unedited ones (strength NaN), then the edit's at each strength."""
        import pandas as pd

        groups = [("unedited", float("nan"), self.baseline, self.base)]
        for i, strength in enumerate(self.strengths.tolist()):
            groups.append(("edit", strength, self.texts[i], self.curve.part(i)))
        rows = [
            {
                "edited": kind,
                "strength": strength,
                "prompt": self.prompts[j // self.samples],
                "sample": j % self.samples,
                **{measure: float(getattr(measures, measure)[j]) for measure in MEASURES},
                "text": text.text,
            }
            for kind, strength, texts, measures in groups
            for j, text in enumerate(texts)
        ]
        return pd.DataFrame(rows)

    def figure(self) -> Figure:
        """The curves over strength with their intervals, controls grey, usable strengths shaded."""
        texts = f"{self.n} texts a strength" if self.n > 1 else "one text a strength, no intervals"
        return figure_of(
            [Drawn(self.title_of(name), self.curve_of(name)) for name in (*MEASURES, *READINGS)],
            strengths=self.strengths,
            unit=self.unit,
            controls=self.controls,
            bands=[(band.low, band.high) for band in self.bands],
            title=(
                f"Dose-response of {self.intervention!r}: {texts}<br>bars: {self.level * 100:.4g}% interval of the mean "
                "paired difference to the unedited texts (dashed); last row: no sampling, one number a prompt"
            ),
        )

    def __repr__(self) -> str:
        said = ", ".join(f"{b.direction} from {b.low:g} to {b.high:g}" for b in self.bands)
        texts = f"{self.n} texts each" if self.n > 1 else "one text each: no intervals"
        return (
            f"Sweep({self.intervention!r}: {len(self.strengths)} strengths, {texts}, {len(self.controls)} controls, "
            f"{f'usable: {said}' if said else 'no usable strength'})"
        )


def _way(direction: int) -> str:
    return {1: "raises", -1: "suppresses"}.get(direction, "no edit")
