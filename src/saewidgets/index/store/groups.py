"""Groups of examples: what a list of them holds, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..corpus.columns import in_table
from .snippets import Example

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Examples", "Group"]


@dataclass(frozen=True)
class Group:
    """Examples that belong together, and what the list of them holds and what it does not.

    Attributes:
        key: "top", "bottom", "0" to "9" (intervals, lowest first), "range", "near", "silent".
        low, high: bounds of the activation, if it has any.
        count: activations of the corpus that belong to it and pass the filters; None if that is not known, or not exactly.
        about: of an interval of a bounded scan, without filters: about how many are there, and how far that can be off.
        share: of all active tokens of the corpus; None if it is not known, or filtered.
        sampled: whether the examples come from a uniform sample of those, and not from all of them. Of "top" and "bottom"
            they never do: such a list holds only what is known to be the largest, or most negative.
        examples: the examples; equal snippets are one, if so asked.
        filtered: whether a token or document column was asked for.
        complete: whether the examples were chosen from all that belong to it.
        held: activations that they were chosen from: all of them if `complete`, else those known to be the largest, or
            those of the sample.
        short: whether here are fewer than were asked for although the corpus has, or may have, more.
        note: the same in words.
    """

    key: str
    low: float | None
    high: float | None
    count: int | None
    share: float | None
    sampled: bool
    examples: tuple[Example, ...]
    filtered: bool = False
    complete: bool = True
    held: int = 0
    short: bool = False
    note: str = ""
    about: tuple[int, int] | None = None

    @property
    def covers(self) -> int:
        """Activations that the examples stand for, folded ones included."""
        return sum(example.repeats + 1 for example in self.examples)

    @property
    def repeats_exact(self) -> bool:
        """Whether an example's `repeats` are all of the corpus, in this group; else there are at least so many."""
        return self.complete


@dataclass(frozen=True)
class Examples:
    """Groups of examples of a feature.

    Attributes:
        feature: whose; groups: see `Group`.
        columns: the corpus' own columns, which each example has values of.
    """

    feature: int
    groups: tuple[Group, ...]
    columns: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Example]:
        return (example for group in self.groups for example in group.examples)

    def __len__(self) -> int:
        return sum(len(group.examples) for group in self.groups)

    def __getitem__(self, key: str) -> Group:
        for group in self.groups:
            if group.key == key:
                return group
        raise KeyError(f"There is no group {key!r}; there are {', '.join(group.key for group in self.groups)}.")

    def to_pandas(self) -> pd.DataFrame:
        """One row an example, with the columns of its document.

        A column of the corpus keeps its name, unless a column of this table has it ("activation", "token", "text" ...):
        then "document_" stands in front of it. `attrs["renamed"]` says which did, `attrs["notes"]` what each group holds.
        """
        import pandas as pd

        called = in_table(_TABLE, self.columns)
        rows = [
            {**_row(group, e), **{called[name]: value for name, value in e.columns.items()}}
            for group in self.groups
            for e in group.examples
        ]
        frame = pd.DataFrame(rows, columns=[*_TABLE, *called.values()])
        frame.attrs["notes"] = {group.key: group.note for group in self.groups}
        frame.attrs["renamed"] = {name: new for name, new in called.items() if name != new}
        return frame

    def __repr__(self) -> str:
        groups = ", ".join(
            f"{group.key}: {len(group.examples)}{' (sampled)' if group.sampled else ''}" for group in self.groups
        )
        told = [f"\n  {group.key}: {group.note}" for group in self.groups if group.short or not group.examples]
        return f"Examples(feature {self.feature}; {groups}){''.join(told)}"


_TABLE = ("group", "position", "activation", "token", "text", "document", "at", "repeats", "repeats_exact", "sampled")


def _row(group: Group, e: Example) -> dict[str, Any]:
    values = (
        *(group.key, e.position, e.activation, e.tokens[e.focus], e.text, e.document, e.at),
        *(e.repeats, group.repeats_exact, group.sampled),
    )
    return dict(zip(_TABLE, values, strict=True))
