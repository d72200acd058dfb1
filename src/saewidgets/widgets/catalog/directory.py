"""sae-lens' directory of published SAEs, read as it lies on disk.

`sae_lens` itself would answer the same questions, but importing it imports torch, which takes longer than all the rest; and it
puts an L0 of 0 and a variance explained of 1 where the directory says nothing, which a table must not show as facts.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...errors import DirectoryError

__all__ = ["Directory", "Entry", "directory", "read"]

_FILE = "pretrained_saes.yaml"
_MODULE = "sae_lens.loading.pretrained_saes_directory"


@dataclass(frozen=True)
class Entry:
    """One SAE, as the directory has it.

    Attributes:
        path: of its files in the repository. loader: which of sae-lens' loaders reads them ("sae_lens": its own format).
        l0, variance_explained: NaN where the directory says nothing. neuronpedia: "" likewise.
    """

    release: str
    sae_id: str
    model: str
    repo_id: str
    path: str
    loader: str
    l0: float
    variance_explained: float
    neuronpedia: str


@dataclass(frozen=True, eq=False)
class Directory:
    """All of it. `left_out`: entries of which no SAE can be loaded, for they have no id."""

    entries: tuple[Entry, ...]
    left_out: int = 0


def directory() -> Directory:
    """The directory of the sae-lens that is installed, with the releases that were added to it in this process.

    Raises:
        DirectoryError: if there is none, or it cannot be read.
    """
    path = _where()
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise DirectoryError(str(path), error) from error
    known = _read_once(path, changed)
    named = {entry.release for entry in known.entries}
    added = [entry for entry in _added() if entry.release not in named]
    return Directory((*known.entries, *added), known.left_out) if added else known


def _where() -> Path:
    # find_spec looks for a package without importing it.
    spec = importlib.util.find_spec("sae_lens")
    folder = next(iter(spec.submodule_search_locations or ()), None) if spec is not None else None
    if folder is None:
        raise DirectoryError("sae_lens", ModuleNotFoundError("sae-lens is not installed"))
    return Path(folder) / _FILE


@lru_cache(maxsize=2)
def _read_once(path: Path, _changed: int) -> Directory:
    return read(path)


def read(path: Path) -> Directory:
    """The directory in a file of sae-lens' form.

    Raises:
        DirectoryError: if it is not of that form.
    """
    import yaml

    try:
        with path.open(encoding="utf-8") as file:
            # Not every PyYAML has the C loader, which takes a fifth of the time.
            data = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DirectoryError(str(path), error) from error
    if not isinstance(data, Mapping):
        raise DirectoryError(str(path), ValueError("it is no mapping of releases"))
    made: dict[tuple[str, str], Entry] = {}
    left_out = 0
    for release, facts in data.items():
        saes = facts.get("saes") if isinstance(facts, Mapping) else None
        if not isinstance(saes, list):
            left_out += 1
            continue
        for sae in saes:
            if not isinstance(sae, Mapping) or sae.get("id") in (None, ""):
                left_out += 1
                continue
            entry = _entry(str(release), facts, sae)
            made[entry.release, entry.sae_id] = entry  # of two with one id sae-lens knows the latter
    return Directory(tuple(made.values()), left_out)


def _entry(release: str, facts: Mapping[str, Any], sae: Mapping[str, Any]) -> Entry:
    return Entry(
        release=release,
        sae_id=str(sae["id"]),
        model=_text(facts.get("model")),
        repo_id=_text(facts.get("repo_id")),
        path=_text(sae.get("path")),
        loader=_text(facts.get("conversion_func")) or "sae_lens",
        l0=_positive(sae.get("l0")),
        variance_explained=_number(sae.get("variance_explained")),
        neuronpedia=_text(sae.get("neuronpedia")),
    )


def _added() -> Iterator[Entry]:
    """Releases as sae-lens has them by now; none if it was not asked in this process, for then nobody added any."""
    ask = getattr(sys.modules.get(_MODULE), "get_pretrained_saes_directory", None)
    if ask is None or (hasattr(ask, "cache_info") and not ask.cache_info().currsize):
        return
    for release, one in ask().items():
        for sae_id, path in one.saes_map.items():
            l0, explained = one.expected_l0.get(sae_id), one.expected_var_explained.get(sae_id)
            yield Entry(
                release=str(release),
                sae_id=str(sae_id),
                model=_text(one.model),
                repo_id=_text(one.repo_id),
                path=_text(path),
                loader=one.conversion_func or "sae_lens",
                l0=_positive(l0),
                # What sae-lens writes where nothing is said.
                variance_explained=math.nan if explained == 1 else _number(explained),
                neuronpedia=_text(one.neuronpedia_id.get(sae_id)),
            )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _number(value: object) -> float:
    """A number, else NaN. A variance explained may be negative: a reconstruction worse than the mean."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) else math.nan  # type: ignore[arg-type]


def _positive(value: object) -> float:
    """An L0: 0 is what is written where it was not measured."""
    number = _number(value)
    return number if number > 0 else math.nan
