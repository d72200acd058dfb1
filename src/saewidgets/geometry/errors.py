"""What has no shape, each with its remedy in the message."""

from __future__ import annotations

from ..errors import SaewidgetsError

__all__ = ["GeometryError"]


class GeometryError(SaewidgetsError, ValueError):
    """Features, or points, of which the shape that is asked for cannot be told."""
