"""What a list of examples holds and what it does not, in a few words for tables, printouts and views."""

from __future__ import annotations

from dataclasses import dataclass

from ..statistics.kept_examples import SILENT
from .held import Members


@dataclass(frozen=True)
class Listed:
    """A list of examples in numbers.

    Attributes:
        shown: examples in it; covers: activations that they stand for (more, if equal snippets are one).
        different: different snippets that there were to choose from; held: activations that there were.
        count: activations of the corpus that belong to it and pass the filters, if known.
        filtered: whether anything was filtered.
    """

    shown: int
    covers: int
    different: int
    held: int
    count: int | None
    filtered: bool

    def said(self) -> str:
        """What is shown."""
        if self.covers > self.shown:
            return f"{self.covers:,} activations in {self.shown:,} different snippets"
        return f"{self.covers:,} activation{'' if self.covers == 1 else 's'}"

    def passing(self) -> str:
        return " that pass the filter" if self.filtered else ""


def of_extremes(of: Listed, members: Members, key: str) -> str:
    """Of a list of the largest ("top") or most negative ("bottom") activations; `members` is before the filter."""
    most, sign, others = (
        ("most negative", "negative", "others") if key == "bottom" else ("largest", "positive", "smaller ones")
    )
    known = len(members.index)
    if members.complete and not of.held:
        return f"no {sign} activation passes the filter" if of.filtered else f"there is no {sign} activation"
    if members.complete or of.shown < of.different:
        return _all_or(of, f"the {most} of")
    if not known:
        return f"no activation is known to be the {most}: the index was built with Keeping(top=0)"
    others = f"{others} are known only from samples, which group='intervals' and low=, high= show"
    if of.filtered:
        passing = f"{of.said()} pass the filter" if of.held else "none passes the filter"
        return f"of the {known:,} {most} activations, down to {members.down_to:.4g}, {passing}; {others}"
    return (
        f"{of.said()}: of {members.count:,} {sign} ones only the {known:,} {most}, down to {members.down_to:.4g}, are known "
        f"to be the {most}; {others}"
    )


def of_sample(of: Listed, members: Members) -> str:
    """Of a list of an interval or a range; `members` is before the filter."""
    if members.complete:
        if not of.held:
            return "no activation there passes the filter" if of.filtered else "there is no activation"
        return _all_or(of, "drawn at random from")
    if not of.held and of.filtered:
        return f"none of the {len(members.index):,} activations of the uniform sample passes the filter"
    there = (
        ""
        if members.about is None
        else f"about {members.about[0]:,} \u00b1 {members.about[1]:,} of the corpus are there"
    )
    if not of.held and there:
        return f"none of the uniform sample is there; {there}"
    if not of.held:
        return "too few activations were kept for a uniform sample there"
    total = f" of {of.count:,}" if of.count is not None else f"; {there}" if there and not of.filtered else ""
    return f"{of.said()}, sampled uniformly ({of.held:,}{of.passing()} kept{total})"


def of_silence(held: int, kept: int) -> str:
    """Of silent examples: `held` after the filter, `kept` before."""
    if not kept:
        return "no such token was found among those tried"
    if not held:
        return f"none of the {kept:,} silent tokens of the sample passes the filter"
    return f"a sample: at most {SILENT} silent tokens are kept"


def _all_or(of: Listed, chosen: str) -> str:
    if of.shown == of.different:
        return f"{of.said()}, which are all{of.passing()}"
    total = f"{of.count:,} activations" if of.count is not None else "those"
    return f"{of.said()}, {chosen} {total}{of.passing()}"
