"""Neuronpedia's files: a feature's JSON, and the bulk layout of its exports.

A bulk folder is `<model>/<source>/` with `features/batch-N.jsonl.gz`, `activations/batch-N.jsonl.gz` and
`explanations*/batch-N.jsonl.gz`, one row a feature, an example, an explanation; rows are joined on model, layer and index,
wherever they stand. Beside them `release`, `model`, `sourceset` and `source` say whose they are, in a `.jsonl` each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from .errors import FormatError, Skipped
from .fields import FIELDS, WINDOW_FIELDS, feature_of, index_of, window_of, windows_in, written
from .lines import content_of, files_in, is_lines, rows, write_lines
from .records import FeatureRecord, Json, Source, Window

__all__ = ["FEATURES_A_FILE", "Activation", "read", "source_in", "write"]

FEATURES_A_FILE = 1024
FACTS = ("release", "model", "sourceset", "source")

_OF = frozenset({"modelId", "layer", "index"})
_FEATURE = _OF | {"activations", "explanations", "sourceSetName", "hasVector"}
# What follows from the values is not kept, but written anew.
_WINDOW = _OF | {"maxValue", "maxValueTokenIndex", "minValue"}


@dataclass(frozen=True)
class Activation:
    """A row of `activations/`: an example of the feature `index` of the SAE `of`."""

    of: str
    index: int
    window: Window


def read(path: Path, *, examples: bool = True) -> Iterator[FeatureRecord | Activation | Skipped]:
    """Every feature and example in the files at `path`, and what could not be read of them.

    Args:
        path: a bulk folder, one above it, or one file: of lines, a feature's JSON, or a list of those. Features that carry
            their examples come with them.
        examples: whether to read the files of examples of a bulk folder, which are nearly all of it.

    Raises:
        FileNotFoundError, FormatError: if there is no file of JSON.
    """
    for file in _files(path):
        if not examples and file != path and file.parent.name == "activations":
            continue
        if is_lines(file):
            for line, row in rows(file):
                yield from [row] if isinstance(row, Skipped) else _row(row, file.name, line)
            continue
        content = content_of(file)
        if isinstance(content, Skipped):
            yield content
            continue
        for number, one in enumerate(content if isinstance(content, list) else [content], 1):
            if isinstance(one, Mapping):
                yield from _row(one, file.name, number)
            else:
                yield Skipped(file.name, number, f"it is {type(one).__name__}, not an object")


def _files(path: Path) -> list[Path]:
    """Those with features first, then those with examples; the others say nothing of either."""
    found = files_in(path)
    if path.is_file():
        return found
    kinds = {kind: [file for file in found if file.parent.name == kind] for kind in ("features", "activations")}
    loose = [f for f in found if f.parent == path and f.name.split(".")[0] not in FACTS]
    chosen = [*kinds["features"], *kinds["activations"]] or loose
    if not chosen:
        raise FormatError(
            f"{path} is no export of Neuronpedia: it has no features/batch-N.jsonl.gz, and no feature's JSON. A folder with "
            "batch-N.json files is one of SAEDashboard: FeatureIndex.from_saedashboard."
        )
    return chosen


def _row(row: Mapping[str, Any], name: str, line: int) -> Iterator[FeatureRecord | Activation | Skipped]:
    try:
        of = _of(row)
        if "tokens" in row or "values" in row:
            yield Activation(of, index_of(row.get("index")), window_of(row, "neuronpedia", _WINDOW))
            return
        if "description" in row:  # an explanation among features
            return
        record = feature_of(row, "neuronpedia", _FEATURE, of)
    except FormatError as error:
        yield Skipped(name, line, str(error))
        return
    windows: list[Window] = []
    for one in windows_in(row, "neuronpedia", _WINDOW):
        if isinstance(one, Window):
            windows.append(one)
        else:
            yield Skipped(name, line, f"feature {record.index}: {one}")
    yield replace(record, windows=tuple(windows))


def _of(row: Mapping[str, Any]) -> str:
    model, layer = row.get("modelId"), row.get("layer")
    if model is None and layer is None:
        return ""
    if not isinstance(model, str) or not isinstance(layer, str):
        raise FormatError(f"its modelId is {model!r} and its layer {layer!r}, not two texts")
    return f"{model}/{layer}"


def source_in(path: Path, of: str) -> Source:
    """What the export at `path` says of the SAE `of`; what it does not say, or says in a damaged file, is None."""
    model, _, name = of.partition("/")
    found: dict[str, list[Mapping[str, Json]]] = {}
    for file in files_in(path):
        kind = file.name.split(".")[0]
        if kind in FACTS and is_lines(file):
            found.setdefault(kind, []).extend(row for _, row in rows(file) if not isinstance(row, Skipped))
    mine: Mapping[str, Any] = next(
        (row for row in found.get("source", ()) if row.get("id") == name and row.get("modelId") in (model, None)), {}
    )
    kept = {**found, "source": [mine]} if mine else {kind: rows for kind, rows in found.items() if kind != "source"}
    prompts, length = mine.get("num_prompts"), mine.get("num_tokens_in_prompt")
    dataset, notes = (one if isinstance(one, str) else None for one in (mine.get("dataset"), mine.get("notes")))
    return Source(
        model,
        name,
        prompts=_count(prompts),
        tokens_per_prompt=_count(length),
        dataset=dataset,
        notes=notes,
        rows=kept,
    )


def _count(given: object) -> int | None:
    return given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else None


def write(
    folder: Path,
    source: Source,
    records: Iterable[FeatureRecord],
    explanations: Sequence[Mapping[str, Json]] = (),
    batch: int = FEATURES_A_FILE,
) -> Path:
    """Write the bulk layout below `folder`; the folder of the source.

    Args:
        records: by index, each with its examples.
        explanations: rows with "index" and "description".
    """
    home = folder / _folder(source.model) / _folder(source.source)
    of: dict[str, Json] = {"modelId": source.model, "layer": source.source}
    last = -1
    for kind in FACTS:
        write_lines(home / f"{kind}.jsonl", source.rows.get(kind) or _facts(kind, source))
    todo = iter(records)
    while some := list(islice(todo, batch)):
        last += 1
        write_lines(home / "features" / f"batch-{last}.jsonl.gz", (_feature(one, of) for one in some))
        examples = ({**of, "index": str(one.index), **_example(w)} for one in some for w in one.windows)
        if any(one.windows for one in some):
            write_lines(home / "activations" / f"batch-{last}.jsonl.gz", examples)
    said = iter(explanations)
    number = 0
    while part := list(islice(said, batch)):
        write_lines(home / "explanations" / f"batch-{number}.jsonl.gz", ({**of, **row} for row in part))
        number += 1
    return home


def _folder(name: str) -> str:
    """A name as a folder's: a model can be called "org/model", and a file can say anything ("../..")."""
    return re.sub(r"[^\w.+-]+", "_", name, flags=re.ASCII).lstrip(".") or "_"


