"""The neighbours' files, as methods of `FeatureIndex`: made of them, written as them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ...formats import neuronpedia, saedashboard
from ...formats.errors import Skipped
from ...storage.array_folder import Folder
from ..errors import writing
from ..store.stated import is_imported, missing_of
from ..store.texts import Texts
from .export import Exportable, Listed, explanations_of, records_of, source_of
from .imported import Files, import_neuronpedia, import_saedashboard
from .says import Imported

if TYPE_CHECKING:
    from ..record.manifest import Manifest

__all__ = ["Exchanged"]

_Index = TypeVar("_Index", bound="Exchanged")


class Exchanged:
    """The base of `FeatureIndex` that knows Neuronpedia's and SAEDashboard's files."""

    texts: Texts
    _folder: Folder
    _manifest: Manifest

    # -- made of files

    @classmethod
    def from_neuronpedia(
        cls: type[_Index],
        files: Files,
        *,
        path: str | os.PathLike[str] | None = None,
        of: str | None = None,
        n_features: int | None = None,
    ) -> _Index:
        """An index of what Neuronpedia's files say: their numbers, by their definitions, without model or SAE.

        Statistics, logit weights, neighbours, correlations and examples are the file's; the activations of an example are kept
        in float32, everything else as it stands. What a file does not have is absent: mean and spread of a feature, silent
        examples, all tokens that it fires on. `provenance` says whose numbers they are and where their definitions differ
        from an index's own. Explanations in the folder are attached (`explanations`).

        Args:
            files: a bulk folder (`<model>/<source>/` with features/, activations/, explanations*/ of batch-N.jsonl.gz), one
                above it, one file (.jsonl, .jsonl.gz, or a feature's .json), or a list of these.
            path: a folder for the index, empty or new; default: one in the user's cache, which is found again when the files
                are the same.
            of: of several SAEs in the files, the one to take ("gpt2-small/7-res-jb"); default: the one that most features
                are of. Rows of others are counted and left out.
            n_features: size of the dictionary; features beyond it are left out. Default: as many as the files name.

        Returns:
            The index. What could not be taken is a warning, and `imported` says it with file and line.

        Raises:
            FileNotFoundError: if there is nothing there. FormatError: if no feature can be read.
            IndexMismatchError: if there is something else at `path`. IndexWriteError: if it cannot be written.

        Example:
            >>> index = sw.FeatureIndex.from_neuronpedia("exports/gpt2-small/7-res-jb")
            >>> sw.FeatureDashboard(index=index, feature=2717)
        """
        return _opened(cls, import_neuronpedia(files, None if path is None else Path(path), of, n_features))

    @classmethod
    def from_saedashboard(
        cls: type[_Index],
        files: Files,
        *,
        path: str | os.PathLike[str] | None = None,
        of: str | None = None,
        n_features: int | None = None,
    ) -> _Index:
        """An index of SAEDashboard's `batch-N.json` files, as `from_neuronpedia` makes one of Neuronpedia's.

        Args:
            files: the folder with the batches, one of them, or a list.
            path, of, n_features: as there; `of` is by default the SAE of the first file.

        Raises:
            FileNotFoundError, FormatError, IndexMismatchError, IndexWriteError: as there.

        Example:
            >>> sw.FeatureIndex.from_saedashboard("dashboards/gpt2-small_res-jb_7")
        """
        return _opened(cls, import_saedashboard(files, None if path is None else Path(path), of, n_features))

    @property
    def imported(self) -> Imported | None:
        """What it was made of, if of another tool's files: whose numbers, how many, and what could not be taken."""
        if not is_imported(self._folder):
            return None
        told = {**self._folder.facts["imported"]}
        told.pop("source")
        skipped = tuple(Skipped(**one) for one in told.pop("skipped"))
        return Imported(**told, skipped=skipped)

    def stated(self, feature: int) -> str:
        """What to know of a feature of an index that was made of files, before its numbers are read; "" if nothing."""
        return missing_of(self._folder, feature) or ""

    # -- written as files

    @property
    def made_with(self) -> Mapping[str, Any]:
        """Which SAE, model and settings it was made with (record/identity.py)."""
        return self._manifest.identity

    def to_neuronpedia(
        self,
        folder: str | os.PathLike[str],
        *,
        model: str | None = None,
        source: str | None = None,
        features: Iterable[int] | None = None,
        top: int = 20,
        per_interval: int = 5,
        window: int | None = None,
    ) -> Path:
        """Write the index in Neuronpedia's bulk layout, batches of 1024 features; the same index gives the same bytes.

        Read again by `from_neuronpedia`, it has the same density, maximum, histograms, logit weights, alignment,
        correlations, neighbours, explanations, and the same examples with the same activations. Not in the format, and so not
        written: mean and spread of activations and of logit weights, tokens that a feature fires on, tokens where two fire
        together, silent and most negative examples, how often a snippet is repeated, columns of the corpus, notes and lists,
        scores of explanations. Tokens that are not counted (special ones, norm outliers) have the activation 0 there, and a
        character that a snippet's edge cuts is spelled in bytes. Densities are shares of counted tokens, interval shares too;
        `notes` of source.jsonl says so, and is read again. An index that was made of files is written as these said, its
        examples in float32; NaN becomes 0. Of a bounded scan (`FeatureIndex.kept`) histograms and interval shares of frequent
        features are estimates: the formats have no field for how far they can be off, and `notes` say so.

        Args:
            folder: `<model>/<source>/` is made in it.
            model, source: as Neuronpedia names them ("gpt2-small", "7-res-jb"); default: what the index was made of, else
                its model's name and "<layer>-<kind>-saewidgets".
            features: only these; default: all.
            top, per_interval: examples of each; window: tokens before and after; None: the whole chunk. (Of an index that was
                made of files all examples are written, as they are.)

        Returns:
            The folder of the source.

        Raises:
            FeatureIndexError: for a feature outside the index. IndexWriteError: if it cannot be written.
            IndexMismatchError: if not all is computed yet, and the index was opened without an engine.

        Example:
            >>> index.to_neuronpedia("exports", model="gpt2-small", source="7-res-mine")
        """
        index = cast(Exportable, self)
        chosen = self._ready(features)
        with writing(Path(folder)):
            return neuronpedia.write(
                Path(folder),
                source_of(index, model, source),
                records_of(index, chosen, Listed(top, per_interval, window)),
                explanations_of(index, chosen),
            )

    def to_saedashboard(
        self,
        folder: str | os.PathLike[str],
        *,
        model: str | None = None,
        source: str | None = None,
        features: Iterable[int] | None = None,
        top: int = 20,
        per_interval: int = 5,
        window: int | None = None,
    ) -> list[Path]:
        """Write the index as SAEDashboard's `batch-N.json`, 128 features each; arguments and losses as `to_neuronpedia`.

        Nor has this format explanations, the maximum but in the examples, or neighbours.

        Returns:
            The files.

        Raises:
            FeatureIndexError: for a feature outside the index. IndexWriteError: if it cannot be written.

        Example:
            >>> index.to_saedashboard("dashboards", features=[2717, 20115])
        """
        index = cast(Exportable, self)
        with writing(Path(folder)):
            return saedashboard.write(
                Path(folder),
                source_of(index, model, source),
                records_of(index, self._ready(features), Listed(top, per_interval, window)),
            )

    def _ready(self, features: Iterable[int] | None) -> list[int] | None:
        """The features, checked; once everything is computed of them, for what is missing would look like nothing."""
        index = cast(Any, self)
        if index.remains:
            index.wait(progress=False)
        return None if features is None else [index.check_feature(feature) for feature in features]


def _opened(cls: type[_Index], path: Path) -> _Index:
    from ..record.manifest import finished

    return cast("_Index", cast(Any, cls)(path, finished(path)))
