"""An index made of another tool's files: which files, whose numbers, where it is kept, and what could not be taken."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from ...formats import neuronpedia, saedashboard
from ...formats.errors import FormatError, Skipped
from ...formats.lines import files_in
from ...formats.records import FeatureRecord, Source
from ...storage.array_folder import FolderWriter
from ...storage.places import cache_dir
from ...storage.process_lock import process_lock
from ..errors import IndexMismatchError, writing
from ..record.manifest import MANIFEST, Manifest
from ..record.settings import Settings
from .importer import Importer
from .says import Imported, provenance

__all__ = ["Files", "import_neuronpedia", "import_saedashboard"]

Files: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"

# Of this module: what another one made is made anew.
_RULE = 2
# Rows that could not be read, of which each is told; the others are counted.
_TOLD = 20
# Features of an index whose files do not say how many there are, as many as the largest SAEs that are shown: one mistyped number
# must not fill the memory.
_LARGEST = 2**20


def import_neuronpedia(files: Files, path: Path | None, of: str | None, n_features: int | None) -> Path:
    """Make an index of Neuronpedia's files, or find the one that was made of them; its folder."""
    sources = _paths(files)
    wanted = of

    def read() -> Iterator[Any]:
        nonlocal wanted
        if wanted is None:
            # Features alone: where there is a bulk folder, its examples are nearly all of it.
            found = (one for source in sources for one in neuronpedia.read(source, examples=False))
            counts = Counter(one.of for one in found if not isinstance(one, Skipped))
            if not counts:
                found = (one for source in sources for one in neuronpedia.read(source))
                counts = Counter(one.of for one in found if not isinstance(one, Skipped))
            wanted = max(counts, key=lambda name: (bool(name), counts[name]), default="")
        for source in sources:
            yield from neuronpedia.read(source)

    def source(found: str) -> Source:
        told = [neuronpedia.source_in(one, found) for one in sources]
        return next((one for one in told if one.rows), told[0])

    made = _Import("Neuronpedia", sources, path, n_features, of)
    if not made.exists():
        made.make(read(), lambda: wanted or "", source)
        made.explain(wanted)
    return made.path


def import_saedashboard(files: Files, path: Path | None, of: str | None, n_features: int | None) -> Path:
    """The same of SAEDashboard's `batch-N.json`."""
    sources = _paths(files)
    found: list[Source] = []

    def read() -> Iterator[Any]:
        for source in sources:
            for one in saedashboard.read(source):
                if isinstance(one, Source):
                    found.append(one)
                else:
                    yield one

    def source(whose: str) -> Source:
        return next(one for one in found if one.of == whose)

    made = _Import("SAEDashboard", sources, path, n_features, of)
    if not made.exists():
        # Of several SAEs the one that the first file is of: each file is large, and says so at its beginning.
        made.make(read(), lambda: of or (found[0].of if found else ""), source)
    return made.path


