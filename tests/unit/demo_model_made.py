"""Hubs and wheels that are made up."""

from __future__ import annotations

import zipfile
from pathlib import Path

from saewidgets.demo.sources import (
    GGUF_MEMBER,
    NEEDED,
    WHEEL_NAME,
    Say,
    SourceError,
)


def no_hub(say: Say) -> Path:
    raise SourceError("no hub here.", "plug it in.")


def never(*_: object) -> str:
    raise AssertionError("this source must not be asked")


def left_in(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith("-lock"))


def fake_build(target: Path, scratch: Path, say: Say, progress: bool) -> str:
    (scratch / "big.bin").write_bytes(b"x" * 1000)
    for name in NEEDED:
        (target / name).write_text(name)
    return "fake weights"


def wheel_in(folder: Path) -> Path:
    path = folder / WHEEL_NAME
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(GGUF_MEMBER, b"GGUF")
    return path
