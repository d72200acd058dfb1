"""The one error of recipes."""

from __future__ import annotations

from ...errors import SaewidgetsError


class RecipeError(SaewidgetsError, ValueError):
    """An intervention that cannot be meant, or that the engine cannot do. `row` and `field` say which of a recipe."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.row: int | None = None