class _Import:
    """One index of some files.

    Args:
        form: whose files; sources: where they are; path: of the index; None: in the user's cache, under the hash of what is in
            the files.
    """

    def __init__(
        self, form: str, sources: Sequence[Path], path: Path | None, n_features: int | None, of: str | None
    ) -> None:
        self._form, self._sources, self._n_features = form, sources, n_features
        self._key = _key([form, str(_RULE), str(n_features), str(of)], sources)
        self.path = cache_dir() / "imported" / self._key if path is None else path

    def exists(self) -> bool:
        """Whether it was made before.

        Raises:
            IndexMismatchError: if there is something else at its path.
        """
        if (self.path / MANIFEST).exists():
            if Manifest.load(self.path).identity.get("files") == self._key:
                return True
            raise IndexMismatchError(
                f"There is another index at {self.path}, not of these files: choose another path, or open it with "
                "FeatureIndex.open."
            )
        if self.path.is_dir() and any(
            p.name != ".lock" and not p.name.startswith(".store") for p in self.path.iterdir()
        ):
            raise IndexMismatchError(f"{self.path} is a folder with other things in it: choose an empty or new path.")
        return False

    def make(self, read: Iterable[Any], of: Any, source: Any) -> None:
        """Write it.

        Args:
            read: records, examples and what was skipped; of: whose are taken, once reading has begun; source: what is said of
                an SAE by its name.
        """
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            with process_lock(self.path / ".lock", lambda: None):
                if not self.exists():
                    self._make(read, of, source)

    def _make(self, read: Iterable[Any], of: Any, source: Any) -> None:
        store = Manifest(0, {}, Settings(), {}, {}, [], False).store
        with FolderWriter(self.path / store) as writer:
            with ExitStack() as stack:
                importer = Importer(writer, stack)
                left = _Left(self._n_features)
                for one in read:
                    left.take(one, importer, of)
                if not importer.width:
                    first = f" First: {left.rows[0]}." if left.rows else ""
                    raise FormatError(
                        f"No feature was found in {', '.join(map(str, self._sources))} ({left.count:,} rows could not be "
                        f"taken).{first}"
                    )
            whose = source(of()) if of() else Source("", "")
            whose = replace(
                whose,
                prompts=whose.prompts or importer.prompts,
                tokens_per_prompt=whose.tokens_per_prompt or importer.tokens_per_prompt,
                dataset=whose.dataset or importer.dataset,
            )
            n_features = importer.width if self._n_features is None else self._n_features
            told = Imported(self._form, of(), len(importer), importer.examples, left.told(), left.count)
            facts: dict[str, Any] = {
                "imported": {
                    **{name: getattr(told, name) for name in ("format", "of", "features", "examples", "skipped_count")},
                    "skipped": [vars(one) for one in told.skipped],
                    "source": vars(whose),
                },
                "activation_name": "activation",
                "hook": importer.hook,
                "decoder_hook": importer.hook,
                "settings": {"keep": vars(Settings().keep), "seed": 0},
                "logits_label": "Logit weights as the file gives them; it does not say whether the final norm is in them.",
                "neurons_missing": None,
                "shares_of": "counted tokens" if whose.of_counted else "all tokens",
            }
            facts = importer.finish(n_features, facts, whose)
            writer.commit(facts)
        identity = {
            "imported": f"{self._form}'s files of {of() or 'an SAE that they do not name'}",
            "files": self._key,
            "model": whose.model,
            "hook": importer.hook,
            "n_features": n_features,
            "context_size": importer.longest,
        }
        says = provenance(told, whose, facts, importer.hook)
        corpus = {**facts["corpus"], "tokens": facts["tokens"], "counted": facts["counted"]}
        Manifest(0, identity, Settings(), says, corpus, [], False).save(self.path)
        if left.count:
            warnings.warn(
                f"Of {self._form}'s files {left.count:,} rows were left out, first {left.rows[0]}.", stacklevel=5
            )

    def explain(self, of: str | None) -> None:
        """Attach the explanations that are in the files."""
        from ..explanations.explanation import ExplanationError
        from ..explanations.sets import ExplanationSets
        from ..explanations.sources import read_explanations

        width = int(Manifest.load(self.path).identity["n_features"])
        for source in self._sources:
            for name, place in _explanations(source):
                sets = ExplanationSets(self.path / "explanations", width)
                try:
                    sets.add(read_explanations(place), name, of=of or None)
                except ExplanationError:  # none of this SAE
                    continue


class _Left:
    """Takes what can be taken, and remembers what cannot."""

    def __init__(self, n_features: int | None) -> None:
        self._n_features = n_features
        self.rows: list[Skipped] = []
        self.count = 0
        self._others: Counter[str] = Counter()

    def take(self, one: Any, importer: Importer, of: Any) -> None:
        if isinstance(one, Skipped):
            self.leave(one)
            return
        wanted = of()
        if one.of not in ("", wanted):
            self._others[one.of] += 1
            self.count += 1
            if self._others[one.of] == 1:
                self.rows.append(Skipped("", 0, f"rows of {one.of}, not of {wanted} (of= chooses)"))
            return
        limit = _LARGEST if self._n_features is None else self._n_features
        if one.index >= limit:
            hint = "; n_features= allows more" if self._n_features is None else ""
            self.leave(Skipped("", 0, f"feature {one.index} is outside the dictionary (0 to {limit - 1}{hint})"))
        elif isinstance(one, FeatureRecord):
            if not importer.add(one):
                self.leave(Skipped("", 0, f"feature {one.index} is there twice: the first is taken"))
        else:
            importer.add_window(one.index, one.window)

    def leave(self, row: Skipped) -> None:
        self.count += 1
        if len(self.rows) < _TOLD:
            self.rows.append(row)

    def told(self) -> tuple[Skipped, ...]:
        return tuple(self.rows[:_TOLD])


def _explanations(source: Path) -> Iterator[tuple[str, Path]]:
    """Named sets of explanations at a place: folders of a bulk export, or what features' own JSON has."""
    if source.is_file():
        yield "Neuronpedia", source
        return
    folders = sorted({f.parent for f in files_in(source) if f.parent.name.startswith("explanations")})
    for folder in folders:
        yield f"Neuronpedia {folder.name}", folder
    if not folders and not any(f.parent.name in ("features", "activations") for f in files_in(source)):
        yield "Neuronpedia", source


def _paths(files: Files) -> list[Path]:
    if isinstance(files, (str, os.PathLike)):
        return [Path(files)]
    found = [Path(one) for one in files]
    if not found:
        raise FormatError("No file was given.")
    return found


def _key(how: Sequence[str], sources: Sequence[Path]) -> str:
    """A hash of what is in the files, under which names, and of how they are read."""
    digest = hashlib.sha256("\0".join(how).encode())
    for source in sources:
        for file in files_in(source):
            digest.update(f"\0{file.relative_to(source)}\0".encode(errors="surrogateescape"))
            with file.open("rb") as content:
                while part := content.read(2**20):
                    digest.update(part)
    return digest.hexdigest()[:24]
