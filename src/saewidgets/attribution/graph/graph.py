"""AttributionGraph: an attribution graph to ask, to prune and to mark; an edit gives another one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ...engine.arrays import Doubles
from ...formats.attribution_graph import LIMIT, Missing, as_json, graph_of, read_graph, write_graph
from ...formats.graph_records import GraphFile, GraphNode
from ...formats.graph_url import UrlParameters, url_parameters
from ...formats.records import Json
from . import edits
from .errors import GraphError
from .layout import Layout, layout_of
from .linked import LinkedNode, linked
from .lookup import Lookup, NodeLike
from .prune import Links, Roles, cumulative_influence, input_shares, node_influence, prune
from .recipe import Acting, recipe_of
from .scores import GraphScores, InfluenceCheck, check_influence, links_of, logit_weights_of, roles_of, scores_of
from .tables import links_table, nodes_table

if TYPE_CHECKING:
    import pandas as pd

    from ...engine.engine import Engine
    from ...interventions.recipe.recipe import Recipe

__all__ = ["AttributionGraph"]


@dataclass(frozen=True, eq=False)
class AttributionGraph:
    """Features, errors and tokens that a prompt's logits come from, and the links between them.

    A node is named by its id ("14_345_7"), by type and id where two nodes have the same one, by its row, or by itself. Nothing here
    changes: pins, groups and labels give another graph, so that the older one is what undoing gives.

    Attributes:
        file: the graph as its file has it.

    Example:
        >>> graph = sw.AttributionGraph.open("dallas.json")
        >>> graph.inputs("27_22605_10")[:3]
        >>> marked = graph.group("capitals", ["14_345_7", "15_92_7"])
        >>> marked.save("dallas-marked.json")
    """

    file: GraphFile

    # -- from and to files

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        limit: int | None = LIMIT,
        missing: Missing = "refuse",
        meant: Mapping[str, str] | None = None,
    ) -> AttributionGraph:
        """The graph in a .json or .json.gz of circuit-tracer, Neuronpedia or transformer-circuits.pub.

        Args:
            path: the file.
            limit: bytes that it may have; None: any number.
            missing: "refuse" a file with links to nodes that are not there, or "drop" these links.
            meant: of an id that two nodes have, the type of the node that links mean.

        Raises:
            FileNotFoundError: if there is none. FormatError: for a file that is none of these, saying what to do.
        """
        return cls(read_graph(path, limit=limit, missing=missing, meant=meant))

    @classmethod
    def from_file(cls, file: GraphFile) -> AttributionGraph:
        """Of a graph that was read, or made by `formats.graph_nodes.new_graph`."""
        return cls(file)

    @classmethod
    def from_dict(cls, content: Mapping[str, Json]) -> AttributionGraph:
        """Of the parsed JSON of such a file."""
        return cls(graph_of(content))

    def to_dict(self) -> dict[str, Json]:
        """As JSON: what was read, with what was changed."""
        return as_json(self.file)

    def save(self, path: str | Path) -> Path:
        """Write it to `path`, as the tool does whose file it was; packed if it ends in .gz."""
        return write_graph(self.file, path)

    def url_parameters(
        self, pruning_threshold: float | None = None, density_threshold: float | None = None
    ) -> dict[str, str]:
        """Parameters of an address on Neuronpedia that shows the graph with these pins, groups and labels."""
        return url_parameters(self.file, pruning_threshold, density_threshold)

    def with_url(self, url: str) -> AttributionGraph:
        """With what an address on Neuronpedia says in place of its own pins, groups and labels.

        Raises:
            FormatError: for an address that cannot be read, or of another graph.
        """
        return AttributionGraph(UrlParameters.from_url(url).applied(self.file))

    # -- nodes and links

    @property
    def nodes(self) -> tuple[GraphNode, ...]:
        """In the file's order."""
        return self.file.nodes

    @property
    def tokens(self) -> tuple[str, ...]:
        """Token strings of the prompt."""
        return self.file.tokens

    @cached_property
    def links(self) -> Links:
        """All links as arrays: sources, targets, weights, [links] each; ends are rows of `nodes`."""
        return links_of(self.file)

    @cached_property
    def roles(self) -> Roles:
        """Which nodes are features, errors, tokens, logits: masks [nodes]."""
        return roles_of(self.file)

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self.file)

    def row(self, node: NodeLike) -> int:
        """The row of a node in `nodes`.

        Raises:
            GraphError: for one that is not there, or an id that several have.
        """
        return self._lookup.row(node)

    def node(self, node: NodeLike) -> GraphNode:
        """The node that is called so."""
        return self.nodes[self.row(node)]

    def inputs(self, node: NodeLike) -> tuple[LinkedNode, ...]:
        """The nodes that `node` comes from, those with the largest |weight| first."""
        here = self.links.targets == self.row(node)
        return linked(self.nodes, self.links.sources, self.links.weights, self._shares, here)

    def outputs(self, node: NodeLike) -> tuple[LinkedNode, ...]:
        """The nodes that `node` leads to, those with the largest |weight| first."""
        here = self.links.sources == self.row(node)
        return linked(self.nodes, self.links.targets, self.links.weights, self._shares, here)

    @cached_property
    def _shares(self) -> Doubles:
        return input_shares(self.links)

    def to_pandas(self, of: Literal["nodes", "links"] = "nodes") -> pd.DataFrame:
        """One row a node, or a link; rows of links name nodes by their rows."""
        if of == "links":
            return links_table(self.file, self.links)
        if of != "nodes":
            raise GraphError(f'There are tables of "nodes" and of "links", not of {of!r}.')
        groups = {label: [self.row(node) for node in members] for label, members in self.groups.items()}
        pinned = [self.row(node) for node in self.pins]
        return nodes_table(self.file, self.influence, self.cumulative, self.error_share, pinned, groups)

    # -- what has to do with the logits

    @cached_property
    def influence(self) -> Doubles:
        """[nodes] influence on the logits, computed from the links (`prune.node_influence`).

        Raises:
            GraphError: if no logit has a probability, or links go round in a circle.
        """
        return node_influence(self.links, logit_weights_of(self.file))

    @cached_property
    def cumulative(self) -> Doubles:
        """[nodes] share of all influence that a node and all with more hold together: the file's, NaN where it does not say it;
        computed from the links where it says none at all. Front-ends show nodes up to a threshold of it."""
        said = np.array([np.nan if node.influence is None else node.influence for node in self.nodes], np.float64)
        return cumulative_influence(self.influence) if np.isnan(said).all() else said

    @cached_property
    def error_share(self) -> Doubles:
        """[nodes] share of errors in the |weight| of what comes in."""
        of_errors = np.where(self.roles.errors[self.links.sources], self._shares, 0.0)
        return np.bincount(self.links.targets, of_errors, len(self.nodes)).astype(np.float64, copy=False)

    def check_influence(self) -> InfluenceCheck:
        """The file's influence beside that of its links: they differ where the file has a part of a larger graph."""
        return check_influence(self.file)

    def scores(self, *, pinned: bool = False) -> GraphScores:
        """Replacement and completeness of the graph, or of its pinned part; with a sentence why, where there are none."""
        chosen = np.isin(np.arange(len(self.nodes)), self._lookup.all_chosen(self.file.pins))
        return scores_of(self.file, chosen if pinned else None)

    def pruned(
        self, threshold: float = 0.8, edge: float | None = None, *, by: Literal["links", "file"] = "links"
    ) -> AttributionGraph:
        """What is left with less influence taken away.

        Args:
            threshold: share of influence that the nodes that are kept hold.
            edge: share of scores that the links that are kept hold; default: .98, as circuit-tracer; with by="file": all.
            by: "links": as circuit-tracer's `prune_graph`, from the links. "file": as Neuronpedia's slider, nodes with a cumulative
                influence of the file up to `threshold`; tokens, logits, pinned and clicked nodes always.

        Raises:
            GraphError: for a threshold outside 0 .. 1, or where there is no influence to go by.
        """
        if by == "links":
            left = prune(self.links, self.roles, logit_weights_of(self.file), threshold, 0.98 if edge is None else edge)
            return AttributionGraph(self.file.kept(left.nodes, left.links))
        if edge is not None:
            raise GraphError('The slider of by="file" takes no links away: leave out edge=, or say by="links".')
        if not 0 <= threshold <= 1:
            raise GraphError(f"threshold is a share of all influence, from 0 to 1, not {threshold!r}.")
        chosen = [*self.file.pins, *([self.file.clicked] if self.file.clicked else [])]
        nodes = self.roles.given | ~(self.cumulative > threshold)
        nodes[self._lookup.all_chosen(chosen)] = True
        return AttributionGraph(self.file.kept(nodes, nodes[self.links.sources] & nodes[self.links.targets]))

    def layout(self) -> Layout:
        """Where nodes stand: columns of tokens, bands of layers; within both, those with more influence first."""
        try:
            rank: Doubles | None = self.influence
        except GraphError:
            rank = None
        return layout_of(self.nodes, len(self.tokens), rank)

    # -- what somebody chose

    @property
    def pins(self) -> tuple[GraphNode, ...]:
        """Pinned nodes, in the order of pinning; those that are not in the graph left out."""
        return tuple(self.nodes[row] for row in self._lookup.all_chosen(self.file.pins))

    @property
    def groups(self) -> dict[str, tuple[GraphNode, ...]]:
        """Groups ("supernodes") by label; of several with one label, together."""
        found: dict[str, list[str]] = {}
        for one in self.file.supernodes:
            found.setdefault(one.label, []).extend(one.members)
        return {label: tuple(self.nodes[r] for r in self._lookup.all_chosen(names)) for label, names in found.items()}

    def pin(self, *nodes: NodeLike) -> AttributionGraph:
        """With `nodes` pinned."""
        return AttributionGraph(edits.pinned(self.file, self._lookup.rows(list(nodes))))

    def unpin(self, *nodes: NodeLike) -> AttributionGraph:
        """With `nodes` pinned no more, nor in a group."""
        return AttributionGraph(edits.unpinned(self.file, self._lookup.rows(list(nodes))))

    def group(self, label: str, nodes: NodeLike | Iterable[NodeLike]) -> AttributionGraph:
        """With `nodes` in the group `label` (more, if there is one), and in no other. They are pinned, too: front-ends draw groups
        of what is pinned."""
        return AttributionGraph(edits.grouped(self.file, label, self._lookup.rows(nodes)))

    def ungroup(self, label: str) -> AttributionGraph:
        """Without the group `label`; its nodes stay pinned."""
        return AttributionGraph(edits.ungrouped(self.file, label))

    def rename_group(self, label: str, new: str) -> AttributionGraph:
        """With the group `label` called `new`."""
        return AttributionGraph(edits.renamed(self.file, label, new))

    def label(self, node: NodeLike, label: str | None) -> AttributionGraph:
        """With the feature of `node` called `label`, at every position where it stands; None: as its file calls it."""
        return AttributionGraph(edits.labelled(self.file, self.row(node), label))

    def recipe(
        self,
        nodes: NodeLike | Iterable[NodeLike],
        engine: Engine,
        kind: str = "ablate",
        value: float | None = None,
        unit: str = "raw",
        *,
        everywhere: bool = False,
        features_only: bool = False,
        dictionaries: Mapping[int, str] | None = None,
    ) -> Recipe:
        """The recipe that changes a group as one: every feature of it, at the positions where the graph has it.

        Positions are the graph's, BOS included: ask the engine about the same prompt. A layer's features are those of the
        dictionary that reads in the block of that number.

        Args:
            nodes: a group's label, or nodes.
            engine: with dictionaries for their layers.
            kind, value, unit: as in `Intervention`: "ablate", "scale" with a factor, "clamp", "add", ...
            everywhere: at all positions that count, and not only at the graph's.
            features_only: leave out nodes that are no features, in place of refusing them.
            dictionaries: layer to the name of a dictionary, where several read in its block.

        Raises:
            GraphError: for nodes that cannot be changed, and layers without a dictionary. FeatureIndexError: for a feature that its
                dictionary does not have. RecipeError: for a change that cannot be meant.

        Example:
            >>> recipe = graph.recipe("capitals", engine, "scale", -2)
            >>> sw.effects(engine, graph.file.prompt, recipe)
        """
        group = self.groups.get(nodes) if isinstance(nodes, str) else None
        label = str(nodes) if group is not None else None
        members = group if group is not None else [self.nodes[row] for row in self._lookup.rows(nodes)]
        told = Acting(kind, value, unit, everywhere, features_only, dictionaries or {}, label)
        return recipe_of(members, engine, told)

    def __repr__(self) -> str:
        counts = [
            (kind, sum(n.kind == kind for n in self.nodes)) for kind in ("feature", "error", "token", "logit", "other")
        ]
        said = ", ".join(f"{n} {kind}{'' if n == 1 or kind == 'other' else 's'}" for kind, n in counts if n)
        return f"AttributionGraph({self.file.slug!r}: {said or 'no nodes'}, {len(self.links)} links)"
