"""What can go wrong with a corpus or an index, each with its remedy in the message."""

from __future__ import annotations

from ..errors import SaewidgetsError
from ..storage.errors import IndexCorruptError as IndexCorruptError
from ..storage.errors import IndexLockedError as IndexLockedError
from ..storage.errors import IndexVersionError as IndexVersionError
from ..storage.errors import IndexWriteError as IndexWriteError
from ..storage.errors import writing as writing


class CorpusError(SaewidgetsError):
    """The corpus is empty, or of a kind that cannot be read."""


class IndexMismatchError(SaewidgetsError):
    """An index belongs to another SAE, model or corpus than the one it is used with."""


class ClusterError(SaewidgetsError):
    """A Ray cluster that is not there, or whose actors cannot do what they are asked to."""


class FilterError(SaewidgetsError, ValueError):
    """Examples were asked for by a token or a value that the corpus does not have."""
