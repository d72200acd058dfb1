"""What goes wrong in an attribution, each with its remedy."""

from __future__ import annotations

from ..errors import SaewidgetsError

__all__ = ["GradientError", "MetricError"]


class MetricError(SaewidgetsError, ValueError):
    """A metric that cannot be computed on a text, or that does not depend on what is attributed to."""


class GradientError(SaewidgetsError, RuntimeError):
    """A model through which no gradient flows, or in which what was to be frozen cannot be."""
