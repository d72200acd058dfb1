"""What a blind test's view asks, one class a channel."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["AskedCheck", "AskedTest"]

_F = {"wire": "f"}


@dataclass(frozen=True)
class AskedTest:
    """The texts of a test: of this feature, so many, so long, of this draw."""

    feature: int = field(metadata=_F)
    n: int
    window: int
    seed: int


@dataclass(frozen=True)
class AskedCheck:
    """What a person says of the texts of a test.

    Attributes:
        description: which of the test's descriptions was shown; -1: none.
        answers: of each text, in order, whether the feature fires in it.
    """

    feature: int = field(metadata=_F)
    n: int
    window: int
    seed: int
    description: int
    answers: tuple[bool, ...]

    @property
    def test(self) -> AskedTest:
        """The test that they are of."""
        return AskedTest(self.feature, self.n, self.window, self.seed)
