"""Whether stored activations are what a model and an SAE give: computed again, and if not, why not.

Numbers travel without all that they depend on. BOS, dtype, the processing of weights, what is folded into the SAE, and where
a text was cut are what makes two people's activations of one feature differ; each is tried here.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..engine.arrays import Floats
from ..engine.copies import ways
from ..engine.dictionary.base import Dictionary
from ..engine.engine import Engine
from ..errors import CancelledError, OutOfMemoryError, SaewidgetsError
from ..formats.lines import content_of, files_in, is_lines
from ..formats.saedashboard import is_saedashboard
from .exchange.causes import agrees, computed, decoder_norm, difference, rounding, texts_of, unexplained
from .exchange.stored import Stored, as_written, counted_only, ids_of, stored_examples
from .feature_index import FeatureIndex
from .record.identity import differing, identity
from .record.manifest import MANIFEST

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Verification", "Verified", "verify"]

_FEATURES = 10
_LARGEST_COPY = 2**32
_FOLDED = "folding: the norm of the decoder's row is folded into the activations (fold_W_dec_norm)"


@dataclass(frozen=True)
class Verified:
    """One example, computed again.

    Attributes:
        feature: whose; example: which, as `Example.position` of the index.
        stored_max, recomputed_max: largest activation in it, as stored and under the engine's own policy (NaN if it could not
            be computed).
        largest_difference: at one token, under the engine's own policy.
        reproduces: whether all of it is the same under the engine's own policy.
        cause: under which other way the stored values are reproduced ("" if none is needed), or why they are not.
    """

    feature: int
    example: int
    stored_max: float
    recomputed_max: float
    largest_difference: float
    reproduces: bool
    cause: str


@dataclass(frozen=True)
class Verification:
    """What came of `verify`.

    Attributes:
        examples: one each.
        tolerance: by which a value may differ, as a share of the example's largest.
        tried: the ways that were tried where something did not reproduce; untried: those that could not be, and features
            without an example to compare, and why.
        differs: what the index says of its making that is not so of the engine.

    Example:
        >>> sw.verify(engine, index).causes
    """

    examples: tuple[Verified, ...]
    tolerance: float
    tried: tuple[str, ...]
    untried: tuple[str, ...]
    differs: tuple[str, ...]

    @property
    def reproduces(self) -> bool:
        """Whether every example does; False if there is none, for then nothing was compared."""
        return bool(self.examples) and all(one.reproduces for one in self.examples)

    @property
    def causes(self) -> dict[str, int]:
        """Of the examples that do not reproduce: how many have which cause, the most frequent first."""
        return dict(Counter(one.cause for one in self.examples if not one.reproduces).most_common())

    def to_pandas(self) -> pd.DataFrame:
        """One row an example."""
        import pandas as pd

        return pd.DataFrame([vars(one) for one in self.examples], columns=[*Verified.__dataclass_fields__])

    def __repr__(self) -> str:
        same = sum(one.reproduces for one in self.examples)
        told = "".join(f"\n  {n:,}: {cause}" for cause, n in self.causes.items())
        told += "" if self.examples else "\n  there are no examples to compare"
        return f"Verification({same:,} of {len(self.examples):,} examples reproduce){told}"


def verify(
    engine: Engine,
    index: FeatureIndex | str | os.PathLike[str],
    features: Iterable[int] | None = None,
    *,
    sae: str | None = None,
    examples: int = 8,
    tolerance: float = 1e-3,
    largest_copy: int = _LARGEST_COPY,
) -> Verification:
    """Compute stored activations again, and find out why where they are others.

    Each example is run under the engine's own policy (BOS, dtype, weights as they are). Where that does not give the stored
    values, these are tried, alone and together: the other BOS policy; shorter contexts; decoder norms folded into the
    activations; `apply_b_dec_to_input` turned; LayerNorm folded and weights centred; other dtypes. A cause is named only if it
    gives the stored values at every token. The model and the SAE are not changed: what needs other weights is tried on
    copies, and weights that were processed before cannot be undone. Of files a 0 at a token that is not counted (BOS, EOS,
    padding, norm outliers) is not compared: SAEDashboard writes it there whatever the activation is.

    Args:
        index: an index, a folder of one, or files of Neuronpedia or SAEDashboard. Their token strings are matched with the
            model's vocabulary; a string that is not in it is named.
        features: which; default: ten, spread over those that fire.
        sae: which dictionary of the engine; default: the first.
        examples: of each feature.
        tolerance: by which a value may differ, as a share of the largest of the example; what a file's rounding adds is
            allowed on top.
        largest_copy: bytes that a copy of the model may take.

    Raises:
        FeatureIndexError: for a feature that index or dictionary does not have. FormatError: for a file of another kind.

    Example:
        >>> sw.verify(engine, "exports/gpt2-small/7-res-jb", [2717])
    """
    opened = index if isinstance(index, FeatureIndex) else _opened(Path(index))
    dictionary = engine.dictionary(sae)
    alive = np.flatnonzero(opened.column("count") > 0)
    chosen = [int(f) for f in alive[:: max(1, len(alive) // _FEATURES)][:_FEATURES]] if features is None else features
    wanted = [opened.check_feature(feature) for feature in chosen]
    dictionary.check_features(wanted)
    id_of = None if opened.imported is None else ids_of(engine.tokenizer)
    stored = [one for feature in wanted for one in stored_examples(opened, feature, examples, id_of)]
    if opened.imported is not None:
        stored = as_written(stored)
    search = _Search(engine, dictionary, stored, tolerance, largest_copy, imported=opened.imported is not None)
    without = sorted(set(wanted) - {one.feature for one in stored})
    return search.run(_differs(engine, dictionary, opened), without)


def _opened(path: Path) -> FeatureIndex:
    if (path / MANIFEST).exists():
        return FeatureIndex.open(path)
    first = next((file for file in files_in(path) if not is_lines(file)), None)
    if first is not None and is_saedashboard(content_of(first)):
        return FeatureIndex.from_saedashboard(path)
    return FeatureIndex.from_neuronpedia(path)


def _differs(engine: Engine, dictionary: Dictionary, index: FeatureIndex) -> tuple[str, ...]:
    if index.imported is not None:
        return ()
    made = index.made_with
    return tuple(differing(made, identity(engine, dictionary, int(made["context_size"]), fresh=False)).values())


class _Search:
    """Looks for the way in which each example was computed."""

    def __init__(
        self,
        engine: Engine,
        dictionary: Dictionary,
        stored: Sequence[Stored],
        tolerance: float,
        largest_copy: int,
        *,
        imported: bool,
    ) -> None:
        self._engine, self._dictionary, self._tolerance = engine, dictionary, tolerance
        self._largest_copy, self._imported = largest_copy, imported
        self._stored = [*stored]
        self._own: dict[int, Floats] = {}
        self._causes: dict[int, str] = {}
        self._tried: list[str] = []
        self._untried: list[str] = []

    def run(self, differs: tuple[str, ...], without: Sequence[int]) -> Verification:
        if without:
            self._untried.append(f"no example to compare of {', '.join(map(str, without))}")
        self._try(self._engine, "")
        if len(self._causes) < sum(one.ids is not None for one in self._stored):
            self._try_others()
        found = tuple(self._verified(i, one) for i, one in enumerate(self._stored))
        return Verification(found, self._tolerance, tuple(self._tried), tuple(self._untried), differs)

    def _try_others(self) -> None:
        if self._dictionary.unfolded:
            self._untried.append(f"the scaling of the SAE's training: {self._dictionary.unfolded}")
        if self._engine.model.processing != "none":
            self._untried.append(
                f"weights without processing: the model's are processed ({self._engine.model.processing}), which cannot be "
                "undone. Load it with from_pretrained_no_processing and verify again."
            )
        for way in ways(self._engine, self._dictionary):
            if len(self._causes) == len(self._stored):
                return
            if way.copies > self._largest_copy:
                self._untried.append(f"{way.name}: a copy of the model takes {way.copies / 1e9:.1f} GB (largest_copy=)")
                continue
            try:
                with way.make() as engine:
                    self._try(engine, way.name)
            except CancelledError:
                raise
            except (SaewidgetsError, OutOfMemoryError, RuntimeError, NotImplementedError) as error:
                self._untried.append(f"{way.name}: {error}")

    def _try(self, engine: Engine, way: str) -> None:
        """Every text and fold with one engine, for the examples that are not explained yet."""
        for feature in dict.fromkeys(one.feature for one in self._stored):
            self._try_feature(engine, way, feature)

    def _try_feature(self, engine: Engine, way: str, feature: int) -> None:
        mine = [i for i, one in enumerate(self._stored) if one.feature == feature and one.ids is not None]
        texts = {i: [*texts_of(engine, self._stored[i].ids or ())] for i in mine}
        scales = {"": 1.0, _FOLDED: decoder_norm(self._dictionary, feature)}
        for n in range(max((len(several) for several in texts.values()), default=0)):
            todo = [i for i in mine if i not in self._causes and n < len(texts[i])]
            if not todo:
                return
            lengths = [len(self._stored[i].values) for i in todo]
            found = computed(engine, self._dictionary.name, feature, [texts[i][n] for i in todo], lengths)
            for i, (values, counted) in zip(todo, found, strict=True):
                if not way and n == 0:
                    self._own[i] = values
                    if self._imported:
                        self._stored[i] = counted_only(self._stored[i], counted)
                self._compare(i, values, [way, texts[i][n].name], scales)

    def _compare(self, i: int, values: Floats, names: Sequence[str], scales: dict[str, float]) -> None:
        for fold, scale in scales.items():
            cause = " and ".join(filter(None, [*names, fold]))
            if cause and cause not in self._tried:
                self._tried.append(cause)
            if agrees(self._stored[i], values * np.float32(scale), self._tolerance):
                self._causes[i] = cause
                return

    def _verified(self, i: int, one: Stored) -> Verified:
        values = self._own.get(i, np.full(len(one.values), np.nan, np.float32))
        both = np.isfinite(values) & np.isfinite(one.values)
        most = float(np.abs(values[both]).max()) if both.any() else float("nan")
        cause = self._causes.get(i)
        if one.ids is None:
            cause = f"not compared: the model's vocabulary has no token {one.unknown}"
        elif cause is None:
            cause = rounding(one, values) or unexplained(one, values, self._tolerance)
        same = i in self._causes and not self._causes[i]
        return Verified(
            one.feature, one.position, one.maximum, most, difference(one, values), same, "" if same else cause
        )
