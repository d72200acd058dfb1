"""What an index says of its own making while it is made: whose scan it is, and how far each part of it has come."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ...storage.array_folder import sync
from ...storage.build_lock import LOCKS
from ..errors import IndexCorruptError, IndexMismatchError, IndexVersionError, writing
from .identity import must_agree

if TYPE_CHECKING:
    from ...engine.dictionary.base import Dictionary

# 2: with the model's weights and dtype, how the SAE encodes, and all of the corpus of each part.
FORMAT = 2
SCAN = "scan.json"
# Entries of the two sums of products with neurons: 256 MB of float64.
_MOST_PRODUCTS = 2**25


@dataclass
class State:
    """What is written beside the shards: whose scan it is and how far each part of the corpus was read.

    Attributes:
        identity: see identity.py.
        neurons: whether sums of products with neurons are kept.
        parts: one for each corpus that was added: "first_shard" and "first_document" in the index, and whether it is
            "done"; then "tokens" and "chunks" that were read, whether that is all of it ("exhausted"), the number of the
            "documents" until its end, and a hash of their names and columns ("rows").
        bounded: of a bounded scan, how it goes (bounded/drive.py, `Course`), as JSON; then there are no parts.
    """

    identity: dict[str, Any]
    neurons: bool
    parts: list[dict[str, Any]] = field(default_factory=list)
    bounded: dict[str, Any] | None = None

    def save(self, path: Path) -> None:
        content = {"format": FORMAT, "identity": self.identity, "neurons": self.neurons, "parts": self.parts}
        if self.bounded is not None:
            content["bounded"] = self.bounded
        write_json(path / SCAN, content)

    @classmethod
    def load(cls, path: Path) -> State | None:
        """The state in the folder `path`, or None if no scan was begun there."""
        if not (path / SCAN).exists():
            return None
        content = read_json(path / SCAN)
        try:
            return cls(content["identity"], content["neurons"], content["parts"], content.get("bounded"))
        except KeyError as error:
            raise IndexCorruptError(f"{path / SCAN} is damaged: build the index again.") from error


def write_json(path: Path, content: object) -> None:
    """Replace a file by JSON, at once or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    sync(temporary)
    os.replace(temporary, path)
    sync(path.parent)


def read_json(path: Path) -> dict[str, Any]:
    """A file of an index that says its format.

    Raises:
        IndexVersionError: if it is of another format; IndexCorruptError: if it cannot be read.
    """
    try:
        content = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
        version = int(content["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexCorruptError(f"{path} is missing or damaged: build the index again.") from error
    if version < FORMAT:
        raise IndexVersionError(
            f"{path} is of format {version}, which a former version of saewidgets wrote: it does not say all that its numbers "
            f"depend on, and this version reads format {FORMAT} only. Build the index again with build_index, at another path "
            "or after removing this one."
        )
    if version > FORMAT:
        raise IndexVersionError(
            f"{path} is of format {version}; this version of saewidgets reads up to {FORMAT}. Upgrade saewidgets."
        )
    return content


def wants_neurons(dictionary: Dictionary, asked: bool | None) -> bool:
    """Whether products with neurons are summed: if asked, else if they take no more than 256 MB."""
    return dictionary.n_features * dictionary.d_in <= _MOST_PRODUCTS if asked is None else asked


def begin(
    path: Path, state: State | None, identity: dict[str, Any], dictionary: Dictionary, asked: bool | None
) -> State:
    """The state of a scan at `path`: the one that is there, if it is of the same making, else a new one.

    Args:
        asked: whether correlations with neurons were asked for; None: no matter.
    """
    if state is not None:
        must_agree(state.identity, identity, path)
        if asked is not None and asked != state.neurons:
            raise IndexMismatchError(
                f"The scan at {path} was begun with neuron_correlations={state.neurons}, and cannot change it. Choose "
                "another path."
            )
        return state
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        others = [p.name for p in path.iterdir() if p.name not in (*LOCKS, f".{SCAN}.tmp")]
        if others:
            raise IndexMismatchError(
                f"{path} is a folder with other things in it ({others[0]}, ...): choose a path that is empty or new."
            )
        made = State(identity, wants_neurons(dictionary, asked))
        made.save(path)
    return made
