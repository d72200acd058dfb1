"""Columns that a result brings beside those of an index: a contrast, or an association, in the table of all features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...datasets.errors import MatrixMismatchError
from ...index.record.identity import differing
from ..table.columns import Column

if TYPE_CHECKING:
    from ...datasets.association import Association
    from ...datasets.columns import FeatureColumns
    from ...datasets.contrast import Contrast
    from ...index.feature_index import FeatureIndex

__all__ = ["Brought", "brought"]

# What makes a feature of a result the feature of an index; how texts were read may differ.
_MUST_AGREE = ("dictionary", "weights", "hook", "head", "n_features", "encoding", "processing")


@dataclass(frozen=True, eq=False)
class Brought:
    """Columns beside those of an index.

    Attributes:
        columns: by name, the one to sort by first. shown: those that stand in the table from the start.
        notes: what the reader must know of them.
    """

    columns: Mapping[str, Column] = field(default_factory=dict)
    shown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def brought(index: FeatureIndex, result: Contrast | Association | None) -> Brought:
    """The columns of a result, for the table of `index`.

    Raises:
        MatrixMismatchError: if the result is of another dictionary or model than the index. TypeError: if it is no result.
    """
    if result is None:
        return Brought()
    from ...datasets.association import Association
    from ...datasets.contrast import Contrast

    if not isinstance(result, (Contrast, Association)):
        raise TypeError(
            f"columns is what sw.contrast or sw.associate gives, not {type(result).__name__}. A FeatureMatrix has one number for "
            "each text: compare two, or associate it with a column."
        )
    given = result.columns()
    notes = [*given.notes, *_must_be_of(index, given)]
    columns = {name: Column(one.title, one.says, one.values, one.log, one.form) for name, one in given.columns.items()}
    shown = tuple(name for name, one in given.columns.items() if one.shown)
    return Brought(columns, shown, tuple(notes))


def _must_be_of(index: FeatureIndex, given: FeatureColumns) -> list[str]:
    """Raise unless features of both are the same features; else what is to be said."""
    made = index.made_with
    who = index.provenance.get("SAE") or index.provenance.get("transcoder") or "another SAE"
    both = f"The columns are of {given.dictionary!r}, and the index at {index.path} is of {who!r}"
    if "imported" in made:
        raise MatrixMismatchError(
            f"{both}, made of {made['imported']}, which do not say of which weights they are: nobody can tell whether the "
            "features are the same. Build an index of your own SAE with sw.build_index."
        )
    differences = differing(made, given.identity)
    # Where both say which version of the model's weights they were made with, as the demo does, that is no accident.
    there, here = index.provenance.get("weights"), given.provenance.get("weights")
    notes = []
    if "weights" in differences and there and here and there != here:
        del differences["weights"]
        notes.append(f"The index was made with weights: {there}; the columns with {here}.")
    told = [differences[key] for key in _MUST_AGREE if key in differences]
    if told:
        raise MatrixMismatchError(f"{both}: {'; '.join(told)}. Use an index of the same SAE and model.")
    return notes
