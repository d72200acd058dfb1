"""An index as records of the neighbours' formats: what these carry of it, under their definitions' names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from tqdm import tqdm

from ...formats.records import OF_COUNTED, FeatureRecord, Json, Source, Window
from ...formats.token_strings import spell
from ..store.feature import Feature
from ..store.groups import Examples, Group
from ..store.histogram import Histogram
from ..store.kept import Kept, kept_of
from ..store.snippets import Example
from ..store.stated import is_imported
from ..store.texts import Texts
from .given import Given

if TYPE_CHECKING:
    import pandas as pd

    from ...engine.labels import Labels
    from ...storage.array_folder import Folder

# Features of which a bar is shown: seconds.
_SHOWN = 256

__all__ = ["Exportable", "Listed", "explanations_of", "records_of", "source_of"]


class Exportable(Protocol):
    """What is asked of an index."""

    texts: Texts

    @property
    def folder(self) -> Folder: ...
    @property
    def labels(self) -> Labels: ...
    @property
    def explanations(self) -> pd.DataFrame: ...
    @property
    def made_with(self) -> Mapping[str, Any]: ...
    def __len__(self) -> int: ...
    def feature(self, feature: int) -> Feature: ...
    def examples(self, feature: int, *, window: int | None, top: int, per_interval: int) -> Examples: ...


@dataclass(frozen=True)
class Listed:
    """How many examples of each feature are written: of the largest, of each interval, and how many tokens beside them."""

    top: int = 20
    per_interval: int = 5
    window: int | None = None


def source_of(index: Exportable, model: str | None, source: str | None) -> Source:
    """Whose features they are, as Neuronpedia names it: as the files said that the index was made of, unless told."""
    if is_imported(index.folder):
        given = Given(index.folder, index.texts).source
        named = replace(given, model=model or given.model or "model", source=source or given.source or "0-sae")
        return given if named.of == given.of else replace(named, rows={})
    made, kept = index.made_with, kept_of(index.folder)
    hook = str(made["hook"])
    layer = re.search(r"blocks\.(\d+)\.", hook)
    kind = next((name for end, name in _SETS if end in hook), "sae")
    return Source(
        model or str(made["model"]),
        source or f"{layer[1] if layer else 0}-{kind}-saewidgets",
        # Of a bounded scan not all texts are there to be counted.
        prompts=len(index.texts.chunk_ptr) - 1 if kept is None else int(index.folder.facts["corpus"]["chunks"]),
        tokens_per_prompt=int(made["context_size"]),
        notes=OF_COUNTED if kept is None else f"{OF_COUNTED} {estimated(kept)}",
    )


def estimated(kept: Kept) -> str:
    """What files say of the numbers of a bounded scan: they have no field for a bound."""
    fires = f" Features that fire with another one are of {kept.drawn}." if kept.drawn else ""
    return (
        f"Of features with more than {kept.sample:,} activations histograms and interval shares are estimates, made of a finer "
        f"histogram, if not all are kept; how far each can be off is in the index and not in these files.{fires}"
    )


_SETS = (("resid", "res"), ("attn", "att"), ("mlp", "mlp"))


def records_of(index: Exportable, features: Iterable[int] | None, listed: Listed) -> Iterator[FeatureRecord]:
    """A record of each feature, by index; of an index that was made of files, what these said, without what is not in them."""
    imported = is_imported(index.folder)
    given = Given(index.folder, index.texts) if imported else None
    some = range(len(index)) if features is None else sorted(set(features))
    for feature in tqdm(some, desc="writing features", unit="feature", disable=len(some) < _SHOWN):
        if given is None:
            yield _record(index, feature, listed)
        elif given.present(feature):
            yield given.record(feature)


def _record(index: Exportable, feature: int, listed: Listed) -> FeatureRecord:
    info = index.feature(feature)
    found = index.examples(feature, window=listed.window, top=listed.top, per_interval=listed.per_interval)
    centres, heights = _bars(info.histogram)
    logits = info.logits
    weights, counts = _bars(None if logits is None else logits.histogram)
    top, bottom = ((), ()) if logits is None else (logits.top, logits.bottom)
    return FeatureRecord(
        index=feature,
        density=info.density,
        maximum=info.maximum,
        hist_values=centres,
        hist_heights=heights,
        logit_hist_values=weights,
        logit_hist_heights=counts,
        top_tokens=tuple(spell(index.texts.piece(w.id)) for w in top),
        top_values=tuple(w.value for w in top),
        bottom_tokens=tuple(spell(index.texts.piece(w.id)) for w in bottom),
        bottom_values=tuple(w.value for w in bottom),
        aligned=tuple(a.neuron for a in info.alignment),
        aligned_values=tuple(a.value for a in info.alignment),
        aligned_l1=tuple(a.share for a in info.alignment),
        neurons=tuple(n.neuron for n in info.neurons),
        neuron_pearson=tuple(n.pearson for n in info.neurons),
        neuron_cosine=tuple(n.cosine for n in info.neurons),
        correlated=tuple(c.feature for c in info.correlated),
        correlated_pearson=tuple(c.pearson for c in info.correlated),
        neighbours=tuple(n.feature for n in info.neighbours),
        neighbour_cosine=tuple(n.cosine for n in info.neighbours),
        hook=info.hook or None,
        windows=tuple(w for group in found.groups for w in _windows(index.texts, group, info)),
    )


def _bars(histogram: Histogram | None) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Centres and heights."""
    if histogram is None:
        return (), ()
    edges = histogram.edges
    return tuple(((edges[:-1] + edges[1:]) / 2).tolist()), tuple(map(int, histogram.counts))


def _windows(texts: Texts, group: Group, feature: Feature) -> Iterator[Window]:
    """The examples of a group; there is no place for silent ones, nor for the most negative."""
    if group.key == "top":
        bounds = -1.0, feature.maximum, -1.0
    elif group.key.isdigit():
        count, _ = group.about or (group.count or 0, 0)
        bounds = group.low, group.high, count / feature.counted  # type: ignore[assignment]
    else:
        return
    for example in group.examples:
        yield Window(*_text(texts, example), *bounds, at=example.focus)


def _text(texts: Texts, example: Example) -> tuple[tuple[str, ...], tuple[float | None, ...]]:
    tokens = tuple(spell(texts.piece(i)) for i in example.token_ids)
    return tokens, tuple(None if value != value else float(str(value)) for value in example.activations)


def explanations_of(index: Exportable, features: Iterable[int] | None) -> list[dict[str, Json]]:
    """Rows of explanations of the features, own labels first; their scores have no place in the bulk layout."""
    wanted = None if features is None else set(features)
    rows: list[dict[str, Json]] = []
    for feature, label in sorted(index.labels.to_dict().items()):
        if feature < len(index):
            rows.append({"index": str(feature), "description": label, "typeName": "label"})
    for row in index.explanations.itertuples(index=False):
        told: dict[str, Json] = {"index": str(row.feature), "description": str(row.description)}
        for name, called in (("method", "typeName"), ("model", "explanationModelName"), ("author", "authorId")):
            if getattr(row, name):
                told[called] = str(getattr(row, name))
        for name, called in (("notes", "notes"), ("created", "createdAt"), ("key", "id")):
            if getattr(row, name):
                told[called] = str(getattr(row, name))
        rows.append(told)
    kept = [row for row in rows if wanted is None or int(str(row["index"])) in wanted]
    return [{"id": hashlib.sha256(repr(sorted(row.items())).encode()).hexdigest()[:24], **row} for row in kept]
