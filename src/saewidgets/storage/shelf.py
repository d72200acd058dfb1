"""Where finished array folders lie: in a folder of this machine (or one that all machines mount), or behind an fsspec url.

A folder is there as a whole or not at all, wherever it lies: in a folder it is renamed into its place; elsewhere, where nothing
can be renamed, its table of contents is written last. What was cut short on the way, or later, is found by the checksums of
`array_folder`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from .array_folder import CONTENTS, Folder, parsed, sizes_of, sync
from .errors import IndexCorruptError, IndexWriteError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["FolderShelf", "Shelf", "UrlShelf", "shelf_at"]

_SCRATCH = ".scratch-"


class Shelf(Protocol):
    """Named folders in one place, for processes on any machine: an instance is its address, and can be sent to them."""

    where: str

    def put(self, folder: Path, name: str) -> None:
        """Move a finished array folder here, under `name`; in place of what has that name."""

    def opened(self, name: str) -> AbstractContextManager[Path]:
        """A context manager: a folder of this machine that is the folder `name`: itself, or a copy that goes afterwards.

        Raises:
            IndexCorruptError: if it is not there, or a file of it was cut short.
        """

    def facts(self, name: str) -> Mapping[str, Any]:
        """What a folder says of itself (`FolderWriter.commit`), without a copy of the rest.

        Raises:
            IndexCorruptError: as of `fetched`.
        """

    def names(self, prefix: str = "") -> list[str]:
        """The folders that are here, whole, and whose names begin so; sorted."""

    def remove(self, name: str) -> None:
        """Remove a folder, if it is here."""

    def scratch(self) -> AbstractContextManager[Path]:
        """A context manager: a folder of this machine to write one in that is then put here; what is left in it goes."""

    def tidy(self, prefix: str) -> None:
        """Remove what killed processes left half written under names that begin so. Only for who is alone here.

        What else lies there is not touched: the place may be somebody's bucket.
        """

    def read(self, name: str) -> bytes | None:
        """A small file that lies beside the folders; None if it is not there."""

    def write(self, name: str, content: bytes | None) -> None:
        """Write such a file, or remove it."""


def shelf_at(place: str | os.PathLike[str]) -> Shelf:
    """The shelf at a path, or at a url that fsspec knows ("s3://bucket/states").

    Raises:
        IndexWriteError: for a url of a kind that is not known here, or whose package is not installed.
    """
    if isinstance(place, str) and "://" in place:
        shelf = UrlShelf(place)
        shelf._open()
        return shelf
    return FolderShelf(str(Path(place).absolute()))


class FolderShelf:
    """A shelf that is a folder, which every process that uses it must see under the same path."""

    def __init__(self, where: str) -> None:
        self.where = where

    def put(self, folder: Path, name: str) -> None:
        target = Path(self.where) / name
        if target.exists() and _contents(target) != _contents(folder):
            shutil.rmtree(target)
        try:
            os.replace(folder, target)
        except OSError:
            if _contents(target) is None:
                raise
            shutil.rmtree(folder)  # somebody else has done the same meanwhile
        sync(target.parent)

    @contextmanager
    def opened(self, name: str) -> Iterator[Path]:
        yield Folder(Path(self.where) / name).path

    def facts(self, name: str) -> Mapping[str, Any]:
        return Folder(Path(self.where) / name).facts

    def names(self, prefix: str = "") -> list[str]:
        there = Path(self.where)
        if not there.is_dir():
            return []
        named = (path for path in there.iterdir() if path.name.startswith(prefix) and path.name[0] != ".")
        return sorted(path.name for path in named if (path / CONTENTS).is_file())

    def remove(self, name: str) -> None:
        shutil.rmtree(Path(self.where) / name, ignore_errors=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        # Beside the folders: only inside one file system is a renaming all or nothing.
        Path(self.where).mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self.where))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def tidy(self, prefix: str) -> None:
        for pattern in (f"{_SCRATCH}*", f".{prefix}*.tmp"):
            for left in Path(self.where).glob(pattern):
                shutil.rmtree(left, ignore_errors=True)

    def read(self, name: str) -> bytes | None:
        try:
            return (Path(self.where) / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes | None) -> None:
        path = Path(self.where) / name
        if content is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}-{os.getpid()}.tmp")
        temporary.write_bytes(content)
        os.replace(temporary, path)


class UrlShelf:
    """A shelf behind an fsspec url; credentials are what fsspec finds on each machine (environment, configuration files).

    Args:
        where: of the folder that holds the folders.
    """

    def __init__(self, where: str) -> None:
        self.where = where.rstrip("/")

    def put(self, folder: Path, name: str) -> None:
        files, root = self._open()
        target = f"{root}/{name}"
        self.remove(name)
        files.makedirs(target, exist_ok=True)
        # The table of contents last: a folder without one is not there.
        for file in sorted(folder.iterdir(), key=lambda file: (file.name == CONTENTS, file.name)):
            files.put_file(str(file), f"{target}/{file.name}")
        shutil.rmtree(folder)

    @contextmanager
    def opened(self, name: str) -> Iterator[Path]:
        files, root = self._open()
        with self.scratch() as made:
            for file in [CONTENTS, *sizes_of(self._contents(name))]:
                try:
                    files.get_file(f"{root}/{name}/{file}", str(made / file))
                except FileNotFoundError:
                    raise IndexCorruptError(f"{self.where}/{name}/{file} is missing.") from None
            yield Folder(made).path

    def facts(self, name: str) -> Mapping[str, Any]:
        files, root = self._open()
        contents = self._contents(name)
        files.invalidate_cache()
        sizes = {
            str(found["name"]).rpartition("/")[2]: found["size"] for found in files.ls(f"{root}/{name}", detail=True)
        }
        for file, size in sizes_of(contents).items():
            if sizes.get(file) != size:
                raise IndexCorruptError(
                    f"{self.where}/{name}/{file} has {sizes.get(file)} bytes, but {size} were written."
                )
        return cast("dict[str, Any]", contents["facts"])

    def names(self, prefix: str = "") -> list[str]:
        files, root = self._open()
        files.invalidate_cache()
        found = (path.rpartition("/")[0].rpartition("/")[2] for path in files.glob(f"{root}/*/{CONTENTS}"))
        return sorted(name for name in found if name.startswith(prefix) and name[0] != ".")

    def remove(self, name: str) -> None:
        files, root = self._open()
        files.invalidate_cache()
        # First what makes it one: should this be cut short, it is not there.
        if files.exists(f"{root}/{name}/{CONTENTS}"):
            files.rm_file(f"{root}/{name}/{CONTENTS}")
        if files.exists(f"{root}/{name}"):
            files.rm(f"{root}/{name}", recursive=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="saewidgets-", ignore_cleanup_errors=True) as made:
            yield Path(made)

    def tidy(self, prefix: str) -> None:
        files, root = self._open()
        files.invalidate_cache()
        if not files.exists(root):
            return
        whole = set(self.names())
        for path in files.ls(root, detail=True):
            name = str(path["name"]).rstrip("/").rpartition("/")[2]
            if path["type"] == "directory" and name.startswith((prefix, _SCRATCH)) and name not in whole:
                files.rm(path["name"], recursive=True)

    def read(self, name: str) -> bytes | None:
        files, root = self._open()
        files.invalidate_cache()
        try:
            return bytes(files.cat_file(f"{root}/{name}"))
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes | None) -> None:
        files, root = self._open()
        if content is not None:
            files.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
            files.pipe_file(f"{root}/{name}", content)
        elif files.exists(f"{root}/{name}"):
            files.rm_file(f"{root}/{name}")

    def _contents(self, name: str) -> dict[str, Any]:
        try:
            return parsed(self.read(f"{name}/{CONTENTS}") or b"")
        except ValueError as error:
            raise IndexCorruptError(f"{self.where}/{name}/{CONTENTS} is missing or damaged.") from error

    def _open(self) -> tuple[AbstractFileSystem, str]:
        # fsspec keeps one file system of each kind, so that this costs nothing.
        from fsspec.core import url_to_fs

        try:
            files, root = url_to_fs(self.where)
        except (ImportError, ValueError) as error:
            raise IndexWriteError(
                f"{self.where} cannot be used for shards: {error} Install fsspec's package for it on every machine (s3fs for "
                "s3://, gcsfs for gs://), or name a folder that all machines mount."
            ) from error
        return files, str(root).rstrip("/")


def _contents(folder: Path) -> bytes | None:
    try:
        return (folder / CONTENTS).read_bytes()
    except OSError:
        return None
