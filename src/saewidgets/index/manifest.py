"""The file that makes a folder an index: written last, it names everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .errors import IndexCorruptError
from .finish import Settings
from .sampling import Keeping
from .state import FORMAT, read_json, write_json

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What an index says of itself.

    Attributes:
        number: of the store that is the index; earlier ones are left-overs.
        identity: what it was made with (identity.py).
        settings: how it was finished.
        provenance: what is shown beside the numbers (dtype and versions among it).
        corpus: tokens, tokens counted, documents, and a hash of the token ids.
        parts: how many corpora it holds.
        exhausted: whether the last one was read to its end.
        growable: whether its activations were kept.
    """

    number: int
    identity: Mapping[str, Any]
    settings: Settings
    provenance: Mapping[str, str]
    corpus: Mapping[str, Any]
    parts: int
    exhausted: bool
    growable: bool
    format: int = field(default=FORMAT)

    @property
    def store(self) -> str:
        """The folder of the store."""
        return f"store-{self.number:06d}"

    def save(self, path: Path) -> None:
        write_json(path / MANIFEST, asdict(self))

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """The manifest of the index at `path`.

        Raises:
            IndexVersionError: if it is of a newer format; IndexCorruptError: if it cannot be read.
        """
        content = read_json(path / MANIFEST)
        try:
            settings = dict(content.pop("settings"))
            settings["keep"] = Keeping(**settings["keep"])
            return cls(settings=Settings(**settings), **content)
        except (KeyError, TypeError) as error:
            raise IndexCorruptError(f"{path / MANIFEST} is damaged: build the index again.") from error
