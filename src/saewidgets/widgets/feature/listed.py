"""Putting features into a named list of an index, as views ask it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import wire

if TYPE_CHECKING:
    from ...index.feature_index import FeatureIndex

__all__ = ["AskedList", "list_reply", "lists_of"]


@dataclass(frozen=True)
class AskedList:
    """Put features at the end of a named list, which is made if there is none."""

    name: str
    features: tuple[int, ...]


def list_reply(index: FeatureIndex, asked: AskedList) -> wire.Reply:
    """The answer of "list": what the list is called, and how many features it has now.

    Raises:
        ValueError: without a name.
    """
    name = asked.name.strip()
    if not name:
        raise ValueError("Give the list a name.")
    index.add_to_list(name, asked.features)
    return wire.Reply({"name": name, "n": len(index.lists[name])})


def lists_of(index: FeatureIndex) -> list[wire.Json]:
    """Names and lengths of an index's lists."""
    return [{"name": name, "n": len(features)} for name, features in index.lists.items()]
