"""`index/record/schema.py` says what is on disk: every array of every folder, and none that is not written."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

import saewidgets as sw
from saewidgets.index.record.schema import SHARD, STORE, SUMS, Stored
from saewidgets.storage.array_folder import Folder

TEXTS = [{"text": text, "kind": kind} for text, kind in zip(tiny.TEXTS * 3, "abcabc", strict=True)]


def fits(found: tuple[int, ...], said: Stored, known: dict[str, int]) -> bool:
    """Whether a shape is the one that is said; what a letter stands for is the same everywhere in a folder."""
    if len(found) != len(said.shape):
        return False
    for size, name in zip(found, said.shape, strict=True):
        if isinstance(name, int):
            if size != name:
                return False
        elif name == "k":
            continue
        elif known.setdefault(name.rstrip("+"), size - name.endswith("+")) != size - name.endswith("+"):
            return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["standard", "abstopk", "transcoder"])
def test_the_schema_is_what_is_stored(architecture: str, tmp_path: Path) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae(architecture)) as engine:
        index = sw.build_index(engine, TEXTS, tmp_path / "index", progress=False, wait=True, shard_tokens=100)
    seen = 0
    for kind, schema in (("store", STORE), ("sums", SUMS), ("shard", SHARD)):
        for path in sorted((tmp_path / "index").glob(f"{kind}-*")):
            folder = Folder(path)
            assert set(folder.names()) == set(schema), kind
            known = {"F": len(index)}
            for name, said in schema.items():
                array = folder.read(name)
                assert array.dtype.kind == "u" if said.dtype == "index" else array.dtype == said.dtype, name
                assert fits(array.shape, said, known), (name, array.shape, said.shape, known)
                assert said.says
                seen += 1
    assert seen >= len(STORE) + len(SUMS) + len(SHARD)
