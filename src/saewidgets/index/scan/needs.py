"""What a build will take, said before it starts, and refused where there is no room for it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...engine.activations.portion import tokens_at_once
from ..errors import CorpusError, IndexWriteError

if TYPE_CHECKING:
    from ...engine.dictionary.base import Dictionary

# Bytes: of a feature's rows in the store, of an activation in a shard, in the store, and in memory while a shard is written,
# of a token.
_ROW, _ENTRY, _KEPT, _IN_MEMORY, _TOKEN = 1600, 8, 9, 60, 8


@dataclass(frozen=True)
class Needs:
    """Room for an index, in bytes.

    Attributes:
        tokens: to be read, if that is known.
        keep: activations of a feature that the index keeps all of, at most.
        shard, portion: tokens of a shard, which is written once it has so many or `full` activations, and of what is read
            between two looks at that.
        store: the finished index without its activations; sums: of products with neurons, in memory and on disk.
    """

    path: Path
    tokens: int | None
    n_features: int
    keep: int
    shard: int
    full: int
    portion: int
    store: int
    sums: int

    @classmethod
    def of(
        cls, path: Path, dictionary: Dictionary, tokens: int | None, keep: int, neurons: bool, *, shard: int, full: int
    ) -> Needs:
        n, portion = dictionary.n_features, tokens_at_once(dictionary)
        sums = n * dictionary.d_in * 8 if neurons else 0
        return cls(path, tokens, n, keep, shard, full, portion, n * _ROW + (tokens or 0) * _TOKEN, sums)

    def activations(self, per_token: float, done: int = 0) -> int:
        """Bytes of the activations that are still to come."""
        return int(max((self.tokens or 0) - done, 0) * per_token * _ENTRY)

    def kept(self, per_token: float) -> int:
        """Bytes of the activations in the index, most of them where few features fire more than `keep` times."""
        return int(min((self.tokens or 0) * per_token, self.n_features * self.keep) * _KEPT)

    def held(self, per_token: float) -> float:
        """Activations in memory at once: of a shard, which may end within a portion."""
        most = self.full + self.portion * per_token
        read = max(self.shard, self.portion) if self.tokens is None else min(self.tokens, max(self.shard, self.portion))
        return min(read * per_token, most)

    def memory(self, per_token: float | None) -> int:
        """Bytes in memory beside the model and the dictionary."""
        return self.sums + self.n_features * _ROW + int(self.held(per_token or 0) * _IN_MEMORY)

    def told(self, per_token: float | None) -> str:
        """For people, before it starts and once it is known how many features are active on a token."""
        size = f"at least {_bytes(self.store + 2 * self.sums)} on disk and {_bytes(self.memory(per_token))} of memory"
        if per_token is None:
            return f"{size}, and {_ENTRY} bytes on disk for every activation"
        stored = self.activations(per_token)
        more = (
            f", {_bytes(self.kept(per_token))} for examples, {_bytes(stored)} for the scan and as much while features are correlated"
            if stored
            else ""
        )
        return f"{per_token:,.0f} features active on a token: {size}{more}"

    def check(self, per_token: float | None, done: int) -> None:
        """Raise where it cannot fit.

        Args:
            per_token: features that are active on a token, once that is known; done: tokens that were read.

        Raises:
            IndexWriteError: for a disk, CorpusError: for a memory that is too small.
        """
        free = shutil.disk_usage(_there(self.path)).free
        wanted = (
            self.store
            + self.sums
            + (0 if per_token is None else self.activations(per_token, done) + self.kept(per_token))
        )
        if wanted > free:
            known = "" if per_token is None else f" ({per_token:,.0f} features are active on a token)"
            raise IndexWriteError(
                f"The index needs {_bytes(wanted)}{known}, and {_bytes(free)} are free at {self.path}. What was scanned is kept. "
                "Free some space, choose another path, or ask for fewer tokens."
            )
        memory = _memory()
        if memory is not None and self.memory(per_token) > memory:
            raise CorpusError(
                f"The build needs {_bytes(self.memory(per_token))} of memory beside the model, and the machine has "
                f"{_bytes(memory)}." + (" neuron_correlations=False needs less." if self.sums > memory // 4 else "")
            )


def told_bounded(dictionary: Dictionary, kept: int, context_size: int, tokens: int | None) -> str:
    """For people, before a bounded scan starts: the most that it can take on disk.

    Args:
        kept: activations of a feature that are kept, at most, with a chunk each.
    """
    n = dictionary.n_features
    texts = n * kept * context_size
    texts = texts if tokens is None else min(texts, tokens)
    # While it is merged, a state stands beside those that it is made of; then the store beside the state.
    most = n * _ROW + 2 * (n * kept * _KEPT + texts * _TOKEN)
    return f"at most some {_bytes(most)} on disk, however long the corpus is: {kept:,} activations of each feature are kept"


def too_dense(per_token: float, dictionary: Dictionary) -> CorpusError:
    """The error for activations that are not sparse."""
    return CorpusError(
        f"{per_token:,.0f} or more of the {dictionary.n_features:,} features of {dictionary.name!r} are active on a token, "
        "which is not sparse: the scan would take all memory. An SAE that is read at another hook, of another model or "
        "without the scaling of its inputs fires everywhere; see its L0 with engine.activations(text).l0."
    )


def _there(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _memory() -> int | None:
    """Of the machine; None where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _bytes(n: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.0f} {unit}" if unit in ("B", "kB") or n >= 10 else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:,.1f} TB"
