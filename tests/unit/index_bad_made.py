"""What the tests of bad corpora and damaged indexes share."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import tiny

import saewidgets as sw
from saewidgets.storage import array_folder

TEXTS = [tiny.TEXTS[i % 2][i % 9 : i % 9 + 60] + str(i) for i in range(12)]


def build(engine: sw.Engine, corpus: Any, path: Path, **how: Any) -> sw.FeatureIndex:
    return sw.build_index(engine, corpus, path, progress=False, wait=True, **how)


def _full_at(patch: pytest.MonkeyPatch, at: int) -> list[int]:
    """From the `at`-th write on the disk is full; [writes that were tried]."""
    calls = [0]

    def around(owner: object, name: str) -> None:
        original = getattr(owner, name)

        def limited(*args: Any, **kwargs: Any) -> object:
            calls[0] += 1
            if at and calls[0] >= at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return original(*args, **kwargs)

        patch.setattr(owner, name, limited)

    around(array_folder.ArrayWriter, "append")
    around(array_folder.FolderWriter, "put_bytes")
    around(Path, "write_text")
    return calls
