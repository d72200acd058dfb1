"""What an address of a graph on Neuronpedia says: which graph, what is pinned, grouped and renamed in it, and how it is pruned."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from .errors import FormatError
from .graph_records import GraphFile, Supernode
from .graph_rows import chosen_in, parameters_of

__all__ = ["UrlParameters", "url_parameters"]

_THRESHOLDS = ("pruningThreshold", "densityThreshold")
_OURS = ("slug", "pinnedIds", "clickedId", "supernodes", "clerps", *_THRESHOLDS)


@dataclass(frozen=True)
class UrlParameters:
    """The parameters of an address.

    Attributes:
        slug: which graph.
        pins, supernodes, clicked, labels: as in `GraphFile`.
        pruning_threshold: nodes with a cumulative influence above it are not shown; None: the graph's own threshold.
        density_threshold: nor are features with a higher density; None: none is left out.
        extra: other parameters ("embed").

    Example:
        >>> asked = UrlParameters.from_url("https://www.neuronpedia.org/gemma-2-2b/graph?slug=dallas&pinnedIds=14_345_7")
        >>> asked.pins
        ('14_345_7',)
    """

    slug: str = ""
    pins: tuple[str, ...] = ()
    supernodes: tuple[Supernode, ...] = ()
    clicked: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    pruning_threshold: float | None = None
    density_threshold: float | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_url(cls, url: str) -> UrlParameters:
        """From an address, or what stands after its question mark.

        Raises:
            FormatError: for a parameter that cannot be read, naming it.
        """
        query = urlsplit(url).query if "?" in url else url
        given = dict(parse_qsl(query, keep_blank_values=True, errors="replace"))
        chosen = _chosen(given)
        pruning, density = (_share(given.get(key), key) for key in _THRESHOLDS)
        extra = {key: value for key, value in given.items() if key not in _OURS}
        return cls(
            given.get("slug", ""),
            chosen.pins,
            chosen.supernodes,
            chosen.clicked,
            chosen.labels,
            pruning,
            density,
            extra,
        )

    @classmethod
    def of(cls, file: GraphFile) -> UrlParameters:
        """What a graph's file says, to be shown so by an address."""
        given = file.parameters
        pruning, density = (_number(given.get(key)) for key in _THRESHOLDS)
        return cls(
            file.slug,
            file.pins,
            file.supernodes,
            file.clicked,
            file.labels,
            file.node_threshold if pruning is None else pruning,
            density,
        )

    def to_dict(self) -> dict[str, str]:
        """The parameters as text, those that say nothing left out."""
        groups = [[one.label, *one.members] for one in self.supernodes]
        made = {
            "slug": self.slug,
            "pinnedIds": ",".join(self.pins),
            "supernodes": json.dumps(groups, separators=(",", ":")) if groups else "",
            "clickedId": self.clicked or "",
            "clerps": json.dumps([list(one) for one in self.labels], separators=(",", ":")) if self.labels else "",
            "pruningThreshold": _said(self.pruning_threshold),
            "densityThreshold": _said(self.density_threshold),
        }
        return {**{key: value for key, value in made.items() if value}, **self.extra}

    def query(self) -> str:
        """As they stand after the question mark of an address."""
        return urlencode(self.to_dict(), errors="replace")

    def applied(self, file: GraphFile) -> GraphFile:
        """The graph with what the address says in place of what the file did.

        Raises:
            FormatError: if the address is of another graph.
        """
        if self.slug and file.slug and self.slug != file.slug:
            raise FormatError(
                f"The address is of the graph {self.slug!r}, the file is {file.slug!r}. Open the file of that graph, or take the "
                "slug out of the address."
            )
        new = replace(
            file, pins=self.pins, supernodes=self.supernodes, clicked=self.clicked, labels=self.labels or file.labels
        )
        told = {"pruningThreshold": self.pruning_threshold, "densityThreshold": self.density_threshold}
        changed = {key: value for key, value in told.items() if value is not None}
        parameters: dict[str, Any] = {**parameters_of(new), **changed}
        return replace(new, raw={**file.raw, "qParams": parameters})


def url_parameters(
    file: GraphFile, pruning_threshold: float | None = None, density_threshold: float | None = None
) -> dict[str, str]:
    """The parameters of an address on Neuronpedia that shows a graph as it is here: slug, pinnedIds, supernodes (JSON),
    clickedId, clerps (JSON), pruningThreshold, densityThreshold.

    Example:
        >>> "https://www.neuronpedia.org/gemma-2-2b/graph?" + urllib.parse.urlencode(url_parameters(file))
    """
    told = UrlParameters.of(file)
    return replace(
        told,
        pruning_threshold=told.pruning_threshold if pruning_threshold is None else pruning_threshold,
        density_threshold=told.density_threshold if density_threshold is None else density_threshold,
    ).to_dict()


def _chosen(given: Mapping[str, str]) -> Any:
    try:
        return chosen_in(given)
    except FormatError as error:
        raise FormatError(f"The address cannot be read: {error}. Copy it again, to its end.") from None


def _share(given: str | None, key: str) -> float | None:
    if not given:
        return None
    try:
        found = float(given)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise FormatError(f"The address cannot be read: its {key} is {given!r}, not a number.")
    return found


def _number(given: object) -> float | None:
    try:
        return None if given is None or isinstance(given, bool) else float(str(given))
    except ValueError:
        return None


def _said(share: float | None) -> str:
    return "" if share is None else repr(float(share))
