"""Documents by their numbers, and sent to another process: the same as read from the beginning in this one."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
from datasets.arrow_dataset import Dataset
from datasets.load import load_from_disk

import saewidgets as sw
from saewidgets.index.corpus.documents import Document, documents
from saewidgets.index.corpus.files import CorpusFiles
from saewidgets.index.corpus.passage import row_of
from saewidgets.index.corpus.ranges import numbered_rows
from saewidgets.index.corpus.spool import read_documents, write_documents
from saewidgets.index.errors import CorpusError, IndexCorruptError
from saewidgets.index.scan.shards import table_of

N = 41
ROWS: dict[str, list[Any]] = {
    "text": [tiny.TEXTS[i % 2][i:] if i % 7 else None for i in range(N)],
    "id": [f"doc-{i}" for i in range(N)],
    "n": [i if i % 5 else None for i in range(N)],
    "when": [datetime(2026, 1, 1 + i % 28) for i in range(N)],
}


@pytest.fixture(scope="module")
def engine() -> Iterable[sw.Engine]:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as made:
        yield made


def parquet(folder: Path) -> CorpusFiles:
    """Three files, with row groups of several sizes, an empty one among them, and a text between them."""
    table, paths = pa.table(ROWS), []
    for i, (start, stop, group) in enumerate([(0, 13, 5), (13, 13, 5), (13, N, 4)]):
        paths.append(folder / f"{i}.parquet")
        pq.write_table(table.slice(start, stop - start), paths[-1], row_group_size=group)
    (folder / "between.txt").write_text("In the beginning")
    return CorpusFiles([*paths[:2], folder / "between.txt", paths[2]])


def saved(folder: Path) -> Dataset:
    """A dataset on disk, in three files."""
    Dataset.from_dict(ROWS).save_to_disk(str(folder / "saved"), num_shards=3)
    return load_from_disk(str(folder / "saved"))


@pytest.mark.parametrize("made", [parquet, saved])
def test_any_range_is_what_one_pass_gives(made: Callable[[Path], Any], tmp_path: Path, engine: sw.Engine) -> None:
    corpus = made(tmp_path)
    every = list(documents(corpus, engine, None, None))
    rows = numbered_rows(corpus)
    assert rows is not None and len(rows) == len(every) >= N
    dice = random.Random(0)
    for _ in range(25):
        a, b = sorted(dice.choices(range(len(every) + 4), k=2))
        assert list(documents(rows.rows(a, b), engine, None, None, a)) == every[a:b], (a, b)


def test_what_is_no_longer_as_its_files_say_is_one_stream(tmp_path: Path) -> None:
    dataset = saved(tmp_path)
    changed = {
        "filtered": dataset.filter(lambda row: row["n"] is not None),
        "shuffled": dataset.shuffle(seed=0),
        "sliced": dataset.select(range(5, 20)),
        "renamed": dataset.rename_column("text", "texts"),
        "turned": dataset.select(range(N - 1, -1, -1)),
        "formatted": dataset.with_format("numpy"),
        "without a column": dataset.remove_columns("n"),
        "in memory": Dataset.from_dict(ROWS),
        "in lines": CorpusFiles([_lines(tmp_path)]),
        "a list": list(dataset),
        "a table": pd.DataFrame(ROWS),
    }
    for name, corpus in changed.items():
        rows = numbered_rows(corpus)
        # A filter writes a new file; then that is what is read.
        assert rows is None or list(rows.rows(0, N)) == list(corpus), name
    assert (
        numbered_rows(changed["shuffled"])
        is numbered_rows(changed["sliced"])
        is numbered_rows(changed["a list"])
        is None
    )


def _lines(folder: Path) -> Path:
    path = folder / "lines.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in ROWS["text"]))
    return path


def test_rows_that_hold_several_documents_have_no_numbers(tmp_path: Path) -> None:
    pq.write_table(pa.table({"input_ids": [[[1, 2], [3]], [[4, 5]]]}), tmp_path / "batches.parquet")
    pq.write_table(pa.table({"input_ids": [[1, 2], [3]]}), tmp_path / "rows.parquet")
    assert numbered_rows(CorpusFiles([tmp_path / "batches.parquet"])) is None
    rows = numbered_rows(CorpusFiles([tmp_path / "rows.parquet"]))
    assert rows is not None and list(rows.rows(1, 2)) == [{"input_ids": [3]}]


def test_a_file_that_is_gone_or_another_one(tmp_path: Path) -> None:
    corpus = parquet(tmp_path)
    rows = numbered_rows(corpus)
    assert rows is not None
    pq.write_table(pa.table(ROWS), tmp_path / "0.parquet")
    with pytest.raises(CorpusError, match=r"0.parquet has 41 rows here, and had 13"):
        list(rows.rows(0, 3))
    (tmp_path / "0.parquet").unlink()
    with pytest.raises(CorpusError, match="There is no file .*0.parquet"):
        list(rows.rows(0, 3))


class Own:
    """Of no type that is known here."""

    def __str__(self) -> str:
        return "it"


BESIDE = [
    {"plain": 1, "lone": "\ud800 <b>", "float": 2.5, "whole": 3.0, "none": None, "bool": True, "large": 2**70},
    {"when": datetime(2026, 1, 2, 3, 4, 5, 6, timezone.utc), "day": date(2026, 1, 2), "long": timedelta(1, 2, 3)},
    {"list": [1, "a", [None, float("inf")]], "dict": {"a": {"b": (1, 2)}, 3: "three"}, "bytes": b"\0\xff"},
    {"array": np.array([[1, 2], [3, 4]], np.float32), "set": {"b", "a"}, "money": Decimal("1.10"), "own": Own()},
]


def test_documents_are_sent_as_they_are(tmp_path: Path) -> None:
    some = [Document(7 + i, [i, 319, 0], f"n\u202e{i}", beside, i % 2 == 0) for i, beside in enumerate(BESIDE)]
    some.append(Document(11, [], "empty"))
    assert write_documents(tmp_path / "sent", iter(some)) == 5
    back = list(read_documents(tmp_path / "sent"))
    assert [(d.number, d.ids, d.name, d.named) for d in back] == [(d.number, d.ids, d.name, d.named) for d in some]
    for sent, found in zip(some, back, strict=True):
        known = {key: value for key, value in found.columns.items() if key not in ("own", "array")}
        assert known == {key: value for key, value in sent.columns.items() if key not in ("own", "array")}
        # What is stored of them, and by what they are told apart, is the same. (A set has no order to be stored in.)
        stored = [table_of([replace(d, columns={**d.columns, "set": None})]) for d in (sent, found)]
        assert stored[0].equals(stored[1]) and row_of(found, 0) == row_of(sent, 0)
    path = tmp_path / "sent" / "documents.json"
    path.write_bytes(path.read_bytes().replace(b"empty", b"other"))
    with pytest.raises(IndexCorruptError):
        list(read_documents(tmp_path / "sent"))
