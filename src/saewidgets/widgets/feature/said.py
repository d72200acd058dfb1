"""What is said of a feature, as every view is sent it: the name that a person gave, or else an explanation or a description
made of an index's counts, told apart (its twin is js/src/feature/said.tsx)."""

from __future__ import annotations

from collections.abc import Mapping

from ...engine.descriptions import Description
from ...engine.labels import Labels
from .. import wire

__all__ = ["by", "said_of", "sent"]

# Bytes. A row has one line; whoever wants all of it opens the feature.
_LONGEST, _LONGEST_SOURCE = 400, 60


def said_of(labels: Mapping[int, str], feature: int, longest: int = _LONGEST) -> dict[str, wire.Json]:
    """{"label", "said"}: a name given by hand, or None; where there is none, what else is said, as {text, kind, by}, or None."""
    found = labels.describe(feature) if isinstance(labels, Labels) else None
    return sent(labels.get(feature) if found is None else None, found, longest)


def sent(label: str | None, found: Description | None, longest: int = _LONGEST) -> dict[str, wire.Json]:
    """The same of a label, or a description, that was looked up."""
    if found is None or found.kind == "label":
        name = label if found is None else found.text
        return {"label": None if name is None else _short(name, longest), "said": None}
    return {"label": None, "said": {"text": _short(found.text, longest), "kind": found.kind, "by": by(found)}}


def by(description: Description) -> str:
    """Who says it, and how well it predicts the activations if somebody measured that."""
    if description.kind == "label":
        return "A name given by hand"
    if description.kind == "automatic":
        return f"Made of the numbers of {description.source}; nobody wrote it"
    score = "" if description.score is None else f", {description.measure or 'score'} {description.score:.2f}"
    return f"Explanation of {_short(description.source, _LONGEST_SOURCE)}{score}"


def _short(text: str, longest: int) -> str:
    """The text, or as much of it as `longest` bytes hold: a window of rows has a size, in whatever script."""
    raw = text.encode()
    return text if len(raw) <= longest else f"{raw[: longest - 3].decode(errors='ignore')}\u2026"
