"""The file that makes a folder an index: written last, it names everything else."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...storage.array_folder import Folder
from ...storage.shelf import shelf_at
from ..errors import IndexCorruptError, IndexMismatchError, IndexVersionError
from ..scan.shards import shard_name, shards_in
from ..statistics.kept_examples import Keeping
from .identity import identity, must_agree
from .settings import Settings
from .state import FORMAT, SCAN, State, read_json, write_json

if TYPE_CHECKING:
    from ...engine.dictionary.base import Dictionary
    from ...engine.engine import Engine

MANIFEST = "manifest.json"
ESTIMATES = 2
"""Of which rules the estimates of a bounded index are (bounded/to_store/); it says so, and one of others is not opened."""


@dataclass(frozen=True)
class Manifest:
    """What an index says of itself.

    Attributes:
        number: of the store that is the index; earlier ones are left-overs.
        identity: what it was made with (identity.py).
        settings: how it was finished.
        provenance: what is shown beside the numbers (dtype and versions among it).
        corpus: tokens, tokens counted, documents, and a hash of the token ids.
        parts: the corpora that it holds (state.py).
        growable: whether its activations were kept.
        bounded: of a bounded scan, how it went (bounded/drive.py, `Course`) and what is said of its "shards", as JSON.
    """

    number: int
    identity: Mapping[str, Any]
    settings: Settings
    provenance: Mapping[str, str]
    corpus: Mapping[str, Any]
    parts: Sequence[Mapping[str, Any]]
    growable: bool
    format: int = field(default=FORMAT)
    bounded: Mapping[str, Any] | None = None

    @property
    def store(self) -> str:
        """The folder of the store."""
        return f"store-{self.number:06d}"

    @property
    def key(self) -> str:
        """What is the same for two copies of an index, and for no others."""
        told = json.dumps([dict(self.identity), dict(self.corpus)], sort_keys=True, default=str)
        return hashlib.sha256(told.encode()).hexdigest()[:24]

    def has_scan(self, path: Path) -> bool:
        """Whether the activations that it was made from are still beside the index at `path`."""
        return self.growable and (path / SCAN).exists() and (path / shard_name(0)).is_dir()

    def must_hold(self, path: Path, settings: Settings, *, more: bool) -> None:
        """Raise if anything else is asked of an index without its scan than what it is.

        Args:
            more: whether more tokens, or another corpus, are asked for.
        """
        so = ""
        if more:
            so = "it cannot be extended"
        elif settings != self.settings:
            pairs = {f.name: (getattr(self.settings, f.name), getattr(settings, f.name)) for f in fields(settings)}
            told = ", ".join(f"{name}={here}, not {there}" for name, (there, here) in pairs.items() if there != here)
            so = f"it cannot be made anew with {told}"
        if so:
            raise IndexMismatchError(
                f"{path} is a finished index without its scan ({self.corpus['tokens']:,} tokens, whose activations were not "
                f"kept or not shipped): {so}. Open it as it is with FeatureIndex.open, or choose another path."
            )

    def state(self, path: Path) -> State:
        """What the scan's state said, as far as the finished index at `path` tells."""
        neurons = "neurons_missing" not in Folder(path / self.store).facts
        return State(dict(self.identity), neurons, [dict(part) for part in self.parts])

    def save(self, path: Path) -> None:
        write_json(path / MANIFEST, asdict(self))

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """The manifest of the index at `path`.

        Raises:
            IndexVersionError: if it is of another format, or its estimates are; IndexCorruptError: if it cannot be read.
        """
        content = read_json(path / MANIFEST)
        bounded = content.get("bounded")
        if bounded is not None and bounded.get("estimates") != ESTIMATES:
            raise IndexVersionError(
                f"{path} is of a bounded scan whose estimates another version of saewidgets made, by other rules (intervals of "
                "token counts, activations beside silent examples): build it again with build_index, at another path or after "
                "removing this one."
            )
        try:
            settings = dict(content.pop("settings"))
            settings["keep"] = Keeping(**settings["keep"])
            return cls(settings=Settings(**settings), **content)
        except (KeyError, TypeError) as error:
            raise IndexCorruptError(f"{path / MANIFEST} is damaged: build the index again.") from error


def must_open(manifest: Manifest, engine: Engine, dictionary: Dictionary, path: Path) -> None:
    """Raise unless the finished index at `path` is of the engine's dictionary and model.

    A model whose weights are known to be another version is no other model by accident: where index and engine both say
    in their provenance which "weights" they were made with, and say another thing, that is a warning.

    Raises:
        IndexMismatchError: naming what differs.
    """
    if "imported" in manifest.identity:
        raise IndexMismatchError(
            f"The index at {path} was made of {manifest.identity['imported']}: which weights its numbers come from is not "
            "known, so it cannot be used as one of this engine. sw.verify(engine, index) recomputes its examples and says "
            "whether they agree; FeatureDashboard(index=index) shows it without a model."
        )
    now = identity(engine, dictionary, int(manifest.identity["context_size"]), fresh=False)
    there, here = manifest.provenance.get("weights"), engine.provenance(dictionary.name).get("weights")
    said = there is not None and here is not None and there != here
    must_agree(manifest.identity, now, path, but=frozenset({"weights"} if said else ()))
    if said:
        warnings.warn(
            f"The index was made with weights: {there}; the engine has {here}. Activations on your own text differ a "
            "little from those of the index.",
            stacklevel=4,
        )


def finished(path: Path) -> Manifest:
    """The manifest of the finished index at `path`.

    Raises:
        IndexMismatchError: if there is none, or its scan did not end.
    """
    if (path / MANIFEST).exists():
        return Manifest.load(path)
    state = State.load(path)
    if state is not None:
        done = _done(path, state)
        far = "" if done is None else f": {done:,} tokens are done"
        raise IndexMismatchError(f"The scan at {path} did not end{far}. Make the same build_index call to go on.")
    raise IndexMismatchError(f"There is no index at {path}: make one with build_index.")


def _done(path: Path, state: State) -> int | None:
    """Tokens that a scan has read and need not read again; None where its parts lie elsewhere."""
    if state.bounded is None:
        return sum(map(len, shards_in(path)))
    if state.bounded.get("shards") is not None:
        return None
    shelf = shelf_at(path)
    tokens: dict[int, int] = {}
    for name in shelf.names("state-"):
        with suppress(IndexCorruptError):  # whoever scans there may have merged it just now
            tokens |= {int(shard["number"]): int(shard["tokens"]) for shard in shelf.facts(name)["shards"]}
    return sum(tokens.values())
