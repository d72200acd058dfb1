"""What a person scored who guessed, from what is said of a feature, in which texts it fires.

Kept in the log of own words, every run of it: a person's twenty guesses are few, and what was guessed before is part of
what a score means. It says by itself that a person judged, so that it is never taken for a language model's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from ..statistics.score_interval import wilson

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BLIND", "CHANCE", "BlindScore", "Tested", "by_a_person", "scores_frame"]

BLIND = "blind test"
CHANCE = 0.5
"""The balanced accuracy of whoever guesses without knowing anything."""
_MEASURE = "blind test by a person, balanced accuracy"

Tested: TypeAlias = Literal["label", "explanation", "automatic", "nothing"]


@dataclass(frozen=True)
class BlindScore:
    """One blind test of a feature, by a person.

    Attributes:
        feature: whose texts. kind: what the person was shown of it: a label, an explanation, a description made of what the
            index counted, or nothing.
        description: the words that were shown; source: of an explanation, the set that it is in.
        active, silent: texts in which the feature fires, and in which it is silent.
        true_positives, true_negatives: how many of these were judged rightly.
        window: tokens of a text; seed: of the draw; starts: where in the corpus the texts begin, as they were shown.
        at: when, in UTC; "" before it is kept.
    """

    feature: int
    kind: Tested
    description: str
    source: str
    active: int
    silent: int
    true_positives: int
    true_negatives: int
    window: int
    seed: int
    starts: tuple[int, ...] = ()
    at: str = ""

    @property
    def n(self) -> int:
        """Texts that were judged."""
        return self.active + self.silent

    @property
    def right(self) -> int:
        """How many were judged rightly."""
        return self.true_positives + self.true_negatives

    @property
    def tpr(self) -> float:
        """True positive rate: of the texts in which it fires, the share that was found."""
        return self.true_positives / self.active

    @property
    def tnr(self) -> float:
        """True negative rate: of the texts in which it is silent, the share that was told so."""
        return self.true_negatives / self.silent

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the two rates; 0.5 is chance."""
        return (self.tpr + self.tnr) / 2

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of the share judged rightly."""
        low, high = wilson(self.right, self.n)
        return float(low), float(high)

    @property
    def measure(self) -> str:
        """What the score is, and who judged."""
        return f"{_MEASURE}, n={self.n}"

    def to_dict(self) -> dict[str, Any]:
        """The numbers, by name."""
        low, high = self.interval
        return {
            "balanced_accuracy": self.balanced_accuracy,
            "tpr": self.tpr,
            "tnr": self.tnr,
            "n": self.n,
            "right": self.right,
            "low": low,
            "high": high,
            "chance": CHANCE,
            "measure": self.measure,
        }

    def to_entry(self) -> dict[str, Any]:
        """The entry of the log: what was counted, and for other readers of it the score and who judged."""
        counted = {name: value for name, value in asdict(self).items() if name not in ("feature", "at")}
        told = {"score": self.balanced_accuracy, "measure": self.measure}
        return {"t": BLIND, "f": self.feature, **counted, "starts": list(self.starts), **told}

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> BlindScore | None:
        """The score in an entry of the log; None if it is none that this version could have written."""
        given = {"at": "", "starts": (), **entry, "feature": entry.get("f")}
        numbers = ("feature", "active", "silent", "true_positives", "true_negatives", "window", "seed")
        known = all(isinstance(given.get(name), int) for name in numbers)
        words = all(isinstance(given.get(name), str) for name in ("description", "source", "at"))
        starts = isinstance(given["starts"], Sequence) and all(isinstance(start, int) for start in given["starts"])
        if not (known and words and starts and given.get("kind") in get_args(Tested)):
            return None
        one = cls(**{field.name: given[field.name] for field in fields(cls)} | {"starts": tuple(given["starts"])})
        possible = 0 <= one.true_positives <= one.active and 0 <= one.true_negatives <= one.silent
        return one if possible and one.active and one.silent else None


def by_a_person(measure: str) -> bool:
    """Whether what an explanation's score is called (`Explanation.measure`) is that of a blind test."""
    return measure.startswith(_MEASURE)


def scores_frame(scores: Sequence[BlindScore]) -> pd.DataFrame:
    """One row a test, in the order in which they were taken."""
    import pandas as pd

    names = ["at", "feature", "balanced_accuracy", "tpr", "tnr", "right", "n", "kind", "description", "source"]
    names += ["window", "seed", "measure"]
    return pd.DataFrame([[getattr(one, name) for name in names] for one in scores], columns=names)
