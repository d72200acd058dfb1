"""The rows of the catalog: every SAE with what is known of it, searched, filtered and in an order."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property, lru_cache
from typing import cast

import numpy as np
import numpy.typing as npt

from .. import wire
from ..constants import ROWS
from ..table.columns import Column, Places, ordered, within
from .asked import Chosen
from .directory import Directory, Entry
from .facts import facts

__all__ = ["TEXTS", "Saes", "natural", "saes_of", "words_of"]

TEXTS = ("model", "release", "sae_id", "hook_name", "architecture")
"""Columns of text; they sort with the numbers in them as numbers."""
_SEARCHED = ("model", "release", "sae_id", "hook_name")
_NUMBERS: dict[str, tuple[str, str, bool, str]] = {
    "layer": ("layer", "The block of the model that the SAE reads, counted from 0", False, "whole"),
    "width": ("width", "Features of the SAE (d_sae)", True, "count"),
    "l0": ("L0", "Features active on a token, on average, as its authors measured", True, "num"),
    "variance_explained": (
        "var. explained",
        "Share of the activations' variance that the reconstruction keeps, as its authors measured",
        False,
        "num",
    ),
}
# As they are sent.
_FITS = {True: 1, False: 0, None: 2}


@lru_cache(maxsize=2)
def saes_of(known: Directory) -> Saes:
    """The SAEs of a directory, once for all widgets."""
    return Saes(known)


class Saes:
    """All SAEs of a directory."""

    def __init__(self, known: Directory) -> None:
        self.entries = known.entries
        self.left_out = known.left_out
        self.facts = [facts(entry) for entry in known.entries]
        self._places = {(entry.release, entry.sae_id): at for at, entry in enumerate(known.entries)}
        self._releases: dict[str, list[str]] = {}
        for entry in known.entries:
            self._releases.setdefault(entry.release, []).append(entry.sae_id)
        self._listed: tuple[Chosen, Places] | None = None

    def __len__(self) -> int:
        return len(self.entries)

    # -- one

    def place(self, release: str, sae_id: str) -> int:
        """Where an SAE stands in the directory.

        Raises:
            LookupError: if there is none, naming the nearest.
        """
        from ...errors import nearest

        at = self._places.get((release, sae_id))
        if at is not None:
            return at
        known = self._releases.get(release)
        what, name, among = ("SAE", sae_id, known) if known else ("release", release, list(self._releases))
        near = nearest(name, among)
        hint = f" Nearest: {', '.join(map(repr, near))}." if near else ""
        where = f" in the release {release!r}" if known else " in sae-lens' directory"
        raise LookupError(f"There is no {what} {name!r}{where}.{hint}")

    def row(self, at: int) -> dict[str, wire.Json]:
        """What is known of an SAE, by name; None where nothing is."""
        entry, said = self.entries[at], self.facts[at]
        explained = entry.variance_explained
        return {
            "release": entry.release,
            "sae_id": entry.sae_id,
            "model": entry.model or None,
            **cast("dict[str, wire.Json]", asdict(said)),
            "variance_explained": None if math.isnan(explained) else explained,
            "neuronpedia_id": entry.neuronpedia or None,
            "repo_id": entry.repo_id or None,
        }

    def entry(self, release: str, sae_id: str) -> Entry:
        """The directory's own entry of an SAE."""
        return self.entries[self.place(release, sae_id)]

    # -- columns

    @cached_property
    def texts(self) -> dict[str, list[str]]:
        """The columns of text; "" where nothing is known."""
        entries, said = self.entries, self.facts
        return {
            "model": [one.model for one in entries],
            "release": [one.release for one in entries],
            "sae_id": [one.sae_id for one in entries],
            "hook_name": [one.hook_name or "" for one in said],
            "architecture": [one.architecture or "" for one in said],
        }

    @cached_property
    def numbers(self) -> dict[str, Column]:
        """The columns of numbers."""
        values: dict[str, Sequence[float | None]] = {
            "layer": [one.layer for one in self.facts],
            "width": [one.width for one in self.facts],
            "l0": [one.l0 for one in self.facts],
            "variance_explained": [one.variance_explained for one in self.entries],
        }
        return {
            name: Column(title, says, np.array(values[name], np.float64), log, form)
            for name, (title, says, log, form) in _NUMBERS.items()
        }

    @cached_property
    def _sortable(self) -> dict[str, Column]:
        ranks = {name: Column(name, "", _ranks(texts)) for name, texts in self.texts.items()}
        return {**ranks, **self.numbers}

    @cached_property
    def _usual(self) -> Places:
        """By model, release and id."""
        keys = [self._sortable[name].values for name in ("sae_id", "release", "model")]
        return np.lexsort(keys).astype(np.int64)

    @cached_property
    def _found_in(self) -> list[str]:
        columns = [self.texts[name] for name in _SEARCHED]
        return ["\n".join(texts).casefold() for texts in zip(*columns, strict=True)]

    def values(self, column: str) -> list[str]:
        """What stands in a column of text, in order, without what is unknown."""
        return sorted({text for text in self.texts[column] if text}, key=natural)

    # -- rows

    def listed(self, chosen: Chosen) -> Places:
        """The places of the SAEs that are chosen, in their order.

        Raises:
            ValueError: for an unknown column.
        """
        known = self._listed
        if known is None or known[0] != chosen:
            self._listed = known = chosen, self._list_anew(chosen)
        return known[1]

    def _list_anew(self, chosen: Chosen) -> Places:
        passes = within(self.numbers, chosen.filters, len(self))
        for column, wanted in (("model", chosen.model), ("architecture", chosen.architecture)):
            if wanted:
                passes &= np.array([text == wanted for text in self.texts[column]], bool)
        for word in words_of(chosen.query):
            begins = re.compile(r"(?<![^\W_])" + re.escape(word))
            passes &= np.array([word in text and begins.search(text) is not None for text in self._found_in], bool)
        rows = self._usual[passes[self._usual]]
        if not chosen.sort:
            return rows[::-1] if chosen.descending else rows
        return ordered(self._sortable, rows, chosen.sort, chosen.descending)

    def window(
        self, chosen: Chosen, first: int, count: int, fits: Callable[[str], bool | None] = lambda _model: None
    ) -> wire.Reply:
        """A part of the table. `fits`: whether an SAE of the model of this name is for the user's own; None: nobody knows, or
        there is none."""
        listed = self.listed(chosen)
        shown = listed[max(first, 0) : max(first, 0) + min(count, ROWS)]
        data: dict[str, wire.Json] = {
            "total": len(listed),
            "of": len(self),
            "first": max(first, 0),
            "rows": [self.row(int(at)) for at in shown],
        }
        for_own = [_FITS[fits(self.entries[int(at)].model)] for at in shown]
        return wire.Reply(data, {"fits": np.array(for_own, np.uint8)})

    @property
    def sortable(self) -> Collection[str]:
        """Columns to sort by."""
        return (*TEXTS, *_NUMBERS)


def words_of(query: str) -> list[str]:
    """The words of a query, each of which must be the beginning of a word: letters and digits after something else.

    A word of the query goes on as it was written, so "resid_pre" is one, and so is "res-jb".
    """
    words = (re.sub(r"^[\W_]+", "", word) for word in query.casefold().split())
    return [word for word in dict.fromkeys(words) if word]


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts "layer_2" before "layer_10", and letters without their case."""
    parts = re.split(r"([0-9]+)", text.casefold())
    return tuple((0, int(part), "") if i % 2 else (1, 0, part) for i, part in enumerate(parts) if part)


def _ranks(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """[rows] the place of each text among those that there are; NaN for ""."""
    order: Mapping[str, float] = {text: at for at, text in enumerate(sorted(set(texts) - {""}, key=natural))}
    return np.array([order.get(text, np.nan) for text in texts], np.float64)
