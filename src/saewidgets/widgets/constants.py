"""Numbers and names that kernel and front-end must agree on: both read `constants.json`, under the same names."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, Final

_ALL: Final[dict[str, Any]] = json.loads(resources.files(__package__).joinpath("constants.json").read_text("utf-8"))

SPECIAL: Final[int] = _ALL["SPECIAL"]
"""Bits of what a view is told of a token beside its text: a special token,"""
OUTLIER: Final[int] = _ALL["OUTLIER"]
"""a norm outlier,"""
FIRST_PIECE: Final[int] = _ALL["FIRST_PIECE"]
"""a token in which a character begins that goes on after it,"""
LATER_PIECE: Final[int] = _ALL["LATER_PIECE"]
"""one into which a character goes on,"""
BEYOND: Final[int] = _ALL["BEYOND"]
"""and a position that the SAE was not trained on."""
MAX_FEATURES: Final[int] = _ALL["MAX_FEATURES"]
"""Features that can be told apart by colour."""
MIN_WINDOW: Final[int] = _ALL["MIN_WINDOW"]
MAX_WINDOW: Final[int] = _ALL["MAX_WINDOW"]
"""Tokens on each side of an example."""
SETTINGS: Final[tuple[str, ...]] = tuple(_ALL["SETTINGS"])
"""How text is sampled: fields of `Sampling` that are traits of the panel."""
MAX_SAMPLES: Final[int] = _ALL["MAX_SAMPLES"]
"""Pairs of texts of one run."""
HISTORY: Final[int] = _ALL["HISTORY"]
"""Runs that a panel remembers."""
CONTROLS: Final[int] = _ALL["CONTROLS"]
"""Controls of each kind that the sweep's view asks for, if nothing else is chosen."""
ROWS: Final[int] = _ALL["ROWS"]
"""Rows of a window of a table, at most: a screen of them, and as many before and after."""
MAX_TEXTS: Final[int] = _ALL["MAX_TEXTS"]
"""Texts that are compared beside each other."""
MAX_SELECTED: Final[int] = _ALL["MAX_SELECTED"]
"""Features that can be selected together: all of them go to every view, and into a page."""
EDITS: Final[int] = _ALL["EDITS"]
"""Edits of a graph that can be undone."""
