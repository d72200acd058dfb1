"""Finding features by what is meant: sentences as vectors, the nearest to the query's first.

By default offline, with WordLlama's static token embeddings (16 MB, inside its wheel): the mean of a sentence's token
vectors. They know that weekdays are days; they know no word order. Whoever wants better passes a function from texts
to vectors. Each sentence is embedded once and the vectors are kept.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from ...engine.arrays import Ints
from ...storage.array_folder import Array
from .by_words import SearchError
from .corpus import Said, Sentences

if TYPE_CHECKING:
    from wordllama.inference import WordLlamaInference

__all__ = ["ByMeaning", "Embed", "default_embedding", "fingerprint"]

Embed: TypeAlias = Callable[[Sequence[str]], npt.ArrayLike]
"""Texts to vectors, one row a text."""

_BATCH = 4096
# Batches from which a bar shows how it goes: seconds.
_SHOWN = 4
_PROBE = ("days of the week", "a closing bracket")


class ByMeaning:
    """Sentences with their vectors.

    Args:
        said: what is searched.
        embed: texts to vectors.
        file: where the vectors are kept; None: in memory. One that is there is of the same sentences and embedding.

    Raises:
        SearchError: if `embed` gives anything but one finite vector a text.
    """

    def __init__(
        self,
        said: Sentences,
        embed: Embed,
        file: Path | None = None,
    ) -> None:
        self.said, self._embed = said, embed
        there = None if file is None else _there(file, len(said))
        if there is not None:
            self._vectors = there
            return
        # Many features are said to be the same: "fires on the".
        number: dict[str, int] = {}
        which = np.fromiter((number.setdefault(one.text, len(number)) for one in said), np.int64, len(said))
        unique = _embedded([*number], embed)
        self._vectors = unique[which] if file is None else _kept(file, unique, which)

    def find(self, query: str, n: int) -> list[tuple[Said, float]]:
        """The `n` sentences with the largest cosine with the query, and the cosines; none for a query without meaning."""
        if not query.strip() or not self.said:
            return []
        wanted = _unit(self._embed, [query])[0]
        if not wanted.any():
            return []
        cosines = np.asarray(self._vectors, np.float32) @ wanted
        n = min(n, len(cosines))
        best = np.argpartition(-cosines, n - 1)[:n]
        best = best[np.lexsort((best, -cosines[best]))]
        return [(self.said[i], float(cosines[i])) for i in best.tolist()]


def _embedded(texts: Sequence[str], embed: Embed) -> Array:
    """[texts, d] unit vectors. Of a million texts they are a gigabyte: they are there once."""
    found = np.zeros((0, 1), np.float32)
    steps = range(0, len(texts), _BATCH)
    for at in tqdm(steps, desc="embedding what is said", unit="batch", disable=len(steps) < _SHOWN):
        some = _unit(embed, texts[at : at + _BATCH])
        if not at:
            found = np.zeros((len(texts), some.shape[1]), np.float32)
        found[at : at + len(some)] = some
    return found


def _kept(file: Path, unique: Array, which: Ints) -> Array:
    """The vectors `which` of all, written to a file and read from there."""
    temporary = file.with_name(f".{file.name}.{uuid4().hex}.tmp.npy")
    shape = (len(which), unique.shape[1])
    if not len(which):  # no file can be mapped that holds nothing
        np.save(temporary, np.zeros(shape, np.float32), allow_pickle=False)
    else:
        written = np.lib.format.open_memmap(temporary, "w+", np.float32, shape)
        for at in range(0, len(which), _BATCH):
            written[at : at + _BATCH] = unique[which[at : at + _BATCH]]
        written.flush()
        del written
    os.replace(temporary, file)
    kept = _there(file, len(which))
    assert kept is not None
    return kept


def _there(file: Path, n: int) -> Array | None:
    """The vectors of `n` sentences that are kept; None if there are none, or the file is damaged."""
    try:
        found = cast(Array, np.load(file, mmap_mode="r", allow_pickle=False))
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return found if found.ndim == 2 and len(found) == n else None


def _unit(embed: Embed, texts: Sequence[str]) -> Array:
    """[texts, d] float32 vectors of length 1; zeros for what the embedding does not know."""
    try:
        found = np.asarray(embed(list(texts)), dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise SearchError(f"The embedding gave no array of numbers ({error}).") from error
    if found.ndim != 2 or len(found) != len(texts) or not np.isfinite(found).all():
        raise SearchError(
            f"The embedding gave {'x'.join(map(str, found.shape)) or 'one number'} for {len(texts)} texts: one finite vector a "
            "text is needed."
        )
    return cast(Array, found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12))


def fingerprint(embed: Embed) -> str:
    """The same for the same embedding, in another process as well: by what it makes of two short texts."""
    return hashlib.sha256(np.round(_unit(embed, _PROBE), 4).tobytes()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _wordllama() -> WordLlamaInference:
    try:
        import wordllama
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer
        from wordllama.inference import WordLlamaInference
    except ImportError as error:
        raise SearchError(
            "Searching by meaning needs an embedding: pip install 'saewidgets[search]', or pass embed=, a function from texts to "
            "vectors."
        ) from error
    # `WordLlama.load` looks for the tokenizer where its wheel does not have it, and then asks the hub.
    package = Path(wordllama.__file__).parent
    try:
        weights = load_file(package / "weights" / "l2_supercat_256.safetensors")["embedding.weight"]
        tokenizer = Tokenizer.from_file(str(package / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    except (OSError, KeyError) as error:
        raise SearchError(
            f"WordLlama's wheel does not hold what 0.4.0 holds ({error}): pip install 'saewidgets[search]', or pass embed=."
        ) from error
    return WordLlamaInference(weights, tokenizer)


def default_embedding(texts: Sequence[str]) -> npt.ArrayLike:
    """WordLlama's vectors of 256 numbers.

    Raises:
        SearchError: if wordllama is not installed.
    """
    return cast("npt.ArrayLike", _wordllama().embed(list(texts), norm=False))
