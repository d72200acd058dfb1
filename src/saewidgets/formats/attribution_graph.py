"""Files of attribution graphs: JSON as circuit-tracer and Neuronpedia write it, and as transformer-circuits.pub does.

A file has `metadata` (whose prompt, which model), `qParams` (what somebody pinned and grouped), `nodes` and `links`; links name
nodes by their ids alone. circuit-tracer gave an error node of layer l at position p the id "0_l_p", which a feature of layer 0
has too; later it has "l_-1_p". So nodes are known by type and id, and a link whose id fits two of them is asked about.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from .errors import FormatError
from .fields import cleaned
from .graph_ids import Named, numbering_of
from .graph_records import GraphFile, GraphNode, Ids
from .graph_rows import chosen_in, node_of, parameters_of, row_of
from .records import Json

__all__ = ["LIMIT", "as_json", "graph_of", "read_graph", "write_graph"]

LIMIT = 100_000_000
"""Bytes; Neuronpedia takes no larger ones either."""
SCHEMAS = (0, 1)

_IS = "an attribution graph, as circuit-tracer's create_graph_files or Neuronpedia's download give it"

Missing: TypeAlias = Literal["refuse", "drop"]


def read_graph(
    path: str | Path, *, limit: int | None = LIMIT, missing: Missing = "refuse", meant: Mapping[str, str] | None = None
) -> GraphFile:
    """Read the graph at `path`, a .json or .json.gz.

    Args:
        path: the file.
        limit: bytes that it may have, unpacked; None: any number.
        missing: what to do with links to nodes that are not there: "refuse" the file, or "drop" these links.
        meant: of an id that two nodes have, the type of the node that its links mean.

    Raises:
        FileNotFoundError: if there is none.
        FormatError: for a file that is larger, cut off, no graph, of another schema, or of which it is not clear what its
            links mean; the message says what to do.

    Example:
        >>> file = read_graph("capital-state-dallas.json")
        >>> len(file.nodes), file.slug
        (94, 'capital-state-dallas')
    """
    path = Path(path)
    try:
        content = json.loads(_text_of(path, limit))
    except json.JSONDecodeError as error:
        raise FormatError(
            f"{path} is no JSON from line {error.lineno}, column {error.colno} on ({error.msg}): it was cut off, or is another "
            "kind of file. Fetch or write it again."
        ) from None
    except RecursionError:
        raise FormatError(f"{path} is nested too deeply: this is no graph. Give {_IS}.") from None
    except ValueError as error:
        raise FormatError(f"{path} is no JSON that can be read ({error}). Fetch or write it again.") from None
    try:
        return graph_of(content, missing=missing, meant=meant)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def graph_of(content: object, *, missing: Missing = "refuse", meant: Mapping[str, str] | None = None) -> GraphFile:
    """The graph in the parsed JSON of a file; see `read_graph`. What is given is kept, and must not be changed afterwards.

    Raises:
        FormatError: as `read_graph`.
    """
    if not isinstance(content, Mapping):
        raise FormatError(f"This is {type(content).__name__}, not an object with nodes and links. Give {_IS}.")
    rows, links = content.get("nodes"), content.get("links")
    if not isinstance(rows, list) or not isinstance(links, list):
        lacks = " and ".join(repr(k) for k, v in (("nodes", rows), ("links", links)) if not isinstance(v, list))
        raise FormatError(f"This is no graph: it has no list of {lacks}. Give {_IS}.")
    schema = _schema(content.get("metadata"))
    nodes = [_node(row, number) for number, row in enumerate(rows)]
    _refuse_twins(nodes)
    named = (Named(n.node_id, n.js_id, n.layer_number, n.feature) for n in nodes if n.kind == "feature")
    numbering = numbering_of(schema, named)
    given = content.get("qParams")
    chosen = chosen_in(given if isinstance(given, Mapping) else {})
    ends, weights, extra = _links(links, nodes, missing, meant or {})
    file = GraphFile(
        tuple(nodes),
        ends[:, 0].copy(),
        ends[:, 1].copy(),
        weights,
        *chosen,
        numbering=numbering,
        ids=_ids_of(nodes, chosen.pins, numbering == "opaque"),
        raw={key: value for key, value in content.items() if key not in ("nodes", "links")},
        link_extra=extra,
    )
    indexed = tuple(replace(n, index=file.indexed(n)) if n.kind == "feature" else n for n in nodes)
    return replace(file, nodes=indexed)


def as_json(file: GraphFile) -> dict[str, Json]:
    """The JSON of a graph: of one that was read and not changed, what was read."""
    made: dict[str, Any] = dict(file.raw)
    parameters = parameters_of(file)
    if parameters or "qParams" in made:
        made["qParams"] = parameters
    ids = [node.node_id for node in file.nodes]
    ends = zip(file.sources.tolist(), file.targets.tolist(), file.weights.tolist(), strict=True)
    made["nodes"] = [row_of(node) for node in file.nodes]
    made["links"] = [
        {"source": ids[source], "target": ids[target], "weight": weight, **file.link_extra.get(row, {})}
        for row, (source, target, weight) in enumerate(ends)
    ]
    return made


def write_graph(file: GraphFile, path: str | Path) -> Path:
    """Write a graph to `path` (packed, if it ends in .gz), all of it or nothing. The same graph gives the same bytes.

    Example:
        >>> write_graph(read_graph("mine.json"), "copy.json")
    """
    path = Path(path)
    made = as_json(file)
    try:
        text = json.dumps(made, allow_nan=False, separators=(",", ":"))
    except ValueError:
        # NaN of a tool that writes it, and 1e999, which is JSON: neither is a number that could be shown.
        text = json.dumps(cleaned(made), allow_nan=False, separators=(",", ":"))
    content = text.encode("ascii")  # lone surrogates go through as escapes
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        half.write_bytes(gzip.compress(content, mtime=0) if path.suffix.lower() == ".gz" else content)
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
    return path


def _text_of(path: Path, limit: int | None) -> str:
    packed = path.suffix.lower() == ".gz"
    most = -1 if limit is None else limit + 1
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            content = file.read(most)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file at {path}.") from None
    except (EOFError, OSError, zlib.error) as error:
        raise FormatError(f"{path} cannot be read ({error}). Fetch or write it again.") from None
    if limit is not None and len(content) > limit:
        raise FormatError(
            f"{path} has more than {limit:,} bytes, too much for a front-end to draw. Prune it where it was made "
            f"(node_threshold=, edge_threshold=), or read it all the same: limit={max(2 * limit, 1):_} or limit=None."
        )
    if not content.strip():
        raise FormatError(f"{path} is empty. Fetch or write it again.")
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        # Tokens of bytes that are no text: each byte stays what it is, as a lone surrogate.
        return content.decode("utf-8", "surrogateescape")


def _schema(metadata: object) -> int | None:
    given = metadata.get("schema_version") if isinstance(metadata, Mapping) else None
    if isinstance(given, str) and given.isdecimal() and len(given) < 9:
        given = int(given)
    if given is None or (given in SCHEMAS and not isinstance(given, bool)):
        return given
    raise FormatError(
        f"This graph is of schema {given!r}; this version reads schemas {', '.join(map(str, SCHEMAS))} and files without one. "
        "Write it again with circuit-tracer in schema 1, or install a newer saewidgets."
    )


def _node(row: object, number: int) -> GraphNode:
    if not isinstance(row, Mapping):
        raise FormatError(f"nodes[{number}] is {type(row).__name__}, not an object. Give {_IS}.")
    try:
        return node_of(row)
    except FormatError as error:
        raise FormatError(
            f"nodes[{number}] ({row.get('node_id')!r}): {error}. Mend it in the file, or write the file again."
        ) from None


def _refuse_twins(nodes: Sequence[GraphNode]) -> None:
    seen: dict[tuple[str, str], int] = {}
    for number, node in enumerate(nodes):
        first = seen.setdefault(node.key, number)
        if first != number:
            raise FormatError(
                f"nodes[{first}] and nodes[{number}] are both {node.feature_type!r} with the id {node.node_id!r}, so nothing "
                "says which of them a link means. Give one of them, and its links, another node_id."
            )


def _links(
    rows: Sequence[object], nodes: Sequence[GraphNode], missing: Missing, meant: Mapping[str, str]
) -> tuple[Any, Any, dict[int, dict[str, Json]]]:
    """Sources and targets [links, 2], weights [links], and what else stands at a link."""
    as_source, unclear_sources = _meanings(nodes, meant, source=True)
    as_target, unclear_targets = _meanings(nodes, meant, source=False)
    ends: list[tuple[int, int]] = []
    weights: list[float] = []
    extra: dict[int, dict[str, Json]] = {}
    absent: dict[str, None] = {}
    lost = 0
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise FormatError(f"links[{number}] is {type(row).__name__}, not an object. Give {_IS}.")
        source, target = row.get("source"), row.get("target")
        if not isinstance(source, str) or not isinstance(target, str):
            raise FormatError(f"links[{number}] does not name its source and its target by their ids. Give {_IS}.")
        for name, unclear in ((source, unclear_sources), (target, unclear_targets)):
            if name in unclear:
                raise FormatError(_unclear(name, unclear[name]))
        if source not in as_source or target not in as_target:
            absent.update(dict.fromkeys(n for n, at in ((source, as_source), (target, as_target)) if n not in at))
            lost += 1
            continue
        if len(row) > 3:
            extra[len(ends)] = {k: v for k, v in row.items() if k not in ("source", "target", "weight")}
        weights.append(_weight(row.get("weight"), number, source, target))
        ends.append((as_source[source], as_target[target]))
    if lost and missing != "drop":
        first = ", ".join(map(repr, list(absent)[:5]))
        raise FormatError(
            f"{lost} of {len(rows)} links name nodes that are not in the file: {first}{', ...' if len(absent) > 5 else ''}. It was "
            'cut by hand, or not to its end. Write it again, or leave these links out: missing="drop".'
        )
    return np.array(ends, np.int64).reshape(-1, 2), np.array(weights, np.float64), extra


def _meanings(
    nodes: Sequence[GraphNode], meant: Mapping[str, str], *, source: bool
) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Id to node, of those that can be a link's source (or its target), and ids that two of these have, with their types."""
    found: dict[str, list[int]] = {}
    for number, node in enumerate(nodes):
        found.setdefault(node.node_id, []).append(number)
    clear, unclear = {}, {}
    for name, numbers in found.items():
        if len(numbers) > 1:
            ends = ("logit",) if source else ("error", "token")  # that nothing comes from, or leads to
            numbers = [n for n in numbers if nodes[n].kind not in ends] or numbers
            chosen = [n for n in numbers if nodes[n].feature_type == meant.get(name)]
            numbers = chosen or numbers
        if len(numbers) == 1:
            clear[name] = numbers[0]
        else:
            unclear[name] = [nodes[n].feature_type for n in numbers]
    return clear, unclear


def _unclear(name: str, types: Sequence[str]) -> str:
    return (
        f"Two nodes have the id {name!r} ({' and '.join(map(repr, types))}), and links name it: which of them is meant, the file "
        f"does not say. Write it again with a newer circuit-tracer, which gives them two ids, or say it: meant={{{name!r}: "
        f"{types[0]!r}}}."
    )


def _weight(given: object, number: int, source: str, target: str) -> float:
    try:
        if isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given):
            return float(given)
    except OverflowError:
        pass
    raise FormatError(
        f"links[{number}] ({source!r} to {target!r}) has no finite weight{'' if given is None else f', but {given!r}'}: NaN comes "
        "of a model in too narrow a dtype. Make the graph again in float32 or bfloat16, or take the link out of the file."
    )


def _ids_of(nodes: Sequence[GraphNode], pins: Sequence[str], opaque: bool) -> Ids:
    """By which ids nodes are pinned: by those that pins are, and where there are none, by its makers' custom."""
    by_node, by_js = ({getattr(n, name) for n in nodes} for name in ("node_id", "js_id"))
    node, js = (sum(pin in known for pin in pins) for known in (by_node, by_js))
    return "jsNodeId" if js > node or (js == node and opaque) else "node_id"
