"""SAEDashboard's `batch-N.json`: some features a file, each with all of its examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from .errors import FormatError, Skipped
from .fields import FIELDS, WINDOW_FIELDS, feature_of, windows_in, written
from .lines import content_of, files_in, write_json
from .records import FeatureRecord, Json, Source, Window

__all__ = ["FEATURES_A_FILE", "is_saedashboard", "read", "write"]

FEATURES_A_FILE = 128
_FEATURE = frozenset({"feature_index", "activations"})


def is_saedashboard(content: object) -> bool:
    """Whether a file's content is such a batch."""
    return isinstance(content, Mapping) and isinstance(content.get("features"), list) and "sae_set" in content


def read(path: Path) -> Iterator[Source | FeatureRecord | Skipped]:
    """Every file at `path`: whose it is, then its features with their examples, and what could not be read of it.

    Other files of SAEDashboard in the folder (`skipped_indexes.json`, `run_settings.json`) are passed over.

    Raises:
        FileNotFoundError, FormatError: if there is no file of JSON.
    """
    for file in files_in(path):
        content = content_of(file)
        if isinstance(content, Skipped):
            yield content
            continue
        if not is_saedashboard(content):
            if file == path or file.name.startswith("batch-"):
                yield Skipped(file.name, 1, "it is no batch of SAEDashboard: no 'features' of a 'sae_set'")
            continue
        assert isinstance(content, Mapping)
        yield from _batch(content, file.name)


def _batch(content: Mapping[str, Any], name: str) -> Iterator[Source | FeatureRecord | Skipped]:
    suffix = content.get("sae_id_suffix")
    source = f"{content.get('layer')}-{content.get('sae_set')}" + (f"__{suffix}" if suffix else "")
    notes = content.get("notes")
    whose = Source(str(content.get("model_id") or ""), source, notes=notes if isinstance(notes, str) else None)
    yield whose
    for number, row in enumerate(content["features"], 1):
        if not isinstance(row, Mapping):
            yield Skipped(name, 1, f"entry {number} of 'features' is {type(row).__name__}, not an object")
            continue
        try:
            record = feature_of(row, "saedashboard", _FEATURE, whose.of)
        except FormatError as error:
            yield Skipped(name, 1, f"entry {number} of 'features': {error}")
            continue
        windows: list[Window] = []
        for one in windows_in(row, "saedashboard", frozenset()):
            if isinstance(one, Window):
                windows.append(one)
            else:
                yield Skipped(name, 1, f"feature {record.index}: {one}")
        yield replace(record, windows=tuple(windows))


def write(folder: Path, source: Source, records: Iterable[FeatureRecord], batch: int = FEATURES_A_FILE) -> list[Path]:
    """Write `batch-0.json`, `batch-1.json` ... into `folder`; the files."""
    layer, _, rest = source.source.partition("-")
    sae_set, _, suffix = rest.partition("__")
    head: dict[str, Json] = {
        "model_id": source.model,
        "layer": int(layer) if layer.isascii() and layer.isdigit() else layer,
        "sae_set": sae_set,
    }
    if suffix:
        head["sae_id_suffix"] = suffix
    if source.notes:
        head["notes"] = source.notes
    found: list[Path] = []
    todo = iter(records)
    while some := list(islice(todo, batch)):
        found.append(folder / f"batch-{len(found)}.json")
        write_json(found[-1], {**head, "features": [_row(record, source) for record in some]})
    return found


def _row(record: FeatureRecord, source: Source) -> Json:
    facts: dict[str, Json] = {
        "n_prompts_total": source.prompts,
        "n_tokens_in_prompt": source.tokens_per_prompt,
        "dataset": source.dataset,
    }
    known = {name: value for name, value in facts.items() if value is not None}
    row: dict[str, Json] = {"feature_index": record.index, **known, **written(record, FIELDS, "saedashboard")}
    if not record.vector:
        row.pop("vector", None)
    return {**row, **dict(record.extra), "activations": _windows(record.windows)}


def _windows(windows: Sequence[Window]) -> Json:
    found: list[Json] = []
    for window in windows:
        row = written(window, WINDOW_FIELDS, "saedashboard")
        if not window.dfa_values:
            row.pop("dfa_values", None)
        values: list[Json] = [0.0 if value is None else value for value in window.values]
        found.append({**row, "tokens": list(window.tokens), "values": values, **dict(window.extra)})
    return found
