"""Reads explanations of any kind that people have: tables, JSON, Neuronpedia's bulk files and its features' JSON.

Reading goes on after a bad line: what is wrong is kept with its file and line, and the good ones are given.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

from .explanation import Explanation, ExplanationError, Skipped, explanation_of

__all__ = ["Read", "files_of", "is_file_of_explanations", "read_explanations"]

Read: TypeAlias = Explanation | Skipped
_TABLES = {".csv": ",", ".tsv": "\t"}
_KINDS = (".jsonl", ".ndjson", ".json", *_TABLES)
# A field of a table may be long: an explanation of 100 kB is one.
_LONGEST_FIELD = 2**24


def read_explanations(source: object) -> Iterator[Read]:
    """The explanations in `source`, and what could not be read of it.

    Args:
        source: a table with columns such as "feature" and "description"; a mapping of feature to text; rows as mappings; a
            file (.jsonl, .json, .csv, .tsv, also with .gz); a folder of Neuronpedia's bulk files, or one that holds such
            folders (`explanations/`, `explanations-gpt-4o-mini/` ...).

    Raises:
        ExplanationError: if it is nothing of that kind. FileNotFoundError: if there is no such file.
    """
    if isinstance(source, (str, os.PathLike)):
        for path in files_of(Path(source)):
            yield from _file(path)
    elif isinstance(source, Mapping):
        yield from _rows(_of_mapping(source), "")
    elif hasattr(source, "to_pandas") or hasattr(source, "iloc"):
        yield from _rows(_of_table(source), "")
    elif isinstance(source, Sequence) and not isinstance(source, bytes):
        yield from _rows(((i, row) for i, row in enumerate(source, 1)), "")
    else:
        raise ExplanationError(
            f"Explanations cannot be read from {type(source).__name__}: pass a file, a folder, a table with the columns "
            "'feature' and 'description', or a dict of feature to text."
        )


def files_of(path: Path) -> list[Path]:
    """The files with explanations at `path`, batch 2 before batch 10.

    Raises:
        FileNotFoundError: if there is nothing. ExplanationError: if there are no files of explanations in the folder.
    """
    if path.is_file():
        if _kind(path) is None:
            raise ExplanationError(f"{path.name} is none of {', '.join(_KINDS)} (each also with .gz).")
        return [path]
    if not path.exists():
        raise FileNotFoundError(f"There is nothing at {path}.")
    inside = [file for file in path.rglob("*") if file.is_file() and _kind(file) is not None]
    # An export has files of features and activations as well, beside folders of explanations.
    found = [f for f in inside if any(part.startswith("explanations") for part in f.relative_to(path).parts[:-1])]
    found = found or [file for file in inside if file.parent == path]
    if not found:
        raise ExplanationError(f"{path} holds no explanations: no folder explanations*/, and no {', '.join(_KINDS)}.")
    return sorted(found, key=lambda file: (str(file.parent), _number(file), file.name))


def _number(file: Path) -> int:
    digits = file.name.split(".")[0].rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else -1


def is_file_of_explanations(name: str) -> bool:
    """Whether a file is of a kind that can be read, by its name."""
    return _kind(Path(name)) is not None


def _kind(path: Path) -> str | None:
    name = path.name.lower().removesuffix(".gz")
    return next((kind for kind in _KINDS if name.endswith(kind)), None)


def _file(path: Path) -> Iterator[Read]:
    kind = _kind(path)
    line = 0
    try:
        with _opened(path) as file:
            if kind == ".json":
                yield from _rows(_of_json(json.load(file)), path.name)
            elif kind in _TABLES:
                csv.field_size_limit(_LONGEST_FIELD)
                reader = csv.DictReader(TextIOWrapper(file, "utf-8-sig", newline=""), delimiter=_TABLES[kind])
                yield from _rows(((reader.line_num, row) for row in reader), path.name)
            else:
                for line, content in enumerate(file, 1):
                    yield from _line(content, path.name, line)
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        # What was read before the damage was given already.
        yield Skipped(path.name, line + 1, f"the file is damaged or cut off from here ({error})")
    else:
        if line == 0 and kind not in (".json", *_TABLES):
            yield Skipped(path.name, 1, "the file is empty")


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")


def _line(content: bytes, file: str, line: int) -> Iterator[Read]:
    if not content.strip():
        return
    try:
        row = json.loads(content.decode())
    except ValueError:
        yield Skipped(file, line, "it is no JSON (cut off?)")
        return
    yield from _rows([(line, row)], file)


def _rows(rows: Any, file: str) -> Iterator[Read]:
    for line, row in rows:
        if not isinstance(row, Mapping):
            yield Skipped(file, line, f"it is {type(row).__name__}, not an object with a feature and a description")
            continue
        # A feature of Neuronpedia carries its explanations.
        inner = row.get("explanations")
        for one in inner if isinstance(inner, list) else [row]:
            whole = {**{k: row[k] for k in ("modelId", "layer", "index") if k in row}, **one} if one is not row else row
            try:
                yield explanation_of(whole)
            except ExplanationError as error:
                yield Skipped(file, line, str(error))


def _of_mapping(source: Mapping[Any, Any]) -> Iterator[tuple[int, object]]:
    for line, (feature, text) in enumerate(source.items(), 1):
        for one in text if isinstance(text, (list, tuple)) else [text]:
            yield line, {"feature": feature, **one} if isinstance(one, Mapping) else {"feature": feature, "text": one}


def _of_table(source: Any) -> Iterator[tuple[int, object]]:
    table = source if hasattr(source, "iloc") else source.to_pandas()
    if not hasattr(table, "columns"):
        table = table.rename("description").to_frame()
    if not {"feature", "index", "feature_index", "feature_id"} & set(table.columns):
        table = table.rename_axis("feature").reset_index()
    yield from enumerate(table.to_dict("records"), 1)


def _of_json(content: object) -> Iterator[tuple[int, object]]:
    """Of a list of rows, one feature of Neuronpedia, or an object of feature to text."""
    if isinstance(content, list):
        yield from enumerate(content, 1)
    elif isinstance(content, Mapping) and {"index", "explanations"} & set(content):
        yield 1, content
    elif isinstance(content, Mapping) and all(str(key).isdigit() for key in content):
        yield from _of_mapping(content)
    else:
        yield 1, content
