"""Where the states of a scan lie until it ends."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Protocol

from ...storage.array_folder import Folder

__all__ = ["LocalShelf", "Shelf"]


class Shelf(Protocol):
    """Folders by name, each whole or not there."""

    def names(self, prefix: str = "") -> list[str]:
        """What is there, sorted."""

    def facts(self, name: str) -> dict[str, Any]:
        """What a folder says of itself.

        Raises:
            IndexCorruptError: if a file of it is missing or cut short.
        """

    def fetched(self, name: str) -> Path:
        """The folder, on this machine."""

    def remove(self, name: str) -> None:
        """Remove a folder."""

    def tidy(self) -> None:
        """Remove what was left half done."""


class LocalShelf:
    """A folder of this machine, or one that is mounted on all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self, prefix: str = "") -> list[str]:
        return sorted(path.name for path in self.folder.glob(f"{prefix}*") if path.is_dir())

    def facts(self, name: str) -> dict[str, Any]:
        return Folder(self.folder / name, mapped=False).facts

    def fetched(self, name: str) -> Path:
        return self.folder / name

    def remove(self, name: str) -> None:
        shutil.rmtree(self.folder / name)

    def tidy(self) -> None:
        for left in self.folder.glob(".state-*.tmp"):
            shutil.rmtree(left)