def _facts(kind: str, source: Source) -> list[Mapping[str, Json]]:
    """What can be said of a source without its own rows."""
    layer_set = source.source.partition("-")[2] or source.source
    if kind == "model":
        return [{"id": source.model}]
    if kind == "sourceset":
        return [{"modelId": source.model, "name": layer_set}]
    if kind == "release":
        return []
    row: dict[str, Json] = {"id": source.source, "modelId": source.model, "setName": layer_set, "hasDashboards": True}
    told: dict[str, Json] = {
        "num_prompts": source.prompts,
        "num_tokens_in_prompt": source.tokens_per_prompt,
        "dataset": source.dataset,
        "notes": source.notes,
    }
    return [{**row, **{key: value for key, value in told.items() if value is not None}}]


def _feature(record: FeatureRecord, of: Mapping[str, Json]) -> dict[str, Json]:
    layer_set = str(of["layer"]).partition("-")[2] or str(of["layer"])
    row: dict[str, Json] = {
        **of,
        "index": str(record.index),
        "sourceSetName": layer_set,
        "hasVector": bool(record.vector),
        **written(record, FIELDS, "neuronpedia"),
    }
    if record.maximum is not None:
        row.setdefault("vectorDefaultSteerStrength", record.maximum)
    return {**row, **dict(record.extra)}


def _example(window: Window) -> dict[str, Json]:
    values = [0.0 if value is None else value for value in window.values]
    most = max(range(len(values)), key=values.__getitem__)
    told: dict[str, Json] = {
        "tokens": list(window.tokens),
        "values": [*values],
        "maxValue": values[most],
        "maxValueTokenIndex": most,
        "minValue": min(values),
    }
    return {**told, **written(window, WINDOW_FIELDS, "neuronpedia"), **dict(window.extra)}
