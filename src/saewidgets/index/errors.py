"""What can go wrong with a corpus or an index on disk, each with its remedy in the message."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..engine.errors import SaewidgetsError


class CorpusError(SaewidgetsError):
    """The corpus is empty, or of a kind that cannot be read."""


class IndexMismatchError(SaewidgetsError):
    """An index belongs to another SAE, model or corpus than the one it is used with."""


class IndexCorruptError(SaewidgetsError):
    """A file of an index is missing, truncated or altered."""


class IndexVersionError(SaewidgetsError):
    """An index was written in a format that this version does not read."""


class IndexWriteError(SaewidgetsError):
    """An index cannot be written where it was asked for."""


class FilterError(SaewidgetsError, ValueError):
    """Examples were asked for by a token or a value that the corpus does not have."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into an error that says what to do.

    Raises:
        IndexWriteError: for a full disk, a read-only place, missing permission.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise IndexWriteError(
                f"The disk is full: {path} cannot be written. What was scanned so far is kept; free some space and make "
                "the same call again to go on from there."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise IndexWriteError(f"{path} cannot be written ({error.strerror}): choose another path.") from error
        raise
