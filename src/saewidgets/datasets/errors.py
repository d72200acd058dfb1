"""What can go wrong with documents, columns and matrices, each with its remedy in the message."""

from __future__ import annotations

from ..errors import SaewidgetsError

__all__ = ["DatasetError", "MatrixMismatchError"]


class DatasetError(SaewidgetsError, ValueError):
    """Texts or a column of which the question cannot be answered."""


class MatrixMismatchError(DatasetError):
    """Matrices, columns or folders that belong to different SAEs, models, settings or texts."""
