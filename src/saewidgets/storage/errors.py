"""What can go wrong with folders on disk, each with its remedy in the message."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import SaewidgetsError


class IndexCorruptError(SaewidgetsError):
    """A file of an index is missing, truncated or altered."""


class IndexVersionError(SaewidgetsError):
    """An index was written in a format that this version does not read."""


class IndexWriteError(SaewidgetsError):
    """An index cannot be written where it was asked for."""


class IndexLockedError(SaewidgetsError):
    """Another build works on the same index, on another machine; or did, and was killed."""


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
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
