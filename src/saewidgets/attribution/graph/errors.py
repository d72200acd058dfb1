"""The one error of attribution graphs."""

from __future__ import annotations

from ...errors import SaewidgetsError


class GraphError(SaewidgetsError, ValueError):
    """A node or group that is not in the graph, or something that cannot be computed of it."""
