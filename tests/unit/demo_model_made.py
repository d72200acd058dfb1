"""Hubs and wheels that are made up."""

from __future__ import annotations

from pathlib import Path

from saewidgets.demo.sources import (
    Say,
    SourceError,
)


def no_hub(say: Say) -> Path:
    raise SourceError("no hub here.", "plug it in.")


def never(*_: object) -> str:
    raise AssertionError("this source must not be asked")


def left_in(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith("-lock"))
